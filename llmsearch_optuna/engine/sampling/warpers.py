"""The cuts of the distribution, applied to the most probable tokens of each row with the row's own parameters.

How it works: a cut is a function of the candidates, which are the most probable tokens of each row in descending order,
and of the cut's values. It returns the candidates with a smaller `size`. Only the first cut of a row depends on the
tokens outside the candidates: it uses their exact mass and entropy. If it may end outside, the row is marked undecided
and the caller retries with more candidates.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.space.params import CUTS

__all__ = [
    "MASS_UNIT",
    "NEED_ENTROPY",
    "NEED_MASS",
    "Candidates",
    "apply_cuts",
    "leading_candidates",
    "log_mass",
    "masses",
    "relative_mass",
    "row_slices",
    "surprises_of",
]

# Probability masses are relative to the most probable token of the row, and added up as integer multiples of 1 /
# MASS_UNIT. Integer sums do not depend on the order of their terms, and so not on kernel, device, batch or number of
# candidates. Sums over a million tokens fit an int64; their truncation error is less than a float32's rounding error.
MASS_UNIT = 2.0**43
# The same for the second differences of tfs: their absolute values add up to 2 at most.
_CURVATURE_UNIT = 2.0**60
# The same for the distances of the scores from the maximum, relative to the largest distance.
_SPREAD_UNIT = 2.0**43

_TOP_H_TOKENS = 100  # as in transformers

# The number of elements of a temporary. On the CPU it stays in the cache of a core; a GPU is faster with large kernels.
_CORE_ELEMENTS = 2**17
_GPU_ELEMENTS = 2**24


class Candidates(NamedTuple):
    """The most probable tokens of each row in descending order, of which the leading `size` are kept.

    A row is *open* until its first cut: the tokens outside these candidates are still kept. A first cut that ends
    strictly inside them also removes everything outside, and the row is closed. Otherwise the row is *undecided*: it
    needs more candidates.

    Attributes:
        scores: Logits divided by the temperature, in descending order; float32 [rows, k].
        token_ids: In ascending order if scores are tied; int64 [rows, k].
        size: The number of candidates kept, at least 1; int64 [rows].
        outside_mass: The sum of `relative_mass` over the tokens outside; int64 [rows]. It is 0 if the row is closed, or
            if no first cut in the batch needs it.
        outside_surprise: The same for `_surprise`.
        deviation: The standard deviation of all finite scores; float64 [rows]. It is 0 in the same cases.
        open: Whether the row is open; bool [rows].
        undecided: Whether the row is undecided: all its other values are invalid; bool [rows].
    """

    scores: Tensor
    token_ids: Tensor
    size: Tensor
    outside_mass: Tensor
    outside_surprise: Tensor
    deviation: Tensor
    open: Tensor
    undecided: Tensor

    @property
    def kept(self) -> Tensor:
        """Whether each candidate is kept; bool [rows, k]."""
        return torch.arange(self.scores.shape[1], device=self.scores.device) < self.size[:, None]

    @property
    def log_ratios(self) -> Tensor:
        """The log-probability of each candidate minus that of the first; float64 [rows, k], -inf if not kept."""
        ratios = self.scores.double() - self.scores[:, :1].double()
        return ratios.masked_fill(~self.kept, -torch.inf)


def leading_candidates(scores: Tensor, rows: SamplingRows, width: int) -> Candidates:
    """Return the `width` most probable tokens of each row, before any cut.

    Args:
        scores: Logits divided by the temperature; float32 [rows, vocab]. The result of a row without finite scores is
            invalid.
        rows: The parameters. Their first cuts determine which sums over the whole row are needed.
        width: The number of candidates; all tokens if the vocabulary is not larger.
    """
    vocab = scores.shape[1]
    token_ids = torch.cat([_order_keys(scores[part]).topk(min(width, vocab)).indices for part in row_slices(scores)])
    best = scores.gather(1, token_ids)
    size = (best > -torch.inf).sum(-1).clamp(min=1)
    nothing = torch.zeros_like(size)
    candidates = Candidates(
        scores=best,
        token_ids=token_ids,
        size=size,
        outside_mass=nothing,
        outside_surprise=nothing,
        deviation=nothing.double(),
        open=torch.full_like(size, width < vocab, dtype=torch.bool),
        undecided=torch.zeros_like(size, dtype=torch.bool),
    )
    first_cuts = rows.kinds.first_cuts
    if "top_n_sigma" in first_cuts:
        candidates = candidates._replace(deviation=torch.cat([_deviation(scores[part]) for part in row_slices(scores)]))
    if width >= vocab or first_cuts.isdisjoint(NEED_MASS):
        return candidates
    candidates = candidates._replace(outside_mass=_outside(relative_mass, scores, best))
    if first_cuts.isdisjoint(NEED_ENTROPY):
        return candidates
    return candidates._replace(outside_surprise=_outside(_surprise, scores, best))


def apply_cuts(candidates: Candidates, rows: SamplingRows) -> Candidates:
    """Apply every row's cuts in the order of `params.CUTS`, each renormalising before the next.

    The result equals that of the processors of ``transformers``. The cuts that it lacks name their sources below. If a
    cut splits tied tokens, the lowest token ids are kept. Rows without a cut stay open.

    Args:
        candidates: The result of `leading_candidates`.
        rows: The parameters of the same rows.
    """
    for column, name in enumerate(CUTS):
        if name in rows.kinds.cuts:
            on = rows.cuts[:, column]
            cut = _FORMULAS[name](candidates, rows.mirostat_mu if name == "mirostat_tau" else rows.values[:, column])
            candidates = Candidates(
                *(
                    torch.where(on.reshape(-1, *[1] * (new.dim() - 1)), new, old)
                    for new, old in zip(cut, candidates, strict=True)
                )
            )
    return candidates


def row_slices(scores: Tensor) -> Iterator[slice]:
    """Return at least one slice of rows, such that temporaries of a slice are small. Slicing never changes a result."""
    rows, vocab = scores.shape
    elements = _CORE_ELEMENTS * torch.get_num_threads() if scores.device.type == "cpu" else _GPU_ELEMENTS
    step = max(1, elements // vocab)
    return (slice(start, start + step) for start in range(0, max(1, rows), step))


def _order_keys(scores: Tensor) -> Tensor:
    """Return integers in the order of the scores, lower token ids before higher ones if tied; int64 [rows, vocab].

    The bits of a float32 sort like an integer once those below the sign are flipped in negative numbers. No two keys
    are equal, so that every algorithm finds the same largest ones in the same order.
    """
    keys = (scores + 0.0).view(torch.int32)  # -0.0 is 0.0
    keys ^= (keys >> 31) & 0x7FFFFFFF
    keys = keys.to(torch.int64) << 32
    keys |= torch.arange(scores.shape[1] - 1, -1, -1, device=scores.device)
    return keys


def relative_mass(gaps: Tensor) -> Tensor:
    """Return the probabilities relative to the first candidate's, as integer multiples of 1 / `MASS_UNIT`; int64.

    `gaps` are the scores minus the first candidate's.
    """
    return gaps.exp().mul_(MASS_UNIT).to(torch.int64)


def _surprise(gaps: Tensor) -> Tensor:
    """Return the entropy terms -w log(w), with w = exp(gaps), as integer multiples of 1 / `MASS_UNIT`."""
    gaps = gaps.clamp(min=-200.0)  # exp is 0 there already, and 0 * inf would be NaN
    return gaps.exp().mul_(gaps).mul_(-MASS_UNIT).to(torch.int64)


def _deviation(scores: Tensor) -> Tensor:
    """Return the standard deviation of the finite scores of each row; float64 [rows].

    The sums are integer sums of the distances to the maximum score, relative to the range.
    """
    finite = scores > -torch.inf
    count = finite.sum(-1).double()
    top = scores.amax(-1).double()
    span = (top - scores.masked_fill(~finite, torch.inf).amin(-1).double()).clamp(min=1e-300)
    distances = ((top[:, None] - scores.double()) / span[:, None]).masked_fill_(~finite, 0.0)
    mean = (distances * _SPREAD_UNIT).to(torch.int64).sum(-1).double() / _SPREAD_UNIT / count
    square = (distances.square_() * _SPREAD_UNIT).to(torch.int64).sum(-1).double() / _SPREAD_UNIT / count
    return (square - mean.square()).clamp(min=0.0).sqrt() * span


def _outside(term: Callable[[Tensor], Tensor], scores: Tensor, best: Tensor) -> Tensor:
    """Return the sum of a term over all tokens that are not among the best; int64 [rows]."""
    top = best[:, :1]
    whole_rows = torch.cat([term(scores[part] - top[part]).sum(-1) for part in row_slices(scores)])
    return whole_rows - term(best - top).sum(-1)


def masses(candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Return the mass of each candidate, 0 if not kept, and of all kept tokens; int64 [rows, k] and [rows]."""
    mass = relative_mass(candidates.scores - candidates.scores[:, :1]).where(candidates.kept, 0)
    return mass, mass.sum(-1) + candidates.outside_mass


