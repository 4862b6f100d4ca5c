"""Confidence intervals of score differences on samples that were not searched on, and the sources of their variance."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "Intervals",
    "VarianceSplit",
    "adjusted_alpha",
    "bootstrap_intervals",
    "difference_intervals",
    "round_up",
    "samples_needed",
    "showable_difference",
    "variance_split",
]

_Floats = npt.NDArray[np.float64]

_ITERATIONS = 50
_ROUNDING = 1e-12


class Intervals(NamedTuple):
    """Differences with their confidence intervals.

    Attributes:
        estimate: The observed differences. Shape: (...).
        low: The lower ends. Shape: (...).
        high: The upper ends. Shape: (...).
        standard_error: The standard errors of the estimates. Shape: (...).
        degrees_of_freedom: The degrees of freedom of the standard errors. Shape: (...).
    """

    estimate: _Floats
    low: _Floats
    high: _Floats
    standard_error: _Floats
    degrees_of_freedom: _Floats


class VarianceSplit(NamedTuple):
    """The components of the variance of a mean difference.

    Attributes:
        sample: The variance between samples. Only more samples reduce it. Shape: (...).
        seed: The variance between seeds. More samples and more seeds reduce it. Shape: (...).
    """

    sample: _Floats
    seed: _Floats

    @property
    def seed_share(self) -> _Floats:
        """The seeds' share of the variance, in [0, 1]; 0 if nothing varies."""
        total = self.sample + self.seed
        return np.divide(self.seed, total, out=np.zeros_like(total), where=total > 0.0)


def adjusted_alpha(alpha: float, comparisons: int) -> float:
    """Return the level for each of several intervals, so that any of them misses with a chance of at most `alpha`.

    The correction is that of Z. Šidák, "Rectangular confidence regions for the means of multivariate normal
    distributions", JASA 62 (1967), which holds for any correlations. Comparisons with one reference have correlations
    of about 1/2, for which the exact level (Dunnett 1955) would make the intervals of four comparisons 2 % narrower.
    """
    return -math.expm1(math.log1p(-alpha) / comparisons)


