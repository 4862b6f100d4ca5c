"""How many samples show a gain, and what gain a number of samples shows, before they are measured."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.intervals import Intervals, difference_intervals, samples_needed

__all__ = ["PairedSpread", "binary_spread", "pilot_spread", "samples_to_show", "smallest_gain"]

_Floats = npt.NDArray[np.float64]

_BISECTIONS = 60
_SEED_SHARE = 0.5
"""The seeds' share of the variance with one seed, if it is not known; see `showable_difference`."""


class PairedSpread(NamedTuple):
    """How the paired differences of samples vary.

    Attributes:
        variance: The variance of the difference of one sample, averaged over its seeds.
        freedom: The degrees of freedom of the variance estimate that each sample adds, at most 1.
    """

    variance: float
    freedom: float


def binary_spread(
    baseline: float, gain: float, *, correlation: float = 0.0, agreement: float | None = None, seeds: int = 1
) -> PairedSpread:
    """Return how the differences of two binary scores vary.

    If the scores of a share of the samples differ, the variance is that share - gain^2 (O. S. Miettinen, "The matched
    pairs design in the case of all-or-none responses", Biometrics 24 (1968); R. J. Connor, "Sample size for testing
    differences in proportions for the paired-sample design", Biometrics 43 (1987)). Half of it is taken to come from
    the seeds.

    Args:
        baseline: The mean score of the reference, in [0, 1].
        gain: By how much the mean score of the candidate is larger.
        correlation: The correlation of both scores of a sample.
        agreement: The share of samples on which both score the same. By default it follows from the correlation.
        seeds: The number of seeds of each sample.

    Raises:
        ValueError: No two binary scores have these means and this correlation or agreement. The message says what is
            possible.
    """
    first, second = baseline, baseline + gain
    deviations = math.sqrt(max(0.0, first * (1.0 - first) * second * (1.0 - second)))
    both_right = first * second
    independent = first + second - 2.0 * both_right  # the share that differs
    low, high = abs(gain), min(first + second, 2.0 - first - second)
    differing = independent - 2.0 * correlation * deviations if agreement is None else 1.0 - agreement
    if not low - 1e-12 <= differing <= high + 1e-12:
        if agreement is not None:
            raise ValueError(f"the agreement must be in [{1.0 - high:.4g}, {1.0 - low:.4g}], got {agreement}")
        limits = [(independent - limit) / (2.0 * deviations) for limit in (high, low)]
        raise ValueError(f"the correlation must be in [{limits[0]:.4g}, {limits[1]:.4g}], got {correlation}")
    variance = max(differing - gain**2, 0.0)
    better, worse = (differing + gain) / 2.0, (differing - gain) / 2.0
    fourth = better * (1.0 - gain) ** 4 + worse * (1.0 + gain) ** 4 + (1.0 - differing) * gain**4
    excess = fourth / variance**2 - 1.0 if variance > 0.0 else 0.0
    return PairedSpread(variance * _with_seeds(_SEED_SHARE, 1, seeds), min(1.0, 2.0 / excess) if excess > 0.0 else 1.0)


def pilot_spread(
    differences: _Floats, noise: float | None, *, seeds: int, clusters: npt.NDArray[np.intp] | None = None
) -> PairedSpread:
    """Return how the differences of further samples vary, if they vary as those of a pilot.

    Args:
        differences: The paired differences of the pilot. Shape: (samples, seeds).
        noise: The variance of their mean that is due to the seeds. None with one seed; half of it is then taken to be.
        seeds: The number of seeds of the further samples.
        clusters: The number of each sample's cluster; see `difference_intervals`. Further samples are taken to have
            clusters of the same sizes.
    """
    intervals = difference_intervals(differences, clusters=clusters)
    samples, pilot_seeds = differences.shape
    squared_error = float(intervals.standard_error) ** 2
    share = _SEED_SHARE if noise is None else min(1.0, noise / squared_error) if squared_error > 0.0 else 0.0
    variance = samples * squared_error * _with_seeds(share, pilot_seeds, seeds)
    return PairedSpread(variance, float(intervals.degrees_of_freedom) / samples)


def samples_to_show(gain: float, spread: PairedSpread, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return how many samples show a gain: the lower end of the interval is above 0 with a chance of `power`.

    Args:
        gain: The true gain, above 0.
        spread: How the paired differences vary.
        alpha: The level of the interval.
        power: The chance.

    Returns:
        The number of samples, not rounded; see `samples_needed`.
    """
    error = np.asarray(math.sqrt(spread.variance))
    single = Intervals(np.asarray(gain), np.asarray(0.0), np.asarray(0.0), error, np.asarray(spread.freedom))
    return max(2.0, float(samples_needed(single, 1, alpha=alpha, power=power)))


def smallest_gain(
    samples: int, spread_of: Callable[[float], PairedSpread], *, limit: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the smallest gain that a number of samples shows with a chance of `power`; None if they show none.

    Args:
        samples: The number of samples, at least two.
        spread_of: ``gain -> how the paired differences vary``. A `ValueError` means that there is no such gain.
        limit: The maximum gain.
        alpha: The level of the interval.
        power: The chance.
    """

    def needed(gain: float) -> float | None:
        try:
            return samples_to_show(gain, spread_of(gain), alpha=alpha, power=power)
        except ValueError:
            return None

    low, high = 0.0, limit
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        count = needed(middle)
        low, high = (middle, high) if count is not None and count > samples else (low, middle)
    count = needed(high)
    return high if count is not None and count <= samples * (1.0 + 1e-9) else None


def _with_seeds(share: float, seeds: int, other_seeds: int) -> float:
    """Return by what the variance is multiplied with another number of seeds, given the seeds' share of it."""
    return 1.0 - share + share * seeds / other_seeds
