"""Slots at work: which of them computes which continuation, and what has to be in it before."""

from collections.abc import Container, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor

from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.model_runner import Forward
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.engine.slots.prefix_tree import Node, PrefixStore
from llmsearch_optuna.engine.slots.shapes import MIN_ROWS, ExactShapes

__all__ = ["Lanes", "Step"]


_FIRST_PAGES = 1024


class Step(NamedTuple):
    """What one decode step gave.

    Attributes:
        nodes: The nodes whose last tokens went through the model.
        logits: Theirs, valid until the next step. Shape: (nodes, vocabulary).
    """

    nodes: list[Node]
    logits: Tensor


class _Lane:
    """A slot under way to a node.

    Attributes:
        tip: The slot holds the keys and values up to here.
        ahead: The nodes that still have to go through the model, the one that is wanted last.
    """

    def __init__(self, tip: Node) -> None:
        self.tip = tip
        self.ahead: list[Node] = []


class Lanes:
    """Brings nodes through the model, one decode step at a time and each in a slot.

    A slot goes on from where it is, if that is on the way to a wanted node. Otherwise the way is copied into it: the
    prompt, and the tokens whose pages are in the store. Tokens without a page go through the model again. They do so as
    decode steps, since a pass over several tokens at once would round otherwise; different slots do it side by side.

    Args:
        forward: Runs the model.
        prompts: Prefilled prompts.
        store: Numbers the pages.
        slots: Nodes per step, at least 8.

    Attributes:
        slots: Nodes per step.
    """

    def __init__(self, forward: Forward, prompts: PromptCache, store: PrefixStore, slots: int) -> None:
        self.slots = max(slots, MIN_ROWS)
        self._forward = forward
        self._prompts = prompts
        self._store = store
        self._shapes: ExactShapes | None = None
        self._decoder: SlotDecoder | None = None
        self._places = 0
        self._lanes: dict[int, _Lane] = {}

    def reserve(self, places: int) -> None:
        """Sees that slots have so many places at least, from the next step on."""
        self._places = max(self._places, places)

    def head_for(self, targets: Iterable[Node]) -> None:
        """Sends slots to nodes that are not prompts, the first ones first; others than these are given up."""
        wanted = dict.fromkeys(targets)
        for lane in self._lanes.values():
            if lane.ahead and lane.ahead[-1] in wanted:
                del wanted[lane.ahead[-1]]
            else:
                lane.ahead.clear()
        tips = {lane.tip: slot for slot, lane in self._lanes.items()}
        idle = {lane.tip: slot for slot, lane in self._lanes.items() if not lane.ahead}
        elsewhere = []
        for way in (_way(target, tips) for target in wanted):
            slot = idle.pop(way.start, None)
            if slot is None:
                elsewhere.append(way)
            else:
                self._go(slot, way)
        free = [slot for slot in range(self.slots) if slot not in self._lanes or not self._lanes[slot].ahead]
        for way, slot in zip(elsewhere, free, strict=False):
            if way.start in tips:
                self._ready_decoder().cache.move(tips[way.start], slot, way.start.place + 1)
            else:
                prompt = self._prompts.get(way.start.prompt_ids)
                self._ready_decoder(prompt.layers).cache.load(slot, prompt.layers)
            self._go(slot, way)

    def step(self) -> Step | None:
        """Brings every slot under way one token further; ``None`` if there is none."""
        self._close_holes()
        if not self._lanes or self._shapes is None:
            return None
        lanes = [self._lanes[slot] for slot in range(len(self._lanes))]
        nodes = [lane.ahead.pop(0) for lane in lanes]
        for lane, node in zip(lanes, nodes, strict=True):
            lane.tip = (lane.ahead[0].parent or node) if lane.ahead else node
        decoder = self._ready_decoder()
        spare = [0] * (self._shapes.width(len(nodes)) - len(nodes))
        pages = self._store.take_pages(nodes)
        if max(pages) >= decoder.cache.pages:
            decoder.grow_pages(min(max(2 * max(pages), _FIRST_PAGES), self._store.max_pages) + 1)
        logits = decoder.step(
            [*(node.token for node in nodes), *spare],
            [*(node.place for node in nodes), *spare],
            self._shapes.length(1 + max(node.place for node in nodes)),
            [*pages, *spare],
        )
        return Step(nodes, logits[: len(nodes)])

    def clear(self) -> None:
        """Gives all slots up."""
        self._lanes.clear()

    def shrink(self) -> None:
        """Halves the slots and what the store takes for keys and values, and gives their memory back."""
        self._lanes.clear()
        self._shapes = self._decoder = None
        self._store.shrink()
        self.slots //= 2

    def _go(self, slot: int, way: "_Way") -> None:
        """Puts the known part of a way into a slot that holds its start; the rest lies ahead."""
        pages = [(node, self._store.page(node)) for node in way.nodes[:-1]]
        known = [(node.place, page) for node, page in pages if page]
        if known:
            self._ready_decoder().cache.load_pages(slot, *map(list, zip(*known, strict=True)))
        lane = _Lane(way.start)
        lane.ahead = [*(node for node, page in pages if not page), way.nodes[-1]]
        lane.tip = lane.ahead[0].parent or way.start
        self._lanes[slot] = lane

    def _close_holes(self) -> None:
        """Moves slots under way from the end into others, so that a step takes the first slots and no others."""
        under_way = sorted(slot for slot, lane in self._lanes.items() if lane.ahead)
        count = len(under_way)
        holes = [slot for slot in range(count) if slot not in under_way]
        for hole, slot in zip(holes, under_way[count - len(holes) :], strict=True):
            self._ready_decoder().cache.move(slot, hole, self._lanes[slot].ahead[-1].place)
            self._lanes[hole] = self._lanes[slot]
        self._lanes = {slot: self._lanes[slot] for slot in range(count)}

    def _ready_decoder(self, like: Sequence[KeysValues] = ()) -> SlotDecoder:
        """The decoder, with room for the longest request so far; `like` a prompt's keys and values, the first time."""
        if self._shapes is None:
            self._shapes = ExactShapes(partial(SlotDecoder, self._forward, like), self.slots)
        capacity = self._shapes.length(self._places)
        if self._decoder is None:
            self._decoder = SlotDecoder(self._forward, like, self.slots, capacity)
            self._store.begin_pages(self._decoder.cache.page_bytes)
        elif self._decoder.capacity < capacity:
            self._decoder.grow(capacity)
        return self._decoder


class _Way(NamedTuple):
    """From a node that some slot holds, or a prompt, down to a wanted node."""

    start: Node
    nodes: list[Node]


def _way(target: Node, tips: Container[Node]) -> _Way:
    nodes = [target]
    start = target.parent
    while start is not None and start.parent is not None and start not in tips:
        nodes.append(start)
        start = start.parent
    return _Way(start or target, nodes[::-1])