def log_mass(total: Tensor) -> Tensor:
    """Return the surprisal of the first candidate in nats, given the mass of all kept tokens; float64 [rows]."""
    return torch.log(total.double() / MASS_UNIT)


def _entropy(candidates: Candidates, total: Tensor) -> Tensor:
    """Return the entropy of all kept tokens in nats, given their mass; float64 [rows]."""
    terms = _surprise(candidates.scores - candidates.scores[:, :1]).where(candidates.kept, 0)
    surprise = terms.sum(-1) + candidates.outside_surprise
    return log_mass(total) + surprise.double() / total.double()


def _head(candidates: Candidates, size: Tensor) -> Candidates:
    """Keep the first `size` candidates, at least 1; int64 [rows].

    An open row becomes undecided unless at least two candidates are removed.
    """
    size = size.clamp(min=1)  # also in a row without a finite score, which is refused after all rows are drawn
    # Two removed candidates must remain in the tensors. They stand for the zeros past the end in tfs.
    inside = size <= candidates.size - 2
    return candidates._replace(
        size=size,
        outside_mass=torch.zeros_like(size),
        outside_surprise=torch.zeros_like(size),
        deviation=torch.zeros_like(candidates.deviation),
        open=torch.zeros_like(candidates.open),
        undecided=candidates.undecided | (candidates.open & ~inside),
    )


