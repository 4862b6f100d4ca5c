"""Evidence from the first few samples about the mean of all, valid after any number of looks.

How it works. To test whether the mean over all samples can be `mean` or more, a gambler starts with a capital of 1 and
bets, sample after sample, that the values fall short of that mean. If the mean is in fact reached, no bet has a
positive expected gain. The capital is then a nonnegative supermartingale, and the chance that it ever reaches 1 / alpha
is at most alpha (Ville's inequality). A test that rejects the mean when the capital reaches 1 / alpha may therefore
look after every sample and stop at any time, without a correction for repeated looks.

- *Sampling without replacement.* The samples are a fixed list in random order. The values seen so far determine what
  the remaining ones must average if the mean over all is `mean`, and the next bet is against this number. Once even the
  highest values on all remaining samples cannot reach the mean, the hypothesis is refuted with certainty.
- *The stake* follows the variance of the values so far: sqrt(2 log(1 / alpha) / (variance * n)) is the best stake for a
  decision within n samples (I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting",
  JRSS B 86 (2024), section 3.1). The maximum stake keeps the capital positive. A poor stake costs power, never
  validity.
- *Covariates* separate easy samples from hard ones. The bet is on the value minus (the prediction for the sample minus
  the mean prediction for all samples that are still to be drawn). The part in parentheses is a control variate: its
  expectation is 0 as long as the prediction depends on earlier samples only, here by a ridge regression
  (`ridge_weights`), so validity does not depend on its quality (S. Shekhar, Z. Xu, Z. C. Lipton, P. J. Liang and A.
  Ramdas, "Risk-limiting financial audits via weighted sampling without replacement", UAI 2023).

A larger `mean` gives more evidence. One candidate may thus be compared with any number of means, chosen in advance or
not: the chance of ever refuting a mean that the candidate does reach is still at most alpha.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.regression import ridge_weights

__all__ = ["ControlMemory", "log_evidence_below"]

_Floats = npt.NDArray[np.float64]

_MAX_STAKE = 0.95
"""The maximum share of the capital that the worst possible next value can cost."""

_DECISION = 2.0 * math.log(1.0 / 0.05) / 0.25
"""2 log(1 / alpha) / share: the stake is optimal for a decision at the level alpha = 5 % after this share (1/4) of the
samples. Both are rough guesses. The stake depends only on the square root of this number."""

_REFIT = 8
"""The weights of the covariates are refitted when the number of samples has grown by 1/8, and by at least 2."""

_ROUNDING = 1e-12


class _ControlVariate(NamedTuple):
    """The control variate that is added to each value, and the maximum it could have had. Shapes: (..., seen)."""

    added: _Floats
    maximum: _Floats


class ControlMemory:
    """Keeps the control variates of one sequence of values, so that looking again costs only what the new values do."""

    def __init__(self) -> None:
        self._unit: _Floats = np.zeros(0)
        self._control = _ControlVariate(np.zeros(0), np.zeros(0))

    def recall(self, unit: _Floats) -> _ControlVariate:
        """Return the control variates of the first values, as far as they are known."""
        count = len(self._unit)
        if unit.shape[:-1] or not np.array_equal(unit[:count], self._unit):
            return _ControlVariate(np.zeros(0), np.zeros(0))
        return self._control

    def keep(self, unit: _Floats, control: _ControlVariate) -> None:
        """Keep the control variates of these values."""
        self._unit, self._control = unit, control


def log_evidence_below(
    values: npt.ArrayLike,
    *,
    mean: npt.ArrayLike,
    population: int,
    low: float,
    high: float,
    covariates: npt.ArrayLike | None = None,
    memory: ControlMemory | None = None,
) -> _Floats:
    """Return, after each sample seen, the log evidence that the mean over all samples is below `mean`.

    If the mean over all samples is `mean` or more, the chance that the evidence ever reaches log(1 / alpha) is at most
    alpha. The method is described at the head of this module.

    Args:
        values: The values of the samples seen so far, in the order drawn. This order must not depend on the values.
            Shape: (..., seen).
        mean: The mean to be refuted. Shape: (...).
        population: The number of all samples.
        low: The minimum of a value.
        high: The maximum of a value, greater than `low`.
        covariates: Predictors of the values for all samples, in the order drawn and on the scale of the values. They
            must be chosen without regard to the values. Shape: (..., k, population), k >= 1.
        memory: Speeds up further calls with more values of the same sequence, and the same `low`, `high` and
            covariates. It does not change the result.

    Returns:
        The logarithm of the maximum capital so far; inf if the remaining samples cannot raise the mean to `mean`.
        Shape: (..., seen).

    Raises:
        ValueError: A value is outside [low, high], there are more values than samples, or the last axis of the
            covariates is not `population` long.
    """
    drawn = np.asarray(values, dtype=np.float64)
    seen = drawn.shape[-1]
    if seen > population:
        raise ValueError(f"{seen} values of {population} samples")
    if drawn.size and not (drawn.min() >= low and drawn.max() <= high):
        raise ValueError(f"values must be in [{low}, {high}], got {drawn.min()} to {drawn.max()}")
    unit = (drawn - low) / (high - low)
    target = (np.asarray(mean, dtype=np.float64)[..., None] - low) / (high - low)
    before = _sums_before(unit)
    left = population - np.arange(seen)
    # If the remaining values would have to average more than 1, the mean is out of reach and nothing is staked.
    required = np.clip((population * target - before) / left, 0.0, 1.0)
    control = _ControlVariate(np.zeros_like(unit), np.zeros_like(unit))
    if covariates is not None:
        predictors = np.asarray(covariates, dtype=np.float64)
        if predictors.shape[-1] != population:
            raise ValueError(f"{predictors.shape[-1]} covariates of {population} samples")
        control = _control_variate(unit, (predictors - low) / (high - low), memory or ControlMemory())
    adjusted = unit + control.added
    loss = 1.0 + control.maximum - required
    stake = np.minimum(_optimal_stake(adjusted, population), _MAX_STAKE / np.maximum(loss, _ROUNDING))
    log_capital = np.log1p(np.where(loss > _ROUNDING, stake * (required - adjusted), 0.0)).cumsum(axis=-1)
    is_out_of_reach = population * target - before - unit > left - 1 + _ROUNDING * population
    return np.maximum.accumulate(np.where(is_out_of_reach, np.inf, log_capital), axis=-1)


def _optimal_stake(adjusted: _Floats, population: int) -> _Floats:
    """Return the optimal stake for each value, from the variance of the values before it. Shape: (..., seen).

    The variance starts at 1/4, the maximum on [0, 1].
    """
    count = np.arange(1, adjusted.shape[-1] + 1)
    average = (_sums_before(adjusted) + 0.5) / count
    variance = (_sums_before((adjusted - average) ** 2) + 0.25) / count
    return np.asarray(np.sqrt(_DECISION / (variance * population)))


def _control_variate(unit: _Floats, covariates: _Floats, memory: ControlMemory) -> _ControlVariate:
    """Return the control variate of each value, with weights that are fitted to earlier values only.

    Args:
        unit: The values, in [0, 1]. Shape: (..., seen).
        covariates: The covariates, on the same scale. Shape: (..., k, population).
        memory: Holds those of the first values, if they are known.
    """
    seen, population = unit.shape[-1], covariates.shape[-1]
    control = _ControlVariate(np.empty_like(unit), np.empty_like(unit))
    remembered = memory.recall(unit)
    count = remembered.added.shape[-1]
    control.added[..., :count], control.maximum[..., :count] = remembered
    for start, end in itertools.pairwise(_refit_sizes(seen)):
        if end <= count:
            continue
        weights = ridge_weights(unit[..., :start], covariates)
        prediction = np.einsum("...k,...ks->...s", weights, covariates[..., start:])
        left = np.arange(population - start, 0, -1)
        mean_left = prediction[..., ::-1].cumsum(axis=-1)[..., ::-1] / left
        min_left = np.minimum.accumulate(prediction[..., ::-1], axis=-1)[..., ::-1]
        control.added[..., start:end] = (mean_left - prediction)[..., : end - start]
        control.maximum[..., start:end] = (mean_left - min_left)[..., : end - start]
    memory.keep(unit, control)
    return control


def _refit_sizes(seen: int) -> list[int]:
    """Return the numbers of values after which the weights are refitted, followed by `seen`."""
    sizes = [0]
    while sizes[-1] < seen:
        sizes.append(sizes[-1] + max(2, sizes[-1] // _REFIT))
    return [*sizes[:-1], seen]


def _sums_before(terms: _Floats) -> _Floats:
    """Return, for each term, the sum of all terms before it. Shape: (..., seen)."""
    return np.cumsum(terms, axis=-1) - terms
