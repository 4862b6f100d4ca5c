"""Draw the next token from a summary of the logits, if the summary determines it.

How it works: a summary holds the top-K logits of a step (K = 256) and, for the other tokens, the logarithm of the sum
of ``exp(power * (logit - peak))`` at a few powers. This is a convex function of the power, so that the sums bound the
mass of the discarded tokens from both sides at any temperature. The cuts are then applied twice: with the minimum and
with the maximum of that mass. A token is replayed only if both bounds select it and no set of kept tokens in between
can select another one. A row without a cut also needs the noise of the discarded tokens: the score of the drawn token
must exceed the largest discarded logit plus the largest discarded noise. Otherwise the draw is undecided, and the model
computes all logits.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.candidates import MASS_UNIT, Candidates, relative_mass, row_slices
from llmsearch_optuna.engine.sampling.exclusion import excluded, smallest_top_choice, xtc_thresholds
from llmsearch_optuna.engine.sampling.noise import gumbel_noise
from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.engine.sampling.sampler import draw_kept, draw_on_device, scaled
from llmsearch_optuna.engine.sampling.warpers import SUMS_OF_CUTS, apply_cuts, leading_candidates
from llmsearch_optuna.space.params import CUTS

__all__ = [
    "SUMMARY_WIDTH",
    "LogitSummary",
    "SummaryDraw",
    "SummaryParts",
    "sample_summary",
    "summarise",
    "summary_of",
    "summary_parts",
]

SUMMARY_WIDTH = 256
"""The number of tokens whose logits a summary holds."""

# The inverse temperatures at which a summary holds the sum over all other tokens.
_POWERS = (0.0, 0.5, 1.0, 2.0)
_BOUNDED_SUMS = frozenset({"outside_mass", "outside_square"})
"""What a summary knows of the tokens outside: bounds of these sums.