def _above(candidates: Candidates, floor: Tensor) -> Candidates:
    """Keep the first token, and those whose log-probability minus its own is at least `floor`; float64 [rows]."""
    return _head(candidates, (candidates.log_ratios >= floor.clamp(max=0.0)[:, None]).sum(-1))


def _top_n_sigma(candidates: Candidates, n: Tensor) -> Candidates:
    """Keep the tokens up to n standard deviations below the first (Tang et al. 2024).

    The temperature divides the distances and the deviation alike and so has no influence.
    """
    return _above(candidates, -n * candidates.deviation)


def _top_h(candidates: Candidates, top_h: Tensor) -> Candidates:
    """Keep the first tokens whose entropy terms -p log(p) add up to at most `top_h` of the entropy.

    The first token is always kept (Potraghloo et al. 2025). As in ``transformers``, the distribution and its entropy
    are those of the 100 most probable tokens.
    """
    column = torch.arange(candidates.scores.shape[1], device=candidates.scores.device)
    inside = candidates.kept & (column < _TOP_H_TOKENS)
    gaps = candidates.scores - candidates.scores[:, :1]
    mass = relative_mass(gaps).where(inside, 0)
    surprise = _surprise(gaps).where(inside, 0)
    surprisal = log_mass(mass.sum(-1))[:, None]
    reached = mass.cumsum(-1) * surprisal + surprise.cumsum(-1)
    undecided = candidates.undecided | (candidates.open & (candidates.size < _TOP_H_TOKENS))
    size = ((mass > 0) & (reached <= top_h[:, None] * reached[:, -1:])).sum(-1)
    return _head(candidates._replace(undecided=undecided), size)


def _top_k(candidates: Candidates, k: Tensor) -> Candidates:
    last = torch.minimum(k.long().clamp(min=1), candidates.size)[:, None] - 1
    return _head(candidates, (candidates.kept & (candidates.scores >= candidates.scores.gather(1, last))).sum(-1))


def _top_p(candidates: Candidates, top_p: Tensor) -> Candidates:
    mass, total = masses(candidates)
    tail = total[:, None] - mass.cumsum(-1) + mass  # of each token and all after it
    return _head(candidates, (tail > ((1.0 - top_p) * total)[:, None]).sum(-1).clamp(min=1))


def _min_p(candidates: Candidates, min_p: Tensor) -> Candidates:
    return _above(candidates, min_p.log())


def _typical_p(candidates: Candidates, typical_p: Tensor) -> Candidates:
    """Keep the tokens whose surprisal is nearest to the entropy, until their mass reaches `typical_p`."""
    mass, total = masses(candidates)
    entropy = _entropy(candidates, total)[:, None]
    surprisal = log_mass(total)[:, None] - candidates.log_ratios
    distance = (surprisal - entropy).abs()
    ordered, order = torch.sort(distance, stable=True)
    below = mass.gather(1, order).cumsum(-1) < (typical_p * total)[:, None]
    last = torch.minimum(below.sum(-1), candidates.size - 1)
    bound = ordered.gather(1, last[:, None])
    keep = distance <= bound
    # Surprisal grows from one candidate to the next. If the last one is beyond `bound`, its surprisal is above the
    # entropy (below it, the last would be the nearest), and all tokens outside are even more distant.
    undecided = candidates.undecided | (candidates.open & (distance[:, -1:] <= bound)[:, 0])
    # The most probable tokens may be removed. The kept ones move up, so that they come first again.
    first_kept = torch.sort(keep.int(), stable=True, descending=True).indices
    moved = candidates._replace(
        scores=candidates.scores.gather(1, first_kept),
        token_ids=candidates.token_ids.gather(1, first_kept),
        undecided=undecided,
    )
    return _head(moved, keep.sum(-1))


