"""Draw one token for every row, each with its own parameters."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.candidates import Candidates, row_slices
from llmsearch_optuna.engine.sampling.exclusion import kept_log_ratios, without_top_choices
from llmsearch_optuna.engine.sampling.noise import gumbel_noise
from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.engine.sampling.warpers import apply_cuts, leading_candidates, surprises_of
from llmsearch_optuna.errors import LogitsError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import MIROSTAT_ETA

__all__ = [
    "DeviceDraw",
    "Draw",
    "check_logits",
    "draw",
    "draw_completely",
    "draw_kept",
    "draw_on_device",
    "filtered_logits",
    "leave_tokens",
    "mirostat_eta",
    "mirostat_mu",
    "scaled",
]

# Differences of scores up to this limit fit a float32. A temperature so low that a score would exceed the limit is
# raised, and sampling is still equivalent to greedy.
_LARGEST_SCORE = 1e38
_WIDENING = 8
_FIRST_WIDTH = 256  # candidates that decide nearly all rows


class Draw(NamedTuple):
    """The next tokens, on the CPU.

    Attributes:
        tokens: The token ids; int64 [rows].
        surprises: The surprise of each token in bits, among the kept tokens; float64 [rows], 0 if mirostat is off.
    """

    tokens: Tensor
    surprises: Tensor


class DeviceDraw(NamedTuple):
    """The next tokens, on the device of the logits.

    Attributes:
        tokens: The token ids, invalid if undecided; int64 [rows].
        undecided: Whether the cuts of a row need more candidates; bool [rows].
        peaks: The largest logit of each row, which is finite if the row is valid; float32 [rows].
        surprises: As in `Draw`, invalid if undecided; float64 [rows].
    """

    tokens: Tensor
    undecided: Tensor
    peaks: Tensor
    surprises: Tensor


def draw(logits: Tensor, rows: SamplingRows, steps: Tensor, *, width: int = _FIRST_WIDTH) -> Draw:
    """Draw the next token of every row.

    A greedy row takes its most probable token, the lowest id if tied. Any other row takes, of the tokens that its cuts
    keep and XTC does not exclude, the one with the largest sum of logit / temperature and Gumbel noise. This is an
    exact sample of the filtered distribution (Gumbel-max). A row's token is bit-identical regardless of the other rows.

    Args:
        logits: Penalties included, -inf for banned tokens; floating [rows, vocab], taken as float32.
        rows: The parameters, on the device of the logits.
        steps: The number of tokens that each completion has so far; int64 [rows], on the device of the logits.
        width: The number of most probable tokens that the cuts are first applied to. It changes the cost but not the
            result: a row whose cut may keep tokens outside them is retried with more tokens, and finally with all.

    Raises:
        LogitsError: A row contains NaN or +inf, or has no finite logit.
    """
    tokens, undecided, peaks, surprises = draw_on_device(logits, rows, steps, width=width)
    # Only here does the host wait for the device.
    drawn: Tensor = torch.stack([tokens, undecided.long(), peaks.isfinite().long(), surprises.view(torch.int64)]).cpu()
    if not drawn[2].all():
        _check_peaks(peaks)
    remaining = drawn[1].nonzero()[:, 0]
    if len(remaining):
        index = remaining.to(logits.device)
        wider = draw(logits[index], rows.select(remaining), steps[index], width=width * _WIDENING)
        drawn[0, remaining], drawn[3, remaining] = wider.tokens, wider.surprises.view(torch.int64)
    return Draw(drawn[0], drawn[3].view(torch.float64))


def draw_on_device(logits: Tensor, rows: SamplingRows, steps: Tensor, *, width: int) -> DeviceDraw:
    """Draw the next token of every row, as far as the `width` most probable tokens decide it; see `draw`.

    The host never waits for the device, so that the draw can be a part of a CUDA graph.
    """
    tokens, peaks = _most_probable(logits)
    undecided = torch.zeros_like(tokens, dtype=torch.bool)
    surprises = torch.zeros_like(tokens, dtype=torch.float64)
    if rows.kinds.cuts or rows.kinds.has_free:
        scores = scaled(logits, peaks, rows)
    cut = rows.cuts.any(-1)
    if rows.kinds.cuts:
        index, cut_rows = rows.where(cut)
        drawn = _draw_cut(scores[index], cut_rows, steps[index], width)
        for column, new in zip((tokens, undecided, surprises), drawn, strict=True):
            column[index] = new.where(cut[index], column[index])
    if rows.kinds.has_free:
        free = ~cut & ~rows.greedy
        index, free_rows = rows.where(free)
        tokens[index] = _draw_free(scores[index], free_rows, steps[index]).where(free[index], tokens[index])
    return DeviceDraw(tokens, undecided, peaks, surprises)


def draw_completely(logits: Tensor, rows: SamplingRows, steps: Tensor, *, may_wait: bool) -> DeviceDraw:
    """Draw the next token of every row on the device; see `draw_on_device`. No row is undecided.

    If the host may wait for the device, all tokens are sorted only if a row needs them.
    """
    if not may_wait:
        return draw_on_device(logits, rows, steps, width=logits.shape[1])
    width = _FIRST_WIDTH
    drawn = draw_on_device(logits, rows, steps, width=width)
    while len(remaining := drawn.undecided.nonzero()[:, 0]):
        width *= _WIDENING
        wider = draw_on_device(logits[remaining], rows.select(remaining), steps[remaining], width=width)
        pairs = zip(drawn, wider, strict=True)
        drawn = DeviceDraw(*(column.index_copy(0, remaining, new) for column, new in pairs))
    return drawn


def leave_tokens(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Ban all tokens but one in the rows of a mask, in place, and return the logits.

    Args:
        logits: Floating [rows, vocab]; modified.
        tokens: The token to leave, valid in all rows; int64 [rows].
        mask: bool [rows].
    """
    mask, tokens = mask[:, None], tokens[:, None]
    left = logits.gather(1, tokens).masked_fill(mask, 0.0)
    limits = torch.full_like(left, torch.inf).masked_fill(mask, -torch.inf)
    return logits.clamp_(max=limits).scatter_(1, tokens, left)


