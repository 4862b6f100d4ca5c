"""The plug-in for vLLM's first model runner, whose requests have places in a batch.

How it works: each request with our key has a slot in `SlotTables`, and vLLM's places in the batch are mapped to slots.
A move in the batch changes the mapping only. `apply` draws for all our rows at once. Whether vLLM kept the drawn token
shows in the next step: a request whose prompt is still being computed also has a row of logits, whose token is dropped.
So the tables are advanced at the beginning of the next step. Once a request has its first token, it gets one in every
step, so that only those without are looked at one by one.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling import (
    DeviceDraw,
    SlotContents,
    SlotTables,
    draw_completely,
    leave_tokens,
    mirostat_mu,
    prompt_key,
)
from llmsearch_optuna.engine.transfer import to_device
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.engine.vllm.progress import MirostatMemory
from llmsearch_optuna.engine.vllm.request import params_of
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["V1Processor"]

_LOG = logging.getLogger(__name__)


class _Request(NamedTuple):
    """A request of ours in vLLM's batch.

    Attributes:
        slot: Its slot in the tables.
        params: Its parameters.
        prompt_key: The `prompt_key` of its prompt.
        output: vLLM's own list of its tokens, which grows.
        length: The number of its tokens when it came.
        begin: The length of its context when it came, minus the number of draws until then. That number plus the
            number of all draws is an upper bound of its length.
    """

    slot: int
    params: GenerationParams
    prompt_key: int
    output: Sequence[int]
    length: int
    begin: int


class V1Processor:
    """Draws the tokens of the requests with our key; see ``vllm.v1.sample.logits_processor.LogitsProcessor``.

    Args:
        vllm_config: vLLM's configuration.
        device: The device of the logits.
        breakers: Gives the breakers of requests with DRY; by default, those of vLLM's tokenizer.
    """

    def __init__(self, vllm_config: Any, device: torch.device | str, *, breakers: ModelBreakers | None = None) -> None:
        scheduler = vllm_config.scheduler_config
        self._device = torch.device(device)
        # vLLM waits for the tokens itself unless it schedules ahead of them.
        self._may_wait = self._device.type == "cpu" or not scheduler.async_scheduling
        self._tables = SlotTables(scheduler.max_num_seqs, self._device)
        self._slots_count = scheduler.max_num_seqs
        self._free = list(range(scheduler.max_num_seqs))
        self._requests: dict[int, _Request] = {}  # by their places
        self._without_token: list[_Request] = []  # that have not got a token since they came
        self._memory = MirostatMemory()
        self._breakers = breakers or ModelBreakers(vllm_config.model_config)
        self._drawn: DeviceDraw | None = None
        self._draws = 0
        self._rows = self._row_slots = torch.empty(0, dtype=torch.int64, device=self._device)
        self._has_all_rows = False

    def is_argmax_invariant(self) -> bool:
        """Return whether greedy requests are unaffected."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Advance the requests whose tokens vLLM has kept, and follow the changes of its batch.

        Args:
            batch_update: vLLM's ``BatchUpdate``; None if nothing has changed.
        """
        self._advance()
        if batch_update is None:
            return
        for place in batch_update.removed:
            self._release(self._requests.pop(place, None))
        self._admit(batch_update.added)
        for source, target, direction in batch_update.moved:
            moved, other = self._requests.pop(source, None), self._requests.pop(target, None)
            if direction.name != "SWAP":
                self._release(other)
            elif other is not None:
                self._requests[source] = other
            if moved is not None:
                self._requests[target] = moved
        rows = sorted(self._requests)
        slots = [self._requests[row].slot for row in rows]
        self._rows, self._row_slots = to_device(torch.tensor([rows, slots], dtype=torch.int64), self._device)
        self._has_all_rows = rows == list(range(batch_update.batch_size))

    @torch.inference_mode()
    def apply(self, logits: Tensor) -> Tensor:
        """Leave one token in each row of our requests. A row whose maximum is NaN or infinite is not changed.

        Args:
            logits: float32 [requests, vocabulary]; modified.
        """
        if not self._requests:
            return logits
        rows = logits if self._has_all_rows else logits[self._rows]
        inputs = self._tables.inputs(rows, self._row_slots, self._capacity())
        self._drawn = drawn = draw_completely(*inputs, may_wait=self._may_wait)
        tokens, is_valid = drawn.tokens, drawn.peaks.isfinite()
        if not self._has_all_rows:
            tokens = tokens.new_zeros(len(logits)).index_copy_(0, self._rows, tokens)
            is_valid = is_valid.new_zeros(len(logits)).index_copy_(0, self._rows, is_valid)
        return leave_tokens(logits, tokens, is_valid)

    def _advance(self) -> None:
        """Advance the slots by the last drawn tokens, except by those that vLLM dropped."""
        if self._drawn is None:
            return
        self._draws += 1
        self._tables.make_room(self._capacity())
        slots = self._row_slots
        self._without_token = [request for request in self._without_token if len(request.output) == request.length]
        dropped = [request.slot for request in self._without_token]
        is_kept = torch.zeros(self._slots_count, dtype=torch.bool, device=self._device)
        is_kept.index_fill_(0, slots, value=True)
        if dropped:
            is_kept.index_fill_(0, to_device(torch.tensor(dropped), self._device), value=False)
        by_slot = [column.new_zeros(self._slots_count).index_copy_(0, slots, column) for column in self._drawn]
        self._tables.advance(DeviceDraw(*by_slot), is_kept)
        self._drawn = None

    def _capacity(self) -> int:
        """Return an upper bound of the lengths of all contexts: a power of two, so that tables seldom grow."""
        longest = self._draws + max(request.begin for request in self._requests.values())
        return 1 << (longest - 1).bit_length()

    def _release(self, request: _Request | None) -> None:
        """Free the slot of a request that has left the batch."""
        if request is not None:
            self._memory.keep(request.params, request.prompt_key, self._tables.progress(request.slot))
            self._without_token = [other for other in self._without_token if other.slot != request.slot]
            self._free.append(request.slot)

    def _admit(self, added: Sequence[tuple[int, Any, Sequence[int] | None, Sequence[int]]]) -> None:
        """Give slots to new requests, and to those that are put back."""
        contents: list[tuple[int, SlotContents]] = []
        for place, sampling, prompt_ids, output in added:
            self._release(self._requests.pop(place, None))
            params = params_of(sampling)
            if params is None:
                continue
            if prompt_ids is None or -1 in output:
                _LOG.error(
                    "a request's tokens are unknown to the plug-in (embeddings?), so its noise and penalties err"
                )
            prompt = prompt_ids or ()
            begin = len(prompt) + len(output) - self._draws
            request = _Request(self._free.pop(), params, prompt_key(prompt), output, len(output), begin)
            self._requests[place] = request
            self._without_token.append(request)
            content = SlotContents(
                params,
                request.prompt_key,
                prompt,
                [*prompt, *output],
                request.length,
                mirostat_mu(params),
                self._breakers.of(params),
            )
            contents.append((request.slot, content))
        if contents:
            self._tables.admit(contents, self._capacity())
        for slot, content in contents:
            if content.step:
                self._memory.restore(content.params, content.prompt_key, self._tables.progress(slot))
