"""Estimates of the mean over all samples from the first few of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.regression import ridge_weights

__all__ = ["shrunk_means"]

_Floats = npt.NDArray[np.float64]


def shrunk_means(partial: Sequence[npt.ArrayLike], complete: npt.ArrayLike) -> _Floats:
    """What each of several candidates would average over all samples, from those it has been scored on.

    Early samples may be easier than others, so that means over different samples do not compare. So each candidate's
    mean is corrected by how the others did on its samples and on all (the regression estimator of survey sampling,
    W. G. Cochran, "Sampling Techniques", ch. 7, with the slopes of `ridge_weights`); then it is drawn to the mean
    of all candidates, the more, the larger its sampling variance is beside the variance between candidates (empirical
    Bayes; B. Efron and C. Morris, JASA 70 (1975)).

    Args:
        partial: Every candidate's scores on the first samples of the shared order. Shapes: (seen,), seen >= 1.
        complete: The scores of those that were evaluated on all samples, at least one. Shape: (n, population).

    Returns:
        Shape: (len(partial),).
    """
    known = np.asarray(complete, dtype=np.float64)
    population = known.shape[1]
    overall = known.mean(axis=1)
    seen = np.array([len(np.asarray(scores)) for scores in partial])
    means, squares = np.empty(len(seen)), 0.0
    for index, scores in enumerate(np.asarray(one, dtype=np.float64) for one in partial):
        weights = ridge_weights(scores, known)
        own = known[:, : len(scores)]
        average = own.mean(axis=1)
        means[index] = scores.mean() + weights @ (overall - average)
        residuals = scores - scores.mean() - weights @ (own - average[:, None])
        squares += residuals @ residuals
    variances = squares / max(int((seen - 1).sum()), 1) / seen * (1.0 - seen / population)
    everyone = np.concatenate([overall, means])
    # The variance of the estimates is that between the candidates plus that of sampling.
    between = max(float(everyone.var() - variances.sum() / len(everyone)), 0.0)
    total_variances = between + variances
    trust = np.divide(between, total_variances, out=np.ones_like(means), where=total_variances > 0.0)
    return np.asarray(everyone.mean() + trust * (means - everyone.mean()))
