"""The computation of a verdict from the scores of its finalists."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.intervals import (
    Intervals,
    adjusted_alpha,
    bootstrap_intervals,
    difference_intervals,
    samples_needed,
    variance_split,
)
from llmsearch_optuna.study.objectives import TOKENS
from llmsearch_optuna.verdict.comparison import Comparison, FinalistResult
from llmsearch_optuna.verdict.expenses import Expenses
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.judge_noise import noise_share
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["ALPHA", "PairedScores", "compare_by_sample", "judge", "largest_difference", "pair_scores", "seeds_pair"]

_Floats = npt.NDArray[np.float64]

ALPHA = 0.05
"""The nominal chance that any interval of a verdict misses."""


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
    expense: str | None = None,
    clusters: npt.NDArray[np.intp] | None = None,
    alpha: float = ALPHA,
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Compare finalists with one of them, the reference.

    The nominal chance that any interval misses is at most `alpha`; see `adjusted_alpha`. The intervals of means come
    from `difference_intervals`, those of a corpus metric from `bootstrap_intervals`. If there is a second objective,
    the intervals of the savings are included.

    Args:
        finalists: The finalists, scored on the same samples. Two finalists are paired by seed if they have the same
            number of seeds, or one of them has a single seed. Either all have expenses or none.
        best: The name of the finalist that the verdict is about.
        reference: The name of the finalist with which the others are compared; None for a verdict without comparisons.
        metric: The metric's name.
        greater_is_better: Whether the metric is maximised.
        held_out: Whether the samples are those of a study's hold-out split.
        samples: The number of samples, at least two.
        max_difference: The maximum difference of two scores. By default the range of the observed scores, at least 1;
            a corpus metric has no maximum by default.
        comparisons: The number of comparisons that the intervals are adjusted for. By default the number of comparisons
            in this verdict.
        expense: The name of the second objective, which the expenses of the finalists are of; None if there is none.
        clusters: The number of each sample's cluster; see `difference_intervals`. Shape: (samples,).
        alpha: The nominal chance that any interval misses.
        resamples: The number of bootstrap resamples.
        seed: The seed of the bootstrap.

    Raises:
        ValueError: There are fewer than two samples or resamples.
        ScorerError: The scorer of a corpus metric fails on a selection of the samples.
    """
    others = [finalist for finalist in finalists if reference not in (None, finalist.name)]
    base = next((finalist for finalist in finalists if finalist.name == reference), finalists[0])
    expenses = {
        finalist.name: (finalist.expenses, base.expenses)
        for finalist in others
        if finalist.expenses is not None and base.expenses is not None
    }
    each_alpha = adjusted_alpha(alpha, comparisons or max(1, len(others) + len(expenses)))
    sign = 1.0 if greater_is_better else -1.0
    if all(isinstance(finalist.scores, np.ndarray) for finalist in finalists):
        limit = largest_difference([np.asarray(finalist.scores) for finalist in finalists], max_difference)
        differences = [
            _by_sample(sign * np.asarray(finalist.scores), sign * np.asarray(base.scores), each_alpha, limit, clusters)
            for finalist in others
        ]
    else:
        bootstrap = functools.partial(
            bootstrap_intervals,
            samples=samples,
            alpha=each_alpha,
            max_difference=max_difference,
            clusters=clusters,
            resamples=resamples,
            seed=seed,
        )
        differences = _corpus_differences(others, base, sign, samples, bootstrap)
    results = tuple(_result(finalist, samples, with_tokens=expense == TOKENS) for finalist in finalists)
    return Verdict(
        metric=metric,
        greater_is_better=greater_is_better,
        samples=samples,
        seeds=max(result.seeds for result in results),
        held_out=held_out,
        confidence=1.0 - ALPHA,
        finalists=results,
        best=best,
        reference=reference,
        comparisons=tuple(
            _comparison(finalist.name, difference, samples, each_alpha)
            for finalist, difference in zip(others, differences, strict=True)
        ),
        savings=tuple(
            _comparison(name, _saving(*both, each_alpha, clusters), samples, each_alpha)
            for name, both in expenses.items()
        ),
        constant=_constant(finalists, results),
        judge_share=next(
            (
                noise_share(finalist.judge_noise, base.judge_noise, float(difference.intervals.standard_error))
                for finalist, difference in zip(others, differences, strict=True)
                if finalist.name == best
            ),
            None,
        ),
        expense=expense,
        clusters=None if clusters is None else len(np.unique(clusters)),
    )