A first cut that needs another one is undecided. One that needs only these must keep ever more tokens, or ever fewer, as
the mass outside grows; see `_draw_cut`."""
_NEED_SUMS = tuple(name for name, sums in SUMS_OF_CUTS.items() if sums)
_UNDECIDABLE = tuple(name for name, sums in SUMS_OF_CUTS.items() if sums - _BOUNDED_SUMS)
_LARGEST_MASS = 2.0**60
_LARGEST_NOISE = 23.0


class LogitSummary(NamedTuple):
    """A summary of the logits of each row.

    Attributes:
        logits: The logits of the most probable tokens; float32 [rows, width].
        token_ids: Their token ids, ascending; int64 [rows, width].
        log_sums: The logarithm of the sum over all other tokens of ``exp(power * (logit - peak))``, for powers 0, 1/2,
            1 and 2, before penalties; float64 [rows, 4].
        peak: The largest logit before penalties; float32 [rows].
        bound: The upper bound of the logits of all other tokens; float32 [rows].
        lowered: Whether penalties may have lowered discarded logits; bool [rows].
        raised: The maximum number of discarded logits that penalties may have raised, each at most to `bound`; int64
            [rows].
        vocabulary: The number of tokens.
    """

    logits: Tensor
    token_ids: Tensor
    log_sums: Tensor
    peak: Tensor
    bound: Tensor
    lowered: Tensor
    raised: Tensor
    vocabulary: int

    @property
    def parts(self) -> "SummaryParts":
        """What is stored of a summary without penalties."""
        return SummaryParts(self.logits, self.token_ids, self.log_sums)

    def select(self, index: Tensor | slice) -> "LogitSummary":
        """Return the rows with these indices, in this order."""
        columns = {name: getattr(self, name)[index] for name in self._fields[:-1]}
        return LogitSummary(**columns, vocabulary=self.vocabulary)


class SummaryParts(NamedTuple):
    """What is stored of the summary of each row.

    Attributes:
        values: The logits of the most probable tokens; float32 [rows, width].
        token_ids: Their token ids, ascending; int64 [rows, width].
        log_sums: As in `LogitSummary`; float64 [rows, 4].
    """

    values: Tensor
    token_ids: Tensor
    log_sums: Tensor


class SummaryDraw(NamedTuple):
    """The next tokens, as far as summaries determine them.

    Attributes:
        tokens: The token ids, invalid unless decided; int64 [rows].
        decided: Whether all logits would give the same token; bool [rows].
        surprises: As in `Draw`, invalid unless decided; float64 [rows].
    """

    tokens: Tensor
    decided: Tensor
    surprises: Tensor


def summarise(logits: Tensor) -> LogitSummary:
    """Summarise logits without penalties, on the CPU.

    Args:
        logits: Floating [rows, vocab], on any device. A row with NaN or +inf gets a summary that decides no token.
    """
    return summary_of(SummaryParts(*(part.cpu() for part in summary_parts(logits))), logits.shape[1])


def summary_parts(logits: Tensor) -> SummaryParts:
    """Return what is stored of a summary of logits; see `summarise`. On CUDA, the host does not wait."""
    parts = [_summarised(logits[part].float()) for part in row_slices(logits)]
    return SummaryParts(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def summary_of(parts: SummaryParts, vocabulary: int) -> LogitSummary:
    """Build a summary without penalties from its stored parts."""
    values = parts.values
    return LogitSummary(
        logits=values,
        token_ids=parts.token_ids,
        log_sums=parts.log_sums,
        peak=values.amax(-1),
        bound=values.amin(-1),
        lowered=torch.zeros(len(values), dtype=torch.bool, device=values.device),
        raised=torch.zeros(len(values), dtype=torch.int64, device=values.device),
        vocabulary=vocabulary,
    )


def sample_summary(
    summary: LogitSummary, rows: SamplingRows, steps: Tensor, *, search_noise: bool = True
) -> SummaryDraw:
    """Draw the token that `draw` draws from all logits, if the summary determines it.

    On CUDA, the host does not wait for the device.

    Args:
        summary: Penalties included.
        rows: The parameters, on the device of the summary.
        steps: The number of tokens that each completion has so far; int64 [rows].
        search_noise: Whether to search the noise of the whole vocabulary to decide rows without a cut. It costs about
            as much as drawing from all logits.
    """
    if summary.token_ids.shape[1] == summary.vocabulary:  # it holds all logits
        drawn = draw_on_device(summary.logits, rows, steps, width=summary.vocabulary)
        return SummaryDraw(drawn.tokens, drawn.peaks.isfinite() & summary.peak.isfinite(), drawn.surprises)
    scores = scaled(summary.logits, summary.logits.amax(-1), rows)
    bound = scaled(summary.bound[:, None], summary.logits.amax(-1), rows)[:, 0]
    candidates = leading_candidates(scores, rows, scores.shape[1])
    certain = (candidates.scores > bound[:, None]).sum(-1)
    peak_is_finite = candidates.scores[:, 0].isfinite() & summary.peak.isfinite()
    candidates = candidates._replace(token_ids=summary.token_ids.gather(1, candidates.token_ids))
    tokens = candidates.token_ids[:, 0].clone()
    decided = (certain > 0) & peak_is_finite & ~_has_any(_first_cuts(rows), _UNDECIDABLE)
    surprises = torch.zeros_like(tokens, dtype=torch.float64)

    is_cut = rows.cuts.any(-1)
    is_free = ~is_cut & ~rows.greedy & peak_is_finite
    is_cut &= decided
    if rows.kinds.cuts:
        index, cut_rows = rows.where(is_cut)
        chosen = Candidates(*(column[index] for column in candidates))
        minimum, maximum = _outside_mass(summary.select(index), scores[index], bound[index], cut_rows)
        # On CUDA, rows that are undecided already are drawn as well, and must have at least one candidate.
        ends = _open_ends(chosen, certain[index].clamp(min=1), bound[index], minimum, maximum)
        drawn_cut = _draw_cut(ends, cut_rows, steps[index])
        for column, new in zip((tokens, decided, surprises), drawn_cut, strict=True):
            column[index] = new.where(is_cut[index], column[index])
    if rows.kinds.has_free:
        index, free_rows = rows.where(is_free)
        drawn_free = _draw_free(
            summary.select(index), scores[index], bound[index], free_rows, steps[index], search_noise
        )
        for column, new in zip((tokens, decided), drawn_free, strict=True):
            column[index] = new.where(is_free[index], column[index])
    return SummaryDraw(tokens, decided, surprises)


def _summarised(logits: Tensor) -> SummaryParts:
    token_ids = logits.topk(min(SUMMARY_WIDTH, logits.shape[1]), sorted=False).indices.sort(-1).values
    values = logits.gather(1, token_ids)
    root = (logits - values.amax(-1, keepdim=True)).mul_(0.5).exp_()
    root.scatter_(1, token_ids, 0.0)
    powers = [root.sum(-1), root.square_().sum(-1), root.square_().sum(-1)]
    count = torch.full_like(powers[0], logits.shape[1] - token_ids.shape[1])
    # A sum that underflows is replaced by a tiny one, which can only widen the bounds.
    log_sums = torch.stack([count, *powers], dim=1).double().clamp(min=1e-37).log()
    return SummaryParts(values, token_ids, log_sums)


def _outside_mass(summary: LogitSummary, scores: Tensor, bound: Tensor, rows: SamplingRows) -> tuple[Tensor, Tensor]:
    """Return the lower and the upper bound of the discarded tokens' mass, as in `relative_mass`; int64 [rows] each.

    The logarithm of a sum of ``exp(power * gap)`` is a convex function of the power: between two stored powers it
    lies below the chord through them and above the extensions of the neighbouring chords.
    """
    power = 1.0 / rows.temperature.double()
    # Not `torch.tensor`, which copies from the host: a CUDA graph cannot hold that.
    powers = torch.stack([torch.full((), number, dtype=torch.float64, device=power.device) for number in _POWERS])
    start, end = powers[:-1], powers[1:]
    slopes = summary.log_sums.diff(dim=1) / (end - start)
    chords = summary.log_sums[:, :-1] + slopes * (power[:, None] - start)
    below, above = power[:, None] <= start, power[:, None] >= end
    least = chords.masked_fill(~(below | above), -torch.inf).amax(-1)
    most = chords.masked_fill((power[:, None] < start) | (power[:, None] > end), torch.inf).amin(-1)
    largest_gap = (summary.bound.double() - summary.peak.double()).clamp(min=-1e4)
    beyond = summary.log_sums[:, -1] + (power - _POWERS[-1]) * largest_gap
    most = torch.where(power > _POWERS[-1], beyond, most)

    first = scores.amax(-1).double()
    # The masses to be bounded are computed from float32 scores, each rounded on its own, and truncated to the unit.
    rounding = 1e-5 + 2.0**-21 * first.abs()
    offset = power * summary.peak.double() - first
    lightest = (least + offset).exp() * (1.0 - rounding).clamp(min=0.0) * MASS_UNIT - summary.vocabulary
    heaviest = (most + offset).exp() * (1.0 + rounding)
    heaviest += summary.raised * (bound.double() - first).exp() * (1.0 + rounding)
    return (
        lightest.masked_fill(summary.lowered, 0.0).nan_to_num(0.0).clamp(0.0, _LARGEST_MASS).to(torch.int64),
        (heaviest * MASS_UNIT + 1.0).nan_to_num(_LARGEST_MASS).clamp(0.0, _LARGEST_MASS).to(torch.int64),
    )


def _open_ends(candidates: Candidates, certain: Tensor, bound: Tensor, least: Tensor, most: Tensor) -> list[Candidates]:
    """Return the candidates that are certainly the most probable tokens, once for each bound of the mass outside.

    Args:
        candidates: The tokens of the summary.
        certain: The number of first candidates above the bound of the discarded logits; int64 [rows].
        bound: The bound of the other tokens' scores; float32 [rows].
        least: The lower bound of the discarded mass; int64 [rows].
        most: The upper bound.
    """
    width = candidates.scores.shape[1]
    column = torch.arange(width, device=certain.device)
    masses = relative_mass(candidates.scores - candidates.scores[:, :1])
    uncertain = masses.masked_fill(column < certain[:, None], 0).sum(-1)
    # The squares add up to at most the mass times its largest part. The uncertain masses are truncated to the unit.
    largest = (bound - candidates.scores[:, 0]).clamp(max=0.0).double().exp() * (1.0 + 1e-5)
    largest_square = ((most + uncertain + width) * largest).to(torch.int64)
    return [
        candidates._replace(
            size=certain,
            outside_mass=mass + uncertain,
            outside_square=square,
            open=torch.ones_like(candidates.open),
        )
        for mass, square in ((least, largest_square), (most, torch.zeros_like(most)))
    ]


def _draw_cut(ends: list[Candidates], rows: SamplingRows, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tokens of rows with cuts, whether each is decided, and their surprises.

    `ends` are the candidates for the minimum and for the maximum mass of the tokens outside the summary.
    """
    count = len(steps)
    order = torch.arange(count, device=steps.device).repeat(2)
    stacked = Candidates(*(torch.cat(columns) for columns in zip(*ends, strict=True)))
    first = _first_cuts(rows)
    needs_sums = _has_any(first, _NEED_SUMS)
    later = rows.cuts & ~first
    # The more mass is outside, the more candidates a first cut keeps, or the fewer (epsilon_cutoff); the larger its
    # squares are, the fewer p_less keeps. Of the sets kept at the minimum and at the maximum, one is then a subset of
    # the other, also after a later min_p, which compares each token separately. Any other later cut depends on the kept
    # tokens, and so do XTC and the surprise of mirostat.
    nested = ~_has_any(later, [name for name in CUTS if name != "min_p"])
    nested &= ~_has_any(rows.cuts, ["mirostat_tau"])
    if rows.kinds.has_xtc:
        nested &= xtc_thresholds(rows, steps).isinf()
    rows = rows.select(order)
    cut_once = apply_cuts(stacked, rows.with_cuts(first[order]))
    kept = apply_cuts(cut_once, rows.with_cuts(later[order]))
    drawn, surprises = draw_kept(kept, rows, steps[order])
    tokens, sizes = drawn.view(2, count), cut_once.size.view(2, count)
    same_set = ~needs_sums | (sizes[0] == sizes[1])
    decided = ~kept.undecided.view(2, count).any(0) & (tokens[0] == tokens[1]) & (same_set | nested)
    return tokens[0], decided, surprises[:count]


