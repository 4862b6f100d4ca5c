"""The prefixes that the model has already computed: one tree of tokens per prompt, within a memory limit.

How it works: a node is a prompt and the tokens after it. The tree keeps up to two results of a node's forward pass. The
summary of its logits decides the next token of most completions without the model. The page with the keys and values
of its last token lets a slot continue from the node without computing them again. Neither depends on sampling
parameters, so the work of one trial serves all others. Summaries and pages are evicted separately, the least recently
used first. A node without either is removed, unless it has children.
"""

from collections import OrderedDict
from collections.abc import Container, Sequence
from typing import NamedTuple

import torch

from llmsearch_optuna.engine.slots.summary_table import SUMMARY_BYTES, SummaryTable

__all__ = ["NO_PLACES", "Node", "Places", "PrefixTree"]

_NODE_BYTES = 700  # the Python objects of a node, in bytes; 530 were measured
_SUMMARY_SHARE = 1 / 8


class Node:
    """A prompt and the tokens after it.

    Attributes:
        prompt_ids: The prompt.
        parent: The prefix without the last token; None if the node is the prompt itself.
        token: The last token.
        position: The position of the last token in a slot.
        children: The existing nodes with one more token, by that token.
    """

    __slots__ = ("children", "parent", "position", "prompt_ids", "token")

    def __init__(self, prompt_ids: tuple[int, ...], parent: "Node | None", token: int) -> None:
        self.prompt_ids = prompt_ids
        self.parent = parent
        self.token = token
        self.position: int = len(prompt_ids) - 1 if parent is None else parent.position + 1
        self.children: dict[int, Node] = {}

    def route(self, starts: Container["Node"]) -> tuple["Node", list["Node"]]:
        """Return the nearest ancestor that is one of the starts or a prompt, and the nodes after it up to this one."""
        nodes = [self]
        start = self.parent
        while start is not None and start.parent is not None and start not in starts:
            nodes.append(start)
            start = start.parent
        return start or self, nodes[::-1]


class Places(NamedTuple):
    """Where a step writes its results for a node.

    Attributes:
        summary: The number of its summary; 0 is not kept.
        page: The number of its page; 0 is not kept.
    """

    summary: int = 0
    page: int = 0


NO_PLACES = Places()


