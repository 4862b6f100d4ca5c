"""Fixed-sample intervals: coverage measured, degenerate cases, laws."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from llmsearch_optuna.statistics.intervals import (
    adjusted_alpha,
    bootstrap_intervals,
    difference_intervals,
    samples_needed,
    variance_split,
)

Floats = npt.NDArray[np.float64]

STUDIES = 2000
ALLOWED = 0.94
"""What an interval of 95 % must cover; the standard error of a measurement is 0.5 points."""


def binary_pairs(
    first: float, second: float, shared: float, samples: int, seeds: int, random: np.random.Generator
) -> Floats:
    """Differences of two binary scores with these chances of 1; with chance `shared`, both are equal."""
    shape = (STUDIES, samples, seeds)
    luck = random.random(shape)
    other = np.where(random.random((STUDIES, samples, 1)) < shared, luck, random.random(shape))
    return (luck < first).astype(float) - (other < second)


def coverage(differences: Floats, true: float, alpha: float = 0.05, largest: float | None = None) -> float:
    intervals = difference_intervals(differences, alpha=alpha, max_difference=largest)
    return float(((intervals.low <= true + 1e-12) & (true - 1e-12 <= intervals.high)).mean())


# Coverage.


@pytest.mark.sampled(4)
@pytest.mark.parametrize("samples", [20, 48, 150, 500])
@pytest.mark.parametrize("seeds", [1, 4])
@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [(0.5, 0.5, 0.0), (0.6, 0.4, 0.5), (0.9, 0.9, 0.9), (0.98, 0.95, 0.0), (0.98, 0.95, 0.9), (0.02, 0.02, 0.5)],
)
def test_binary_scores_are_covered(first: float, second: float, shared: float, samples: int, seeds: int) -> None:
    differences = binary_pairs(first, second, shared, samples, seeds, np.random.default_rng(3))
    assert coverage(differences, first - second) >= ALLOWED


def test_student_alone_would_not_do() -> None:
    """The reason for the changes to Student's interval: rare differences, which many studies do not contain."""
    differences = binary_pairs(1.0, 0.97, 0.0, 48, 1, np.random.default_rng(0)).mean(axis=-1)
    mean, error = differences.mean(axis=-1), differences.std(axis=-1, ddof=1) / math.sqrt(48)
    student = np.abs(mean - 0.03) <= stats.t.ppf(0.975, 47) * error
    assert student.mean() < 0.85
    assert coverage(differences[..., None], 0.03) >= ALLOWED


@pytest.mark.sampled(4)
@pytest.mark.parametrize("samples", [20, 48, 150, 500])
@pytest.mark.parametrize("kind", ["normal", "bounded", "skewed", "mostly ties"])
def test_continuous_scores_are_covered(kind: str, samples: int) -> None:
    random = np.random.default_rng(samples)
    shape = (STUDIES, samples, 2)
    noise = random.normal(0, 0.05, shape)
    differences, true = {
        "normal": (random.normal(0.3, 0.1, shape[:2])[..., None] + noise, 0.3),
        "bounded": (random.beta(0.5, 0.5, shape) - random.beta(0.5, 1, shape), 1 / 2 - 1 / 3),
        "skewed": (random.beta(0.4, 1, shape[:2])[..., None] + noise, 0.4 / 1.4),
        "mostly ties": (np.where(random.random((*shape[:2], 1)) < 0.2, noise * 4, 0.0), 0.0),
    }[kind]
    assert coverage(differences, true) >= ALLOWED


def test_normal_scores_get_students_interval() -> None:
    """The changes cost nothing on scores that suit Student's interval."""
    differences = np.random.default_rng(0).normal(0.1, 0.2, (200, 60))
    intervals = difference_intervals(differences[..., None])
    half = stats.t.ppf(0.975, 59) * differences.std(axis=-1, ddof=1) / math.sqrt(60)
    assert np.median((intervals.high - intervals.low) / (2 * half)) == pytest.approx(1.0, abs=0.02)
    assert intervals.estimate == pytest.approx(differences.mean(axis=-1))


def test_several_intervals_are_all_right_at_once() -> None:
    random = np.random.default_rng(5)
    scores = random.beta(1, 1, (STUDIES, 1, 48)) * 0.5 + random.beta(1, 1, (STUDIES, 5, 48)) * 0.5
    differences = scores[:, 1:] - scores[:, :1]
    adjusted = difference_intervals(differences[..., None], alpha=adjusted_alpha(0.05, 4))
    all_right = ((adjusted.low <= 0) & (adjusted.high >= 0)).all(axis=1).mean()
    assert ALLOWED <= all_right <= 0.975
    alone = difference_intervals(differences[..., None], alpha=0.05)
    assert ((alone.low <= 0) & (alone.high >= 0)).all(axis=1).mean() < 0.9


