"""The slot engine: prompts prefilled once, and every slot of the running batch kept busy."""

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.cache import KeysValues
from llmsearch_optuna.engine.decoder import SlotDecoder
from llmsearch_optuna.engine.forward import Forward
from llmsearch_optuna.engine.memory import NOT_EVEN_ONE_ROW, is_out_of_memory, release_memory
from llmsearch_optuna.engine.prefill import PromptCache
from llmsearch_optuna.engine.rows import Row, choose_tokens, sampling_rows
from llmsearch_optuna.engine.shapes import MIN_ROWS, ExactShapes
from llmsearch_optuna.errors import MemoryExhaustedError
from llmsearch_optuna.sampling import SamplingRows

__all__ = ["SlotEngine"]

_LOG = logging.getLogger(__name__)


class SlotEngine:
    """Serves decoder-only attention models, each row with a slot of its own in a static cache.

    A prompt goes through the model once and is copied into a slot for every completion of it. A row that ends gives its
    slot to the next request at once, whatever trial it belongs to. Steps only take shapes that round alike
    (`ExactShapes`), so that a row's logits are the same to the bit in any company.

    Args:
        forward: Runs a model that `probe` passed.
        tokenizer: The model's tokenizer.
        slots: Rows that are decoded at once, at least 8; halved for good when memory runs out.
        decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
        prompts: Remembers prefilled prompts.

    Attributes:
        slots: Rows that are decoded at once.
    """

    def __init__(
        self,
        forward: Forward,
        tokenizer: PreTrainedTokenizerBase,
        *,
        slots: int = 64,
        decode_args: Mapping[str, Any] | None = None,
        prompts: PromptCache | None = None,
    ) -> None:
        self._forward = forward
        self._tokenizer = tokenizer
        self._decode_args = {"skip_special_tokens": True} if decode_args is None else dict(decode_args)
        self._prompts = PromptCache(forward) if prompts is None else prompts
        self.slots = max(slots, MIN_ROWS)
        self._shapes: ExactShapes | None = None
        self._decoder: SlotDecoder | None = None
        self._places = 0
        self._rows: list[Row | None] = []
        self._finished: dict[Request, Completion] = {}
        self._sampling: tuple[list[Row], SamplingRows] | None = None

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`.

        Upcoming requests take the slots that these leave free. What is begun of them is kept for the next call.
        """
        wanted = set(requests)
        try:
            self._keep({*requests, *upcoming})
            queue = self._queue(requests, upcoming)
            while not wanted <= self._finished.keys():
                if not self._advance(queue, on_tokens):
                    self._make_room()
                    queue = self._queue(requests, upcoming)
        except BaseException:
            self._rows.clear()
            self._finished.clear()
            raise
        completions = [self._finished[request] for request in requests]
        for request in wanted:
            del self._finished[request]
        return completions

    def _keep(self, requests: AbstractSet[Request]) -> None:
        """Drops what an earlier call began and nobody wants any more."""
        self._rows = [row if row is not None and row.request in requests else None for row in self._rows]
        self._finished = {request: done for request, done in self._finished.items() if request in requests}
        self._places = max((self._places, *map(_places, requests)))

    def _queue(self, requests: Iterable[Request], upcoming: Iterable[Request]) -> deque[Request]:
        """What is neither finished nor running, every request once; rows of like length side by side."""
        begun = {row.request for row in self._rows if row is not None} | self._finished.keys()
        queue: dict[Request, None] = {}
        for group in (requests, upcoming):
            queue |= dict.fromkeys(sorted(group, key=_places))
        return deque(request for request in queue if request not in begun)

    def _advance(self, queue: deque[Request], on_tokens: TokenCallback | None) -> bool:
        """Fills the free slots and decodes one token in every row; false when memory ran out."""
        try:
            self._admit(queue, on_tokens)
            self._close_holes()
            self._step(on_tokens)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _admit(self, queue: deque[Request], on_tokens: TokenCallback | None) -> None:
        """Puts requests into the free slots and draws their first tokens, which may be their last."""
        self._rows += [None] * (self.slots - len(self._rows))
        while queue and None in self._rows:
            slots = [slot for slot, row in enumerate(self._rows) if row is None][: len(queue)]
            logits = []
            for slot in slots:
                request = queue.popleft()
                prompt = self._prompts.get(request.prompt_ids)
                self._ready_decoder(prompt.layers).cache.load(slot, prompt.layers)
                logits.append(prompt.logits)
                self._rows[slot] = Row(request, self._tokenizer)
            self._choose(torch.stack(logits), [row for slot in slots if (row := self._rows[slot])], on_tokens)

    def _close_holes(self) -> None:
        """Moves rows from the end into free slots, so that a step takes the first slots and no others."""
        while None in self._rows:
            last = self._rows.pop()
            if last is not None and self._decoder is not None:
                hole = self._rows.index(None)
                self._decoder.cache.move(len(self._rows), hole, len(last.context))
                self._rows[hole] = last

    def _step(self, on_tokens: TokenCallback | None) -> None:
        rows = [row for row in self._rows if row is not None]
        if not rows or self._decoder is None or self._shapes is None:
            return
        spare = self._shapes.width(len(rows)) - len(rows)
        logits = self._decoder.step(
            [*(row.token_ids[-1] for row in rows), *[0] * spare],
            [*(len(row.context) - 1 for row in rows), *[0] * spare],
            self._shapes.length(max(len(row.context) for row in rows)),
        )
        self._choose(logits[: len(rows)], rows, on_tokens)

    def _choose(self, logits: Tensor, rows: list[Row], on_tokens: TokenCallback | None) -> None:
        """Draws the next token of every row, and takes finished rows out of their slots."""
        if self._sampling is None or self._sampling[0] != rows:
            self._sampling = rows, sampling_rows(rows, logits)
        choose_tokens(logits, rows, self._sampling[1])
        if on_tokens is not None:
            on_tokens(len(rows))
        for slot, row in enumerate(self._rows):
            if row is not None and row.finish_reason is not None:
                self._finished[row.request] = row.completion(self._decode_args)
                self._rows[slot] = None

    def _ready_decoder(self, like: Sequence[KeysValues]) -> SlotDecoder:
        """The decoder, with room for the longest request so far."""
        if self._shapes is None:
            self._shapes = ExactShapes(partial(SlotDecoder, self._forward, like), self.slots)
        capacity = self._shapes.length(self._places)
        if self._decoder is None:
            self._decoder = SlotDecoder(self._forward, like, self.slots, capacity)
        elif self._decoder.capacity < capacity:
            self._decoder.grow(capacity)
        return self._decoder

    def _make_room(self) -> None:
        """Halves the slots; rows begin anew, to the same tokens."""
        self._rows.clear()
        self._sampling = self._shapes = self._decoder = None
        self._prompts.shrink()
        release_memory()
        if self.slots == 1:
            raise MemoryExhaustedError(NOT_EVEN_ONE_ROW)
        self.slots //= 2
        _LOG.warning("out of memory: going on with %d rows at once", self.slots)


def _places(request: Request) -> int:
    """Places that a request takes in a slot."""
    return len(request.prompt_ids) + request.params.max_new_tokens
