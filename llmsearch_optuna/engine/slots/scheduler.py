r"""Assign slots to the prefixes that the model has to compute, and run the decode steps.

How it works: the engine requests nodes of the prefix tree. Each slot works on one node at a time. If a slot already
holds a prefix of a requested node, it continues from there. Otherwise the prefix is copied into a free slot: from
another slot that holds it, or from the cached prompt and the pages of the tokens after it. Tokens whose page was
evicted are rebuilt: they go through the model again, one per step, because a pass over several tokens at once would
round differently. Different slots rebuild at the same time.

A step has a width and a length that give bit-identical logits (`ExactShapes`). Where it may be narrower than the number
of slots, the last active slots are moved into the holes that finished slots leave.

The steps themselves are behind an interface (`Steps`), because a device may run ahead of the host. A slot then
continues with the token that the device drew for one of the completions that wait at its node (the lead), before the
host knows this token. Each slot's part of a step is a flight::

    pending node --_take_pending--> flight to a node ----step (collected)----> its result
                                          |
                                   _continue_slots
                                          v
                                flight to an unknown node --_settle--> flight to the node of the lead's token
                                                                \----> dropped: the lead has ended, goes on from
                                                                       elsewhere, or its token is undecided

A step is launched, the one before it is collected, the engine processes its result, and `assign` settles the flights of
the launched one.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.model import embedding_weight
from llmsearch_optuna.engine.running_completion import UNDECIDED, RunningCompletion
from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.device_steps import DeviceSteps
from llmsearch_optuna.engine.slots.memory_plan import bytes_per_position, bytes_per_step, plan_memory
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.engine.slots.prefix_tree import NO_PLACES, Node, Places, PrefixTree
from llmsearch_optuna.engine.slots.shapes import MIN_WIDTH, ExactShapes, next_length
from llmsearch_optuna.engine.slots.steps import DRAWN, HostSteps, StepResult, StepRow, Steps

__all__ = ["ComputedNodes", "SlotScheduler"]

_LOG = logging.getLogger(__name__)

_INITIAL_PAGES = 1024


class ComputedNodes(NamedTuple):
    """What a step has computed.

    Attributes:
        nodes: The nodes whose last tokens went through the model. One occurs twice if two slots rebuild it.
        leads: The completion whose next token the device drew after each node; None if there is none.
        result: The result of the step, with one row for each node.
    """

    nodes: list[Node]
    leads: list[RunningCompletion | None]
    result: StepResult


@dataclass(eq=False)
class _Flight:
    """One slot's part of a step that has been launched and not collected.

    Attributes:
        node: The node whose last token goes through the model; None if it is not known yet, or not requested.
        lead: The completion whose next token is drawn.
        previous: The part of the step before, whose drawn token is fed; None if the host knows the token now.
        places: Reserved places that belong to no node yet.
        token: After the step is collected, the token that was drawn, or `UNDECIDED`.
    """

    node: Node | None
    lead: RunningCompletion | None
    previous: "_Flight | None" = None
    places: Places = NO_PLACES
    token: int = UNDECIDED


@dataclass
class _SlotState:
    """The progress of one slot.

    Attributes:
        tip: The slot holds the keys and values up to this node, once the launched steps are done.
        pending: The nodes that still have to go through the model. The last is the requested one.
        flight: The slot's part of the latest step, as long as its result is not known.
    """

    tip: Node
    pending: list[Node]
    flight: _Flight | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the slot works on no node."""
        return not self.pending and self.flight is None

    def drop_flight(self) -> None:
        """Do not continue the slot's part of the latest step.

        Without a continuation the next step does not repeat it, so that an undecided token could not be drawn from its
        logits. The completion is therefore no longer its lead.
        """
        if self.flight is not None:
            self.flight.lead = None
            self.flight = None


