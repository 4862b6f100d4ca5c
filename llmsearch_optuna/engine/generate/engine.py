"""The plain engine: ``model.generate``, with our own sampler in the place of the logits processors."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.generate.batching import PADDED, Batching, padded_inputs, shared_length
from llmsearch_optuna.engine.generate.processors import RowChooser
from llmsearch_optuna.engine.memory import NOT_EVEN_ONE_ROW, is_out_of_memory, release_memory
from llmsearch_optuna.engine.model import pad_token_id
from llmsearch_optuna.engine.running import Row
from llmsearch_optuna.errors import MemoryExhaustedError
from llmsearch_optuna.space.generation_config import NEUTRAL_CONFIG

__all__ = ["GenerateEngine", "neutral_config"]

_LOG = logging.getLogger(__name__)


class GenerateEngine:
    """Serves every model that ``model.generate`` serves.

    The noise is keyed per row, so that the batch does not matter to it; what is left of the batch is the rounding of
    the model's own logits (about 1e-5 in float32), which padding and batch size can change.

    Args:
        model: A causal or an encoder-decoder language model; not modified.
        tokenizer: The model's tokenizer.
        batch_size: Rows per batch; halved for good when memory runs out.
        decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
        batching: Which prompts may share a batch; `probe_batching` finds out.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 64,
        decode_args: Mapping[str, Any] | None = None,
        batching: Batching = PADDED,
    ) -> None:
        self._model = model
        self._generate: Callable[..., object] = cast("Any", model).generate
        self._tokenizer = tokenizer
        self._decode_args = decode_args
        self._pad_token_id = pad_token_id(model, tokenizer)
        self._generation_config = neutral_config(model, self._pad_token_id, use_cache=batching.use_cache)
        self.batching = batching
        self.batch_size = batch_size

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never room to spare
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`."""
        # Rows of like length share a batch: less padding.
        waiting = sorted(range(len(requests)), key=lambda index: self._likeness(requests[index]))
        completions: dict[int, Completion] = {}
        while waiting:
            batch = waiting[: self._size_of_next([requests[index] for index in waiting[: self.batch_size]])]
            finished = self._generate_batch([requests[index] for index in batch], on_tokens)
            if finished is None:
                self._make_room(len(batch))
                continue
            completions.update(zip(batch, finished, strict=True))
            waiting = waiting[len(batch) :]
        return [completions[index] for index in range(len(requests))]

    def _likeness(self, request: Request) -> tuple[int, int]:
        """What rows should share to be in one batch: at best the length; if need be, the length limit as well."""
        # Some encoder-decoders (BART, Pegasus) are made to end at the limit, which is that of the whole batch.
        forced = self._generation_config.forced_eos_token_id is not None
        return request.params.max_new_tokens if forced else 0, len(request.prompt_ids)

    def _size_of_next(self, requests: list[Request]) -> int:
        """How many of the first requests make the next batch."""
        limit, _ = self._likeness(requests[0])
        alike = [request.prompt_ids for request in requests if self._likeness(request)[0] == limit]
        return shared_length(alike, self.batching, self.batch_size)

    def _generate_batch(self, requests: list[Request], on_tokens: TokenCallback | None) -> list[Completion] | None:
        """The completions of one batch; ``None`` when memory ran out."""

        def begin(input_ids: torch.Tensor) -> list[Row]:
            # The decoder of an encoder-decoder model starts from its own start tokens, not from the prompt.
            starts = input_ids.tolist() if self._model.config.is_encoder_decoder else [None] * len(requests)
            return [Row(request, self._tokenizer, start) for request, start in zip(requests, starts, strict=True)]

        chooser = RowChooser(begin, self._pad_token_id, on_tokens)
        self._generation_config.max_new_tokens = max(request.params.max_new_tokens for request in requests)
        try:
            self._generate(
                **padded_inputs(self._model, [request.prompt_ids for request in requests], self._pad_token_id),
                generation_config=self._generation_config,
                logits_processor=LogitsProcessorList([chooser]),
                stopping_criteria=StoppingCriteriaList([_FinishedRows(chooser)]),
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        return [row.completion(self._decode_args) for row in chooser.rows]

    def _make_room(self, rows: int) -> None:
        """Halves the batch size from the `rows` that did not fit."""
        release_memory()
        if rows == 1:
            raise MemoryExhaustedError(NOT_EVEN_ONE_ROW)
        self.batch_size = rows // 2
        _LOG.warning("out of memory: going on with %d rows at once", self.batch_size)


class _FinishedRows(StoppingCriteria):
    def __init__(self, chooser: RowChooser) -> None:
        self._chooser = chooser

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        return torch.tensor([row.finish_reason is not None for row in self._chooser.rows], device=input_ids.device)


def neutral_config(model: PreTrainedModel, pad_token: int, *, use_cache: bool = True) -> GenerationConfig:
    """The model's own config with everything that we decide ourselves switched off.

    What belongs to the model (decoder start, forced and suppressed tokens) stays.
    """
    config = copy.deepcopy(model.generation_config)
    neutral: dict[str, Any] = {
        **NEUTRAL_CONFIG,
        "return_dict_in_generate": False,
        "eos_token_id": [],
        "min_length": 0,
        "pad_token_id": pad_token,
        "use_cache": use_cache,
    }
    # Values must be set, not unset, as with the others.
    if config.min_new_tokens is not None:
        neutral |= {"min_new_tokens": 0, "min_length": None}  # which is warned of beside it
    if config.exponential_decay_length_penalty is not None:
        neutral["exponential_decay_length_penalty"] = (2**31, 1.0)
    for name, value in neutral.items():
        setattr(config, name, value)
    return config