def difference_intervals(
    differences: npt.ArrayLike,
    *,
    alpha: float = 0.05,
    max_difference: float | None = None,
    clusters: npt.ArrayLike | None = None,
) -> Intervals:
    """Return the mean differences of paired scores, with intervals clustered by sample.

    The seeds of one sample share its prompt and are averaged first (E. Miller, "Adding error bars to evals", 2024). The
    interval is Student's with two changes, as completions often score the same on most samples and very differently on
    a few:

    - The degrees of freedom are those of the variance estimate, 2 n / (kurtosis - 1), at most n - 1 (Satterthwaite
      1946). A few differing samples carry little information about how samples differ.
    - The next sample might differ, so one more sample counts as differing. Its size is the root mean square of the
      means that are not 0, and its weight is the share of means that are 0 (after Agresti and Min, Statistics in
      Medicine 24 (2005)).

    If all samples differ by the same amount, which may be 0, their variance is 0. The interval then allows for unseen
    samples that differ by another amount. Their share is below 1 - (alpha / 2) ** (1 / n) (the exact binomial bound,
    close to the rule of three), and they differ by at most `max_difference`.

    Measured on 112 kinds of binary and continuous scores (one and four seeds): with 20 and 48 samples, the coverage is
    94 % or more on all kinds except two, with 200 samples on all. The two kinds are rare and skewed differences of one
    sign, with a coverage of 90 to 93 %. Student's interval falls short on 38 kinds with 20 samples (coverage down to 45
    %) and on 20 kinds with 48 samples (down to 76 %).

    Samples of one cluster, e.g. questions about one document, are not independent. With clusters, all of the above is
    computed on the sums of the clusters in place of the samples: the variance is the sum of their squared deviations,
    each divided by 1 - (the cluster's share of the samples), over the squared number of samples (Miller 2024, section
    2.2; the correction for few or unequal clusters, also of the maximum of the degrees of freedom, is CR2 of R. M. Bell
    and D. F. McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples", Survey
    Methodology 28 (2002)). Clusters of one sample each give the same intervals as no clusters.

    Args:
        differences: The differences of the paired scores. Shape: (..., samples, seeds), samples >= 2.
        alpha: The nominal chance that an interval misses the true mean difference.
        max_difference: The maximum difference of two scores, to which the intervals are clipped. By default they are
            not clipped, and the maximum is 1, or the maximum that was observed if larger; this default only matters
            if all samples differ by the same amount.
        clusters: The number of each sample's cluster, from 0. Shape: (samples,). None if samples are independent.

    Returns:
        The intervals. Shape: (...).

    Raises:
        ValueError: There are fewer than two samples or clusters.
    """
    paired = np.asarray(differences, dtype=np.float64)
    means = paired.mean(axis=-1)
    samples = means.shape[-1]
    if samples < 2:
        raise ValueError(f"an interval needs at least 2 samples, got {samples}")
    estimate = means.mean(axis=-1)
    deviations = means - estimate[..., None]
    most = samples - 1.0
    if clusters is not None:
        means, deviations, most = _cluster_means(means, deviations, np.asarray(clusters))
        samples = means.shape[-1]
    second = (deviations**2).mean(axis=-1)
    observed = np.abs(paired).max(axis=(-2, -1))
    tiny = _ROUNDING * observed
    varies = second > tiny**2
    where = varies[..., None]
    standardised = np.divide(deviations, np.sqrt(second)[..., None], out=np.ones_like(deviations), where=where)
    kurtosis = (standardised**4).mean(axis=-1)
    freedom = np.clip(2.0 * samples / np.maximum(kurtosis - 1.0, _ROUNDING), 1.0, most)
    differing = np.count_nonzero(np.abs(means) > tiny[..., None], axis=-1)
    unseen = (means**2).sum(axis=-1) / np.maximum(differing, 1) * (1.0 - differing / samples)
    error = np.sqrt((second * samples / (samples - 1) + unseen / samples) / samples)
    limit = np.maximum(1.0, observed) if max_difference is None else max_difference
    intervals = _student_intervals(estimate, error, freedom, alpha)
    intervals = _replace_constant(intervals, ~varies, samples, limit, alpha)
    return _clipped(intervals, max_difference)