class _Difference(NamedTuple):
    """A difference with its interval, and the seeds' share of its variance, which is None with one seed."""

    intervals: Intervals
    seed_share: float | None


def _corpus_differences(
    finalists: Sequence[FinalistScores],
    base: FinalistScores,
    sign: float,
    samples: int,
    bootstrap: Callable[[Callable[[npt.NDArray[np.intp]], _Floats]], Intervals],
) -> list[_Difference]:
    """Compare the scores of a corpus metric, those of all finalists on the same resamples."""
    if not finalists:
        return []

    def gains(indices: npt.NDArray[np.intp]) -> _Floats:
        score = base.over(indices).mean()
        return sign * np.array([finalist.over(indices).mean() - score for finalist in finalists])

    intervals, everything = bootstrap(gains), np.arange(samples)
    base_scores = base.over(everything)
    return [
        _by_seed(finalist.over(everything), base_scores, Intervals(*(values[index] for values in intervals)))
        for index, finalist in enumerate(finalists)
    ]


def _saving(expenses: Expenses, others: Expenses, alpha: float, clusters: npt.NDArray[np.intp] | None) -> _Difference:
    """Return the expense per sample that a finalist saves against the reference."""
    return _by_sample(-expenses.values, -others.values, alpha, max(expenses.highest, others.highest), clusters)


class PairedScores(NamedTuple):
    """The paired scores of two finalists.

    Attributes:
        differences: Their differences; with one column if the seeds do not pair. Shape: (samples, seeds).
        noise: The variance of the mean difference that is due to the seeds; None with one seed.
    """

    differences: _Floats
    noise: float | None


def largest_difference(scores: Sequence[_Floats], declared: float | None) -> float:
    """Return the maximum difference of two scores: as declared, or the range of the observed ones, at least 1."""
    if declared is not None:
        return declared
    return max(1.0, float(np.ptp(np.concatenate([np.ravel(array) for array in scores]))))


def seeds_pair(first: int, second: int) -> bool:
    """Return whether finalists with these numbers of seeds are paired. A single seed is paired with every other one."""
    return first == second or 1 in (first, second)


def pair_scores(scores: _Floats, others: _Floats) -> PairedScores:
    """Pair the scores of two finalists, by seed if both have as many seeds, or one has a single one.

    Args:
        scores: The scores of one finalist. Shape: (samples, seeds).
        others: The scores of the other on the same samples. Shape: (samples, seeds).
    """
    if not seeds_pair(scores.shape[1], others.shape[1]):
        # The noise of seeds that are not paired adds up.
        noise = float(variance_split(scores).seed + variance_split(others).seed)
        return PairedScores((scores.mean(axis=1) - others.mean(axis=1))[:, None], noise)
    differences = scores - others
    return PairedScores(differences, float(variance_split(differences).seed) if differences.shape[1] > 1 else None)


def compare_by_sample(
    name: str, scores: _Floats, others: _Floats, *, alpha: float, max_difference: float | None
) -> Comparison:
    """Compare the scores of a finalist with those of another one, of which higher ones are better.

    Args:
        name: The finalist's name.
        scores: The scores. Shape: (samples, seeds).
        others: Those of the other finalist on the same samples. Shape: (samples, seeds).
        alpha: The nominal chance that the interval misses.
        max_difference: The maximum difference of two scores; by default the range of these scores, at least 1.
    """
    limit = largest_difference((scores, others), max_difference)
    return _comparison(name, _by_sample(scores, others, alpha, limit, None), len(scores), alpha)