class PrefixTree:
    """Numbers, per prefix, the summary of its logits and the page with its keys and values, both from 1.

    A page holds one token. The pages themselves are part of the model's cache (`SlotCache`).

    Args:
        max_bytes: Memory for summaries and pages; 0 stores nothing.
        device: The device of the summaries.

    Attributes:
        table: The summaries.
    """

    def __init__(self, max_bytes: int, device: torch.device | None = None) -> None:
        for_summaries = int(max_bytes * _SUMMARY_SHARE)
        self._page_bytes = 0
        self._summaries = _LruAllocator(for_summaries // (SUMMARY_BYTES + _NODE_BYTES))
        # The table has one more row, 0, for what is not kept.
        self._max_bytes_for_pages = max_bytes - for_summaries - SUMMARY_BYTES * (self._summaries.capacity > 0)
        self._bytes_for_pages = self._max_bytes_for_pages
        self.table = SummaryTable(self._summaries.capacity, device or torch.device("cpu"))
        self._pages = _LruAllocator(0)
        self._roots: dict[tuple[int, ...], Node] = {}

    def root(self, prompt_ids: tuple[int, ...]) -> Node:
        """Return the node of a prompt. If the tree stores nothing, each call returns a new node."""
        node = self._roots.get(prompt_ids) or Node(prompt_ids, None, prompt_ids[-1])
        if self._summaries.capacity:
            self._roots[prompt_ids] = node
        return node

    def child(self, node: Node, token: int) -> Node:
        """Return the node with one more token. It is created if it does not exist."""
        if token not in node.children:
            node.children[token] = Node(node.prompt_ids, node, token)
        return node.children[token]

    def has_summary(self, node: Node) -> bool:
        """Return whether the summary of the node's logits is stored."""
        return node in self._summaries.numbers

    def summary_number(self, node: Node) -> int:
        """Return the number of the node's summary in `table`; 0 if there is none."""
        return self._summaries.numbers.get(node, 0)

    def allocate_summaries(self, nodes: Sequence[Node]) -> list[int]:
        """Return the number of a summary for each node, which must be written next; 0 if there is no room for it.

        The least recently used summaries are evicted if necessary.
        """
        return self._allocate(self._summaries, nodes)

    def page(self, node: Node) -> int:
        """Return the page with the keys and values of a node's last token; 0 if there is none."""
        return self._pages.numbers.get(node, 0)

    def allocate(self, nodes: Sequence[Node]) -> list[Places]:
        """Return the places of each node, which the next step must write.

        The least recently used summaries and pages are evicted if necessary.
        """
        pages = self._allocate(self._pages, nodes)
        return [Places(*numbers) for numbers in zip(self.allocate_summaries(nodes), pages, strict=True)]

    def reserve(self) -> Places:
        """Return places for a node that is not known yet, which the next step must write.

        They must be given to the node by `bind`, or given up by `release`.
        """
        numbers = []
        for allocator in (self._summaries, self._pages):
            number, evicted = allocator.take()
            self.prune(evicted)
            numbers.append(number)
        return Places(*numbers)

    def bind(self, node: Node, places: Places) -> None:
        """Give reserved places, which have been written, to their node. What the node has already is kept instead."""
        self._summaries.bind(node, places.summary)
        self._pages.bind(node, places.page)

    def release(self, places: Places) -> None:
        """Give up reserved places."""
        self._summaries.release(places.summary)
        self._pages.release(places.page)

    def touch(self, node: Node) -> None:
        """Mark a node and then its ancestors as just used, so that leaves are evicted before their ancestors."""
        current: Node | None = node
        while current is not None:
            for allocator in (self._summaries, self._pages):
                if current in allocator.numbers:
                    allocator.numbers.move_to_end(current)
            current = current.parent

    def prune(self, node: Node | None) -> None:
        """Remove a node, if any, and its ancestors, up to the first that has a summary, a page or another child."""
        while node is not None and not (node.children or self.has_summary(node) or self.page(node)):
            parent = node.parent
            if parent is None:
                self._roots.pop(node.prompt_ids, None)
            elif parent.children.get(node.token) is node:
                del parent.children[node.token]
            node = parent

    def reset_pages(self, page_bytes: int) -> None:
        """Drop all pages, and set the size of a page. Required whenever the cache that contains the pages is created.

        Before the first call, no pages can be allocated.
        """
        nodes = list(self._pages.numbers)
        self._page_bytes = page_bytes
        self._pages = _LruAllocator(max(0, self._bytes_for_pages // page_bytes - 1))  # page 0 belongs to no node
        for node in nodes:
            self.prune(node)

    def clear(self) -> None:
        """Remove everything."""
        self._roots.clear()
        for allocator in (self._summaries, self._pages):
            allocator.clear()

    def shrink(self) -> None:
        """Halve the memory for pages, from the next `reset_pages` on."""
        self._bytes_for_pages //= 2

    def limit_pages(self, max_bytes: int) -> None:
        """Lower the memory for pages, from the next `reset_pages` on."""
        self._bytes_for_pages = min(self._bytes_for_pages, max_bytes)

    def grow_back(self) -> None:
        """Undo `shrink`, from the next `reset_pages` on."""
        self._bytes_for_pages = self._max_bytes_for_pages

    @property
    def max_pages(self) -> int:
        """The highest page number."""
        return self._pages.capacity

    @property
    def nbytes(self) -> int:
        """The memory of the summaries, the pages and their nodes, in bytes."""
        summaries, pages = len(self._summaries.numbers), len(self._pages.numbers)
        return self.table.nbytes + summaries * _NODE_BYTES + pages * self._page_bytes

    def _allocate(self, allocator: "_LruAllocator", nodes: Sequence[Node]) -> list[int]:
        for node in nodes:
            self.prune(allocator.allocate(node))
        return [allocator.numbers.get(node, 0) for node in nodes]


class _LruAllocator:
    """LRU allocator of the numbers 1..capacity.

    Attributes:
        capacity: The highest number.
        numbers: The number of each node, the least recently used first.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.numbers: OrderedDict[Node, int] = OrderedDict()
        self._unused = 1  # this number and all above have never been allocated
        self._released: list[int] = []

    def allocate(self, node: Node) -> Node | None:
        """Allocate a number for a node, if there is one. Return the node that was evicted for it, if any."""
        if node in self.numbers:
            self.numbers.move_to_end(node)
            return None
        number, evicted = self.take()
        self.bind(node, number)
        return evicted

    def take(self) -> tuple[int, Node | None]:
        """Return a number that belongs to no node, 0 if there is none, and the node that was evicted for it, if any."""
        if self._released:
            return self._released.pop(), None
        if self._unused <= self.capacity:
            self._unused += 1
            return self._unused - 1, None
        if self.numbers:
            evicted, number = self.numbers.popitem(last=False)
            return number, evicted
        return 0, None

    def bind(self, node: Node, number: int) -> None:
        """Give a number that was taken to a node. It is released if it is not needed."""
        if number and self.numbers.setdefault(node, number) != number:
            self.release(number)

    def release(self, number: int) -> None:
        """Return a number that was taken."""
        if number:
            self._released.append(number)

    def clear(self) -> None:
        """Return all numbers."""
        self.numbers.clear()
        self._released.clear()
        self._unused = 1