def bootstrap_intervals(
    statistic: Callable[[npt.NDArray[np.intp]], npt.ArrayLike],
    samples: int,
    *,
    alpha: float = 0.05,
    max_difference: float | None = None,
    clusters: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Return the differences of a corpus metric, with paired bootstrap intervals.

    The statistic is recomputed on samples drawn with replacement, the same ones for all configurations (B. Efron and
    R. Tibshirani, "An introduction to the bootstrap", 1993; P. Koehn, "Statistical significance tests for machine
    translation evaluation", EMNLP 2004). The standard deviation of the results is the standard error in Student's
    interval (Efron and Tibshirani, chapter 12). For few samples, this is more accurate than percentiles and BCa. On
    ratios of sums over 20 and 48 samples, its measured coverage is 94 to 96 % at a level of 95 %, that of percentiles
    and BCa 92 to 94 %.

    Args:
        statistic: ``(indices of samples) -> differences``, of any shape.
        samples: The number of samples, at least two.
        alpha: The nominal chance that an interval misses the true difference.
        max_difference: The maximum difference, to which the intervals are clipped. By default they are not clipped, and
            the maximum is 1, which only matters if all resamples give the same result; see `difference_intervals`.
        clusters: The number of each sample's cluster, from 0. Shape: (samples,). Whole clusters are then drawn. None if
            samples are independent.
        resamples: The number of resamples, at least two.
        seed: The seed of the resamples.

    Returns:
        The intervals, in the shape of the statistic.

    Raises:
        ValueError: There are fewer than two samples, clusters or resamples.
    """
    if samples < 2:
        raise ValueError(f"an interval needs at least 2 samples, got {samples}")
    if resamples < 2:
        raise ValueError(f"a bootstrap needs at least 2 resamples, got {resamples}")
    random = np.random.default_rng(seed)
    estimate = np.asarray(statistic(np.arange(samples)), dtype=np.float64)
    units, members = samples, None
    if clusters is not None:
        order, starts = _grouped(np.asarray(clusters))
        units, members = len(starts), np.split(order, starts[1:])

    def resample() -> npt.NDArray[np.intp]:
        units_drawn = random.integers(units, size=units)
        return units_drawn if members is None else np.concatenate([members[unit] for unit in units_drawn])

    drawn = np.stack([np.asarray(statistic(resample()), dtype=np.float64) for _ in range(resamples)])
    error = drawn.std(axis=0, ddof=1) * math.sqrt(units / (units - 1))
    is_constant = error <= _ROUNDING * np.abs(drawn).max(axis=0)
    intervals = _student_intervals(estimate, error, np.full_like(error, units - 1.0), alpha)
    limit = 1.0 if max_difference is None else max_difference
    return _clipped(_replace_constant(intervals, is_constant, units, limit, alpha), max_difference)


def samples_needed(intervals: Intervals, samples: int, *, alpha: float = 0.05, power: float = 0.8) -> _Floats:
    """Return how many samples would show, with the given power, a difference as large as the one observed.

    If the observed difference were the true one, the lower end of an interval of level `alpha` would be above 0 with a
    chance of `power`: n = ((t + z) standard deviation / difference)^2 (Miller 2024, section 5).

    Args:
        intervals: The observed differences, with their intervals.
        samples: The number of samples that were observed.
        alpha: The level of the intervals.
        power: The chance of showing the difference.

    Returns:
        The numbers of samples, not rounded; inf if the observed difference is 0, or close to 0. Shape: (...).
    """
    size = np.abs(intervals.estimate)
    spread = np.divide(intervals.standard_error, size, out=np.full_like(size, np.inf), where=size > 0.0) * samples**0.5
    normal = NormalDist()
    beyond = -normal.inv_cdf(1.0 - power)
    # The critical value depends on the number of samples, and falls with it, so there is one solution.
    with np.errstate(over="ignore"):  # inf stands for anything above 1e308
        low: _Floats = (spread * (-normal.inv_cdf(alpha / 2) + beyond)) ** 2
        high: _Floats = (spread * (_student_quantile(1.0, alpha) + beyond)) ** 2
        for _ in range(_ITERATIONS):
            middle = (low + high) / 2
            freedom = np.maximum(intervals.degrees_of_freedom * np.minimum(middle, 1e12) / samples, 1.0)
            is_enough = (spread * (_student_quantile(freedom, alpha) + beyond)) ** 2 <= middle
            low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    return high


def round_up(number: float) -> str:
    """Return a number of samples as text, rounded up to two significant digits."""
    whole = math.ceil(number)
    unit = 10 ** max(0, len(str(whole)) - 2)
    return f"{math.ceil(whole / unit) * unit:,}"


def showable_difference(differences: npt.ArrayLike, *, samples: int, seeds: int, alpha: float) -> float:
    """Return the half-width of the interval of a difference on other samples, before it is measured.

    Half of the variance of paired differences is taken to come from the seeds, of which other samples have several.

    Args:
        differences: Paired differences with one seed each. Shape: (configurations, samples), at least two samples.
        samples: The number of other samples, at least two.
        seeds: The number of their seeds.
        alpha: The level of the interval.
    """
    variance = float(np.asarray(differences, dtype=np.float64).var(axis=-1, ddof=1).mean())
    with_seeds = variance * (1.0 + 1.0 / seeds) / 2.0
    return float(_student_quantile(samples - 1.0, alpha)) * math.sqrt(with_seeds / samples)


def variance_split(differences: npt.ArrayLike) -> VarianceSplit:
    """Split the variance of a mean difference into the contributions of samples and seeds.

    This is a one-way random-effects analysis of variance (S. Searle, G. Casella and C. McCulloch, "Variance
    components", 1992). The seeds are nested in the samples: noise is keyed by (seed, prompt), so the noise of one seed
    is independent between samples. If both scores have the same seed, the noise that they share cancels.

    Args:
        differences: The differences of the paired scores. Shape: (..., samples, seeds), at least two of each.

    Returns:
        The components of the variance. Shape: (...).

    Raises:
        ValueError: There are fewer than two samples or seeds.
    """
    paired = np.asarray(differences, dtype=np.float64)
    samples, seeds = paired.shape[-2:]
    if samples < 2 or seeds < 2:
        raise ValueError(f"a split needs at least 2 samples and 2 seeds, got {samples} and {seeds}")
    within = paired.var(axis=-1, ddof=1).mean(axis=-1)
    between = paired.mean(axis=-1).var(axis=-1, ddof=1)
    rounding = (_ROUNDING * np.abs(paired).max(axis=(-2, -1))) ** 2
    return VarianceSplit(
        sample=np.where(between > rounding, np.maximum(between - within / seeds, 0.0), 0.0) / samples,
        seed=np.where(within > rounding, within, 0.0) / (samples * seeds),
    )


def _cluster_means(
    means: _Floats, deviations: _Floats, clusters: npt.NDArray[np.intp]
) -> tuple[_Floats, _Floats, float]:
    """Return the contributions of clusters to a mean over samples. Shapes: (..., samples), then (..., clusters).

    They are the sums of the clusters, divided by the mean size so that their mean is that of the samples, and the
    deviations that the variance is computed from. The third result are the degrees of freedom of the variance if the
    samples of a cluster always differ by the same amount.
    """
    order, starts = _grouped(clusters)
    number, samples = len(starts), means.shape[-1]
    share = np.diff(starts, append=samples) / samples
    correction = np.sqrt((1.0 - 1.0 / number) / (1.0 - share))
    sums, summed = (np.add.reduceat(values[..., order], starts, axis=-1) for values in (means, deviations))
    scale = number / samples
    return sums * scale, summed * scale * correction, _cluster_freedom(share)


def _cluster_freedom(share: _Floats) -> float:
    """Return tr(M)^2 / tr(M^2), where the variance is a quadratic form M of the clusters' means (Satterthwaite).

    M = diag(a) - a w' - w a' + sum(a) w w' with the shares w of the clusters and a = w^2 / (1 - w).
    """
    a = share**2 / (1.0 - share)
    total, product, square = a.sum(), a @ share, share @ share
    trace = total - 2.0 * product + total * square
    diagonal = a @ a + 2.0 * (a**2 @ (-2.0 * share) + total * (a @ share**2))
    rest = 2.0 * (a @ a) * square + 2.0 * product**2 - 4.0 * total * product * square + (total * square) ** 2
    return float(trace**2 / (diagonal + rest))


def _grouped(clusters: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the samples ordered by cluster, and where each cluster starts in this order."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    if len(starts) < 2:
        raise ValueError(f"an interval needs at least 2 clusters, got {len(starts)}")
    return order, starts


def _student_intervals(estimate: _Floats, error: _Floats, freedom: _Floats, alpha: float) -> Intervals:
    half = _student_quantile(freedom, alpha) * error
    return Intervals(estimate, estimate - half, estimate + half, error, freedom)


def _clipped(intervals: Intervals, max_difference: float | None) -> Intervals:
    if max_difference is None:
        return intervals
    return intervals._replace(
        low=np.maximum(intervals.low, -max_difference), high=np.minimum(intervals.high, max_difference)
    )


def _replace_constant(
    intervals: Intervals,
    is_constant: npt.NDArray[np.bool_],
    samples: int,
    max_difference: _Floats | float,
    alpha: float,
) -> Intervals:
    """Replace the intervals of differences that are the same on all samples; see `difference_intervals`."""
    share = 1.0 - (alpha / 2) ** (1.0 / samples)  # the maximum share of samples that differ otherwise
    low = intervals.estimate - share * (max_difference + intervals.estimate)
    high = intervals.estimate + share * (max_difference - intervals.estimate)
    error = share * (max_difference + np.abs(intervals.estimate)) / _student_quantile(samples - 1.0, alpha)
    return intervals._replace(
        low=np.where(is_constant, low, intervals.low),
        high=np.where(is_constant, high, intervals.high),
        standard_error=np.where(is_constant, error, intervals.standard_error),
    )


def _student_quantile(freedom: npt.ArrayLike, alpha: float) -> _Floats:
    """Return the two-sided critical value of Student's t at level `alpha`."""
    from scipy.special import stdtrit  # noqa: PLC0415  # importing it takes long

    return np.asarray(-stdtrit(freedom, alpha / 2))
