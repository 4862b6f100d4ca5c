import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.statistics.regression import ridge_freedom, ridge_weights


def test_before_any_value_half_the_mean_is_believed() -> None:
    assert ridge_weights([], np.random.default_rng(0).random((4, 20))).tolist() == [0.125] * 4


def test_with_many_values_it_is_least_squares() -> None:
    random = np.random.default_rng(0)
    covariates = random.random((3, 20_000))
    values = np.array([0.7, -0.2, 0.4]) @ covariates + 5.0 + 0.1 * random.standard_normal(20_000)
    assert ridge_weights(values, covariates) == pytest.approx([0.7, -0.2, 0.4], abs=0.02)


def test_the_trial_that_is_alike_is_found_among_others() -> None:
    random = np.random.default_rng(0)
    covariates = (random.random((12, 400)) < 0.6).astype(float)
    alike = covariates[3, :120]
    weights = ridge_weights(alike, covariates)
    assert weights.argmax() == 3
    assert weights[3] > 0.5
    assert np.abs(np.delete(weights, 3)).max() < 0.2


def test_studies_are_fitted_at_once_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    values, covariates = random.random((5, 30)), random.random((5, 4, 50))
    together = ridge_weights(values, covariates)
    alone = [ridge_weights(row, others) for row, others in zip(values, covariates, strict=True)]
    assert together == pytest.approx(np.array(alone))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
    st.integers(0, 20),
    st.floats(0.1, 10),
    st.floats(-5, 5),
)
def test_units_do_not_matter_and_constants_do_no_harm(
    samples: list[tuple[float, ...]], seen: int, scale: float, shift: float
) -> None:
    values, *covariates = np.round(np.array(samples).T, 3)
    weights = ridge_weights(values[:seen], covariates)
    assert np.isfinite(weights).all()
    scaled = ridge_weights(scale * values[:seen] + shift, scale * np.array(covariates) + shift)
    # Numbers that do not vary at all may differ by rounding.
    predicted, expected = (
        fitted @ (np.array(covariates) - np.mean(covariates, axis=1)[:, None]) for fitted in (scaled, weights)
    )
    assert predicted == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("count", "seen"), [(1, 2), (3, 8), (24, 8), (12, 60)])
def test_the_degrees_of_freedom_are_the_trace_of_the_map_from_values_to_fitted_ones(count: int, seen: int) -> None:
    covariates = np.random.default_rng(0).random((count, 60))
    centred = covariates[:, :seen] - covariates[:, :seen].mean(axis=1, keepdims=True)
    at_zero = ridge_weights(np.zeros(seen), covariates)
    trace = sum(
        (ridge_weights(unit, covariates) - at_zero) @ centred[:, index] for index, unit in enumerate(np.eye(seen))
    )
    assert ridge_freedom(covariates, seen) == pytest.approx(trace)
