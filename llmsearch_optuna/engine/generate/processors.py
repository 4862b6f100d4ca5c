"""The sampler as a logits processor of ``model.generate``, for the plain engine and for users' own programs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Request, Stopping, TokenCallback
from llmsearch_optuna.engine.running_completion import RunningCompletion, draw_tokens, sampling_rows
from llmsearch_optuna.engine.sampling import SamplingRows
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["SamplingProcessor", "logits_processors"]

_NO_LIMIT = 2**31


def logits_processors(
    params: GenerationParams | Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    inputs: Mapping[str, torch.Tensor] | None = None,
) -> LogitsProcessorList:
    """Return logits processors with which ``model.generate`` reproduces a trial's completions token for token.

    They choose each token themselves, with all parameters and the noise of `generation_seed`, and ``generate`` must
    take the most probable one. Call it with ``do_sample=False`` and without penalties, as in the config that
    `llmsearch_optuna.export` writes to ``exact``, and with the study's end tokens and stop strings. Pad batches on the
    left. The noise of each batch row depends on its prompt. Only the rounding of the model's logits can change with the
    batch.

    Args:
        params: The parameters. `max_new_tokens` is ignored: ``generate`` applies its own limit.
        tokenizer: Defines the pad token of the batches.
        inputs: The inputs of ``generate``: ``input_ids`` and ``attention_mask``, int64. Shape: (batch, length). They
            are required for encoder-decoders, whose prompts a logits processor does not receive, and for batches in
            which all prompts are padded. Without them, the longest prompt is assumed to have no padding, and all
            others to be padded on the left to its length.

    Raises:
        ParameterError: A parameter is invalid, or there is more than one beam, which logits processors do not support.
    """
    if not isinstance(params, GenerationParams):
        params = GenerationParams.from_dict(params)
    if params.beams:
        raise ParameterError(f"`num_beams` must be 1 for logits processors, got {params.num_beams}")
    unlimited = dataclasses.replace(params, max_new_tokens=_NO_LIMIT)
    return LogitsProcessorList([_StandaloneProcessor(unlimited, tokenizer, inputs)])


class SamplingProcessor(LogitsProcessor):
    """Draws the next token of each completion, and masks all other tokens. Finished completions get the pad token.

    Args:
        start: ``(the decoder's first input ids) -> running completions``, called before the first token is drawn.
        pad_token: The id of the pad token.
        on_tokens: Receives the number of tokens drawn in each step.

    Attributes:
        running: The completion of each batch row; empty before the first token.
    """

    def __init__(
        self,
        start: Callable[[torch.Tensor], list[RunningCompletion]],
        pad_token: int,
        on_tokens: TokenCallback | None = None,
    ) -> None:
        self._start = start
        self._pad_token = pad_token
        self._on_tokens = on_tokens
        self.running: list[RunningCompletion] = []
        self._sampling: SamplingRows | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores of 0 for the drawn tokens and -inf for all others.

        Args:
            input_ids: The decoder's input including padding, int64. Shape: (batch, length).
            scores: The model's logits. Shape: (batch, vocabulary).
        """
        if self._sampling is None:
            self.running = self._start(input_ids)
            self._sampling = sampling_rows(self.running, scores)
        tokens = [self._pad_token] * len(self.running)
        active = [row for row, completion in enumerate(self.running) if completion.finish_reason is None]
        if active:
            index = torch.tensor(active, device=scores.device)
            drawn = draw_tokens(scores[index], [self.running[row] for row in active], self._sampling.select(index))
            for row, token in zip(active, drawn, strict=True):
                self.running[row].append(token)
                tokens[row] = token
            if self._on_tokens is not None:
                self._on_tokens(len(active))
        columns = torch.tensor(tokens, device=scores.device)[:, None]
        return torch.full_like(scores, -torch.inf).scatter_(1, columns, 0.0)


class _StandaloneProcessor(LogitsProcessor):
    """Creates a `SamplingProcessor` for each run of ``generate``. Here ``generate`` decides when a completion ends."""

    def __init__(
        self,
        params: GenerationParams,
        tokenizer: PreTrainedTokenizerBase,
        inputs: Mapping[str, torch.Tensor] | None,
    ) -> None:
        self._params = params
        self._tokenizer = tokenizer
        self._inputs = inputs
        self._current: SamplingProcessor | None = None
        self._expected: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        processor = self._continued(input_ids)
        if processor is None:
            pad = self._tokenizer.pad_token_id
            pad = self._tokenizer.eos_token_id if pad is None else pad
            processor = self._current = SamplingProcessor(self._start, pad)
        forced = processor(input_ids, scores)
        self._expected = torch.cat([input_ids, forced.argmax(-1, keepdim=True)], dim=-1)
        return forced

    def _continued(self, input_ids: torch.Tensor) -> SamplingProcessor | None:
        """Return the current processor if these ids continue its run of ``generate``, and None for a new run.

        A completion whose last token ``generate`` replaced with padding is marked as finished.
        """
        if self._current is None or self._expected is None or self._expected.shape != input_ids.shape:
            return None
        if not torch.equal(self._expected[:, :-1], input_ids[:, :-1]):
            return None
        same = (self._expected[:, -1] == input_ids[:, -1]).tolist()
        if not any(same):
            return None
        for completion, is_same in zip(self._current.running, same, strict=True):
            if not is_same and completion.finish_reason is None:
                completion.finish_reason = "eos"
        return self._current

    def _start(self, input_ids: torch.Tensor) -> list[RunningCompletion]:
        """Start a completion for each prompt. In an encoder-decoder, its context is the decoder's start tokens.

        Raises:
            ParameterError: The `inputs` have another number of rows than the batch.
        """
        if self._inputs is None:
            prompts = self._unpadded(input_ids)
            decodes_prompt = True
        else:
            ids, mask = (self._inputs[name] for name in ("input_ids", "attention_mask"))
            if len(input_ids) != len(ids):
                raise ParameterError(f"`inputs` must have the {len(input_ids)} rows of the batch, got {len(ids)}")
            prompts = [row[is_token.bool()].tolist() for row, is_token in zip(ids, mask, strict=True)]
            decodes_prompt = torch.equal(ids.to(input_ids.device), input_ids)
        starts = [None] * len(prompts) if decodes_prompt else input_ids.tolist()
        return [
            RunningCompletion(
                Request(prompt="", prompt_ids=tuple(prompt), params=self._params, stopping=Stopping()),
                self._tokenizer,
                start,
            )
            for prompt, start in zip(prompts, starts, strict=True)
        ]

    def _unpadded(self, ids: torch.Tensor) -> list[Sequence[int]]:
        pad = self._tokenizer.pad_token_id
        if pad is None or len(ids) == 1:
            return list(ids.tolist())
        # The row with the fewest leading pad tokens is assumed to have no padding: these tokens belong to its prompt.
        # All other prompts are assumed to begin with the same number of them.
        leading = (ids == pad).long().cumprod(-1).sum(-1)
        in_prompt = int(leading.min())
        return [row[count - in_prompt :] for row, count in zip(ids.tolist(), leading.tolist(), strict=True)]