def _first_cuts(rows: SamplingRows) -> Tensor:
    """Return whether each of `CUTS` is the first cut of a row; bool [rows, cuts]."""
    return rows.cuts & (rows.cuts.cumsum(-1) == 1)


def _has_any(cuts: Tensor, names: Collection[str]) -> Tensor:
    """Return whether each row has any of these cuts; bool [rows]."""
    return torch.stack([cuts[:, CUTS.index(name)] for name in names]).any(0)


def _draw_free(
    summary: LogitSummary, scores: Tensor, bound: Tensor, rows: SamplingRows, steps: Tensor, search_noise: bool
) -> tuple[Tensor, Tensor]:
    """Return the tokens of rows without a cut, and whether they are decided."""
    exclusion_is_certain = torch.ones_like(steps, dtype=torch.bool)
    if rows.kinds.has_xtc:
        scores, exclusion_is_certain = _without_top_choices(summary, scores, bound, rows, steps)
    peak = scores.amax(-1).double()
    values = scores.double() - peak[:, None]
    values += gumbel_noise(rows.seeds, rows.prompt_keys, steps, summary.token_ids)
    best = values.max(-1)
    tokens = summary.token_ids.gather(1, best.indices[:, None])[:, 0]
    gap = bound.double() - peak
    decided = best.values > gap + _LARGEST_NOISE
    if search_noise:
        vocabulary = torch.arange(summary.vocabulary, device=steps.device)
        for part in _undecided_parts(decided, summary.vocabulary):
            noise = gumbel_noise(rows.seeds[part], rows.prompt_keys[part], steps[part], vocabulary)
            noise.scatter_(1, summary.token_ids[part], -torch.inf)
            decided[part] = best.values[part] > gap[part] + noise.amax(-1)
    return tokens, decided & exclusion_is_certain


