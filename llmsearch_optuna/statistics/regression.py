"""Regression of a candidate's scores on those of others, from few samples."""

import numpy as np
import numpy.typing as npt

__all__ = ["ridge_weights"]

_Floats = npt.NDArray[np.float64]

_TOGETHER = 0.5
"""How much of the covariates' mean is believed before any sample is seen."""

_PENALTY = 16.0
"""How many samples it takes to outweigh that, in any direction in which the covariates vary as usual."""


def ridge_weights(values: npt.ArrayLike, covariates: npt.ArrayLike) -> _Floats:
    """Weights by which covariates explain the first few values, drawn to equal ones.

    A. E. Hoerl and R. W. Kennard, "Ridge Regression", Technometrics 12 (1970). Before any value is seen, the prediction
    is half the covariates' mean. Neither values nor covariates need be centred: the intercept is left out.

    Args:
        values: Shape: (..., seen).
        covariates: Shape: (..., k, population), seen <= population.

    Returns:
        Shape: (..., k).
    """
    known, own = np.asarray(covariates, dtype=np.float64), np.asarray(values, dtype=np.float64)
    seen, count = own.shape[-1], known.shape[-2]
    equal = np.full((*known.shape[:-2], count), _TOGETHER / count)
    if seen == 0:
        return equal
    first = known[..., :seen]
    first = first - first.mean(axis=-1, keepdims=True)
    # Where no covariate varies, weights say nothing.
    spread = known.var(axis=-1).mean(axis=-1)
    penalty = np.where(spread > 0.0, _PENALTY * spread, 1.0)[..., None, None] * np.eye(count)
    surprise = own - own.mean(axis=-1, keepdims=True) - np.einsum("...k,...ks->...s", equal, first)
    moments = np.einsum("...ks,...s->...k", first, surprise)
    return np.asarray(equal + np.linalg.solve(first @ np.swapaxes(first, -1, -2) + penalty, moments[..., None])[..., 0])
