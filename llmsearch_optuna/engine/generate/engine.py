"""The plain engine: ``model.generate``, with this package's sampler as its logits processor."""

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
from llmsearch_optuna.engine.generate.batching import Batching, padded_inputs, shared_length
from llmsearch_optuna.engine.generate.processors import SamplingProcessor
from llmsearch_optuna.engine.memory import OUT_OF_MEMORY, Regrowth, is_out_of_memory, release_memory
from llmsearch_optuna.engine.model import inactive_settings, pad_token_id
from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.errors import MemoryExhaustedError
from llmsearch_optuna.space.generation_config import NEUTRAL_CONFIG

__all__ = ["GenerateEngine", "disabled_arguments", "neutral_config"]

_LOG = logging.getLogger(__name__)

# The settings that `neutral_config` switches off.
_NEUTRALISED = {*NEUTRAL_CONFIG, "min_length", "min_new_tokens", "exponential_decay_length_penalty"}


class GenerateEngine:
    """Serves all models that ``model.generate`` supports.

    The sampling noise depends on the prompt and not on the batch. Only the rounding of the model's own logits (about
    1e-5 in float32) can change with padding and batch size.

    Args:
        model: A causal or an encoder-decoder language model; not modified.
        tokenizer: The model's tokenizer.
        batch_size: The maximum number of completions per batch. Halved when memory runs out, until a
            later call; see `Regrowth`.
        decode_args: The tokenizer's keyword arguments for decoding. By default, special tokens are skipped.
        batching: Which prompts may share a batch; see `probe_batching`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 64,
        decode_args: Mapping[str, Any] | None = None,
        batching: Batching = Batching(),  # noqa: B008 - immutable
    ) -> None:
        self._model = model
        self._generate: Callable[..., object] = cast("Any", model).generate
        self._tokenizer = tokenizer
        self._decode_args = decode_args
        self._pad_token_id = pad_token_id(model, tokenizer)
        self._generation_config = neutral_config(model, self._pad_token_id, use_cache=batching.use_cache)
        self.batching = batching
        self.batch_size = self._max_batch_size = batch_size
        self._regrowth = Regrowth()

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never spare capacity
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`."""
        if self.batch_size < self._max_batch_size and self._regrowth.is_due():
            self.batch_size = self._max_batch_size
            _LOG.info("trying %d completions at once again", self.batch_size)
        # Prompts of similar length share a batch, which saves padding.
        waiting = sorted(range(len(requests)), key=lambda index: self._batch_key(requests[index]))
        completions: dict[int, Completion] = {}
        while waiting:
            limit, _ = self._batch_key(requests[waiting[0]])
            candidates = [requests[index] for index in waiting[: self.batch_size]]
            prompts = [request.prompt_ids for request in candidates if self._batch_key(request)[0] == limit]
            batch = waiting[: shared_length(prompts, self.batching, self.batch_size)]
            finished = self._generate_batch([requests[index] for index in batch], on_tokens)
            if finished is None:
                self._make_room(len(batch))
                continue
            completions.update(zip(batch, finished, strict=True))
            waiting = waiting[len(batch) :]
        return [completions[index] for index in range(len(requests))]

    def _batch_key(self, request: Request) -> tuple[int, int]:
        """Return the length limit, if a batch must share it (otherwise 0), and the prompt length."""
        # Some encoder-decoders (BART, Pegasus) are forced to end at the limit, and ``generate`` has one for the batch.
        forced = self._generation_config.forced_eos_token_id is not None
        return request.params.max_new_tokens if forced else 0, len(request.prompt_ids)

    def _generate_batch(self, requests: list[Request], on_tokens: TokenCallback | None) -> list[Completion] | None:
        """Return the completions of one batch; None if memory ran out."""

        def start(input_ids: torch.Tensor) -> list[RunningCompletion]:
            # The decoder of an encoder-decoder model starts with its own start tokens instead of the prompt.
            starts = input_ids.tolist() if self._model.config.is_encoder_decoder else [None] * len(requests)
            pairs = zip(requests, starts, strict=True)
            return [RunningCompletion(request, self._tokenizer, context) for request, context in pairs]

        processor = SamplingProcessor(start, self._pad_token_id, on_tokens)
        self._generation_config.max_new_tokens = max(request.params.max_new_tokens for request in requests)
        try:
            self._generate(
                **padded_inputs(self._model, [request.prompt_ids for request in requests], self._pad_token_id),
                **disabled_arguments(self._model),
                generation_config=self._generation_config,
                logits_processor=LogitsProcessorList([processor]),
                stopping_criteria=StoppingCriteriaList([_AreFinished(processor)]),
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        return [completion.to_completion(self._decode_args) for completion in processor.running]

    def _make_room(self, size: int) -> None:
        """Set the batch size to half of the `size` that did not fit.

        Raises:
            MemoryExhaustedError: The size is 1.
        """
        release_memory()
        if size == 1:
            raise MemoryExhaustedError(OUT_OF_MEMORY)
        self._regrowth.memory_ran_out()
        self.batch_size = size // 2
        _LOG.warning("out of memory: continuing with %d completions at once", self.batch_size)


class _AreFinished(StoppingCriteria):
    def __init__(self, processor: SamplingProcessor) -> None:
        self._processor = processor

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        is_finished = [completion.finish_reason is not None for completion in self._processor.running]
        return torch.tensor(is_finished, device=input_ids.device)


def neutral_config(model: PreTrainedModel, pad_token: int, *, use_cache: bool) -> GenerationConfig:
    """Return a copy of the model's generation config without what this package handles itself or does not support.

    These settings (decoding parameters, end tokens, minimum lengths) have neutral values in the copy. Settings that
    belong to the model (decoder start, forced and suppressed tokens) are kept.
    """
    config = copy.deepcopy(model.generation_config)
    neutral: dict[str, Any] = {
        **NEUTRAL_CONFIG,
        "return_dict_in_generate": False,
        "eos_token_id": [],
        "min_length": 0,
        "pad_token_id": pad_token,
        "use_cache": use_cache,
        "use_mtp": False,
    }
    # These need neutral values: if they are None, transformers uses the model's own.
    if config.min_new_tokens is not None:
        neutral |= {"min_new_tokens": 0, "min_length": None}  # transformers warns if both are set
    if config.exponential_decay_length_penalty is not None:
        neutral["exponential_decay_length_penalty"] = (2**31, 1.0)
    for name, value in neutral.items():
        setattr(config, name, value)
    return config


def disabled_arguments(model: PreTrainedModel) -> dict[str, None]:
    """Return the arguments of ``model.generate`` that switch off settings of the model's generation config.

    These are the unsupported settings and those without a meaning, such as an empty list of banned tokens. They are all
    None, and must be passed as arguments: ``generate`` replaces a None in a generation config with the model's own
    value.
    """
    return dict.fromkeys(inactive_settings(model) - _NEUTRALISED)