def _without_top_choices(
    summary: LogitSummary, scores: Tensor, bound: Tensor, rows: SamplingRows, steps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the scores of rows without a cut, -inf if XTC excludes them, and whether the exclusion is certain.

    It is, if both bounds of the discarded mass exclude the same tokens, and no discarded token can be a top choice.
    """
    peak = scores.amax(-1, keepdim=True)
    inside = relative_mass(scores - peak).sum(-1)
    thresholds = xtc_thresholds(rows, steps)
    minimum, maximum = _outside_mass(summary, scores, bound, rows)
    smallest = smallest_top_choice(inside + minimum, thresholds)
    is_excluded = excluded(scores, smallest)
    is_same = (is_excluded == excluded(scores, smallest_top_choice(inside + maximum, thresholds))).all(-1)
    is_inside = bound.double() - peak[:, 0].double() < smallest
    return scores.masked_fill(is_excluded, -torch.inf), is_same & is_inside


def _undecided_parts(decided: Tensor, vocabulary: int) -> Sequence[Tensor | slice]:
    """Return the undecided rows in parts that fit the memory. On CUDA, where the host would wait: all rows."""
    if decided.device.type == "cuda":
        return list(row_slices(decided[:, None].expand(-1, vocabulary)))
    return torch.split((~decided).nonzero()[:, 0], 16)
