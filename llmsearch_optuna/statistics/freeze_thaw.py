"""Which unfinished trials to continue, by the improvement that each of them promises per token.

How it works. Every trial has a posterior distribution of its mean score over all samples. Its likelihood is the
regression estimate from the samples that it was scored on (`regression_estimates`). Its prior is the distribution of
the means of all proposals. A trial that has not begun has the distribution of the recent proposals. The *index* of a
trial is its expected improvement over the incumbent (J. Mockus, 1975), divided by the tokens that its remaining samples
need. To continue the trials with the largest indices is the idea of freeze-thaw optimisation (K. Swersky, J. Snoek and
R. P. Adams, "Freeze-Thaw Bayesian Optimization", arXiv 1406.3896 (2014)), here with samples in place of epochs and
without a Gaussian process.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.estimates import MeanEstimates, Regressions, posterior, regression_estimates

__all__ = ["Indices", "expected_improvement", "freeze_thaw_indices"]

_Floats = npt.NDArray[np.float64]

_RECENT = 32
"""The number of proposals that a fresh one is expected to resemble."""

_OPTIMISM = 0.7
"""An incumbent is at least this many standard deviations better than the average proposal."""

_FRESH_COST = 1.5
"""The cost of a fresh proposal in evaluations: some of those that look good at first will not be finished."""


class Indices(NamedTuple):
    """The expected improvements of trials over the incumbent, per token.

    Attributes:
        trials: Those of begun trials; 0 for complete ones. Shape: (trials,).
        fresh: That of a fresh proposal.
        improvements: The expected improvements of the begun trials over the best complete one. Shape: (trials,).
    """

    trials: _Floats
    fresh: float
    improvements: _Floats


def expected_improvement(means: npt.ArrayLike, deviations: npt.ArrayLike, incumbent: float) -> _Floats:
    """Return the expectation of max(0, X - incumbent) for normal variables X. The shapes are broadcast.

    Args:
        means: Their means.
        deviations: Their standard deviations, >= 0.
        incumbent: The value to improve on.
    """
    from scipy.special import ndtr  # noqa: PLC0415  # importing it takes long

    gains, spreads = np.asarray(means, dtype=np.float64) - incumbent, np.asarray(deviations, dtype=np.float64)
    units = np.divide(
        gains, spreads, out=np.zeros(np.broadcast_shapes(gains.shape, spreads.shape)), where=spreads > 0.0
    )
    density = np.exp(-0.5 * np.square(units)) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.where(spreads > 0.0, spreads * density + gains * ndtr(units), np.maximum(gains, 0.0)))


def freeze_thaw_indices(
    proposals: Regressions,
    *,
    population: int,
    best: float,
    scale: float,
    tokens: npt.ArrayLike,
    fresh_tokens: float,
) -> Indices:
    """Return the indices of begun proposals and of a fresh one. Higher scores are better.

    Args:
        proposals: The regressions of the begun proposals, in the order in which they began.
        population: The number of all samples.
        best: The largest mean of a complete trial.
        scale: The largest difference between two scores.
        tokens: The tokens per sample of each proposal. Shape: (proposals,).
        fresh_tokens: The tokens per sample of a fresh proposal.
    """
    estimates = regression_estimates(proposals, population=population, scale=scale)
    recent_mean, recent_variance = _population(MeanEstimates(*(values[-_RECENT:] for values in estimates)))
    recent_deviation = math.sqrt(recent_variance)
    means, variances = posterior(estimates, *_population(estimates))
    deviations = np.sqrt(variances)
    incumbent = max(best, recent_mean + _OPTIMISM * recent_deviation)
    gains = expected_improvement(means, deviations, incumbent)
    left = (population - proposals.seen) * np.asarray(tokens, dtype=np.float64)
    fresh = float(expected_improvement(recent_mean, recent_deviation, incumbent))
    return Indices(
        trials=np.divide(gains, left, out=np.zeros_like(gains), where=left > 0.0),
        fresh=fresh / (_FRESH_COST * population * fresh_tokens),
        improvements=expected_improvement(means, deviations, best),
    )


def _population(estimates: MeanEstimates) -> tuple[float, float]:
    """Return mean and variance of the true means: the variance of the estimates less that of their errors."""
    means, variances = estimates
    return float(means.mean()), max(float(means.var() - variances.mean()), 0.0)
