"""Estimates of the mean over all samples from the scores of the first few."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.regression import ridge_weights

__all__ = ["shrunk_means"]

_Floats = npt.NDArray[np.float64]


def shrunk_means(partial: Sequence[npt.ArrayLike], complete: npt.ArrayLike) -> _Floats:
    """Estimate each candidate's mean over all samples from its scores on the first few.

    Early samples may be easier than later ones, so means over different samples do not compare. Each mean is therefore
    corrected by what the complete candidates scored on the same samples and on all samples. This is the regression
    estimator of survey sampling (W. G. Cochran, "Sampling Techniques", chapter 7) with the slopes of `ridge_weights`.

    The corrected means are then shrunk towards the mean of all candidates. The larger the sampling variance of a mean
    relative to the variance between candidates, the more it is shrunk (empirical Bayes; B. Efron and C. Morris, JASA 70
    (1975)).

    Args:
        partial: The scores of each candidate on the first samples, in the same order for all candidates. Shape of each:
            (seen,), where seen >= 1 may differ.
        complete: The scores of the candidates that were evaluated on all samples. Shape: (n, population), n >= 1.

    Returns:
        The estimates for the candidates in `partial`. Shape: (len(partial),).
    """
    covariates = np.asarray(complete, dtype=np.float64)
    population = covariates.shape[1]
    complete_means = covariates.mean(axis=1)
    seen = np.array([len(np.asarray(scores)) for scores in partial])
    means, squares = np.empty(len(seen)), 0.0
    for index, scores in enumerate(np.asarray(scores, dtype=np.float64) for scores in partial):
        weights = ridge_weights(scores, covariates)
        seen_covariates = covariates[:, : len(scores)]
        seen_means = seen_covariates.mean(axis=1)
        means[index] = scores.mean() + weights @ (complete_means - seen_means)
        residuals = scores - scores.mean() - weights @ (seen_covariates - seen_means[:, None])
        squares += residuals @ residuals
    variances = squares / max(int((seen - 1).sum()), 1) / seen * (1.0 - seen / population)
    all_means = np.concatenate([complete_means, means])
    # The variance of the estimates is the variance between the candidates plus the sampling variance.
    between = max(float(all_means.var() - variances.sum() / len(all_means)), 0.0)
    total_variances = between + variances
    trust = np.divide(between, total_variances, out=np.ones_like(means), where=total_variances > 0.0)
    return np.asarray(all_means.mean() + trust * (means - all_means.mean()))
