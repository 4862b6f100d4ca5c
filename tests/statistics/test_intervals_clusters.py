"""Intervals of clustered samples: laws, and coverage measured."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.statistics.intervals import Intervals, bootstrap_intervals, difference_intervals

Floats = npt.NDArray[np.float64]

STUDIES = 2000
ALLOWED = 0.94
"""What an interval of 95 % must cover; the standard error of a measurement is 0.5 points."""

SCORES = st.floats(-1.0, 1.0, allow_subnormal=False).map(lambda score: round(score, 3))


@st.composite
def clustered(draw: st.DrawFn) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Differences of samples with one or several seeds, and their clusters, of which there are at least two."""
    seeds = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(SCORES, min_size=seeds, max_size=seeds), min_size=2, max_size=20))
    groups = draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows)))
    groups[:2] = [0, 1]
    return np.array(rows), np.unique(groups, return_inverse=True)[1]


def check_same(first: Intervals, second: Intervals) -> None:
    for name, values, others in zip(Intervals._fields, first, second, strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-7, atol=1e-9, err_msg=name)


@given(clustered())
def test_a_cluster_for_each_sample_is_none(case: tuple[Floats, npt.NDArray[np.intp]]) -> None:
    differences, _ = case
    random = np.random.default_rng(len(differences))
    alone = random.permutation(len(differences))
    check_same(difference_intervals(differences, clusters=alone), difference_intervals(differences))


@given(clustered(), st.integers(2, 4))
def test_repeated_samples_of_clusters_tell_nothing_new(case: tuple[Floats, npt.NDArray[np.intp]], times: int) -> None:
    differences, clusters = case
    check_same(
        difference_intervals(np.repeat(differences, times, axis=0), clusters=np.repeat(clusters, times)),
        difference_intervals(differences, clusters=clusters),
    )


@given(clustered(), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_the_numbers_of_clusters_do_not_matter(
    case: tuple[Floats, npt.NDArray[np.intp]], chance: st.DataObject
) -> None:
    differences, clusters = case
    random = np.random.default_rng(len(differences))
    order, names = random.permutation(len(differences)), random.permutation(clusters.max() + 1)
    check_same(
        difference_intervals(differences[order], clusters=names[clusters][order]),
        difference_intervals(differences, clusters=clusters),
    )


@given(clustered())
def test_clusters_of_one_size_are_samples_of_their_means(case: tuple[Floats, npt.NDArray[np.intp]]) -> None:
    differences, _ = case
    pairs = differences[: len(differences) // 2 * 2]
    if len(pairs) < 4:
        return
    clusters = np.arange(len(pairs)) // 2
    means = pairs.mean(axis=1).reshape(-1, 2).mean(axis=1)[:, None]
    clustered_interval = difference_intervals(pairs, clusters=clusters, max_difference=1.0)
    check_same(clustered_interval, difference_intervals(means, max_difference=1.0))


def test_the_variance_is_that_of_cluster_sums() -> None:
    """CR2 with an intercept alone, by hand: 3 clusters of 1, 2 and 3 samples, none of which scores 0."""
    differences = np.array([0.5, 0.2, 0.4, -0.1, -0.3, 0.1])[:, None]
    mean = differences.mean()
    sums = [differences[:1].sum() - mean, differences[1:3].sum() - 2 * mean, differences[3:].sum() - 3 * mean]
    variance = sum(total**2 / (1 - size / 6) for total, size in zip(sums, (1, 2, 3), strict=True)) / 36
    intervals = difference_intervals(differences, clusters=[0, 1, 1, 2, 2, 2])
    assert intervals.standard_error**2 == pytest.approx(variance)


def test_the_degrees_of_freedom_are_those_of_the_quadratic_form() -> None:
    """Of a large sample without outliers, with the form written out."""
    share = np.array([1, 2, 3, 10]) / 16
    centred = np.eye(4) - share  # deviations of means
    form = centred.T @ np.diag(share**2 / (1 - share)) @ centred
    differences = np.repeat([0.1, -0.1, 0.1, -0.02], [1, 2, 3, 10])[:, None]
    intervals = difference_intervals(differences, clusters=np.repeat(np.arange(4), [1, 2, 3, 10]))
    assert intervals.degrees_of_freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 clusters, got 1"):
        difference_intervals(np.ones((4, 1)), clusters=[0, 0, 0, 0])
    with pytest.raises(ValueError, match="at least 2 clusters, got 1"):
        bootstrap_intervals(np.mean, 4, clusters=[0, 0, 0, 0])


def clusters_of(count: int, sizes: str, random: np.random.Generator) -> npt.NDArray[np.intp]:
    each = {"equal": np.full(count, 8), "unequal": 1 + random.geometric(1 / 8, count)}[sizes]
    return np.repeat(np.arange(count), each)


def studies(kind: str, clusters: npt.NDArray[np.intp], seeds: int, random: np.random.Generator) -> Floats:
    """Differences with the mean 0, in which half of the variance is between clusters."""
    shape = (STUDIES, len(clusters), seeds)
    between = random.normal(size=(STUDIES, clusters.max() + 1))[:, clusters, None]
    within = random.normal(size=shape[:2])[..., None] + random.normal(size=shape)
    if kind == "normal":
        return np.asarray(between + within)
    return np.asarray((between + within > 1.0).astype(float) - (between + within < -1.0))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("count", [10, 30, 80])
@pytest.mark.parametrize("sizes", ["equal", "unequal"])
@pytest.mark.parametrize("kind", ["normal", "binary"])
@pytest.mark.parametrize("seeds", [1, 4])
def test_clusters_are_covered(kind: str, sizes: str, count: int, seeds: int) -> None:
    random = np.random.default_rng(count)
    clusters = clusters_of(count, sizes, random)
    differences = studies(kind, clusters, seeds, random)
    intervals = difference_intervals(differences, clusters=clusters)
    assert ((intervals.low <= 0.0) & (intervals.high >= 0.0)).mean() >= ALLOWED


def test_without_clusters_they_are_not() -> None:
    random = np.random.default_rng(0)
    clusters = clusters_of(30, "equal", random)
    intervals = difference_intervals(studies("normal", clusters, 1, random))
    assert ((intervals.low <= 0.0) & (intervals.high >= 0.0)).mean() < 0.75


# Metrics that score only a corpus.


def test_a_bootstrap_draws_whole_clusters() -> None:
    clusters = np.array([0, 1, 0, 2, 1, 3])

    def statistic(indices: npt.NDArray[np.intp]) -> float:
        counts = np.bincount(indices, minlength=6)
        assert counts[0] == counts[2]
        assert counts[1] == counts[4]
        return float(indices.mean())

    bootstrap_intervals(statistic, 6, clusters=clusters, resamples=50)


@given(clustered())
def test_a_bootstrap_of_single_samples_is_the_usual_one(case: tuple[Floats, npt.NDArray[np.intp]]) -> None:
    scores = case[0].mean(axis=1)
    count = len(scores)

    def statistic(indices: npt.NDArray[np.intp]) -> Floats:
        return np.asarray(scores[indices].mean())

    check_same(
        bootstrap_intervals(statistic, count, resamples=20, clusters=np.arange(count)),
        bootstrap_intervals(statistic, count, resamples=20),
    )
