"""One completion in the making, and the choice of the next token: what the plain and the slot engine share."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, FinishReason, Request
from llmsearch_optuna.engine.sampling import (
    SUMMARY_WIDTH,
    LogitSummary,
    SamplingRows,
    SummaryDraw,
    draw,
    penalise,
    penalise_summary,
    prompt_key,
    sample_summary,
)
from llmsearch_optuna.engine.stopping import RowStopper
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import MIROSTAT_ETA, GenerationParams

__all__ = ["Row", "draw_tokens", "draw_tokens_from_summary", "sampling_rows"]


class Row:
    """A request and its completion so far.

    Args:
        request: What is wanted.
        tokenizer: Decodes the completion.
        context: What the decoder has seen before its first token; the prompt by default.

    Attributes:
        request: What is wanted.
        token_ids: The completion so far.
        context: All that the decoder has seen, the completion included.
        finish_reason: Why the completion is finished; ``None`` while it is not.
        prompt_key: The prompt's key in the noise.
        replayed: How many tokens of the completion needed no forward pass.
        mirostat_mu: The most bits of surprise that mirostat allows the next token: a function of what was drawn before.
    """

    def __init__(
        self, request: Request, tokenizer: PreTrainedTokenizerBase, context: Sequence[int] | None = None
    ) -> None:
        self.request = request
        self.token_ids: list[int] = []
        self.context = list(request.prompt_ids if context is None else context)
        self.finish_reason: FinishReason | None = None
        self.prompt_key = prompt_key(request.prompt_ids)
        self.replayed = 0
        self.mirostat_mu = self._next_mu = 2.0 * (request.params.mirostat_tau or 0.0)
        self._stopper = RowStopper(request, tokenizer)
        self._tokenizer = tokenizer

    def append(self, token: int) -> None:
        """Takes the next token, and sees whether it is the last."""
        self.token_ids.append(token)
        self.context.append(token)
        self.mirostat_mu = self._next_mu
        self.finish_reason = self._stopper.finish_reason(self.token_ids)

    def learn(self, surprise: float) -> None:
        """Notes the surprise (see `Draw`) of the token that will be appended, which moves mirostat's mu."""
        params = self.request.params
        if params.mirostat_tau is not None:
            eta = MIROSTAT_ETA if params.mirostat_eta is None else params.mirostat_eta
            # The token may be drawn again before it is appended, where memory ran out in between.
            self._next_mu = self.mirostat_mu - eta * (surprise - params.mirostat_tau)

    def completion(self, decode_args: Mapping[str, Any] | None) -> Completion:
        """The completion, cut before its stop string.

        Args:
            decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
        """
        decode_args = {"skip_special_tokens": True} if decode_args is None else decode_args
        text = str(self._tokenizer.decode(self.token_ids, **decode_args))
        cuts = [text.find(stop) for stop in self.request.stopping.strings if stop in text]
        return Completion(
            text=text[: min(cuts)] if cuts else text,
            token_ids=tuple(self.token_ids),
            finish_reason=self.finish_reason or "length",
            replayed=self.replayed,
        )


def sampling_rows(rows: Sequence[Row], logits: Tensor) -> SamplingRows:
    """The rows' parameters as columns, on the device of the logits; mirostat's mu as it is at the start.

    Raises:
        ParameterError: A row wants beams.
    """
    params = [row.request.params for row in rows]
    if any(wanted.beams for wanted in params):
        raise ParameterError(
            "`num_beams` must be 1 where tokens are chosen one by one: beams need an engine of their own"
        )
    return SamplingRows.build(params, [row.prompt_key for row in rows], logits.device)


def draw_tokens(logits: Tensor, rows: Sequence[Row], sampling: SamplingRows, width: int = SUMMARY_WIDTH) -> list[int]:
    """The next token of every row, which must be appended to it before another is drawn.

    Args:
        logits: Float. Shape: (rows, vocabulary).
        rows: Unfinished rows.
        sampling: `sampling_rows` of the same rows.
        width: See `sample`.

    Raises:
        LogitsError: The logits hold NaN or inf.
    """
    steps = torch.tensor([len(row.token_ids) for row in rows], device=logits.device)
    penalised = penalise(logits.float(), *_penalty_arguments(rows))
    drawn = draw(penalised, _up_to_date(sampling, rows), steps, width=width)
    for row, surprise in zip(rows, drawn.surprises.tolist(), strict=True):
        row.learn(surprise)
    return drawn.tokens.tolist()


def draw_tokens_from_summary(summary: LogitSummary, rows: Sequence[Row], *, search_noise: bool) -> SummaryDraw:
    """The next token of every row for which a summary of the logits decides it; see `draw_tokens`.

    Args:
        summary: Without penalties.
        rows: Unfinished rows.
        search_noise: See `sample_summary`.
    """
    steps = torch.tensor([len(row.token_ids) for row in rows])
    penalised = penalise_summary(summary, *_penalty_arguments(rows))
    sampling = _up_to_date(sampling_rows(rows, summary.logits), rows)
    drawn = sample_summary(penalised, sampling, steps, search_noise=search_noise)
    for row, surprise in zip(rows, drawn.surprises.tolist(), strict=True):
        row.learn(surprise)
    return drawn


def _up_to_date(sampling: SamplingRows, rows: Sequence[Row]) -> SamplingRows:
    """The columns with the rows' own values of mirostat's mu."""
    if all(row.request.params.mirostat_tau is None for row in rows):
        return sampling
    return sampling.with_mirostat_mu([row.mirostat_mu for row in rows])


def _penalty_arguments(
    rows: Sequence[Row],
) -> tuple[list[GenerationParams], list[tuple[int, ...]], list[list[int]]]:
    return [row.request.params for row in rows], [row.request.prompt_ids for row in rows], [row.context for row in rows]
