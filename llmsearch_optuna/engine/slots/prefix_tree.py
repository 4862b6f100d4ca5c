"""Continuations that the model has already seen: a tree per prompt, kept under a budget of bytes."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling import SUMMARY_WIDTH, LogitSummary, summary_of

__all__ = ["Node", "PrefixStore", "Usage"]

_NODE_BYTES = 700  # the tree's own objects, of which 530 were measured
_SUMMARY_BYTES = SUMMARY_WIDTH * 8 + 4 * 8 + _NODE_BYTES
_SUMMARY_SHARE = 1 / 8
_FIRST_ROWS = 1024


class Node:
    """A prompt and some tokens after it.

    Attributes:
        prompt_ids: The prompt.
        parent: The same without the last token; ``None`` where it is the prompt itself.
        token: The last token.
        place: The last token's place in a slot.
        children: The continuations by one token that somebody has wanted.
    """

    __slots__ = ("children", "parent", "place", "prompt_ids", "token")

    def __init__(self, prompt_ids: tuple[int, ...], parent: "Node | None", token: int) -> None:
        self.prompt_ids = prompt_ids
        self.parent = parent
        self.token = token
        self.place: int = len(prompt_ids) - 1 if parent is None else parent.place + 1
        self.children: dict[int, Node] = {}


class Usage(NamedTuple):
    """How full a store is.

    Attributes:
        summaries: Steps whose logits are known.
        pages: Tokens whose keys and values are known.
        evicted: Summaries and pages that had to make room.
        nbytes: Memory of all that.
    """

    summaries: int
    pages: int
    evicted: int
    nbytes: int


class PrefixStore:
    """Remembers what the model gave for a prefix: the summary of its logits, and a page for its keys and values.

    A page holds one token, and lies with the model's layers (`SlotCache`); here they are only numbered, from 1 on. The
    model gives nothing that depends on sampling parameters, so that what one trial paid for serves all others. What was
    not used for longest makes room.

    Args:
        max_bytes: Memory for all of it; 0 remembers nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        for_summaries = int(max_bytes * _SUMMARY_SHARE)
        self._bytes_for_pages = max_bytes - for_summaries
        self._page_bytes = 0
        self._summaries = _Shelf(for_summaries // _SUMMARY_BYTES)
        self._pages = _Shelf(0)
        self._roots: dict[tuple[int, ...], Node] = {}
        self._evicted = 0
        self._vocabulary = 0
        self._logits = torch.empty(0, SUMMARY_WIDTH)
        self._token_ids = torch.empty(0, SUMMARY_WIDTH, dtype=torch.int32)
        self._log_sums = torch.empty(0, 4, dtype=torch.float64)

    def root(self, prompt_ids: tuple[int, ...]) -> Node:
        """The node of a prompt; one of its own for everybody who asks, where nothing is remembered."""
        if not self._summaries.capacity:
            return Node(prompt_ids, None, prompt_ids[-1])
        if prompt_ids not in self._roots:
            self._roots[prompt_ids] = Node(prompt_ids, None, prompt_ids[-1])
        return self._roots[prompt_ids]

    def child(self, node: Node, token: int) -> Node:
        """A node with one more token."""
        if token not in node.children:
            node.children[token] = Node(node.prompt_ids, node, token)
        return node.children[token]

    def knows(self, node: Node) -> bool:
        """Whether the summary of its logits is here."""
        return node in self._summaries.numbers

    def summaries(self, nodes: Sequence[Node]) -> LogitSummary:
        """The summaries of nodes that are known."""
        index = self._rows(nodes)
        return summary_of(self._logits[index], self._token_ids[index].long(), self._log_sums[index], self._vocabulary)

    def keep(self, nodes: Sequence[Node], summary: LogitSummary) -> None:
        """Remembers the summaries of these nodes."""
        self._make_rows(len(self._summaries.numbers) + len(nodes), summary.logits.shape[1])
        self._vocabulary = summary.vocabulary
        for node in nodes:
            self._take(self._summaries, node)
        rows = [row for row, node in enumerate(nodes) if self.knows(node)]
        if rows:
            index = self._rows([nodes[row] for row in rows])
            self._logits[index] = summary.logits[rows]
            self._token_ids[index] = summary.token_ids[rows].int()
            self._log_sums[index] = summary.log_sums[rows]

    def page(self, node: Node) -> int:
        """The page with the keys and values of a node's last token; 0 where there is none."""
        return self._pages.numbers.get(node, 0)

    def take_pages(self, nodes: Sequence[Node]) -> list[int]:
        """Pages for these nodes, to be written at once; 0 for those that find no room."""
        for node in nodes:
            self._take(self._pages, node)
        return [self.page(node) for node in nodes]

    def touch(self, node: Node) -> None:
        """Marks a node and all before it as just used, so that the ends of continuations go before their beginnings."""
        at: Node | None = node
        while at is not None:
            for shelf in (self._summaries, self._pages):
                if at in shelf.numbers:
                    shelf.numbers.move_to_end(at)
            at = at.parent

    def forget(self, node: Node) -> None:
        """Takes a node out of the tree, unless something is known of it or after it."""
        at: Node | None = node
        while at is not None and not (at.children or self.knows(at) or self.page(at)):
            parent = at.parent
            if parent is None:
                self._roots.pop(at.prompt_ids, None)
            elif parent.children.get(at.token) is at:
                del parent.children[at.token]
            at = parent

    def begin_pages(self, page_bytes: int) -> None:
        """Forgets all keys and values, as their memory is new; there are no pages before the first call.

        Args:
            page_bytes: Memory of one page.
        """
        nodes = list(self._pages.numbers)
        self._page_bytes = page_bytes
        self._pages = _Shelf(max(0, self._bytes_for_pages // page_bytes - 1))  # page 0 is nobody's
        for node in nodes:
            self.forget(node)

    def clear(self) -> None:
        """Forgets everything."""
        self._roots.clear()
        for shelf in (self._summaries, self._pages):
            shelf.numbers.clear()

    def shrink(self) -> None:
        """Takes half as much memory for keys and values from now on."""
        self._bytes_for_pages //= 2

    @property
    def max_pages(self) -> int:
        """The highest number of a page."""
        return self._pages.capacity

    @property
    def usage(self) -> Usage:
        """How full it is."""
        summaries, pages = len(self._summaries.numbers), len(self._pages.numbers)
        tables = self._logits.nbytes + self._token_ids.nbytes + self._log_sums.nbytes
        return Usage(summaries, pages, self._evicted, tables + summaries * _NODE_BYTES + pages * self._page_bytes)

    def _take(self, shelf: "_Shelf", node: Node) -> None:
        evicted = shelf.take(node)
        if evicted is not None:
            self._evicted += 1
            self.forget(evicted)

    def _rows(self, nodes: Sequence[Node]) -> Tensor:
        """The rows of known nodes in the tables."""
        return torch.tensor([self._summaries.numbers[node] - 1 for node in nodes])

    def _make_rows(self, rows: int, width: int) -> None:
        """Makes the tables large enough."""
        have = len(self._logits)
        if min(rows, self._summaries.capacity) <= have:
            return
        rows = min(max(rows, 2 * have, _FIRST_ROWS), self._summaries.capacity)

        def larger(table: Tensor, columns: int) -> Tensor:
            grown = table.new_empty(rows, columns)
            grown[:have] = table[:, :columns]
            return grown

        self._logits, self._token_ids = larger(self._logits, width), larger(self._token_ids, width)
        self._log_sums = larger(self._log_sums, 4)


class _Shelf:
    """Numbers from 1 on, each lent to one node; the one that was not used for longest changes hands.

    Attributes:
        capacity: How many there are.
        numbers: The number of each node, that not used for longest first.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.numbers: OrderedDict[Node, int] = OrderedDict()

    def take(self, node: Node) -> Node | None:
        """Gives a node a number, and tells who lost it."""
        if node in self.numbers:
            self.numbers.move_to_end(node)
            return None
        if not self.capacity:
            return None
        if len(self.numbers) < self.capacity:
            self.numbers[node] = len(self.numbers) + 1
            return None
        evicted, number = self.numbers.popitem(last=False)
        self.numbers[node] = number
        return evicted
