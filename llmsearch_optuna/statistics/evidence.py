"""Evidence on the mean of all samples from the first few of them, which holds however often one looks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Bounds", "anytime_bounds", "log_evidence_below"]

_Floats = npt.NDArray[np.float64]

# Shares of the capital at stake: one per factor of two in the size of an effect. What is spread over bets that turn out
# wrong costs at most a factor of their number.
_STAKES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
_BISECTIONS = 40
_ROUNDING = 1e-12


class Bounds(NamedTuple):
    """Where the mean over all samples lies.

    Attributes:
        low: Lower bounds. Shape: (...).
        high: Upper bounds. Shape: (...).
    """

    low: _Floats
    high: _Floats


def log_evidence_below(
    values: npt.ArrayLike, *, mean: npt.ArrayLike, population: int, low: float, high: float
) -> _Floats:
    """Evidence that the mean over all samples is below `mean`, after each sample seen.

    A gambler bets, sample after sample, that the values fall short of what they must average if the mean over all is
    `mean` or more. If so, his capital is a nonnegative supermartingale, and the chance that it ever reaches 1 / alpha
    is at most alpha (Ville's inequality): one may look after every sample. The samples are drawn without replacement,
    so that what the rest must average changes with those seen. I. Waudby-Smith and A. Ramdas, "Estimating means of
    bounded random variables by betting", JRSS B 86 (2024): sampling without replacement, and diversified Kelly bets,
    of which this is the average over fixed stakes.

    Args:
        values: In the order drawn, which must not depend on the values. Shape: (..., seen).
        mean: The hypothesis. Shape: (...).
        population: The number of all samples.
        low: No value is below.
        high: No value is above.

    Returns:
        Logarithm of the largest capital so far; inf where the rest cannot bring the mean up. Shape: (..., seen).

    Raises:
        ValueError: A value is outside [low, high], or there are more values than samples.
    """
    drawn = np.asarray(values, dtype=np.float64)
    if drawn.shape[-1] > population:
        raise ValueError(f"{drawn.shape[-1]} values of {population} samples")
    if drawn.size and not (drawn.min() >= low and drawn.max() <= high):
        raise ValueError(f"values must be in [{low}, {high}], got {drawn.min()} to {drawn.max()}")
    unit = (drawn - low) / (high - low)
    target = (np.asarray(mean, dtype=np.float64)[..., None] - low) / (high - low)
    before = np.cumsum(unit, axis=-1) - unit
    left = population - np.arange(drawn.shape[-1])
    required = (population * target - before) / left
    # Where the rest may average anything, nothing is at stake; where it must be all ones, the next value decides.
    is_open = (required > 0.0) & (required < 1.0)
    shortfall = np.where(is_open, (required - unit) / np.where(is_open, 1.0 - required, 1.0), 0.0)
    log_capitals = np.stack([np.log1p(stake * shortfall).cumsum(axis=-1) for stake in _STAKES])
    largest = log_capitals.max(axis=0)
    log_capital = largest + np.log(np.exp(log_capitals - largest).mean(axis=0))
    is_out_of_reach = population * target - before - unit > left - 1 + _ROUNDING * population
    return np.maximum.accumulate(np.where(is_out_of_reach, np.inf, log_capital), axis=-1)


def anytime_bounds(values: npt.ArrayLike, *, population: int, low: float, high: float, alpha: float = 0.05) -> Bounds:
    """Bounds of the mean over all samples, of which none is wrong, however often one looks, but with chance `alpha`.

    All means are kept against which `log_evidence_below`, or the same from above, falls short of 2 / alpha.

    Args:
        values: As for `log_evidence_below`. Shape: (..., seen), of which at least one.
        population: The number of all samples.
        low: No value is below.
        high: No value is above.
        alpha: Half of it for each side.

    Raises:
        ValueError: As for `log_evidence_below`.
    """
    drawn = np.asarray(values, dtype=np.float64)
    return Bounds(
        low=-_upper_bound(-drawn, population=population, low=-high, high=-low, alpha=alpha / 2),
        high=_upper_bound(drawn, population=population, low=low, high=high, alpha=alpha / 2),
    )


def _upper_bound(drawn: _Floats, *, population: int, low: float, high: float, alpha: float) -> _Floats:
    """The least mean that is refuted at this level, by bisection: the larger a mean, the more evidence against it."""
    kept, refuted = np.full(drawn.shape[:-1], low), np.full(drawn.shape[:-1], high)
    for _ in range(_BISECTIONS):
        middle = (kept + refuted) / 2
        evidence = log_evidence_below(drawn, mean=middle, population=population, low=low, high=high)[..., -1]
        is_refuted = evidence >= -np.log(alpha)
        kept, refuted = np.where(is_refuted, kept, middle), np.where(is_refuted, middle, refuted)
    return refuted
