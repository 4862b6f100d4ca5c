"""The variance between proposals, and the gain to be expected of further ones."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.statistics.estimates import MeanEstimates
from llmsearch_optuna.statistics.prospects import (
    Spread,
    expected_gain,
    mean_spread,
    proposal_means,
    shrunk_best,
)

SAMPLES = 80


def drawn_scores(rng: np.random.Generator, *, spread: float, proposals: int, noise: float = 0.3) -> np.ndarray:
    """Scores with difficulties of the samples that are much larger than what proposals differ by."""
    difficulty = rng.normal(0.0, 1.0, SAMPLES)
    return rng.normal(0.0, spread, (proposals, 1)) + difficulty + rng.normal(0.0, noise, (proposals, SAMPLES))


def partly_seen(rng: np.random.Generator, scores: np.ndarray) -> Sequence[np.ndarray]:
    """The first five in full, of the others a part."""
    return [row if index < 5 else row[: rng.integers(8, SAMPLES)] for index, row in enumerate(scores)]


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.4])
def test_the_variance_between_proposals_is_recovered(spread: float) -> None:
    """On average over studies; and it exceeds its limit about as seldom as the level says."""
    rng = np.random.default_rng(0)
    spreads = []
    for _ in range(300):
        scores = drawn_scores(rng, spread=spread, proposals=20)
        proposals = partly_seen(rng, scores)
        spreads.append(mean_spread(proposal_means(proposals, scores[:5]), level=0.8))
    variances = np.array([estimate.variance for estimate in spreads])
    assert variances.mean() == pytest.approx(spread**2, rel=0.15, abs=3e-4)
    covered = np.mean([estimate.largest >= spread**2 for estimate in spreads])
    assert 0.74 <= covered <= 1.0 if spread == 0.0 else 0.74 <= covered <= 0.9


def test_sampling_variances_are_those_of_the_deviations() -> None:
    rng = np.random.default_rng(1)
    errors, variances = [], []
    for _ in range(200):
        scores = drawn_scores(rng, spread=0.0, proposals=12)
        estimates = proposal_means([scores[0], scores[1], scores[6][:20]], scores[:6])
        errors.append(estimates.means - scores[:6].mean())
        variances.append(estimates.variances)
    mean_variances = np.mean(variances, axis=0)
    assert np.mean(np.square(errors), axis=0)[2] == pytest.approx(mean_variances[2], rel=0.35)
    assert mean_variances[:2] == pytest.approx(0.09 / SAMPLES, rel=0.1)
    # What a part of the samples lacks in difficulty is known from six trials only.
    assert mean_variances[2] == pytest.approx((1 + 1 / 6) * 0.09 / 20, rel=0.1)


@given(st.floats(-5.0, 5.0), st.floats(0.1, 10.0), st.integers(0, 2**16))
@settings(max_examples=scaled(30))
def test_other_units_of_the_score_change_nothing_else(shift: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = drawn_scores(rng, spread=0.2, proposals=10)
    proposals = partly_seen(rng, scores)

    def gain_of(shift: float, scale: float) -> tuple[float, float]:
        estimates = proposal_means([shift + scale * row for row in proposals], shift + scale * scores[:5])
        spread = mean_spread(estimates, level=0.8)
        best = shrunk_best(estimates, spread, np.arange(10) < 5)
        variance = float(estimates.variances[0])
        return best, expected_gain(spread, best, sampling_variance=variance, proposals=30)

    best, gain = gain_of(0.0, 1.0)
    other_best, other_gain = gain_of(shift, scale)
    assert other_best == pytest.approx(shift + scale * best, abs=1e-6 * scale)
    assert other_gain == pytest.approx(scale * gain, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("proposals", [5, 8, 21])  # of which the mean of 8 is rounded
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_equal_scores_leave_nothing_to_gain(score: float, proposals: int) -> None:
    seen = [np.full(8, score)] * (proposals - 1) + [np.full(16, score)]
    estimates = proposal_means(seen, np.full((2, 16), score))
    spread = mean_spread(estimates, level=0.8)
    assert (spread.variance, spread.largest) == (0.0, 0.0)
    assert expected_gain(spread, score, sampling_variance=0.0, proposals=40) == pytest.approx(0.0, abs=1e-12)
    assert shrunk_best(estimates, spread, np.arange(proposals) == proposals - 1) == score


@pytest.mark.parametrize(("best", "proposals"), [(0.0, 1), (0.5, 10), (1.5, 40), (-3.0, 5)])
def test_the_expected_gain_is_that_of_the_largest_normal_variable(best: float, proposals: int) -> None:
    rng = np.random.default_rng(2)
    spread, noise = Spread(0.1, 0.3, 0.8), 0.2
    drawn = rng.normal(0.1, 0.8 / 1.0**0.5, (100_000, proposals)).max(axis=1)
    expected = np.maximum(drawn - best, 0.0).mean()
    assert expected_gain(spread, best, sampling_variance=noise, proposals=proposals) == pytest.approx(
        expected, rel=0.03
    )


def test_no_proposals_gain_nothing_and_more_gain_more() -> None:
    gains = [expected_gain(Spread(0.0, 1.0, 1.0), 1.0, sampling_variance=0.1, proposals=n) for n in (0, 1, 5, 50)]
    assert gains[0] == 0.0
    assert gains == sorted(gains)
    assert len(set(gains)) == 4


def test_estimates_that_are_certain_are_not_shrunk() -> None:
    estimates = MeanEstimates(np.array([0.0, 1.0, 2.0]), np.zeros(3))
    spread = mean_spread(estimates, level=0.8)
    assert spread.variance == pytest.approx(1.0)
    assert spread.largest > spread.variance
    assert shrunk_best(estimates, spread, np.array([True, True, False])) == pytest.approx(1.0)