class SlotScheduler:
    """Runs nodes through the model, one token per slot and decode step.

    Args:
        runner: Runs the model.
        prompts: The cache of prefilled prompts.
        tree: The prefix tree, which allocates the pages.
        slots: The maximum number of nodes per step. Less than 8 counts as 8. No more slots are made than `prepare` asks
            for.
    """

    def __init__(self, runner: ModelRunner, prompts: PromptCache, tree: PrefixTree, slots: int) -> None:
        self._max_slots = self._allowed = max(slots, MIN_WIDTH)
        self._needed: int | None = None
        self._planned: int | None = None
        self._runner = runner
        self._prompts = prompts
        self._tree = tree
        self._shapes: ExactShapes | None = None
        self._decoder: SlotDecoder | None = None
        self._steps: Steps | None = None
        self._min_capacity = 0
        self._states: dict[int, _SlotState] = {}
        self._targets: Mapping[Node, Sequence[RunningCompletion]] = {}
        self._launched: deque[dict[int, _Flight]] = deque()  # by slot; the earliest step first

    @property
    def slots(self) -> int:
        """The maximum number of nodes per step."""
        return min(limit for limit in (self._allowed, self._needed, self._planned) if limit is not None)

    @property
    def is_shrunk(self) -> bool:
        """Whether memory has run out and `grow_back` has not been called since."""
        return self._allowed < self._max_slots

    def prepare(self, requests: int) -> None:
        """Ensure that there are enough slots for this many requests. New ones replace all slots and pages.

        The number is rounded up to a power of two, so that it rarely changes. Nothing changes on a device where another
        number of slots would round differently.
        """
        if self._runner.has_fixed_width:
            return
        before = self.slots
        needed = max(self._needed or MIN_WIDTH, 1 << (requests - 1).bit_length())
        if needed != self._needed:
            self._needed, self._planned = needed, None
        if self.slots != before:
            self._drop_slots()

    def reserve(self, positions: int) -> None:
        """Ensure that slots have at least this many positions, from the next step on."""
        self._min_capacity = max(self._min_capacity, positions)

    def assign(self, targets: Mapping[Node, Sequence[RunningCompletion]]) -> None:
        """Assign slots to target nodes, and make slots with other targets idle.

        Args:
            targets: Nodes other than prompts, in order of priority, and the completions that wait at each. Nodes
                without a free slot are skipped.
        """
        self._settle(targets)
        self._targets = targets
        unassigned = {node: self._slots_for(node) for node in targets}
        for state in self._states.values():
            if not self._keeps_target(state, unassigned):
                state.pending.clear()
                state.drop_flight()
        tips = {state.tip: slot for slot, state in self._states.items()}
        idle = {state.tip: slot for slot, state in self._states.items() if state.is_idle}
        to_copy: list[tuple[Node, list[Node]]] = []
        for target in [*unassigned, *(node for node, slots in unassigned.items() for _ in range(slots - 1))]:
            start, nodes = target.route(tips)
            slot = idle.pop(start, None)
            if slot is None:
                to_copy.append((start, nodes))
            else:
                self._start(slot, start, nodes)
        free = [slot for slot in range(self.slots) if slot not in self._states or self._states[slot].is_idle]
        for (start, nodes), slot in zip(to_copy, free, strict=False):
            if start in tips:
                self._ready_decoder().cache.move(tips[start], slot, start.position + 1)
            else:
                prompt = self._prompts.get(start.prompt_ids)
                self._ready_decoder().cache.load(slot, prompt.layers)
            self._start(slot, start, nodes)

    def step(self) -> ComputedNodes | None:
        """Launch a step, one token of each active slot, and return the result of the earliest one that is due.

        The nodes that it computed must be processed, and `assign` be called, before the next step. Its logits are valid
        until then. None if there is no result yet.
        """
        is_launched = self._launch()
        if not self._launched or (is_launched and len(self._launched) <= self._ready_steps().lag):
            return None
        flights = self._launched.popleft()
        result = self._ready_steps().collect()
        for slot, flight in flights.items():
            state = self._states.get(slot)
            if state is not None and state.flight is flight:
                state.flight = None
        if result.tokens:
            for flight, token in zip(flights.values(), result.tokens, strict=True):
                flight.token = token
        computed = [
            (row, flight.node, flight.lead) for row, flight in enumerate(flights.values()) if flight.node is not None
        ]
        return ComputedNodes(
            [node for _, node, _ in computed],
            [lead for _, _, lead in computed],
            result.select([row for row, _, _ in computed]),
        )

    def _launch(self) -> bool:
        """Launch a step, if any slot is active, and return whether it was. The content of all other slots is lost."""
        if not self._runner.has_fixed_width:
            self._compact()
        rows = self._continue_slots() | self._take_pending()
        self._states = {slot: self._states[slot] for slot, (_, flight) in rows.items() if flight is not None}
        if not rows or self._shapes is None:
            return False
        decoder = self._ready_decoder()
        last_page = max(row.places.page for row, _ in rows.values())
        if last_page >= decoder.cache.pages:
            decoder.grow_pages(min(max(2 * last_page, _INITIAL_PAGES), self._tree.max_pages) + 1)
        self._ready_steps().launch(
            {slot: row for slot, (row, _) in rows.items()},
            self._shapes.width(1 + max(rows)),
            self._shapes.length(1 + max(row.position for row, _ in rows.values())),
        )
        self._launched.append({slot: flight or _Flight(None, None) for slot, (_, flight) in rows.items()})
        return True

    def _continue_slots(self) -> dict[int, tuple[StepRow, _Flight | None]]:
        """Continue the slots whose last token has not been collected, and return their rows.

        The rows have new flights, with places that are reserved. Only the device knows the tokens that it feeds.
        """
        rows: dict[int, tuple[StepRow, _Flight | None]] = {}
        for slot, state in self._states.items():
            flight = state.flight
            if state.pending or flight is None or flight.node is None or flight.lead is None:
                continue
            if len(flight.lead.token_ids) + 1 < flight.lead.request.params.max_new_tokens:
                state.flight = _Flight(None, flight.lead, flight, self._tree.reserve())
                row = StepRow(DRAWN, flight.node.position + 1, state.flight.places, flight.lead)
                rows[slot] = row, state.flight
            else:  # the completion ends with that token, but its slot must stay as it is if the token is undecided
                rows[slot] = StepRow(DRAWN, flight.node.position), None
        return rows

    def _take_pending(self) -> dict[int, tuple[StepRow, _Flight | None]]:
        """Take the next node of all slots that have one pending, and return their rows, with new flights."""
        nodes = {slot: state.pending.pop(0) for slot, state in self._states.items() if state.pending}
        rows: dict[int, tuple[StepRow, _Flight | None]] = {}
        leads = {node: iter(self._targets.get(node, ())) for node in nodes.values()}
        for (slot, node), places in zip(nodes.items(), self._tree.allocate(list(nodes.values())), strict=True):
            state = self._states[slot]
            state.tip = (state.pending[0].parent or node) if state.pending else node
            state.flight = _Flight(node, None if state.pending else next(leads[node], None))
            rows[slot] = StepRow(node.token, node.position, places, state.flight.lead), state.flight
        return rows

    def _settle(self, targets: Mapping[Node, Sequence[RunningCompletion]]) -> None:
        """Find the nodes of the latest step's rows that were fed tokens which only the device knew."""
        for slot, flight in self._launched[-1].items() if self._launched else ():
            if flight.previous is None:
                continue
            previous, flight.previous = flight.previous, None
            node = previous.node.children.get(previous.token) if previous.node is not None else None
            if node is not None and flight.lead in targets.get(node, ()):
                flight.node = self._states[slot].tip = node
                self._tree.bind(node, flight.places)
            else:  # the completion has ended, or goes on from elsewhere
                self._tree.release(flight.places)
                self._states[slot].drop_flight()

    def _slots_for(self, node: Node) -> int:
        """Return the number of slots that may work on a target.

        This is one, unless the node's summary is stored and the device draws. Each waiting completion that the summary
        leaves undecided then gets a slot, as the device draws for one completion in each.
        """
        is_again = self._runner.draws_on_device and self._tree.has_summary(node)
        return len(self._targets[node]) if is_again else 1

    def _keeps_target(self, state: _SlotState, unassigned: dict[Node, int]) -> bool:
        """Return whether a slot still works on a target, which is then assigned."""
        target = state.pending[-1] if state.pending else state.flight and state.flight.node
        if target is None or target not in unassigned:
            return False
        unassigned[target] -= 1
        if not unassigned[target]:
            del unassigned[target]
        if state.flight is not None and state.flight.lead not in self._targets[target]:
            state.flight.lead = None
        return True

    def clear(self) -> None:
        """Free all slots, and discard the steps that have been launched."""
        self._states.clear()
        self._launched.clear()
        if self._steps is not None:
            self._steps.discard()

    def shrink(self) -> None:
        """Halve the number of slots and the tree's memory for pages, and drop the KV cache."""
        self._allowed = self.slots // 2
        self._tree.shrink()
        self._drop_slots()

    def grow_back(self, positions: int) -> None:
        """Undo `shrink`, and drop the KV cache. The new slots have at least this many positions."""
        self._allowed, self._min_capacity, self._planned = self._max_slots, positions, None
        self._tree.grow_back()
        self._drop_slots()

    def _drop_slots(self) -> None:
        self.clear()
        self._shapes = self._decoder = self._steps = None

    def _start(self, slot: int, start: Node, nodes: list[Node]) -> None:
        """Load the pages of a route into a slot that holds its start.

        The nodes without a page and the last node, whose logits are requested, become pending.
        """
        pages = [(node, self._tree.page(node)) for node in nodes[:-1]]
        stored = [(node.position, page) for node, page in pages if page]
        if stored:
            self._ready_decoder().cache.load_pages(slot, *zip(*stored, strict=True))
        pending = [*(node for node, page in pages if not page), nodes[-1]]
        self._states[slot] = _SlotState(pending[0].parent or start, pending)

    def _compact(self) -> None:
        """Move active slots from the end into holes, so that a step takes only the first slots."""
        active = sorted(slot for slot, state in self._states.items() if state.pending)
        count = len(active)
        holes = sorted(set(range(count)).difference(active))
        for hole, slot in zip(holes, active[count - len(holes) :], strict=True):
            self._ready_decoder().cache.move(slot, hole, self._states[slot].pending[-1].position)
            self._states[hole] = self._states[slot]
        self._states = {slot: self._states[slot] for slot in range(count)}

    def _plan(self, like: Sequence[KeysValues]) -> None:
        """Share the free memory of the device between the slots, the prompts and replay."""
        device = like[0].keys.device
        plan = plan_memory(
            free_memory(device) + self._prompts.device_used,
            slots=self.slots,
            slot_bytes=bytes_per_position(like, device) * next_length(self._min_capacity),
            step_bytes=bytes_per_step(len(embedding_weight(self._runner.model)), like[0].keys.dtype),
        )
        if plan.slots < self.slots:
            _LOG.info("memory is planned for %d completions at once in place of %d", plan.slots, self.slots)
        self._planned = plan.slots
        self._prompts.limit(plan.prompts)
        self._tree.limit_pages(plan.replay)

    def _ready_decoder(self) -> SlotDecoder:
        """Return the decoder, with the reserved capacity. A prompt must have been prefilled."""
        like = self._prompts.template.layers
        if self._shapes is None:
            self._plan(like)
            self._shapes = ExactShapes(partial(SlotDecoder, self._runner, like), self.slots)
        capacity = self._shapes.length(self._min_capacity)
        if self._decoder is None:
            self._decoder = SlotDecoder(self._runner, like, self.slots, capacity)
            self._tree.reset_pages(self._decoder.cache.page_bytes)
        elif self._decoder.capacity < capacity:
            self._decoder.grow(capacity)
        return self._decoder

    def _ready_steps(self) -> Steps:
        """Return what runs the decoder's steps: the device itself, if there is one for all layers."""
        if self._steps is None:
            decoder = self._ready_decoder()
            if self._runner.draws_on_device:
                self._steps = DeviceSteps(decoder, self._tree.table, len(self._prompts.template.logits))
            else:
                self._steps = HostSteps(decoder, self._tree.table)
        return self._steps
