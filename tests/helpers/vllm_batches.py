"""vLLM's batches as its two model runners keep them, without vLLM: who is added, removed, moved, put back and dropped.

The shapes are those of vLLM 0.32: `BatchUpdate` and `MoveDirectionality` of ``vllm.v1.sample.logits_processor``, and
`LogitsProcRequestState` and `LogitsContext` of ``vllm.v1.worker.gpu.sample.logits_processor``.
"""

import dataclasses
import enum
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from host_completions import GivenBreakers, HostCompletion
from torch import Tensor

from llmsearch_optuna.engine.vllm.v1 import V1Processor
from llmsearch_optuna.engine.vllm.v2 import V2Processor
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, plugin_value

VOCABULARY = 60
MAX_LENGTH = 64


def sampling_params(params: GenerationParams | None, **values: Any) -> SimpleNamespace:
    """The attributes of ``vllm.SamplingParams`` that the plug-in reads."""
    extra = None if params is None else {PLUGIN_KEY: plugin_value(params)}
    plain = {"seed": None, "n": 1, "repetition_penalty": 1.0}
    return SimpleNamespace(
        **{"extra_args": extra, **plain, "presence_penalty": 0.0, "frequency_penalty": 0.0, **values}
    )


def vllm_config(requests: int, *, async_scheduling: bool = False, drafts: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        scheduler_config=SimpleNamespace(max_num_seqs=requests, async_scheduling=async_scheduling),
        model_config=None,
        speculative_config=SimpleNamespace(num_speculative_tokens=drafts) if drafts else None,
    )


@dataclasses.dataclass(eq=False)
class SimulatedRequest:
    """A request in vLLM, and the same one as the host draws it.

    Attributes:
        params: Its parameters; None for one without our key.
        prompt: Its prompt.
        chunks: The number of steps in which its prompt is still being computed.
        output: vLLM's list of its tokens: with -1 in place of a token that is not known to the host yet.
        tokens: Its tokens.
    """

    params: GenerationParams | None
    prompt: list[int]
    chunks: int
    output: list[int] = dataclasses.field(default_factory=list)
    tokens: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.expected = HostCompletion(self.params or GenerationParams(), self.prompt)
        self.sampling = sampling_params(self.params)

    def logits(self) -> Tensor:
        """Logits that depend on the prompt and the tokens only, as those of a model do; float32 [vocabulary].

        Those of one prompt are similar, so that penalties matter.
        """

        def normal(*tokens: int) -> Tensor:
            return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(hash(tokens) % 2**31))

        return 3.0 * normal(*self.prompt) + normal(*self.prompt, -1, *self.tokens)

    def take(self, row: Tensor, logits: Tensor) -> bool:
        """Check a row of logits that the plug-in returned, and take its token; False if vLLM drops it."""
        if self.chunks:
            self.chunks -= 1
            return False
        if self.params is None:
            assert torch.equal(row.cpu(), logits), "a request without our key was changed"
        else:
            assert row.isfinite().sum() == 1
        token = int(row.argmax())
        assert token == self.expected.draw(logits)
        self.tokens.append(token)
        return True


class MoveDirectionality(enum.Enum):
    UNIDIRECTIONAL = 0
    SWAP = 1


class FirstRunner:
    """The batch of vLLM's first model runner: requests have places, and holes are filled from the end."""

    def __init__(self, size: int, device: torch.device, *, is_async: bool) -> None:
        self._processor = V1Processor(vllm_config(size, async_scheduling=is_async), device, breakers=GivenBreakers())
        self._places: list[SimulatedRequest] = []
        self._is_async = is_async
        self._device = device

    def step(self, scheduled: Sequence[SimulatedRequest], swaps: Sequence[tuple[int, int]]) -> None:
        """Run a step with these requests. The others leave the batch, and come back when they are scheduled again."""
        places: list[SimulatedRequest | None] = [row if row in scheduled else None for row in self._places]
        removed = [place for place, row in enumerate(places) if row is None]
        added, moved = [], []
        for request in scheduled:
            if request in self._places:
                continue
            if self._is_async:  # vLLM puts a new list in its place, with the tokens that the scheduler has
                request.output = list(request.tokens)
            place = removed.pop(0) if removed else len(places)
            places[place : place + 1] = [request]
            added.append((place, request.sampling, request.prompt, request.output))
        while places and places[-1] is None:
            places.pop()
        while holes := [place for place in removed if place < len(places)]:
            place = holes[0]
            removed.remove(place)  # what replaces it says enough, as for those that were added
            moved.append((len(places) - 1, place, MoveDirectionality.UNIDIRECTIONAL))
            places[place] = places.pop()
            while places and places[-1] is None:
                places.pop()
        for first, second in swaps:
            if max(first, second) < len(places) and first != second:
                moved.append((first, second, MoveDirectionality.SWAP))
                places[first], places[second] = places[second], places[first]
        self._places = [row for row in places if row is not None]
        is_changed = bool(removed or added or moved)
        update = SimpleNamespace(batch_size=len(self._places), removed=removed, added=added, moved=moved)
        self._processor.update_state(update if is_changed else None)
        logits = torch.stack([request.logits() for request in self._places])
        rows = self._processor.apply(logits.to(self._device, copy=True))
        for request, row, row_logits in zip(self._places, rows, logits, strict=True):
            if request.take(row, row_logits):
                request.output.append(-1 if self._is_async else request.tokens[-1])


