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
from llmsearch_optuna.engine.memory import NOT_EVEN_ONE_ROW, is_out_of_memory, release_memory
from llmsearch_optuna.engine.model import embedding_weight, pad_token_id
from llmsearch_optuna.engine.processors import RowChooser
from llmsearch_optuna.engine.rows import Row
from llmsearch_optuna.errors import MemoryExhaustedError
from llmsearch_optuna.generation_config import NEUTRAL_CONFIG

__all__ = ["GenerateEngine", "neutral_config"]

_LOG = logging.getLogger(__name__)


class GenerateEngine:
    """Serves every model that ``model.generate`` serves, in padded batches.

    The noise is keyed per row, so that the batch does not matter to it; what is left of the batch is the rounding of
    the model's own logits (about 1e-5 in float32), which padding and batch size can change.

    Args:
        model: A causal or an encoder-decoder language model; not modified.
        tokenizer: The model's tokenizer.
        batch_size: Rows per batch; halved for good when memory runs out.
        decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 64,
        decode_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._generate: Callable[..., object] = cast("Any", model).generate
        self._tokenizer = tokenizer
        self._decode_args = {"skip_special_tokens": True} if decode_args is None else dict(decode_args)
        self._pad_token_id = pad_token_id(model, tokenizer)
        self._generation_config = neutral_config(model, self._pad_token_id)
        self.batch_size = batch_size

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never room to spare
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`."""
        # Rows of like length share a batch: less padding.
        waiting = sorted(range(len(requests)), key=lambda index: len(requests[index].prompt_ids))
        completions: dict[int, Completion] = {}
        while waiting:
            batch = waiting[: self.batch_size]
            finished = self._generate_batch([requests[index] for index in batch], on_tokens)
            if finished is None:
                self._make_room(len(batch))
                continue
            completions.update(zip(batch, finished, strict=True))
            waiting = waiting[len(batch) :]
        return [completions[index] for index in range(len(requests))]

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
                **self._padded(requests),
                generation_config=self._generation_config,
                logits_processor=LogitsProcessorList([chooser]),
                stopping_criteria=StoppingCriteriaList([_FinishedRows(chooser)]),
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        return [row.completion(self._decode_args) for row in chooser.rows]

    def _padded(self, requests: list[Request]) -> dict[str, torch.Tensor]:
        """Input ids and attention mask, int64. Shape: (rows, longest prompt). Decoder prompts end together."""
        longest = max(len(request.prompt_ids) for request in requests)
        ids = torch.full((len(requests), longest), self._pad_token_id)
        mask = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            length = len(request.prompt_ids)
            place = slice(0, length) if self._model.config.is_encoder_decoder else slice(longest - length, longest)
            ids[row, place] = torch.tensor(request.prompt_ids)
            mask[row, place] = 1
        device = embedding_weight(self._model).device
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}

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


def neutral_config(model: PreTrainedModel, pad_token: int) -> GenerationConfig:
    """The model's own config with everything that we decide ourselves switched off.

    What belongs to the model (decoder start, forced and suppressed tokens) stays.
    """
    config = copy.deepcopy(model.generation_config)
    neutral: dict[str, Any] = {
        **NEUTRAL_CONFIG,
        "return_dict_in_generate": False,
        "eos_token_id": [],
        "pad_token_id": pad_token,
    }
    for name, value in neutral.items():
        setattr(config, name, value)
    return config
