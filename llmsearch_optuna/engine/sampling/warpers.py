"""The cuts of the distribution, applied to the most probable tokens of each row with the row's own parameters.

How it works: a cut is a function of the candidates, which are the most probable tokens of each row in descending order,
and of the cut's values. It returns the candidates with a smaller `size`. Only the first cut of a row depends on the
tokens outside the candidates: it uses their exact mass and entropy. If it may end outside, the row is marked undecided
and the caller retries with more candidates.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.candidates import (
    CURVATURE_UNIT,
    Candidates,
    RowSum,
    entropy,
    keep_above,
    keep_first,
    log_mass,
    masses,
    most_probable,
    relative_mass,
    sum_of_squares,
    surprise,
)
from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.space.params import CUTS

__all__ = ["SUMS_OF_CUTS", "apply_cuts", "leading_candidates", "surprises_of"]

_TOP_H_TOKENS = 100  # as in transformers


class _Cut(NamedTuple):
    """How a cut is computed.

    Attributes:
        keep: ``(candidates, values) -> candidates that are kept``, with the values of the cut in float64 [rows].
        needs: What it needs to know of the tokens outside the candidates if it is the first cut of a row. Leave it
            empty if the cut depends on the candidates only.
    """

    keep: Callable[[Candidates, Tensor], Candidates]
    needs: tuple[RowSum, ...] = ()


def leading_candidates(scores: Tensor, rows: SamplingRows, width: int) -> Candidates:
    """Return the `most_probable` tokens of each row with the sums that the first cuts need."""
    return most_probable(scores, width, frozenset().union(*(SUMS_OF_CUTS[name] for name in rows.kinds.first_cuts)))


def apply_cuts(candidates: Candidates, rows: SamplingRows) -> Candidates:
    """Apply every row's cuts in the order of `params.CUTS`, each renormalising before the next.

    The result equals that of the processors of ``transformers``. The cuts that it lacks name their sources below. If a
    cut splits tied tokens, the lowest token ids are kept. Rows without a cut stay open.
    """
    for column, name in enumerate(CUTS):
        if name in rows.kinds.cuts:
            on = rows.cuts[:, column]
            values = rows.mirostat_mu if name == "mirostat_tau" else rows.values[:, column]
            cut = _CUTS[name].keep(candidates, values)
            candidates = Candidates(
                *(
                    torch.where(on.reshape(-1, *[1] * (new.dim() - 1)), new, old)
                    for new, old in zip(cut, candidates, strict=True)
                )
            )
    return candidates


def _top_n_sigma(candidates: Candidates, n: Tensor) -> Candidates:
    """Keep the tokens up to n standard deviations below the first (Tang et al. 2024).

    The temperature divides the distances and the deviation alike and so has no influence.
    """
    return keep_above(candidates, -n * candidates.deviation)


def _top_h(candidates: Candidates, top_h: Tensor) -> Candidates:
    """Keep the first tokens whose entropy terms -p log(p) add up to at most `top_h` of the entropy.

    The first token is always kept (Potraghloo et al. 2025). As in ``transformers``, the distribution and its entropy
    are those of the 100 most probable tokens.
    """
    column = torch.arange(candidates.scores.shape[1], device=candidates.scores.device)
    inside = candidates.kept & (column < _TOP_H_TOKENS)
    gaps = candidates.scores - candidates.scores[:, :1]
    mass = relative_mass(gaps).where(inside, 0)
    surprisal = log_mass(mass.sum(-1))[:, None]
    reached = mass.cumsum(-1) * surprisal + surprise(gaps).where(inside, 0).cumsum(-1)
    undecided = candidates.undecided | (candidates.open & (candidates.size < _TOP_H_TOKENS))
    size = ((mass > 0) & (reached <= top_h[:, None] * reached[:, -1:])).sum(-1)
    return keep_first(candidates._replace(undecided=undecided), size)


def _p_less(candidates: Candidates, _: Tensor) -> Candidates:
    """Keep the tokens whose probability is at least the sum of the squares of all probabilities (Tan et al. 2026).

    Relative to the first token, that is the sum of the squares over the sum.
    """
    _, total = masses(candidates)
    return keep_above(candidates, log_mass(sum_of_squares(candidates)) - log_mass(total))


def _top_k(candidates: Candidates, k: Tensor) -> Candidates:
    last = torch.minimum(k.long().clamp(min=1), candidates.size)[:, None] - 1
    return keep_first(candidates, (candidates.kept & (candidates.scores >= candidates.scores.gather(1, last))).sum(-1))


def _top_p(candidates: Candidates, top_p: Tensor) -> Candidates:
    mass, total = masses(candidates)
    tail = total[:, None] - mass.cumsum(-1) + mass  # of each token and all after it
    return keep_first(candidates, (tail > ((1.0 - top_p) * total)[:, None]).sum(-1).clamp(min=1))


def _min_p(candidates: Candidates, min_p: Tensor) -> Candidates:
    return keep_above(candidates, min_p.log())


def _typical_p(candidates: Candidates, typical_p: Tensor) -> Candidates:
    """Keep the tokens whose surprisal is nearest to the entropy, until their mass reaches `typical_p`."""
    mass, total = masses(candidates)
    center = entropy(candidates, total)[:, None]
    surprisal = log_mass(total)[:, None] - candidates.log_ratios
    distance = (surprisal - center).abs()
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
    return keep_first(moved, keep.sum(-1))


def _epsilon_cutoff(candidates: Candidates, epsilon: Tensor) -> Candidates:
    _, total = masses(candidates)
    return keep_above(candidates, epsilon.log() + log_mass(total))


def _eta_cutoff(candidates: Candidates, epsilon: Tensor) -> Candidates:
    _, total = masses(candidates)
    eta = torch.minimum(epsilon, epsilon.sqrt() * torch.exp(-entropy(candidates, total)))
    return keep_above(candidates, eta.log() + log_mass(total))


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
    units = (curvature * CURVATURE_UNIT).to(torch.int64).where(inside, 0)
    minimum = units.sum(-1)
    last_two = (candidates.size[:, None] - torch.arange(1, 3, device=weights.device)).clamp(min=0)
    spare = (weights.gather(1, last_two).sum(-1) * (1.0 + 1e-6) * CURVATURE_UNIT).to(torch.int64)
    maximum = torch.where(candidates.open, minimum + spare, minimum)
    reached = units.cumsum(-1)

    def size(whole: Tensor) -> Tensor:
        return torch.minimum(1 + (reached <= (tfs * whole)[:, None]).sum(-1), candidates.size)

    undecided = candidates.undecided | (size(minimum) != size(maximum))
    return keep_first(candidates._replace(undecided=undecided), size(minimum))


def _top_a(candidates: Candidates, top_a: Tensor) -> Candidates:
    """Remove the tokens with a probability below ``top_a * p_max ** 2`` (RWKV-LM), as in llmsearch.

    Relative to the first token, as `keep_above` requires, that is ``top_a * p_max``.
    """
    _, total = masses(candidates)
    return keep_above(candidates, top_a.log() - log_mass(total))


def _mirostat(candidates: Candidates, mu: Tensor) -> Candidates:
    """Keep the tokens with a surprise of at most mu bits, and always the first (Basu et al. 2021, Mirostat 2.0)."""
    _, total = masses(candidates)
    return keep_above(candidates, log_mass(total) - mu * math.log(2.0))


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


_CUTS: Mapping[str, _Cut] = MappingProxyType(
    {
        "top_n_sigma": _Cut(_top_n_sigma, needs=("deviation",)),
        "top_h": _Cut(_top_h),
        "p_less": _Cut(_p_less, needs=("outside_mass", "outside_square")),
        "top_k": _Cut(_top_k),
        "top_p": _Cut(_top_p, needs=("outside_mass",)),
        "min_p": _Cut(_min_p),
        "typical_p": _Cut(_typical_p, needs=("outside_mass", "outside_surprise")),
        "epsilon_cutoff": _Cut(_epsilon_cutoff, needs=("outside_mass",)),
        "eta_cutoff": _Cut(_eta_cutoff, needs=("outside_mass", "outside_surprise")),
        "tfs": _Cut(_tfs),
        "top_a": _Cut(_top_a, needs=("outside_mass",)),
        "mirostat_tau": _Cut(_mirostat, needs=("outside_mass",)),
    }
)
"""How each of `CUTS` is computed. The values are those of its parameter, except for mirostat, which receives mu."""

SUMS_OF_CUTS: Mapping[str, frozenset[RowSum]] = MappingProxyType(
    {name: frozenset(cut.needs) for name, cut in _CUTS.items()}
)
"""Cut -> what it needs to know of the tokens outside the candidates if it is the first cut of a row."""
