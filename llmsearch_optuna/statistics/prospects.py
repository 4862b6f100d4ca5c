"""What the remaining proposals of a search can be expected to gain, estimated from the scores of those so far."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.estimates import MeanEstimates, posterior

__all__ = ["Spread", "expected_gain", "mean_spread", "proposal_means", "shrunk_best"]

_Floats = npt.NDArray[np.float64]

_PRIOR_FREEDOM = 12.0
_BISECTIONS = 40
_POINTS = 400
_REACH = 8.0


class Spread(NamedTuple):
    """The distribution of the true means among proposals.

    Attributes:
        centre: Its mean.
        variance: Its variance; 0 if sampling errors alone explain how the estimates differ.
        largest: The upper confidence limit of the variance.
    """

    centre: float
    variance: float
    largest: float


def proposal_means(proposals: Sequence[npt.ArrayLike], complete: npt.ArrayLike) -> MeanEstimates:
    """Estimate the true mean of each proposal from its scores so far.

    Samples differ in difficulty, which all proposals share. Only how a proposal's scores deviate from those of the
    complete trials on the same samples makes its mean uncertain (an analysis of variance of trials by samples). The
    variance of these deviations is that of the proposal, with the mean of all proposals as a prior of 12 degrees of
    freedom, as a few samples do not tell it.

    Args:
        proposals: The scores of each proposal on the first samples, in the shared order. Shape of each: (seen,), where
            seen >= 1 may differ.
        complete: The scores of all fully evaluated trials. Shape: (trials, samples), trials >= 1.
    """
    rows = np.asarray(complete, dtype=np.float64)
    trials, samples = rows.shape
    difficulty = rows.mean(axis=0)
    scores = [np.asarray(proposal, dtype=np.float64) for proposal in proposals]
    seen = np.array([len(row) for row in scores], dtype=np.float64)
    deviations = [row - difficulty[: len(row)] for row in scores]
    means = np.array([row.mean() for row in deviations]) + difficulty.mean()
    squares = np.array([float(np.square(row - row.mean()).sum()) for row in deviations])
    # A complete proposal is one of the trials whose mean it is compared with.
    freedom = (seen - 1.0) * np.where((seen == samples) & (trials > 1), 1.0 - 1.0 / trials, 1.0)
    pooled = squares.sum() / max(float(freedom.sum()), 1.0)
    return MeanEstimates(means, (_PRIOR_FREEDOM * pooled + squares) / (_PRIOR_FREEDOM + freedom) / seen)


def mean_spread(estimates: MeanEstimates, *, level: float) -> Spread:
    """Estimate how the true means of proposals are distributed.

    The variance between them is what is left of the variance of the estimates when their sampling variances are taken
    off: the value for which the weighted squared deviations have their expectation (R. C. Paule and J. Mandel, Journal
    of Research of the National Bureau of Standards 87 (1982)). The limit is that for which they have the quantile of
    chi-square (W. Viechtbauer, "Confidence intervals for the amount of heterogeneity in meta-analysis", Statistics in
    Medicine 26 (2007)).

    Args:
        estimates: At least two proposals.
        level: The chance that the true variance is below its limit, if means are normally distributed.
    """
    from scipy.special import chdtri  # noqa: PLC0415  # importing it takes long

    means, variances = estimates
    freedom = len(means) - 1
    variance = _variance_of(estimates, float(freedom))
    largest = max(variance, _variance_of(estimates, float(chdtri(freedom, level))))
    weights = _weights(variances, variance)
    return Spread(float(weights @ means / weights.sum()), variance, largest)


def expected_gain(spread: Spread, best: float, *, sampling_variance: float, proposals: int) -> float:
    """Return by how much the best of further proposals is expected to exceed the present best, in its true mean.

    It is the expectation of the positive part of the maximum of normal variables less `best`. Their variance is the
    limit of `spread`, reduced because the best is chosen by noisy means.

    Args:
        spread: The distribution of the true means.
        best: The true mean of the present best, estimated.
        sampling_variance: The sampling variance of a complete proposal.
        proposals: The number of further proposals.
    """
    from scipy.special import log_ndtr  # noqa: PLC0415  # importing it takes long

    if proposals == 0:
        return 0.0
    total = spread.largest + sampling_variance
    deviation = spread.largest / total**0.5 if total > 0.0 else 0.0
    if deviation == 0.0:
        return max(spread.centre - best, 0.0)
    # The expectation is the integral of the chance that the maximum exceeds a value, over all values above the best.
    limit = max(spread.centre + _REACH * deviation, best)
    values = np.linspace(best, limit, _POINTS)
    exceeded = -np.expm1(proposals * log_ndtr((values - spread.centre) / deviation))
    return float(np.trapezoid(exceeded, values))


def shrunk_best(estimates: MeanEstimates, spread: Spread, chosen: npt.NDArray[np.bool_]) -> float:
    """Return the largest posterior mean among some proposals, which does not owe its rank to chance.

    Args:
        estimates: The estimates.
        spread: The distribution of the true means.
        chosen: Which proposals to look at, at least one. Shape: (proposals,).
    """
    return float(posterior(estimates, spread.centre, spread.variance).means[chosen].max())


def _variance_of(estimates: MeanEstimates, target: float) -> float:
    """Return the variance for which the weighted squared deviations are `target`; 0 if they are below it at 0."""
    means, variances = estimates

    def deviation(variance: float) -> float:
        weights = _weights(variances, variance)
        centre = weights @ means / weights.sum()
        return float(weights @ np.square(means - centre))

    low, high = 0.0, float(np.ptp(means)) ** 2
    # If all estimates are equal and certain, rounding errors are all that deviates.
    if high == 0.0 or deviation(0.0) <= target:
        return 0.0
    while deviation(high) > target:
        high *= 4.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if deviation(middle) > target else (low, middle)
    return high


def _weights(variances: _Floats, variance: float) -> _Floats:
    return np.asarray(1.0 / np.maximum(variances + variance, 1e-300))
