"""The improvement that unfinished trials promise per token."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.statistics.estimates import regress
from llmsearch_optuna.statistics.freeze_thaw import Indices, expected_improvement, freeze_thaw_indices

SAMPLES = 80


def scored(*means: float, seed: int = 0) -> np.ndarray:
    """Scores of 0 and 1 with these expectations, on samples of different difficulty. Shape: (len(means), SAMPLES)."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0.0, 0.2, SAMPLES)
    return (rng.random((len(means), SAMPLES)) < np.array(means)[:, None] + ease).astype(float)


def indices(proposals: list[np.ndarray], complete: np.ndarray, **changes: float | list[float]) -> Indices:
    arguments: dict[str, Any] = {
        "best": float(np.mean(complete, axis=1).max()),
        "scale": 1.0,
        "tokens": [1.0] * len(proposals),
        "fresh_tokens": 1.0,
    }
    return freeze_thaw_indices(regress(proposals, complete), population=SAMPLES, **{**arguments, **changes})


@pytest.mark.parametrize(("mean", "deviation", "incumbent"), [(0.3, 0.2, 0.5), (0.7, 0.1, 0.5), (0.2, 1.0, 0.2)])
def test_the_expected_improvement_is_that_of_drawn_values(mean: float, deviation: float, incumbent: float) -> None:
    drawn = np.random.default_rng(0).normal(mean, deviation, 2_000_000)
    expected = np.maximum(drawn - incumbent, 0.0).mean()
    assert expected_improvement(mean, deviation, incumbent) == pytest.approx(expected, abs=1e-3)


def test_what_is_certain_improves_by_what_it_is_better() -> None:
    assert expected_improvement([0.4, 0.5, 0.8], 0.0, 0.5) == pytest.approx([0.0, 0.0, 0.3])


def test_the_better_of_two_trials_with_equal_samples_promises_more() -> None:
    complete = scored(0.5, 0.5, 0.5)
    good, bad = scored(0.8, 0.2, seed=1)[:, :16]
    promise = indices([good, bad, *scored(0.5, 0.4, seed=2)], complete)
    assert promise.trials[0] > promise.fresh > promise.trials[1]
    assert promise.trials[2:].tolist() == [0.0, 0.0]  # nothing is left to evaluate


def test_tokens_count_as_costs() -> None:
    complete, proposals = scored(0.5, 0.5, 0.5), list(scored(0.6, 0.4, 0.5, seed=1)[:, :16])
    cheap = indices(proposals, complete)
    dear = indices(proposals, complete, tokens=[2.0, 1.0, 1.0], fresh_tokens=4.0)
    assert dear.trials == pytest.approx(cheap.trials / [2.0, 1.0, 1.0])
    assert dear.fresh == pytest.approx(cheap.fresh / 4.0)


def test_a_fresh_proposal_resembles_the_recent_ones() -> None:
    complete = scored(0.5, 0.5)
    rows = [row[:24] for row in scored(*[0.1, 0.3] * 16, *[0.5, 0.8] * 16, seed=1)]
    assert indices(rows, complete).fresh > 3.0 * indices([*rows[32:], *rows[:32]], complete).fresh


@given(st.integers(0, 1000), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_units_and_the_order_of_old_proposals_do_not_matter(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    complete, scores = rng.random((3, SAMPLES)), rng.random((6, SAMPLES))
    proposals = [row[: rng.integers(1, SAMPLES)] for row in scores]
    plain = indices(proposals, complete)
    scaled = indices([scale * row + shift for row in proposals], scale * complete + shift, scale=scale)
    assert scaled.trials == pytest.approx(scale * plain.trials, rel=1e-6, abs=1e-12)
    assert scaled.fresh == pytest.approx(scale * plain.fresh, rel=1e-6, abs=1e-12)
    order = rng.permutation(len(proposals))
    shuffled = indices([proposals[index] for index in order], complete)
    assert shuffled.trials == pytest.approx(plain.trials[order], rel=1e-9)
    assert shuffled.improvements == pytest.approx(plain.improvements[order], rel=1e-9)


def test_equal_scores_promise_nothing() -> None:
    promise = indices([np.ones(8), np.ones(SAMPLES)], np.ones((2, SAMPLES)), scale=0.0)
    assert promise.trials.tolist() == [0.0, 0.0]
    assert promise.fresh == 0.0
