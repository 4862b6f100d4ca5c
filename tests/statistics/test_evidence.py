import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.statistics.evidence import ControlMemory, log_evidence_below

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
PEEKS = 8


def shown_below(differences: Floats) -> Floats:
    """The number of samples after which each study is shown to be below 0, checked every 8; inf if never."""
    reps, population = differences.shape
    evidence = log_evidence_below(differences, mean=np.zeros(reps), population=population, low=-1.0, high=1.0)
    peeks = np.arange(PEEKS, population, PEEKS)
    is_shown = evidence[:, peeks - 1] >= -np.log(ALPHA)
    return np.where(is_shown.any(1), peeks[is_shown.argmax(1)], np.inf)


def binary_pairs(first: float, second: float, correlation: float, shape: tuple[int, int]) -> Floats:
    """Differences of two binary scores with these chances of 1."""
    covariance = correlation * np.sqrt(first * (1 - first) * second * (1 - second))
    both = first * second + covariance
    kinds = np.random.default_rng(0).choice(
        4, size=shape, p=[both, first - both, second - both, 1 - first - second + both]
    )
    return np.array([0.0, -1.0, 1.0, 0.0])[kinds]


@settings(max_examples=scaled(60))
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=6), st.sampled_from([0.05, 0.2, 0.5]))
def test_over_all_orders_the_evidence_is_as_rare_as_promised(scores: list[int], alpha: float) -> None:
    """The frequency of the error that Ville's inequality bounds."""
    values = np.array(scores) / 4
    orders = np.array(list(itertools.permutations(values)))
    evidence = log_evidence_below(orders, mean=values.mean(), population=len(values), low=-1.0, high=1.0)
    assert (evidence[:, -1] >= -np.log(alpha)).mean() <= alpha


@settings(max_examples=scaled(60))
@given(
    st.integers(1, 3).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k + 1, max_size=k + 1), min_size=2, max_size=6)
    ),
    st.sampled_from([0.05, 0.2, 0.5]),
)
def test_with_covariates_it_is_as_rare(samples: list[list[int]], alpha: float) -> None:
    orders = np.array(list(itertools.permutations(samples))) / 4
    values, covariates = orders[..., 0], orders[..., 1:].swapaxes(1, 2)
    evidence = log_evidence_below(
        values, mean=values[0].mean(), population=len(samples), low=0.0, high=1.0, covariates=covariates
    )
    assert (evidence[:, -1] >= -np.log(alpha)).mean() <= alpha


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(1, 30),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_the_larger_the_mean_the_more_evidence(samples: list[tuple[float, ...]], seen: int, means: list[float]) -> None:
    """One candidate may thus be compared with any number of means."""
    values, *covariates = np.array(samples).T
    less, more = (
        log_evidence_below(values[:seen], mean=mean, population=len(samples), low=0.0, high=1.0, covariates=covariates)
        for mean in sorted(means)
    )
    assert (less <= more + 1e-9).all()


def test_a_covariate_helps_where_it_says_something_and_costs_little_where_not() -> None:
    random = np.random.default_rng(2)
    ease = random.random((400, 200))
    peeks = {}
    for name, weight in (("all", 1.0), ("nothing", 0.0)):
        chances = 0.05 + 0.9 * (weight * ease + (1 - weight) * random.random((400, 200)))
        values = (random.random((400, 200)) < chances).astype(float)
        for adjusted in (True, False):
            evidence = log_evidence_below(
                values,
                mean=np.full(400, 0.65),
                population=200,
                low=0.0,
                high=1.0,
                covariates=ease[:, None] if adjusted else None,
            )
            peeks[name, adjusted] = (evidence < -np.log(ALPHA)).sum(1).mean()
    assert peeks["all", True] < 0.9 * peeks["all", False]
    assert peeks["nothing", True] < 1.05 * peeks["nothing", False]