def _epsilon_cutoff(candidates: Candidates, epsilon: Tensor) -> Candidates:
    _, total = masses(candidates)
    return _above(candidates, epsilon.log() + log_mass(total))


def _eta_cutoff(candidates: Candidates, epsilon: Tensor) -> Candidates:
    _, total = masses(candidates)
    eta = torch.minimum(epsilon, epsilon.sqrt() * torch.exp(-_entropy(candidates, total)))
    return _above(candidates, eta.log() + log_mass(total))


def _tfs(candidates: Candidates, tfs: Tensor) -> Candidates:
    """Tail-free sampling (Bricken 2019) as in llmsearch; unlike there, 1 is off instead of removing the last token.

    With d the absolute second differences of the sorted probabilities (0 for tokens cut before) and c = cumsum(d) /
    sum(d), token i + 1 is removed if c[i] > tfs, the last token of the vocabulary always, and the first never.
    """
    weights = candidates.log_ratios.exp()
    curvature = (weights[:, 2:] - 2.0 * weights[:, 1:-1] + weights[:, :-2]).abs()
    # Differences that reach past the last candidate of an open row are unknown. As probabilities fall, their sum is
    # less than the sum of the last two candidates.
    inside = ~candidates.open[:, None] | candidates.kept[:, 2:]
    units = (curvature * _CURVATURE_UNIT).to(torch.int64).where(inside, 0)
    minimum = units.sum(-1)
    last_two = (candidates.size[:, None] - torch.arange(1, 3, device=weights.device)).clamp(min=0)
    spare = (weights.gather(1, last_two).sum(-1) * (1.0 + 1e-6) * _CURVATURE_UNIT).to(torch.int64)
    maximum = torch.where(candidates.open, minimum + spare, minimum)
    reached = units.cumsum(-1)

    def size(whole: Tensor) -> Tensor:
        return torch.minimum(1 + (reached <= (tfs * whole)[:, None]).sum(-1), candidates.size)

    undecided = candidates.undecided | (size(minimum) != size(maximum))
    return _head(candidates._replace(undecided=undecided), size(minimum))


def _top_a(candidates: Candidates, top_a: Tensor) -> Candidates:
    """Remove the tokens with a probability below ``top_a * p_max ** 2`` (RWKV-LM), as in llmsearch.

    Relative to the first token, as `_above` requires, that is ``top_a * p_max``.
    """
    _, total = masses(candidates)
    return _above(candidates, top_a.log() - log_mass(total))


def _mirostat(candidates: Candidates, mu: Tensor) -> Candidates:
    """Keep the tokens with a surprise of at most mu bits, and always the first (Basu et al. 2021, Mirostat 2.0)."""
    _, total = masses(candidates)
    return _above(candidates, log_mass(total) - mu * math.log(2.0))


def surprises_of(candidates: Candidates, drawn: Tensor, rows: SamplingRows) -> Tensor:
    """Return the surprise of the drawn candidates in bits, -log2 of their probability among the kept tokens.

    Args:
        candidates: The candidates after all cuts.
        drawn: The column of the drawn candidate; int64 [rows].
        rows: The parameters of the same rows.

    Returns:
        float64 [rows]; 0 for rows without mirostat, and invalid for undecided ones.
    """
    if "mirostat_tau" not in rows.kinds.cuts:
        return torch.zeros_like(drawn, dtype=torch.float64)
    _, total = masses(candidates)
    surprisals = log_mass(total) - candidates.log_ratios.gather(1, drawn[:, None])[:, 0]
    return (surprisals / math.log(2.0)).where(rows.cuts[:, CUTS.index("mirostat_tau")], 0.0)


_FORMULAS: dict[str, Callable[[Candidates, Tensor], Candidates]] = {
    "top_n_sigma": _top_n_sigma,
    "top_h": _top_h,
    "top_k": _top_k,
    "top_p": _top_p,
    "min_p": _min_p,
    "typical_p": _typical_p,
    "epsilon_cutoff": _epsilon_cutoff,
    "eta_cutoff": _eta_cutoff,
    "tfs": _tfs,
    "top_a": _top_a,
    "mirostat_tau": _mirostat,
}
"""The formula of each of `CUTS`: ``(candidates, values) -> candidates that are kept``, with values in float64 [rows].

The values are those of the cut's parameter, except for mirostat, which receives mu."""

NEED_ENTROPY = ("typical_p", "eta_cutoff")
"""The cuts that need the entropy of all tokens if they are the first cut of a row."""

NEED_MASS = (*NEED_ENTROPY, "top_p", "epsilon_cutoff", "top_a", "mirostat_tau")
"""The cuts that need the mass of all tokens if they are the first cut of a row."""
