"""Evidence on the mean of all samples from the first few of them, which holds however often one looks."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["SLOPE", "SLOPE_WEIGHT", "Bounds", "anytime_bounds", "log_evidence_below"]

_Floats = npt.NDArray[np.float64]

# Shares of the capital at stake: nearly all, and halves of it. What suits an effect grows with the effect.
_LARGEST_STAKE = 0.95
_ONE_STAKE_UP_TO = 20
_BISECTIONS = 40
_ROUNDING = 1e-12

SLOPE = 0.5
"""How much of a covariate is believed before any sample is seen."""

SLOPE_WEIGHT = 4.0
"""How many samples it takes to outweigh that."""


class Bounds(NamedTuple):
    """Where the mean over all samples lies.

    Attributes:
        low: Lower bounds. Shape: (...).
        high: Upper bounds. Shape: (...).
    """

    low: _Floats
    high: _Floats


def log_evidence_below(
    values: npt.ArrayLike,
    *,
    mean: npt.ArrayLike,
    population: int,
    low: float,
    high: float,
    covariate: npt.ArrayLike | None = None,
) -> _Floats:
    """Evidence that the mean over all samples is below `mean`, after each sample seen.

    A gambler bets, sample after sample, that the values fall short of what they must average if the mean over all is
    `mean` or more. If so, his capital is a nonnegative supermartingale, and the chance that it ever reaches 1 / alpha
    is at most alpha (Ville's inequality): one may look after every sample. The samples are drawn without replacement,
    so that what the rest must average changes with those seen. I. Waudby-Smith and A. Ramdas, "Estimating means of
    bounded random variables by betting", JRSS B 86 (2024): sampling without replacement, and diversified Kelly bets,
    of which this is the average over fixed stakes.

    A covariate tells easy samples from hard ones: the bet is on the value less `slope * (the sample's covariate - the
    mean covariate of all samples still to be drawn)`, whose expectation is that of the value whatever the slope, which
    is fitted to the samples before. S. Shekhar, Z. Xu, Z. C. Lipton, P. J. Liang and A. Ramdas, "Risk-limiting
    financial audits via weighted sampling without replacement", UAI 2023: control variates.

    The larger `mean`, the more evidence: so one candidate may be held against any number of means, known beforehand or
    not, and the chance that any is refuted which his own mean reaches is still at most alpha.

    Args:
        values: In the order drawn, which must not depend on the values. Shape: (..., seen).
        mean: The hypothesis. Shape: (...).
        population: The number of all samples.
        low: No value is below.
        high: No value is above.
        covariate: A number for each of all samples, known beforehand, in the order drawn, on the scale of the values.
            Shape: (..., population).

    Returns:
        Logarithm of the largest capital so far; inf where the rest cannot bring the mean up. Shape: (..., seen).

    Raises:
        ValueError: A value is outside [low, high], there are more values than samples, or not one covariate for each.
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
    required = np.maximum((population * target - before) / left, 0.0)
    adjustment = _Adjustment(np.zeros_like(unit), np.zeros_like(unit))
    if covariate is not None:
        known = np.asarray(covariate, dtype=np.float64)
        if known.shape[-1] != population:
            raise ValueError(f"{known.shape[-1]} covariates of {population} samples")
        adjustment = _adjust(unit, (known - low) / (high - low))
    # Where the rest must be all ones, the next value decides, and nothing is at stake.
    is_open = required < 1.0
    loss = np.where(is_open, 1.0 + adjustment.largest - required, 1.0)
    gain = np.where(is_open, (required - unit - adjustment.added) / loss, 0.0)
    log_capitals = np.stack([np.log1p(stake * gain).cumsum(axis=-1) for stake in _stakes(population)])
    largest = log_capitals.max(axis=0)
    log_capital = largest + np.log(np.exp(log_capitals - largest).mean(axis=0))
    is_out_of_reach = population * target - before - unit > left - 1 + _ROUNDING * population
    return np.maximum.accumulate(np.where(is_out_of_reach, np.inf, log_capital), axis=-1)


def _stakes(population: int) -> list[float]:
    """Stakes down to what suits the smallest effect that so many samples can show, which shrinks with their root.

    What is spread over bets that turn out wrong costs at most a factor of their number.
    """
    halvings = max(0, round(math.log2(population / _ONE_STAKE_UP_TO) / 2))
    return [_LARGEST_STAKE / 2**power for power in range(halvings + 1)]


class _Adjustment(NamedTuple):
    """What the covariate adds to each value, and the most that it could have added. Shapes: (..., seen)."""

    added: _Floats
    largest: _Floats


def _adjust(unit: _Floats, covariate: _Floats) -> _Adjustment:
    """Takes from every value what the covariate explains, with the slope of all values before it.

    Args:
        unit: The values, in [0, 1]. Shape: (..., seen).
        covariate: Shape: (..., population).
    """
    seen, population = unit.shape[-1], covariate.shape[-1]
    own = covariate[..., :seen]
    mean_left = (np.cumsum(covariate[..., ::-1], axis=-1)[..., ::-1] / (population - np.arange(population)))[..., :seen]
    least_left = np.minimum.accumulate(covariate[..., ::-1], axis=-1)[..., ::-1][..., :seen]
    # Centred at what is known beforehand, or large means would cancel.
    centred = own - covariate.mean(axis=-1, keepdims=True)
    count = np.maximum(np.arange(seen), 1)
    both = _before(centred * unit) - _before(centred) * _before(unit) / count
    square = _before(centred**2) - _before(centred) ** 2 / count
    prior = SLOPE_WEIGHT * covariate.var(axis=-1, keepdims=True)
    total = square + prior
    slope = np.clip(np.divide(both + SLOPE * prior, total, out=np.zeros_like(unit), where=total > 0.0), 0.0, 1.0)
    return _Adjustment(added=slope * (mean_left - own), largest=slope * (mean_left - least_left))


def _before(terms: _Floats) -> _Floats:
    """Sums of all terms before each. Shape: (..., seen)."""
    return np.cumsum(terms, axis=-1) - terms


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
