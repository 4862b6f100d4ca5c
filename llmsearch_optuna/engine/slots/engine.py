"""The slot engine: no forward pass twice, and every slot of the running batch kept busy."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.memory import NOT_EVEN_ONE_ROW, free_memory, is_out_of_memory, release_memory
from llmsearch_optuna.engine.running import Row, draw_tokens, draw_tokens_from_summary, sampling_rows
from llmsearch_optuna.engine.sampling import SUMMARY_WIDTH, summarise
from llmsearch_optuna.engine.slots.model_runner import Forward
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.engine.slots.prefix_tree import Node, PrefixStore, Usage
from llmsearch_optuna.engine.slots.scheduler import Lanes
from llmsearch_optuna.errors import MemoryExhaustedError

__all__ = ["ReplayStatistics", "SlotEngine"]

_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class ReplayStatistics:
    """What the tokens of an engine cost.

    Attributes:
        drawn: Tokens of completions.
        replayed: Those of them that needed no forward pass, as an earlier row had been there.
        computed: Tokens that went through the model for rows that waited for them.
        rebuilt: Tokens that went through it again, as their keys and values had made room.
    """

    drawn: int = 0
    replayed: int = 0
    computed: int = 0
    rebuilt: int = 0

    def __str__(self) -> str:
        share = self.replayed / max(1, self.drawn)
        return (
            f"{share:.0%} of {self.drawn} tokens were replayed without the model; {self.computed} went through it, and "
            f"{self.rebuilt} again"
        )


class SlotEngine:
    """Serves decoder-only attention models, each running continuation with a slot of its own in a static cache.

    A row walks along the continuations that earlier rows have been through, with its own parameters and noise and
    without the model, as far as what is stored decides its tokens. Then it waits for a node of the tree of prefixes.
    Every step of the model computes one such node per slot, for all rows that wait for it, whatever trial they belong
    to. Steps only take shapes that round alike (`ExactShapes`), so that logits are the same to the bit in any company.

    Args:
        forward: Runs a model that `probe` passed.
        tokenizer: The model's tokenizer.
        slots: Rows that are decoded at once, at least 8; halved for good when memory runs out.
        decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
        replay_bytes: Memory for continuations that can be replayed; 0 turns replay off. By default a quarter of what is
            free where the model is.
        prompts: Remembers prefilled prompts.

    Attributes:
        statistics: Of all calls so far.
    """

    def __init__(
        self,
        forward: Forward,
        tokenizer: PreTrainedTokenizerBase,
        *,
        slots: int = 64,
        decode_args: Mapping[str, Any] | None = None,
        replay_bytes: int | None = None,
        prompts: PromptCache | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._decode_args = decode_args
        self._prompts = PromptCache(forward) if prompts is None else prompts
        self._store = PrefixStore(free_memory(forward.device) // 4 if replay_bytes is None else replay_bytes)
        self._lanes = Lanes(forward, self._prompts, self._store, slots)
        self._waiting: dict[Node, list[Row]] = {}
        self._finished: dict[Request, Completion] = {}
        self.statistics = ReplayStatistics()

    @property
    def slots(self) -> int:
        """Rows that are decoded at once."""
        return self._lanes.slots

    @property
    def usage(self) -> Usage:
        """What is stored for replay."""
        return self._store.usage

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`.

        Upcoming requests take the slots that these leave free. What is begun of them is kept for the next call.
        """
        wanted = set(requests)
        try:
            self._keep({*requests, *upcoming})
            has_begun = False
            while not wanted <= self._finished.keys():
                try:
                    if not has_begun:
                        self._begin(requests, upcoming, on_tokens)
                        has_begun = True
                    self._advance(wanted, on_tokens)
                    continue
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                # Not in the handler, whose traceback keeps the tensors of the step that failed.
                self._make_room()
                has_begun = False
        except BaseException:
            # Ctrl-C too may have come while something was half written, and the next call must not build on it.
            self._waiting.clear()
            self._finished.clear()
            self._store.clear()
            self._lanes.clear()
            raise
        completions = [self._finished[request] for request in requests]
        for request in wanted:
            del self._finished[request]
        return completions

    def _keep(self, requests: AbstractSet[Request]) -> None:
        """Drops what an earlier call began and nobody wants any more."""
        self._finished = {request: done for request, done in self._finished.items() if request in requests}
        for node, rows in list(self._waiting.items()):
            rows[:] = [row for row in rows if row.request in requests]
            if not rows:
                del self._waiting[node]
                self._store.forget(node)

    def _begin(self, requests: Iterable[Request], upcoming: Iterable[Request], on_tokens: TokenCallback | None) -> None:
        """Sends a row for every request that has none."""
        begun = {row.request for rows in self._waiting.values() for row in rows} | self._finished.keys()
        new = dict.fromkeys(request for request in (*requests, *upcoming) if request not in begun)
        if new:
            self._lanes.reserve(max(map(_places, new)))
            rows = [Row(request, self._tokenizer) for request in new]
            self._walk([(row, self._store.root(row.request.prompt_ids)) for row in rows], on_tokens)

    def _advance(self, wanted: AbstractSet[Request], on_tokens: TokenCallback | None) -> None:
        """Computes the first tokens of prompts, while there are slots for what follows them, and then one per slot."""
        for prompt in [node for node in self._waiting if node.parent is None]:
            if sum(node.parent is not None for node in self._waiting) < self.slots:
                self._settle([prompt], self._prompts.get(prompt.prompt_ids).logits[None], on_tokens)
                self._lanes.head_for(self._targets(wanted))
        self._lanes.head_for(self._targets(wanted))
        step = self._lanes.step()
        if step is not None:
            computed = len(self._waiting.keys() & step.nodes)
            self.statistics.computed += computed
            self.statistics.rebuilt += len(step.nodes) - computed
            self._settle(step.nodes, step.logits, on_tokens)

    def _targets(self, wanted: AbstractSet[Request]) -> list[Node]:
        """What the model has to compute, for the requests of this call first."""
        nodes = (node for node in self._waiting if node.parent is not None)
        return sorted(nodes, key=lambda node: all(row.request not in wanted for row in self._waiting[node]))

    def _settle(self, nodes: Sequence[Node], logits: Tensor, on_tokens: TokenCallback | None) -> None:
        """Stores what the model gave, and draws the next tokens of the rows that waited for it.

        Args:
            nodes: What went through the model; the same node twice where two slots rebuild the same path.
            logits: Shape: (nodes, vocabulary).
            on_tokens: See `Engine.generate`.
        """
        summary = summarise(logits)
        self._store.keep(nodes, summary)
        entries = {node: entry for entry, node in enumerate(nodes)}
        served = [(entry, row) for node, entry in entries.items() for row in self._waiting.get(node, ())]
        if not served:
            return
        index = torch.tensor([entry for entry, _ in served])
        drawn = draw_tokens_from_summary(summary.select(index), [row for _, row in served], search_noise=False)
        tokens = drawn.tokens.tolist()
        left = (~drawn.decided).nonzero()[:, 0]
        if len(left):
            rows = [served[number][1] for number in left.tolist()]
            whole = logits[index[left].to(logits.device)]
            drawn_whole = draw_tokens(whole, rows, sampling_rows(rows, whole), width=8 * SUMMARY_WIDTH)
            for number, token in zip(left.tolist(), drawn_whole, strict=True):
                tokens[number] = token
        for node in nodes:
            self._waiting.pop(node, None)
        self._walk(self._append([(row, nodes[entry]) for entry, row in served], tokens, on_tokens), on_tokens)

    def _walk(self, walkers: list[tuple[Row, Node]], on_tokens: TokenCallback | None) -> None:
        """Leads rows along known nodes; then they are finished, or wait for the model."""
        while walkers:
            known = [(row, node) for row, node in walkers if self._store.knows(node)]
            for row, node in walkers:
                if not self._store.knows(node):
                    self._waiting.setdefault(node, []).append(row)
            if not known:
                return
            summary = self._store.summaries([node for _, node in known])
            drawn = draw_tokens_from_summary(summary, [row for row, _ in known], search_noise=True)
            decided = []
            for (row, node), is_decided in zip(known, drawn.decided.tolist(), strict=True):
                if is_decided:
                    row.replayed += 1
                    decided.append((row, node))
                else:
                    self._waiting.setdefault(node, []).append(row)
            self.statistics.replayed += len(decided)
            walkers = self._append(decided, drawn.tokens[drawn.decided].tolist(), on_tokens)

    def _append(
        self, walkers: Sequence[tuple[Row, Node]], tokens: Sequence[int], on_tokens: TokenCallback | None
    ) -> list[tuple[Row, Node]]:
        """Gives every row its next token; those that are not finished, at their next nodes."""
        further = []
        for (row, node), token in zip(walkers, tokens, strict=True):
            row.append(token)
            if row.finish_reason is None:
                further.append((row, self._store.child(node, token)))
            else:
                self._finished[row.request] = row.completion(self._decode_args)
                self._store.touch(node)
        self.statistics.drawn += len(walkers)
        if on_tokens is not None:
            on_tokens(len(walkers))
        return further

    def _make_room(self) -> None:
        """Halves the slots. No row loses a token: their slots are filled anew."""
        if self.slots == 1:
            raise MemoryExhaustedError(NOT_EVEN_ONE_ROW)
        self._store.clear()  # memory may have run out while it was written
        self._prompts.shrink()
        self._lanes.shrink()
        release_memory()
        _LOG.warning("out of memory: going on with %d rows at once", self.slots)


def _places(request: Request) -> int:
    """Places that a request takes in a slot."""
    return len(request.prompt_ids) + request.params.max_new_tokens