def test_seeds_of_a_sample_are_no_samples() -> None:
    """Ten seeds of one prompt carry no information about other prompts."""
    differences = np.random.default_rng(6).normal(0, 0.2, (STUDIES, 30, 1)) * np.ones(10)
    assert ALLOWED <= coverage(differences, 0.0) <= 0.96
    assert coverage(differences.reshape(STUDIES, 300, 1), 0.0) < 0.6


# Constant differences.


@pytest.mark.parametrize("samples", [2, 20, 300])
def test_no_difference_seen_bounds_what_was_not_seen(samples: int) -> None:
    """The bound is exact: at this share of differing samples, the chance to draw none is 2.5 %."""
    intervals = difference_intervals(np.zeros((samples, 3)), max_difference=1.0)
    assert -intervals.low == intervals.high
    assert (1 - intervals.high) ** samples == pytest.approx(0.025)
    if samples == 300:
        assert intervals.high == pytest.approx(3.69 / 300, rel=0.01)  # -log(0.025): the rule of three at 97.5 %


def test_the_largest_difference_is_that_of_the_scores() -> None:
    wide = difference_intervals(np.zeros((20, 1)), max_difference=100.0)
    assert wide.high == pytest.approx(100 * float(difference_intervals(np.zeros((20, 1))).high))


def test_the_same_difference_everywhere_is_no_certainty() -> None:
    intervals = difference_intervals(np.ones((20, 2)), max_difference=1.0)
    assert intervals.high == 1.0
    assert intervals.low == pytest.approx(1 - 2 * (1 - 0.025**0.05))
    tenths = difference_intervals(np.full((3, 1), 0.1) + np.array([0.0, 1e-17, -1e-17])[:, None])
    assert tenths.high - tenths.low > 1.0


def test_no_interval_exceeds_what_there_can_be() -> None:
    few = difference_intervals([[0.0], [0.0], [1.0]], max_difference=1.0)
    assert few.low == -1.0
    assert few.high == 1.0


# Laws.

differences = st.integers(2, 30).flatmap(
    lambda samples: st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=2), min_size=samples, max_size=samples)
)


@given(differences, st.floats(0.01, 0.2))
@example([[0.0, 0.0], [0.0, 1e-100]], 0.05)
@example([[0.0, 0.0], [0.0, 1e-160]], 0.05)
@example([[0.0, 0.0], [0.0, 1e-320]], 0.05)
def test_intervals_mirror_and_widen(values: list[list[float]], alpha: float) -> None:
    intervals = difference_intervals(values, alpha=alpha, max_difference=2.0)
    assert intervals.low <= intervals.estimate + 1e-12
    assert intervals.estimate <= intervals.high + 1e-12
    mirrored = difference_intervals(-np.array(values), alpha=alpha, max_difference=2.0)
    assert -mirrored.high == pytest.approx(intervals.low, abs=1e-9)
    surer = difference_intervals(values, alpha=alpha / 10, max_difference=2.0)
    assert surer.low <= intervals.low + 1e-12
    shuffled = difference_intervals(values[::-1], alpha=alpha, max_difference=2.0)
    assert shuffled.low == pytest.approx(intervals.low, abs=1e-9)


@given(st.floats(0.001, 0.5), st.integers(1, 20))
def test_the_adjusted_level(alpha: float, comparisons: int) -> None:
    level = adjusted_alpha(alpha, comparisons)
    assert alpha / comparisons <= level * (1 + 1e-12)
    assert 1 - (1 - level) ** comparisons == pytest.approx(alpha)


