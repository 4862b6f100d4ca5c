"""A completion that is being generated, and the draw of its next token, for all engines that run a model."""

import dataclasses
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, FinishReason, Request
from llmsearch_optuna.engine.decoding import with_default
from llmsearch_optuna.engine.sampling import (
    SUMMARY_WIDTH,
    LogitSummary,
    SamplingRows,
    SlotContents,
    draw,
    mirostat_eta,
    mirostat_mu,
    penalise,
    penalise_summary,
    prompt_key,
    sample_summary,
)
from llmsearch_optuna.engine.sampling.breakers import Breakers, breakers_of
from llmsearch_optuna.engine.stopping import StopChecker
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.settings import BODY, settings_in

__all__ = ["UNDECIDED", "RunningCompletion", "draw_tokens", "draw_tokens_from_summary", "sampling_rows"]

UNDECIDED = -1
"""In place of a drawn token: it has to be drawn from all logits."""


class RunningCompletion:
    """A request and the tokens generated for it so far.

    Args:
        request: The request.
        tokenizer: Decodes the completion.
        context: The tokens that the decoder sees before the first generated one; the prompt by default.

    Attributes:
        request: The request.
        token_ids: The tokens generated so far.
        context: All tokens in the decoder: those it started with, and the generated ones.
        finish_reason: Why the completion is finished; None while it is running.
        prompt_key: A hash of the prompt, which selects its sampling noise; see `gumbel_noise`.
        breakers: The breakers of DRY.
        replayed: The number of generated tokens that needed no forward pass.
        mirostat_mu: Mirostat's mu: the maximum surprise of the next token in bits; 0 if mirostat is off. It changes
            when a token is appended.

    Raises:
        ParameterError: The parameters have a field of a server's request.
    """

    def __init__(
        self, request: Request, tokenizer: PreTrainedTokenizerBase, context: Sequence[int] | None = None
    ) -> None:
        bodies = settings_in(dict(request.params.settings), BODY)
        if bodies:
            raise ParameterError(f"`{BODY}{next(iter(bodies))}` is a field of a server's request: leave it out")
        self.request = request
        self.token_ids: list[int] = []
        # An array is read without a copy in every step, and may hold many thousand tokens.
        self.context = array("q", request.prompt_ids if context is None else context)
        self.finish_reason: FinishReason | None = None
        self.prompt_key = prompt_key(request.prompt_ids)
        self.replayed = 0
        self.mirostat_mu = self._next_mu = mirostat_mu(request.params)
        self.breakers = breakers_of(tokenizer, request.params)
        self._stop_checker = StopChecker(request, tokenizer)
        self._tokenizer = tokenizer

    @property
    def contents(self) -> SlotContents:
        """What a device needs to draw the next token."""
        return SlotContents(
            params=self.request.params,
            prompt_key=self.prompt_key,
            prompt=self.request.prompt_ids,
            context=self.context,
            step=len(self.token_ids),
            mirostat_mu=self.mirostat_mu,
            breakers=self.breakers,
        )

    def append(self, token: int) -> None:
        """Append the next token and update `finish_reason`."""
        self.token_ids.append(token)
        self.context.append(token)
        self.mirostat_mu = self._next_mu
        self.finish_reason = self._stop_checker.finish_reason(self.token_ids)

    def record_surprise(self, surprise: float) -> None:
        """Update mirostat's next mu with the surprise (see `Draw`) of the token that is appended next."""
        params = self.request.params
        if params.mirostat_tau is not None:
            # If memory runs out before the token is appended, it is drawn again with the same mu.
            self._next_mu = self.mirostat_mu - mirostat_eta(params) * (surprise - params.mirostat_tau)

    def to_completion(self, decode_args: Mapping[str, Any] | None) -> Completion:
        """Return the completion, cut before its stop string.

        Args:
            decode_args: The tokenizer's keyword arguments for decoding. Unless they say otherwise, special
                tokens are skipped.
        """
        text = str(self._tokenizer.decode(self.token_ids, **with_default(decode_args)))
        return Completion(
            text=self.request.stopping.cut(text),
            token_ids=tuple(self.token_ids),
            finish_reason=self.finish_reason or "length",
            replayed=self.replayed,
        )


