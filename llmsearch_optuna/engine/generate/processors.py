"""The sampler as a logits processor of ``model.generate``: in the plain engine, and in programs of your own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Request, Stopping, TokenCallback
from llmsearch_optuna.engine.running import Row, draw_tokens, sampling_rows
from llmsearch_optuna.engine.sampling import SamplingRows
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["RowChooser", "logits_processors"]

_WITHOUT_END = 2**31


def logits_processors(
    params: GenerationParams | Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    inputs: Mapping[str, torch.Tensor] | None = None,
) -> LogitsProcessorList:
    """Logits processors with which ``model.generate`` writes what a study's trial wrote, token for token.

    They choose every token themselves, by all the parameters and with the noise of `generation_seed`, so that
    ``generate`` has to take the most probable one: call it with ``do_sample=False`` and without penalties, as with the
    config that `llmsearch_optuna.export` puts into ``exact``, and with the study's own end tokens and stop strings.
    Batches are padded on the left. Every row has noise of its own, which depends on its prompt: what is left of the
    batch is the rounding of the model's logits.

    Args:
        params: The parameters; `max_new_tokens` is left to ``generate``.
        tokenizer: Its pad token is what rows are padded with.
        inputs: What goes into ``generate``: ``input_ids`` and ``attention_mask``, int64. Shape: (rows, length). They
            are needed for encoder-decoders, whose prompts a logits processor never sees; and for batches in which no
            row is as long as the batch. Otherwise, the longest row of a batch is taken to have no padding, and the
            others to begin with as many pad tokens as it has more tokens.

    Raises:
        ParameterError: A parameter is wrong, or there is more than one beam: these are beyond a logits processor.
    """
    if not isinstance(params, GenerationParams):
        params = GenerationParams.from_dict(params)
    if params.beams:
        raise ParameterError(f"`num_beams` must be 1 for logits processors, which see no beams, got {params.num_beams}")
    endless = dataclasses.replace(params, max_new_tokens=_WITHOUT_END)
    return LogitsProcessorList([_SeededSampler(endless, tokenizer, inputs)])


class RowChooser(LogitsProcessor):
    """Draws the next token of every unfinished row, and leaves ``generate`` no other; finished rows get the pad token.

    Args:
        begin: ``(ids that the decoder begins with) -> rows``, called when the first token is to be drawn.
        pad_token: The pad token's id.
        on_tokens: Told of every token.

    Attributes:
        rows: The rows; empty before the first token.
    """

    def __init__(
        self, begin: Callable[[torch.Tensor], list[Row]], pad_token: int, on_tokens: TokenCallback | None = None
    ) -> None:
        self._begin = begin
        self._pad_token = pad_token
        self._on_tokens = on_tokens
        self.rows: list[Row] = []
        self._sampling: SamplingRows | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores with which the drawn tokens are the only ones left.

        Args:
            input_ids: What the decoder has seen, padding included, int64. Shape: (rows, length).
            scores: The model's logits. Shape: (rows, vocabulary).
        """
        if self._sampling is None:
            self.rows = self._begin(input_ids)
            self._sampling = sampling_rows(self.rows, scores)
        chosen = torch.tensor(self._choose(self._sampling, scores), device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

    def _choose(self, sampling: SamplingRows, logits: torch.Tensor) -> list[int]:
        active = [index for index, row in enumerate(self.rows) if row.finish_reason is None]
        chosen = [self._pad_token] * len(self.rows)
        if not active:
            return chosen
        index = torch.tensor(active, device=logits.device)
        tokens = draw_tokens(logits[index], [self.rows[row] for row in active], sampling.select(index))
        for row, token in zip(active, tokens, strict=True):
            self.rows[row].append(token)
            chosen[row] = token
        if self._on_tokens is not None:
            self._on_tokens(len(active))
        return chosen


class _SeededSampler(LogitsProcessor):
    """A `RowChooser` for every pass of ``generate``, which says itself when a row is finished."""

    def __init__(
        self,
        params: GenerationParams,
        tokenizer: PreTrainedTokenizerBase,
        inputs: Mapping[str, torch.Tensor] | None,
    ) -> None:
        self._params = params
        self._tokenizer = tokenizer
        self._inputs = inputs
        self._chooser: RowChooser | None = None
        self._expected: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chooser = self._going_on(input_ids)
        if chooser is None:
            pad = self._tokenizer.pad_token_id
            chooser = self._chooser = RowChooser(self._rows, self._tokenizer.eos_token_id if pad is None else pad)
        forced = chooser(input_ids, scores)
        self._expected = torch.cat([input_ids, forced.argmax(-1, keepdim=True)], dim=-1)
        return forced

    def _going_on(self, input_ids: torch.Tensor) -> RowChooser | None:
        """The chooser of the pass that these ids belong to, if it has begun; it learns which rows have ended."""
        if self._chooser is None or self._expected is None or self._expected.shape != input_ids.shape:
            return None
        if not torch.equal(self._expected[:, :-1], input_ids[:, :-1]):
            return None
        same = (self._expected[:, -1] == input_ids[:, -1]).tolist()
        if not any(same):
            return None
        for row, is_same in zip(self._chooser.rows, same, strict=True):
            if not is_same and row.finish_reason is None:
                row.finish_reason = "eos"
        return self._chooser

    def _rows(self, begun_with: torch.Tensor) -> list[Row]:
        """A row for each prompt; the decoder's own start is its context where the prompt is the encoder's."""
        if self._inputs is None:
            prompts = self._unpadded(begun_with)
            decodes_prompt = True
        else:
            ids, mask = (self._inputs[name] for name in ("input_ids", "attention_mask"))
            if len(begun_with) != len(ids):
                raise ParameterError(f"`inputs` must have the {len(begun_with)} rows of the batch, got {len(ids)}")
            prompts = [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
            decodes_prompt = torch.equal(ids.to(begun_with.device), begun_with)
        starts = [None] * len(prompts) if decodes_prompt else begun_with.tolist()
        return [
            Row(
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
        # A prompt may itself begin with what is the pad token, too: then that of the longest row does.
        leading = (ids == pad).long().cumprod(-1).sum(-1)
        own = int(leading.min())
        return [row[padding - own :] for row, padding in zip(ids.tolist(), leading.tolist(), strict=True)]