@pytest.mark.parametrize("samples", [0, 1])
def test_one_sample_gives_no_interval(samples: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 samples, got {samples}"):
        difference_intervals(np.zeros((samples, 4)))
    with pytest.raises(ValueError, match=f"at least 2 samples, got {samples}"):
        bootstrap_intervals(lambda indices: 0.0, samples)


# Samples and seeds.


@pytest.mark.parametrize(("between", "within"), [(0.2, 0.1), (0.0, 0.3), (0.1, 0.0)])
def test_the_variance_is_split_as_it_was_made(between: float, within: float) -> None:
    random = np.random.default_rng(7)
    made = random.normal(0, between, (500, 60, 1)) + random.normal(0, within, (500, 60, 4))
    split = variance_split(made)
    assert split.sample.mean() == pytest.approx(between**2 / 60, abs=0.06 * (between**2 + within**2) / 60)
    assert split.seed.mean() == pytest.approx(within**2 / 240, rel=0.02)
    true = made.mean(axis=(1, 2)).var()
    assert (split.sample + split.seed).mean() == pytest.approx(true, rel=0.15)


def test_the_share_of_the_seeds() -> None:
    same_for_all_seeds = np.arange(5.0)[:, None] * np.ones(3)
    assert variance_split(same_for_all_seeds).seed_share == 0.0
    seeds_only = np.tile([-1.0, 0.0, 1.0], (5, 1))
    assert variance_split(seeds_only).seed_share == 1.0
    assert variance_split(np.zeros((4, 2))).seed_share == 0.0


@pytest.mark.parametrize("shape", [(5, 1), (1, 5)])
def test_one_seed_gives_no_split(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 samples and 2 seeds"):
        variance_split(np.zeros(shape))


@pytest.mark.parametrize("kind", ["normal", "binary"])
@pytest.mark.parametrize("alpha", [0.05, 0.0127])
def test_as_many_samples_as_needed_show_the_difference(kind: str, alpha: float) -> None:
    """If the observed difference is the true one, the power is the one requested."""
    random = np.random.default_rng(11)
    population = random.normal(0.04, 0.2, 40) if kind == "normal" else np.array([1.0] * 9 + [-1.0] * 4 + [0.0] * 27)
    intervals = difference_intervals(population[:, None], alpha=alpha)
    assert intervals.low < 0 < intervals.high
    needed = math.ceil(samples_needed(intervals, 40, alpha=alpha))
    assert needed > 40
    drawn = random.choice(population, (1000, needed))
    shown = difference_intervals(drawn[..., None], alpha=alpha).low > 0
    assert 0.74 <= shown.mean() <= 0.88


@given(differences, st.sampled_from([0.05, 0.0127]))
@example([[0.0, 0.0], [0.0, 1e-253]], 0.05)
def test_what_is_not_shown_needs_more_samples(values: list[list[float]], alpha: float) -> None:
    intervals = difference_intervals(values, alpha=alpha)
    if intervals.low < 0 < intervals.high:
        assert samples_needed(intervals, len(values), alpha=alpha) > len(values)


def test_no_difference_cannot_be_shown() -> None:
    assert samples_needed(difference_intervals(np.zeros((9, 2))), 9) == math.inf


# Corpus metrics.


def ratio_of_sums(shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    """Matches and lengths of two systems per sample, as of a precision over a corpus. Shape: (*shape, 4)."""
    length = random.integers(5, 60, shape)
    ease = random.beta(1.5, 2, shape)
    other = np.maximum(length + random.integers(-4, 5, shape), 1)
    first = random.binomial(length, np.clip(ease + random.normal(0, 0.08, shape), 0, 1))
    second = random.binomial(other, np.clip(ease + random.normal(0.03, 0.08, shape), 0, 1))
    return np.stack([first, length, second, other], axis=-1).astype(float)


def precision_difference(sums: Floats) -> Floats:
    return np.asarray(sums[..., 2] / sums[..., 3] - sums[..., 0] / sums[..., 1])


@pytest.mark.parametrize("samples", [20, 100])
def test_bootstrap_intervals_cover(samples: int) -> None:
    """The statistic may have any shape, here that of all studies."""
    random = np.random.default_rng(samples)
    true = float(precision_difference(ratio_of_sums((400_000,), random).sum(axis=0)))
    studies = ratio_of_sums((1000, samples), random)
    intervals = bootstrap_intervals(
        lambda indices: precision_difference(studies[:, indices].sum(axis=1)), samples, resamples=500
    )
    assert intervals.estimate.shape == (1000,)
    assert ALLOWED <= ((intervals.low <= true) & (true <= intervals.high)).mean() <= 0.97


def test_the_bootstrap_of_a_mean_is_students() -> None:
    values = np.random.default_rng(1).normal(0.1, 0.2, 40)
    intervals = bootstrap_intervals(lambda indices: values[indices].mean(), 40, resamples=4000)
    student = difference_intervals(values[:, None])
    assert intervals.low == pytest.approx(student.low, abs=0.006)
    assert intervals.high == pytest.approx(student.high, abs=0.006)
    assert intervals.standard_error == pytest.approx(student.standard_error, rel=0.05)


def test_the_bootstrap_is_reproducible_and_draws_all_configurations_alike() -> None:
    values = np.random.default_rng(2).normal(0, 1, (3, 25))
    both = bootstrap_intervals(lambda indices: values[:, indices].mean(axis=1), 25, resamples=200, seed=5)
    for row, scores in enumerate(values):
        alone = bootstrap_intervals(lambda indices, scores=scores: scores[indices].mean(), 25, resamples=200, seed=5)  # type: ignore[misc]
        assert alone.low == pytest.approx(both.low[row])
        assert alone.high == pytest.approx(both.high[row])


def test_the_bootstrap_of_what_never_differs_is_no_certainty() -> None:
    intervals = bootstrap_intervals(lambda indices: 0.0, 20, resamples=200)
    exact = difference_intervals(np.zeros((20, 1)))
    assert (intervals.low, intervals.high) == (exact.low, exact.high)


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 resamples, got 1"):
        bootstrap_intervals(lambda indices: 0.0, 20, resamples=1)
