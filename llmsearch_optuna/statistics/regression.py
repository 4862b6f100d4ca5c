"""Ridge regression of a candidate's scores on the scores of other candidates, from few samples."""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

__all__ = ["RidgeEquations", "ridge_freedom", "ridge_weights"]

_Floats = npt.NDArray[np.float64]

_PRIOR_SLOPE = 0.5
"""The sum of the weights before any sample is seen."""

_PENALTY = 16.0
"""The number of samples at which data and prior have equal weight, along a direction in which the covariates have their
average variance."""


class RidgeEquations(NamedTuple):
    """The part of a ridge regression that all candidates with the same number of values share; see `ridge_weights`.

    Attributes:
        equal: The weights before any value is seen. Shape: (..., k).
        centred: The covariates of the first samples, minus their means. Shape: (..., k, seen).
        predicted: The prediction with equal weights. Shape: (..., seen).
        matrix: The matrix of the equations. Shape: (..., k, k).
    """

    equal: _Floats
    centred: _Floats
    predicted: _Floats
    matrix: _Floats

    @classmethod
    def of(cls, covariates: npt.ArrayLike, seen: int) -> Self:
        """Return the equations for the first `seen` values, seen >= 1. See `ridge_weights` for the covariates."""
        everything = np.asarray(covariates, dtype=np.float64)
        count = everything.shape[-2]
        equal = np.full((*everything.shape[:-2], count), _PRIOR_SLOPE / count)
        first = everything[..., :seen]
        first = first - first.mean(axis=-1, keepdims=True)
        predicted = np.einsum("...k,...ks->...s", equal, first)
        return cls(equal, first, predicted, _gram(first) + _penalty(everything))

    def weights(self, values: npt.ArrayLike) -> _Floats:
        """Return the weights for some values. Shapes: (..., seen), (..., k)."""
        observed = np.asarray(values, dtype=np.float64)
        residuals = observed - observed.mean(axis=-1, keepdims=True) - self.predicted
        moments = np.einsum("...ks,...s->...k", self.centred, residuals)
        return np.asarray(self.equal + np.linalg.solve(self.matrix, moments[..., None])[..., 0])


def ridge_weights(values: npt.ArrayLike, covariates: npt.ArrayLike) -> _Floats:
    """Return the ridge-regression weights of the first few values on the covariates.

    The weights are shrunk towards equal ones that sum to 1/2 (A. E. Hoerl and R. W. Kennard, "Ridge Regression",
    Technometrics 12 (1970)). Before any value is seen, the prediction is thus half the mean of the covariates. Neither
    the values nor the covariates need to be centred. The intercept is left out.

    Args:
        values: The first values, in the order of the samples. Shape: (..., seen).
        covariates: The covariates of all samples. Shape: (..., k, population), seen <= population.

    Returns:
        The weights. Shape: (..., k).
    """
    everything, seen = np.asarray(covariates, dtype=np.float64), np.asarray(values).shape[-1]
    if seen == 0:
        return np.full(everything.shape[:-1], _PRIOR_SLOPE / everything.shape[-2])
    return RidgeEquations.of(everything, seen).weights(values)


def ridge_freedom(covariates: npt.ArrayLike, seen: int) -> float:
    """Return the effective degrees of freedom of the regression of `seen` values, without the intercept.

    It is the trace of the matrix that maps the values to the fitted ones (T. Hastie, R. Tibshirani and J. Friedman,
    "The Elements of Statistical Learning", section 3.4.1).

    Args:
        covariates: The covariates of all samples. Shape: (k, population), seen <= population.
        seen: The number of values.
    """
    everything = np.asarray(covariates, dtype=np.float64)
    first = everything[:, :seen]
    gram = _gram(first - first.mean(axis=-1, keepdims=True))
    return float(np.trace(np.linalg.solve(gram + _penalty(everything), gram)))


def _gram(centred: _Floats) -> _Floats:
    return np.asarray(centred @ np.swapaxes(centred, -1, -2))


def _penalty(covariates: _Floats) -> _Floats:
    """Return the matrix that is added to the Gram matrix. Shape: (..., k, k)."""
    # If no covariate varies, the system must still be solvable.
    spread = covariates.var(axis=-1).mean(axis=-1)
    return np.asarray(np.where(spread > 0.0, _PENALTY * spread, 1.0)[..., None, None] * np.eye(covariates.shape[-2]))
