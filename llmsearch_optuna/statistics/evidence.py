"""Evidence on the mean of all samples from the first few of them, which holds however often one looks."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.regression import ridge_weights

__all__ = ["log_evidence_below"]

_Floats = npt.NDArray[np.float64]

_LARGEST_STAKE = 0.95
"""Of the capital, on the worst that the next value can be."""

_DECISION = 2.0 * math.log(1.0 / 0.05) / 0.25
"""The stake is what suits a decision at 5 % by a quarter of the samples. Both may be off by half; larger effects show
early anyhow."""

_REFIT = 8
"""Weights of covariates are fitted anew when an eighth more samples are seen, and at the least two."""

_ROUNDING = 1e-12


def log_evidence_below(
    values: npt.ArrayLike,
    *,
    mean: npt.ArrayLike,
    population: int,
    low: float,
    high: float,
    covariates: npt.ArrayLike | None = None,
) -> _Floats:
    """Evidence that the mean over all samples is below `mean`, after each sample seen.

    A gambler bets, sample after sample, that the values fall short of what they must average if the mean over all is
    `mean` or more. If so, his capital is a nonnegative supermartingale, and the chance that it ever reaches 1 / alpha
    is at most alpha (Ville's inequality): one may look after every sample. The samples are drawn without replacement,
    so that what the rest must average changes with those seen. I. Waudby-Smith and A. Ramdas, "Estimating means of
    bounded random variables by betting", JRSS B 86 (2024): sampling without replacement, and a stake that follows the
    variance of the values so far (3.1: sqrt(2 log(1 / alpha) / (variance * n)) decides best within n samples).

    Covariates tell easy samples from hard ones: the bet is on the value less `prediction for the sample - mean
    prediction for all samples still to be drawn`, whose expectation is that of the value whatever predicts, as long as
    it knows the samples before only: here a ridge regression on the covariates (`ridge_weights`). S. Shekhar, Z. Xu,
    Z. C. Lipton, P. J. Liang and A. Ramdas, "Risk-limiting financial audits via weighted sampling without replacement",
    UAI 2023: control variates.

    The larger `mean`, the more evidence: so one candidate may be held against any number of means, known beforehand or
    not, and the chance that any is refuted which his own mean reaches is still at most alpha.

    Args:
        values: In the order drawn, which must not depend on the values. Shape: (..., seen).
        mean: The hypothesis. Shape: (...).
        population: The number of all samples.
        low: No value is below.
        high: No value is above.
        covariates: Numbers for each of all samples, known beforehand, in the order drawn, on the scale of the values.
            Shape: (..., k, population), k >= 1.

    Returns:
        Logarithm of the largest capital so far; inf where the rest cannot bring the mean up. Shape: (..., seen).

    Raises:
        ValueError: A value is outside [low, high], there are more values than samples, or not covariates for each.
    """
    drawn = np.asarray(values, dtype=np.float64)
    seen = drawn.shape[-1]
    if seen > population:
        raise ValueError(f"{seen} values of {population} samples")
    if drawn.size and not (drawn.min() >= low and drawn.max() <= high):
        raise ValueError(f"values must be in [{low}, {high}], got {drawn.min()} to {drawn.max()}")
    unit = (drawn - low) / (high - low)
    target = (np.asarray(mean, dtype=np.float64)[..., None] - low) / (high - low)
    before = np.cumsum(unit, axis=-1) - unit
    left = population - np.arange(seen)
    # Where the rest would have to average more than 1, nothing is at stake any more: that is out of reach.
    required = np.clip((population * target - before) / left, 0.0, 1.0)
    adjustment = _Adjustment(np.zeros_like(unit), np.zeros_like(unit))
    if covariates is not None:
        known = np.asarray(covariates, dtype=np.float64)
        if known.shape[-1] != population:
            raise ValueError(f"{known.shape[-1]} covariates of {population} samples")
        adjustment = _adjust(unit, (known - low) / (high - low))
    adjusted = unit + adjustment.added
    loss = 1.0 + adjustment.largest - required
    stake = np.minimum(_wanted_stake(adjusted, population), _LARGEST_STAKE / np.maximum(loss, _ROUNDING))
    log_capital = np.log1p(np.where(loss > _ROUNDING, stake * (required - adjusted), 0.0)).cumsum(axis=-1)
    is_out_of_reach = population * target - before - unit > left - 1 + _ROUNDING * population
    return np.maximum.accumulate(np.where(is_out_of_reach, np.inf, log_capital), axis=-1)


def _wanted_stake(adjusted: _Floats, population: int) -> _Floats:
    """What to stake per unit, from the variance of the values before (of 1/4 at first). Shape: (..., seen)."""
    count = np.arange(1, adjusted.shape[-1] + 1)
    average = (_before(adjusted) + 0.5) / count
    variance = (_before((adjusted - average) ** 2) + 0.25) / count
    return np.asarray(np.sqrt(_DECISION / (variance * population)))


class _Adjustment(NamedTuple):
    """What the covariates add to each value, and the most that they could have added. Shapes: (..., seen)."""

    added: _Floats
    largest: _Floats


def _adjust(unit: _Floats, covariates: _Floats) -> _Adjustment:
    """Takes from every value what the covariates explain, by weights that are fitted to values before it.

    Args:
        unit: The values, in [0, 1]. Shape: (..., seen).
        covariates: Shape: (..., k, population).
    """
    seen, population = unit.shape[-1], covariates.shape[-1]
    adjustment = _Adjustment(np.empty_like(unit), np.empty_like(unit))
    for start, end in itertools.pairwise(_fits(seen)):
        weights = ridge_weights(unit[..., :start], covariates)
        prediction = np.einsum("...k,...ks->...s", weights, covariates[..., start:])
        left = np.arange(population - start, 0, -1)
        mean_left = prediction[..., ::-1].cumsum(axis=-1)[..., ::-1] / left
        least_left = np.minimum.accumulate(prediction[..., ::-1], axis=-1)[..., ::-1]
        adjustment.added[..., start:end] = (mean_left - prediction)[..., : end - start]
        adjustment.largest[..., start:end] = (mean_left - least_left)[..., : end - start]
    return adjustment


def _fits(seen: int) -> list[int]:
    """After how many values the weights are fitted; and the number of all."""
    sizes = [0]
    while sizes[-1] < seen:
        sizes.append(sizes[-1] + max(2, sizes[-1] // _REFIT))
    return [*sizes[:-1], seen]


def _before(terms: _Floats) -> _Floats:
    """Sums of all terms before each. Shape: (..., seen)."""
    return np.cumsum(terms, axis=-1) - terms