@pytest.mark.parametrize("kind", ["binary", "continuous", "rare"])
@pytest.mark.parametrize("population", [48, 400])
def test_equal_configurations_are_hardly_ever_told_apart(kind: str, population: int) -> None:
    random = np.random.default_rng(1)
    half = population // 2
    values = {
        "binary": np.repeat([-1.0, 1.0], half),
        "continuous": np.concatenate([scores := random.uniform(0, 1, half), -scores]),
        "rare": np.concatenate([[1.0], np.full(10, -0.1), np.zeros(population - 11)]),
    }[kind]
    assert abs(values.mean()) < 1e-12
    studies = random.permuted(np.tile(values, (2000, 1)), axis=1)
    assert np.isfinite(shown_below(studies)).mean() <= ALPHA


@pytest.mark.parametrize(
    ("second", "population", "share", "median"), [(0.4, 400, 0.99, 80), (0.4, 200, 0.99, 64), (0.2, 400, 1.0, 32)]
)
def test_a_worse_configuration_is_found_out_early(second: float, population: int, share: float, median: float) -> None:
    peeks_needed = shown_below(binary_pairs(0.6, second, 0.3, (500, population)))
    assert np.isfinite(peeks_needed).mean() >= share
    assert np.median(peeks_needed) <= median


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.integers(0, 30),
    st.floats(0.05, 0.95),
    st.floats(0.01, 100),
    st.floats(-50, 50),
)
def test_units_do_not_matter_and_evidence_never_falls(
    scores: list[float], more: int, mean: float, scale: float, shift: float
) -> None:
    population = len(scores) + more
    values = np.array(scores)
    evidence = log_evidence_below(values, mean=mean, population=population, low=0.0, high=1.0)
    assert (np.diff(evidence[np.isfinite(evidence)]) >= 0).all()
    other = log_evidence_below(
        np.clip(values * scale + shift, shift, scale + shift),
        mean=mean * scale + shift,
        population=population,
        low=shift,
        high=scale + shift,
    )
    both = np.isfinite(evidence) & np.isfinite(other)
    assert evidence[both] == pytest.approx(other[both], abs=1e-5)


def test_what_is_out_of_reach_is_known_for_sure() -> None:
    evidence = log_evidence_below([0.0, 0.0, 0.0, 1.0], mean=0.5, population=5, low=0.0, high=1.0)
    assert np.isfinite(evidence).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.1, 1.2], r"values must be in \[0.0, 1.0\], got 0.1 to 1.2"),
        ([0.0, float("nan")], "values must be in"),
        ([0.0] * 4, "4 values of 3 samples"),
    ],
)
def test_what_cannot_be_is_refused(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_evidence_below(values, mean=0.5, population=3, low=0.0, high=1.0)


def test_every_sample_must_have_its_covariate() -> None:
    with pytest.raises(ValueError, match="4 covariates of 3 samples"):
        log_evidence_below([0.5], mean=0.5, population=3, low=0.0, high=1.0, covariates=[[0.0] * 4])


@given(st.integers(0, 10_000), st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_what_is_remembered_changes_no_bit(seed: int, steps: list[int]) -> None:
    rng = np.random.default_rng(seed)
    values, covariates, memory = rng.random(60), rng.random((4, 60)), ControlMemory()
    for seen in np.minimum(np.cumsum(steps), 60):
        arguments: dict[str, Any] = {"mean": 0.5, "population": 60, "low": 0.0, "high": 1.0, "covariates": covariates}
        again = log_evidence_below(values[:seen], **arguments, memory=memory)
        assert np.array_equal(again, log_evidence_below(values[:seen], **arguments))


def test_other_values_are_not_taken_for_the_remembered_ones() -> None:
    rng = np.random.default_rng(0)
    covariates, memory = rng.random((4, 60)), ControlMemory()
    for values in rng.random((3, 40)):
        arguments: dict[str, Any] = {"mean": 0.5, "population": 60, "low": 0.0, "high": 1.0, "covariates": covariates}
        again = log_evidence_below(values, **arguments, memory=memory)
        assert np.array_equal(again, log_evidence_below(values, **arguments))