class SecondRunner:
    """The slots of vLLM's second model runner, with draft tokens on request."""

    def __init__(self, size: int, device: torch.device, *, drafts: int = 0) -> None:
        def zeros(*shape: int) -> SimpleNamespace:
            values = torch.zeros(*shape, dtype=torch.int32)
            return SimpleNamespace(np=values.numpy(), gpu=values.to(device))

        self._states = SimpleNamespace(
            device=device,
            max_num_reqs=size,
            vocab_size=VOCABULARY,
            all_token_ids=zeros(size, MAX_LENGTH),
            prompt_len=zeros(size),
            prefill_len=zeros(size),
            total_len=zeros(size),
        )
        self._processor = V2Processor(vllm_config(size, drafts=drafts), self._states, breakers=GivenBreakers())
        self._slots: dict[SimulatedRequest, int] = {}
        self._free = list(range(size))
        self._device = device
        self.proposes: Callable[[SimulatedRequest], list[int]] = lambda request: []

    def step(self, scheduled: Sequence[SimulatedRequest], swaps: Sequence[tuple[int, int]]) -> None:
        """Run a step with these requests, in their order. The others lose their slots."""
        for request in [row for row in self._slots if row not in scheduled]:
            self._free.insert(0, self._slots.pop(request))
        for request in scheduled:
            if request not in self._slots:
                self._add(request)
        self._processor.apply_staged_writes()
        order = list(scheduled)
        for first, second in swaps:
            if max(first, second) < len(order):
                order[first], order[second] = order[second], order[first]
        self._run(order)

    def _add(self, request: SimulatedRequest) -> None:
        slot = self._slots[request] = self._free.pop(0)
        context = [*request.prompt, *request.tokens]
        self._states.all_token_ids.gpu[slot, : len(context)] = torch.tensor(context, dtype=torch.int32)
        for states, length in ((self._states.prompt_len, request.prompt), (self._states.prefill_len, context)):
            states.np[slot] = len(length)
            states.gpu[slot] = len(length)
        assert self._processor.add_request(slot, request.sampling) == (request.params is not None)

    def _run(self, order: Sequence[SimulatedRequest]) -> None:
        rows = []  # (request, draft tokens before the row)
        for request in order:
            drafts = [] if request.chunks else self.proposes(request)
            rows += [(request, drafts[:count]) for count in range(len(drafts) + 1)]
        logits = []
        for request, drafts in rows:
            request.tokens += drafts
            logits.append(request.logits())
            del request.tokens[len(request.tokens) - len(drafts) :]
        # While a prompt is computed, its rows are at an earlier position.
        positions = [
            len(request.prompt) + len(request.tokens) + len(drafts) - 1 - request.chunks for request, drafts in rows
        ]
        inputs = [
            [*request.prompt, *request.tokens, *drafts][place]
            for (request, drafts), place in zip(rows, positions, strict=True)
        ]

        def on_device(values: Sequence[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int32, device=self._device)

        context = SimpleNamespace(
            expanded_idx_mapping=on_device([self._slots[request] for request, _ in rows]),
            idx_mapping=on_device([self._slots[request] for request in order]),
            idx_mapping_np=np.array([self._slots[request] for request in order], dtype=np.int32),
            expanded_local_pos=on_device([len(drafts) for _, drafts in rows]),
            input_ids=on_device(inputs),
            pos=on_device(positions),
            seq_lens_upper_bound_np=np.array([place + 1 for place in positions], dtype=np.int32),
        )
        stacked = torch.stack(logits)
        drawn = self._processor.apply(stacked.to(self._device, copy=True), context)
        accepted: dict[SimulatedRequest, bool] = {}
        for (request, drafts), row, row_logits in zip(rows, drawn, stacked, strict=True):
            if drafts and not (accepted[request] and request.tokens[-1] == drafts[-1]):
                accepted[request] = False
                continue
            accepted[request] = request.take(row, row_logits)
            if accepted[request]:
                place = len(request.prompt) + len(request.tokens) - 1
                self._states.all_token_ids.gpu[self._slots[request], place] = request.tokens[-1]
