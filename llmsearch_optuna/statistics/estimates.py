"""Estimates of the mean over all samples from the scores of the first few."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.regression import RidgeEquations, ridge_freedom, ridge_weights

__all__ = ["MeanEstimates", "Regressions", "posterior", "regress", "regression_estimates", "shrunk_means"]

_Floats = npt.NDArray[np.float64]

_MOST_COVARIATES = 64
"""More of them hardly improve an estimate, and their equations take time."""

_PRIOR_FREEDOM = 12.0
_POOLED_FREEDOM, _POOLED_VARIANCE = 4.0, 0.06
_CAUTION = 2.0
"""By how much the variances are enlarged. Without it, the best trials look safe from the others too soon."""


class MeanEstimates(NamedTuple):
    """The mean score that each candidate would have on all samples, estimated.

    Attributes:
        means: The estimates. Shape: (candidates,).
        variances: Their sampling variances. Shape: (candidates,).
    """

    means: _Floats
    variances: _Floats


class Regressions(NamedTuple):
    """Regressions of candidates' scores on those of complete candidates.

    Attributes:
        seen: The number of samples of each candidate. Shape: (candidates,).
        means: The estimated mean scores on all samples. Shape: (candidates,).
        squares: The sums of the squared residuals; 0 for complete candidates. Shape: (candidates,).
        freedom: Their degrees of freedom. Shape: (candidates,).
    """

    seen: _Floats
    means: _Floats
    squares: _Floats
    freedom: _Floats


def regress(partial: Sequence[npt.ArrayLike], complete: npt.ArrayLike) -> Regressions:
    """Estimate each candidate's mean over all samples from its scores on the first few, as `shrunk_means` does.

    The estimates are not shrunk, and each depends on one candidate and on `complete` only.

    Args:
        partial: The scores of each candidate on the first samples, in the same order for all candidates. Shape of each:
            (seen,), where 1 <= seen <= population may differ.
        complete: The scores of some candidates on all samples. Shape: (n, population), n >= 1.
    """
    covariates = np.asarray(complete, dtype=np.float64)
    population = covariates.shape[1]
    seen = np.array([len(np.asarray(scores)) for scores in partial], dtype=np.int64)
    means, squares, freedom = (np.zeros(len(seen)) for _ in range(3))
    for count in np.unique(seen).tolist():  # candidates that saw the same samples share their covariates
        chosen = np.flatnonzero(seen == count)
        scores = np.stack([np.asarray(partial[index], dtype=np.float64) for index in chosen.tolist()])
        means[chosen] = scores.mean(axis=1)
        if count == population:
            continue
        weights = ridge_weights(scores, covariates)
        first = covariates[:, :count]
        first_means = first.mean(axis=1)
        means[chosen] += weights @ (covariates.mean(axis=1) - first_means)
        residuals = scores - scores.mean(axis=1, keepdims=True) - weights @ (first - first_means[:, None])
        squares[chosen] = np.square(residuals).sum(axis=1)
        freedom[chosen] = max(count - 1.0 - ridge_freedom(covariates, count), count / 4.0)
    return Regressions(seen.astype(np.float64), means, squares, freedom)


def regression_estimates(regressions: Regressions, *, population: int, scale: float) -> MeanEstimates:
    """Return the estimates of regressions with their sampling variances.

    The variance of a candidate's residuals has the pooled variance of all candidates as a prior of 12 degrees of
    freedom, and this one a prior of 4. It is corrected for the finite population.

    Args:
        regressions: The regressions.
        population: The number of all samples.
        scale: The largest difference between two scores.
    """
    seen, means, squares, freedom = regressions
    pooled = (_POOLED_FREEDOM * _POOLED_VARIANCE * scale**2 + squares.sum()) / (_POOLED_FREEDOM + freedom.sum())
    variances = (_PRIOR_FREEDOM * pooled + squares) / (_PRIOR_FREEDOM + freedom)
    return MeanEstimates(means, _CAUTION * variances * (1.0 / seen - 1.0 / population))


def posterior(estimates: MeanEstimates, centre: float, variance: float) -> MeanEstimates:
    """Return the estimates, shrunk towards the mean of the population of all candidates.

    The larger the sampling variance of an estimate relative to the variance between the candidates, the more it is
    shrunk (empirical Bayes; B. Efron and C. Morris, JASA 70 (1975)).

    Args:
        estimates: The estimates.
        centre: The mean of the true means of candidates.
        variance: Their variance.
    """
    means, variances = estimates
    total = variance + variances
    trust = np.divide(variance, total, out=np.ones_like(total), where=total > 0.0)
    return MeanEstimates(centre + trust * (means - centre), trust * variances)


def shrunk_means(partial: Sequence[npt.ArrayLike], complete: npt.ArrayLike) -> _Floats:
    """Estimate each candidate's mean over all samples from its scores on the first few.

    Early samples may be easier than later ones, so means over different samples do not compare. Each mean is therefore
    corrected by what the complete candidates scored on the same samples and on all samples. This is the regression
    estimator of survey sampling (W. G. Cochran, "Sampling Techniques", chapter 7) with the slopes of `ridge_weights`.
    Of more than 64 complete candidates, the last ones are its covariates.

    The corrected means are then shrunk towards the mean of all candidates; see `posterior`.

    Args:
        partial: The scores of each candidate on the first samples, in the same order for all candidates. Shape of each:
            (seen,), where seen >= 1 may differ.
        complete: The scores of the candidates that were evaluated on all samples. Shape: (n, population), n >= 1.

    Returns:
        The estimates for the candidates in `partial`. Shape: (len(partial),).
    """
    everything = np.asarray(complete, dtype=np.float64)
    population = everything.shape[1]
    complete_means = everything.mean(axis=1)
    covariates = everything[-_MOST_COVARIATES:]
    seen = np.array([len(np.asarray(scores)) for scores in partial])
    # Candidates that saw the same samples share their equations, and what the covariates score elsewhere.
    sizes: list[int] = np.unique(seen).tolist()
    equations = {size: RidgeEquations.of(covariates, size) for size in sizes}
    rises = {size: complete_means[-_MOST_COVARIATES:] - covariates[:, :size].mean(axis=1) for size in sizes}
    means, squares = np.empty(len(seen)), 0.0
    for index, scores in enumerate(np.asarray(scores, dtype=np.float64) for scores in partial):
        weights = equations[len(scores)].weights(scores)
        means[index] = scores.mean() + weights @ rises[len(scores)]
        residuals = scores - scores.mean() - weights @ equations[len(scores)].centred
        squares += residuals @ residuals
    variances = squares / max(int((seen - 1).sum()), 1) / seen * (1.0 - seen / population)
    all_means = np.concatenate([complete_means, means])
    # The variance of the estimates is the variance between the candidates plus the sampling variance.
    between = max(float(all_means.var() - variances.sum() / len(all_means)), 0.0)
    return posterior(MeanEstimates(means, variances), all_means.mean(), between).means