def _by_sample(
    scores: _Floats, others: _Floats, alpha: float, max_difference: float, clusters: npt.NDArray[np.intp] | None
) -> _Difference:
    """Compare per-sample scores. Shapes: (samples, seeds)."""
    differences, noise = pair_scores(scores, others)
    intervals = difference_intervals(differences, alpha=alpha, max_difference=max_difference, clusters=clusters)
    if noise is None:
        return _Difference(intervals, None)
    if clusters is not None:
        return _Difference(intervals, _share(noise, float(intervals.standard_error) ** 2))
    if differences.shape[1] > 1:
        return _Difference(intervals, float(variance_split(differences).seed_share))
    return _Difference(intervals, _share(noise, float(differences.var(ddof=1)) / len(differences)))


def _by_seed(scores: _Floats, others: _Floats, intervals: Intervals) -> _Difference:
    """Add the seeds' share to the difference of two finalists on a corpus metric. Shapes of the scores: (seeds,)."""
    if max(len(scores), len(others)) == 1:
        return _Difference(intervals, None)
    is_paired = seeds_pair(len(scores), len(others))
    noise = _noise(scores - others) if is_paired else _noise(scores) + _noise(others)
    return _Difference(intervals, _share(noise, float(intervals.standard_error) ** 2))


def _noise(by_seed: _Floats) -> float:
    """Return the variance of the mean over seeds, given the score of each seed; 0 with one seed."""
    return float(by_seed.var(ddof=1)) / len(by_seed) if len(by_seed) > 1 else 0.0


def _share(part: float, total: float) -> float:
    return min(1.0, part / total) if total > 0.0 else 0.0


def _result(finalist: FinalistScores, samples: int, *, with_tokens: bool) -> FinalistResult:
    by_seed = finalist.over(np.arange(samples))
    sd = None
    if len(by_seed) > 1:
        # The variance within samples has many more degrees of freedom than the variance of a few means over samples.
        scores = finalist.scores
        noise = float(variance_split(scores).seed) if isinstance(scores, np.ndarray) else _noise(by_seed)
        sd = math.sqrt(noise * len(by_seed))
    return FinalistResult(
        name=finalist.name,
        score=float(by_seed.mean()),
        tokens=float(finalist.expenses.values.mean()) if with_tokens and finalist.expenses is not None else None,
        cost=finalist.cost,
        seeds=len(by_seed),
        seed_sd=sd,
        trial=finalist.trial,
        search_score=finalist.search_score,
        params=finalist.params,
        irregular=dict(finalist.irregular),
        tied_votes=finalist.tied_votes,
    )


def _constant(finalists: Sequence[FinalistScores], results: Sequence[FinalistResult]) -> float | None:
    """Return the score that every completion has, also on the search split; None if scores differ.

    If the metric scores only a corpus, equal scores may be a coincidence, and only the score 0 is returned.
    """
    by_sample = [finalist.scores for finalist in finalists if isinstance(finalist.scores, np.ndarray)]
    scores = {result.score for result in results}
    if len(by_sample) == len(finalists):
        scores = {float(score) for array in by_sample for score in (array.min(), array.max())}
    elif scores != {0.0}:
        return None
    scores |= {result.search_score for result in results if result.search_score is not None}
    return scores.pop() if len(scores) == 1 else None


def _comparison(name: str, difference: _Difference, samples: int, alpha: float) -> Comparison:
    intervals, seed_share = difference
    needed = float(samples_needed(intervals, samples, alpha=alpha))
    return Comparison(
        name=name,
        gain=float(intervals.estimate),
        low=float(intervals.low),
        high=float(intervals.high),
        seed_share=seed_share,
        samples_needed=math.ceil(needed) if math.isfinite(needed) else None,
    )
