"""Assign slots to the prefixes that the model has to compute, and run the decode steps.

How it works: the engine requests nodes of the prefix tree. Each slot works on one node at a time. If a slot already
holds a prefix of a requested node, it continues from there. Otherwise the prefix is copied into a free slot: from
another slot that holds it, or from the cached prompt and the pages of the tokens after it. Tokens whose page was
evicted are rebuilt: they go through the model again, one per step, because a pass over several tokens at once would
round differently. Different slots rebuild at the same time. A step always takes the first slots, in a width and a
length that give bit-identical logits (`ExactShapes`). The last active slots are moved into the holes that finished
slots leave.
"""

import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.model import embedding_weight
from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.memory_plan import bytes_per_position, bytes_per_step, plan_memory
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.engine.slots.prefix_tree import Node, PrefixTree
from llmsearch_optuna.engine.slots.shapes import MIN_WIDTH, ExactShapes, next_length

__all__ = ["SlotScheduler"]

_LOG = logging.getLogger(__name__)

_INITIAL_PAGES = 1024


@dataclass
class _SlotState:
    """The progress of one slot.

    Attributes:
        tip: The slot holds the keys and values up to this node.
        pending: The nodes that still have to go through the model. The last is the requested one. Empty if idle.
    """

    tip: Node
    pending: list[Node]


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
        self._min_capacity = 0
        self._states: dict[int, _SlotState] = {}

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

    def assign(self, targets: Iterable[Node]) -> None:
        """Assign slots to target nodes, and make slots with other targets idle.

        Args:
            targets: Nodes other than prompts, in order of priority. Those without a free slot are skipped.
        """
        unassigned = dict.fromkeys(targets)
        for state in self._states.values():
            if state.pending and state.pending[-1] in unassigned:
                del unassigned[state.pending[-1]]
            else:
                state.pending.clear()
        tips = {state.tip: slot for slot, state in self._states.items()}
        idle = {state.tip: slot for slot, state in self._states.items() if not state.pending}
        to_copy: list[tuple[Node, list[Node]]] = []
        for start, nodes in (_route(target, tips) for target in unassigned):
            slot = idle.pop(start, None)
            if slot is None:
                to_copy.append((start, nodes))
            else:
                self._start(slot, start, nodes)
        free = [slot for slot in range(self.slots) if slot not in self._states or not self._states[slot].pending]
        for (start, nodes), slot in zip(to_copy, free, strict=False):
            if start in tips:
                self._ready_decoder().cache.move(tips[start], slot, start.position + 1)
            else:
                prompt = self._prompts.get(start.prompt_ids)
                self._ready_decoder(prompt.layers).cache.load(slot, prompt.layers)
            self._start(slot, start, nodes)

    def step(self) -> tuple[list[Node], Tensor | None]:
        """Run one token of each active slot through the model.

        Returns:
            The nodes whose last tokens went through the model, and their logits, valid until the next step. Shape:
            (nodes, vocabulary). An empty list and None if no slot is active.
        """
        self._compact()
        if not self._states or self._shapes is None:
            return [], None
        states = [self._states[slot] for slot in range(len(self._states))]
        nodes = [state.pending.pop(0) for state in states]
        for state, node in zip(states, nodes, strict=True):
            state.tip = (state.pending[0].parent or node) if state.pending else node
        decoder = self._ready_decoder()
        padding = [0] * (self._shapes.width(len(nodes)) - len(nodes))
        pages = self._tree.allocate_pages(nodes)
        if max(pages) >= decoder.cache.pages:
            decoder.grow_pages(min(max(2 * max(pages), _INITIAL_PAGES), self._tree.max_pages) + 1)
        logits = decoder.step(
            [*(node.token for node in nodes), *padding],
            [*(node.position for node in nodes), *padding],
            self._shapes.length(1 + max(node.position for node in nodes)),
            [*pages, *padding],
        )
        return nodes, logits[: len(nodes)]

    def clear(self) -> None:
        """Free all slots."""
        self._states.clear()

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
        self._states.clear()
        self._shapes = self._decoder = None

    def _start(self, slot: int, start: Node, nodes: list[Node]) -> None:
        """Load the pages of a route into a slot that holds its start.

        The nodes without a page and the last node, whose logits are requested, become pending.
        """
        pages = [(node, self._tree.page(node)) for node in nodes[:-1]]
        stored = [(node.position, page) for node, page in pages if page]
        if stored:
            self._ready_decoder().cache.load_pages(slot, *map(list, zip(*stored, strict=True)))
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

    def _ready_decoder(self, like: Sequence[KeysValues] = ()) -> SlotDecoder:
        """Return the decoder, with the reserved capacity. To create it, `like` must be the layers of a prompt."""
        if like and self._shapes is None:
            self._plan(like)
        if self._shapes is None:
            self._shapes = ExactShapes(partial(SlotDecoder, self._runner, like, uses_graphs=False), self.slots)
        capacity = self._shapes.length(self._min_capacity)
        if self._decoder is None:
            self._decoder = SlotDecoder(self._runner, like, self.slots, capacity)
            self._tree.reset_pages(self._decoder.cache.page_bytes)
        elif self._decoder.capacity < capacity:
            self._decoder.grow(capacity)
        return self._decoder


def _route(target: Node, tips: Container[Node]) -> tuple[Node, list[Node]]:
    """Return the nearest ancestor of the target that is a tip or a prompt, and the nodes after it up to the target."""
    nodes = [target]
    start = target.parent
    while start is not None and start.parent is not None and start not in tips:
        nodes.append(start)
        start = start.parent
    return start or target, nodes[::-1]