def mirostat_mu(params: GenerationParams) -> float:
    """Return mirostat's mu for the first token: the maximum surprise in bits, 0 if mirostat is off."""
    return 2.0 * (params.mirostat_tau or 0.0)


def mirostat_eta(params: GenerationParams) -> float:
    """Return eta of ``mu -= eta * (surprise - tau)``, by which mirostat's mu changes with each token."""
    return MIROSTAT_ETA if params.mirostat_eta is None else params.mirostat_eta


def filtered_logits(logits: Tensor, rows: SamplingRows) -> Tensor:
    """Return the distributions that `draw` draws from: logits divided by the temperature, -inf if cut.

    XTC, which excludes tokens in some steps only, is left out.

    Args:
        logits: See `draw`.
        rows: The parameters, on the device of the logits.

    Returns:
        float32 [rows, vocab]; greedy rows have one finite entry.

    Raises:
        LogitsError: See `draw`.
    """
    tokens, peaks = _most_probable(logits)
    _check_peaks(peaks)
    scores = scaled(logits, peaks, rows)
    candidates = apply_cuts(leading_candidates(scores, rows, logits.shape[1]), rows)
    kept = torch.empty_like(candidates.kept).scatter_(1, candidates.token_ids, candidates.kept)
    most_probable = torch.zeros_like(kept).scatter_(1, tokens[:, None], value=True)
    kept = torch.where(rows.greedy[:, None], most_probable, kept)
    return scores.masked_fill(~kept, -torch.inf)


def check_logits(logits: Tensor) -> None:
    """Check that a token can be chosen from each row of the logits.

    Raises:
        LogitsError: See `draw`.
    """
    _check_peaks(_most_probable(logits)[1])


def _most_probable(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the most probable token of each row, and its logit in float32."""
    tokens = logits.argmax(-1)
    # NaN counts as the largest value, so that the peak shows every kind of invalid row.
    return tokens, logits.gather(1, tokens[:, None])[:, 0].float()


def _check_peaks(peaks: Tensor) -> None:
    for row, peak in enumerate(peaks.tolist()):
        if peak == -math.inf:
            raise LogitsError(
                f"row {row} of the logits has no finite value, so that every token is banned: "
                "weaken `no_repeat_ngram_size` or the other settings that ban tokens"
            )
        if not math.isfinite(peak):
            raise LogitsError(
                f"row {row} of the logits holds {'NaN' if math.isnan(peak) else '+inf'}: "
                "if the model runs in float16 it overflowed, so load it in bfloat16 or float32"
            )


def scaled(logits: Tensor, peaks: Tensor, rows: SamplingRows) -> Tensor:
    """Return the logits divided by the temperature, which is raised where scores would overflow; float32 [rows, vocab].

    Args:
        logits: Floating [rows, vocab].
        peaks: The largest logit of each row; float32 [rows].
        rows: The parameters of the same rows.
    """
    temperature = torch.maximum(rows.temperature, peaks.abs() / _LARGEST_SCORE)
    temperature = temperature.clamp(torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max)
    return logits.float() / temperature[:, None]


def _draw_cut(scores: Tensor, rows: SamplingRows, steps: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw for rows with cuts, from the `width` most probable tokens.

    Sorting and cutting takes many temporaries, so that it is done for a slice of the rows at a time.

    Returns:
        The tokens, int64 [rows]; whether a row needs more candidates and its token is invalid, bool [rows]; and the
        surprises, float64 [rows].
    """
    slices = list(row_slices(scores[:, :width]))
    if len(slices) > 1:
        parts = [_draw_cut(scores[part], rows.select(part), steps[part], width) for part in slices]
        tokens, undecided, surprises = (torch.cat(column) for column in zip(*parts, strict=True))
        return tokens, undecided, surprises
    candidates = apply_cuts(leading_candidates(scores, rows, width), rows)
    tokens, surprises = draw_kept(candidates, rows, steps)
    return tokens, candidates.undecided, surprises


def draw_kept(candidates: Candidates, rows: SamplingRows, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one of the candidates after all cuts, and return tokens and surprises; int64 and float64, both [rows]."""
    noise = gumbel_noise(rows.seeds, rows.prompt_keys, steps, candidates.token_ids)
    drawn = (kept_log_ratios(candidates, rows, steps) + noise).argmax(-1)
    tokens = candidates.token_ids.gather(1, drawn[:, None])[:, 0]
    return tokens, surprises_of(candidates, drawn, rows)


def _draw_free(scores: Tensor, rows: SamplingRows, steps: Tensor) -> Tensor:
    """Draw for rows without a cut, which needs no sorting because the noise is keyed by token id."""
    scores = without_top_choices(scores, rows, steps)
    vocab = torch.arange(scores.shape[1], device=scores.device)
    peaks = scores.amax(-1, keepdim=True).double()
    tokens = [
        scores[part]
        .double()
        .sub_(peaks[part])
        .add_(gumbel_noise(rows.seeds[part], rows.prompt_keys[part], steps[part], vocab))
        .argmax(-1)
        for part in row_slices(scores)
    ]
    return torch.cat(tokens)
