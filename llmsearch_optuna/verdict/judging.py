"""From the scores of all finalists to the verdict."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics import (
    Intervals,
    adjusted_alpha,
    bootstrap_intervals,
    difference_intervals,
    samples_needed,
    variance_split,
)
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.verdict import Comparison, FinalistResult, Verdict

__all__ = ["judge"]

_Floats = npt.NDArray[np.float64]

_ALPHA = 0.05


def judge(
    finalists: Sequence[FinalistScores],
    *,
    best: str,
    reference: str | None,
    metric: str,
    greater_is_better: bool,
    held_out: bool,
    samples: int,
    max_difference: float | None = None,
    comparisons: int | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Compares finalists with the reference among them.

    The intervals are right all at once with a chance of 95 %: see `adjusted_alpha`. Those of means are made by
    `difference_intervals`, those of a metric that scores only a corpus by `bootstrap_intervals`. Where tokens count,
    too, the intervals of these are right at once with the others.

    Args:
        finalists: All of the same samples; seeds pair where two have equally many. All have tokens, or none.
        best: The name of the one that the verdict is about.
        reference: The name of the one that the others are compared with; ``None`` if there is none.
        metric: The metric's name.
        greater_is_better: Whether it is maximised.
        held_out: Whether the samples are those of a study's hold-out split.
        samples: The number of samples, at least two.
        max_difference: The largest difference that two scores can have; by default that of the scores there are, or 1.
        comparisons: How many comparisons the intervals allow for; as many as there are by default.
        resamples: How often the bootstrap draws.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: There are fewer than two samples or resamples.
        ScorerError: A scorer that scores only a corpus fails on a selection of the samples.
    """
    others = [one for one in finalists if reference not in (None, one.name)]
    counted = [one for one in others if one.tokens is not None]
    alpha = adjusted_alpha(_ALPHA, comparisons or max(1, len(others) + len(counted)))
    base = next((one for one in finalists if one.name == reference), finalists[0])
    sign = 1.0 if greater_is_better else -1.0
    if _is_by_sample(finalists):
        reach = _largest(finalists) if max_difference is None else max_difference
        compared = [
            _by_sample(sign * np.asarray(one.scores), sign * np.asarray(base.scores), alpha, reach) for one in others
        ]
    elif others:
        compared = _by_bootstrap(others, base, sign, samples, alpha, max_difference or 1.0, resamples, seed)
    else:
        compared = []
    return Verdict(
        metric=metric,
        greater_is_better=greater_is_better,
        samples=samples,
        seeds=max(len(one.over(np.arange(samples))) for one in finalists),
        held_out=held_out,
        confidence=1.0 - _ALPHA,
        finalists=tuple(_finalist_score(one, samples) for one in finalists),
        best=best,
        reference=reference,
        comparisons=tuple(
            _comparison(one.name, found, samples, alpha) for one, found in zip(others, compared, strict=True)
        ),
        savings=tuple(_comparison(one.name, _saving(one, base, alpha), samples, alpha) for one in counted),
    )


class _Compared(NamedTuple):
    gain: Intervals
    seed_share: float | None


def _is_by_sample(finalists: Sequence[FinalistScores]) -> bool:
    return all(isinstance(one.scores, np.ndarray) for one in finalists)


def _largest(finalists: Sequence[FinalistScores]) -> float:
    scores = np.concatenate([np.ravel(one.scores) for one in finalists if isinstance(one.scores, np.ndarray)])
    return max(1.0, float(np.ptp(scores)))


def _saving(one: FinalistScores, base: FinalistScores, alpha: float) -> _Compared:
    """How many tokens fewer one takes."""
    limits = [contender.params.max_new_tokens for contender in (one, base) if contender.params is not None]
    return _by_sample(-np.asarray(one.tokens), -np.asarray(base.tokens), alpha, float(max(limits, default=1)))


def _by_sample(scores: _Floats, others: _Floats, alpha: float, max_difference: float) -> _Compared:
    if scores.shape[1] == others.shape[1] or 1 in (scores.shape[1], others.shape[1]):
        differences = scores - others
        share = float(variance_split(differences).seed_share) if differences.shape[1] > 1 else None
    else:
        # Seeds that do not pair add up their noise.
        differences = (scores.mean(axis=1) - others.mean(axis=1))[:, None]
        noise = float(variance_split(scores).seed + variance_split(others).seed)
        share = _share(noise, float(differences.var(ddof=1)) / len(differences))
    return _Compared(difference_intervals(differences, alpha=alpha, max_difference=max_difference), share)


def _by_bootstrap(
    others: Sequence[FinalistScores],
    base: FinalistScores,
    sign: float,
    samples: int,
    alpha: float,
    max_difference: float,
    resamples: int,
    seed: int,
) -> list[_Compared]:
    def gains(indices: npt.NDArray[np.intp]) -> _Floats:
        reference = base.over(indices).mean()
        return sign * np.array([one.over(indices).mean() - reference for one in others])

    found = bootstrap_intervals(
        gains, samples, alpha=alpha, max_difference=max_difference, resamples=resamples, seed=seed
    )
    reference = base.over(np.arange(samples))
    compared = []
    for index, one in enumerate(others):
        by_seed = one.over(np.arange(samples))
        share = None
        if max(len(by_seed), len(reference)) > 1:
            if len(by_seed) == len(reference) or 1 in (len(by_seed), len(reference)):
                noise = _noise(by_seed - reference)
            else:
                noise = _noise(by_seed) + _noise(reference)
            share = _share(noise, float(found.standard_error[index]) ** 2)
        compared.append(_Compared(Intervals(*(values[index] for values in found)), share))
    return compared


def _noise(by_seed: _Floats) -> float:
    """The variance of a mean over seeds."""
    return float(by_seed.var(ddof=1)) / len(by_seed) if len(by_seed) > 1 else 0.0


def _share(part: float, total: float) -> float:
    return min(1.0, part / total) if total > 0.0 else 0.0


def _finalist_score(one: FinalistScores, samples: int) -> FinalistResult:
    by_seed = one.over(np.arange(samples))
    sd = None
    if len(by_seed) > 1:
        # Within samples, where these have scores: many more degrees of freedom than the means of a few seeds.
        noise = float(variance_split(one.scores).seed) if isinstance(one.scores, np.ndarray) else _noise(by_seed)
        sd = math.sqrt(noise * len(by_seed))
    return FinalistResult(
        name=one.name,
        score=float(by_seed.mean()),
        tokens=None if one.tokens is None else float(one.tokens.mean()),
        seeds=len(by_seed),
        seed_sd=sd,
        trial=one.trial,
        search_score=one.search_score,
        params=one.params,
    )


def _comparison(name: str, compared: _Compared, samples: int, alpha: float) -> Comparison:
    found, share = compared
    needed = float(samples_needed(found, samples, alpha=alpha))
    return Comparison(
        name=name,
        gain=float(found.estimate),
        low=float(found.low),
        high=float(found.high),
        seed_share=share,
        samples_needed=math.ceil(needed) if math.isfinite(needed) else None,
    )