def sampling_rows(running: Sequence[RunningCompletion], logits: Tensor) -> SamplingRows:
    """Return the sampling parameters as columns, on the device of the logits, with mirostat's initial mu.

    Raises:
        ParameterError: A request has more than one beam.
    """
    params = [completion.request.params for completion in running]
    for row in params:
        if row.beams:
            raise ParameterError(f"`num_beams` must be 1 in an engine that samples token by token, got {row.num_beams}")
    return SamplingRows.build(params, [completion.prompt_key for completion in running], logits.device)


def draw_tokens(
    logits: Tensor, running: Sequence[RunningCompletion], sampling: SamplingRows, width: int = SUMMARY_WIDTH
) -> list[int]:
    """Return the next token of each completion. The caller must append the tokens before the next draw.

    Args:
        logits: The model's logits before penalties, float. Shape: (completions, vocabulary).
        running: Unfinished completions.
        sampling: `sampling_rows` of the same completions.
        width: See `llmsearch_optuna.engine.sampling.draw`.

    Raises:
        LogitsError: The logits contain NaN or inf, or all tokens are banned.
    """
    arguments = _penalty_arguments(running)
    penalised = penalise(logits.float(), *arguments)
    steps = torch.tensor(arguments.steps, device=logits.device)
    drawn = draw(penalised, _with_current_mu(sampling, running), steps, width=width)
    for completion, surprise in zip(running, drawn.surprises.tolist(), strict=True):
        completion.record_surprise(surprise)
    return drawn.tokens.tolist()


def draw_tokens_from_summary(
    summary: LogitSummary, running: Sequence[RunningCompletion], *, search_noise: bool
) -> list[int]:
    """Return the next token of each completion if the summary of its logits decides it; see `draw_tokens`.

    Args:
        summary: A summary of the logits before penalties, with one row per completion.
        running: Unfinished completions.
        search_noise: See `sample_summary`.

    Returns:
        The tokens, or `UNDECIDED`.
    """
    arguments = _penalty_arguments(running)
    penalised = penalise_summary(summary, *arguments)
    sampling = _with_current_mu(sampling_rows(running, summary.logits), running)
    drawn = sample_summary(penalised, sampling, torch.tensor(arguments.steps), search_noise=search_noise)
    for completion, surprise in zip(running, drawn.surprises.tolist(), strict=True):
        completion.record_surprise(surprise)
    return drawn.tokens.where(drawn.decided, UNDECIDED).tolist()


def _with_current_mu(sampling: SamplingRows, running: Sequence[RunningCompletion]) -> SamplingRows:
    """Return the columns with the current value of each completion's mirostat mu."""
    if all(completion.request.params.mirostat_tau is None for completion in running):
        return sampling
    mu = sampling.mirostat_mu.new_tensor([completion.mirostat_mu for completion in running])
    return dataclasses.replace(sampling, mirostat_mu=mu)


class _PenaltyArguments(NamedTuple):
    """The arguments of `penalise` after the logits."""

    params: list[GenerationParams]
    prompts: list[tuple[int, ...]]
    contexts: list["array[int]"]
    steps: list[int]
    breakers: list[Breakers]


def _penalty_arguments(running: Sequence[RunningCompletion]) -> _PenaltyArguments:
    requests = [completion.request for completion in running]
    return _PenaltyArguments(
        params=[request.params for request in requests],
        prompts=[request.prompt_ids for request in requests],
        contexts=[completion.context for completion in running],
        steps=[len(completion.token_ids) for completion in running],
        breakers=[completion.breakers for completion in running],
    )
