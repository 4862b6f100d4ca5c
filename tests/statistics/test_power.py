"""The number of samples that show a gain: laws, and the chance measured."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmsearch_optuna.statistics.intervals import difference_intervals, variance_split
from llmsearch_optuna.statistics.power import (
    PairedSpread,
    binary_spread,
    pilot_spread,
    samples_to_show,
    smallest_gain,
)

STUDIES = 4000


def test_the_usual_number_for_many_samples() -> None:
    """(1.96 + 0.84)^2 variance / gain^2."""
    assert samples_to_show(0.01, PairedSpread(0.25, 1.0)) == pytest.approx(7.849 * 0.25 / 0.01**2, rel=1e-3)


def test_independent_scores_have_the_sum_of_both_variances() -> None:
    spread = binary_spread(0.62, 0.03)
    assert spread.variance == pytest.approx(0.62 * 0.38 + 0.65 * 0.35)
    assert spread == pytest.approx(binary_spread(0.62, 0.03, agreement=0.62 * 0.65 + 0.38 * 0.35))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("baseline", "gain", "relation"),
    [
        (0.62, 0.03, {}),
        (0.62, 0.03, {"agreement": 0.9}),
        (0.62, 0.1, {"correlation": 0.5}),
        (0.6, 0.3, {"correlation": 0.3}),
        (0.9, 0.05, {"agreement": 0.93}),
        (0.95, 0.04, {}),
        (0.2, 0.03, {"agreement": 0.96}),
    ],
)
def test_the_chance_of_showing_a_gain_is_as_promised(baseline: float, gain: float, relation: dict[str, Any]) -> None:
    spread = binary_spread(baseline, gain, **relation)
    samples = math.ceil(samples_to_show(gain, spread))
    differing = spread.variance + gain**2
    shares = [(differing - gain) / 2, 1 - differing, (differing + gain) / 2]
    drawn = np.random.default_rng(samples).choice([-1.0, 0.0, 1.0], p=shares, size=(STUDIES, samples, 1))
    assert (difference_intervals(drawn).low > 0.0).mean() == pytest.approx(0.8, abs=0.035)


@given(st.floats(0.05, 0.9), st.floats(0.01, 0.99), st.integers(1, 6))
def test_more_gain_and_more_seeds_need_fewer_samples(baseline: float, part: float, seeds: int) -> None:
    gain = part * (1.0 - baseline)
    spread = binary_spread(baseline, gain, seeds=seeds)
    needed = samples_to_show(gain, spread)
    assert samples_to_show(gain / 2, binary_spread(baseline, gain / 2, seeds=seeds)) >= needed
    assert samples_to_show(gain, binary_spread(baseline, gain, seeds=seeds + 1)) <= needed
    assert samples_to_show(gain, spread, power=0.9) >= needed
    assert samples_to_show(gain, spread, alpha=0.01) >= needed


@given(st.floats(0.05, 0.9), st.floats(0.02, 0.5), st.integers(1, 4))
def test_the_smallest_gain_is_the_inverse(baseline: float, part: float, seeds: int) -> None:
    gain = part * (1.0 - baseline)

    def spread_of(value: float) -> PairedSpread:
        return binary_spread(baseline, value, seeds=seeds)

    samples = math.ceil(samples_to_show(gain, spread_of(gain)))
    assume(samples >= 20)  # of a few samples, a large gain may need more than a small one, whose kurtosis is lower
    smallest = smallest_gain(samples, spread_of, limit=1.0 - baseline)
    assert smallest is not None
    assert smallest <= gain * (1 + 1e-6)
    assert samples_to_show(smallest, spread_of(smallest)) <= samples * (1 + 1e-6)
    less = smallest_gain(samples - 1, spread_of, limit=1.0 - baseline)
    assert less is None or less > gain * (1 - 1e-6)


def test_no_gain_may_be_possible() -> None:
    assert smallest_gain(2, lambda _: PairedSpread(0.2, 1.0), limit=0.1) is None
    assert smallest_gain(10, lambda gain: binary_spread(0.9, gain, correlation=0.9), limit=0.1) is None


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        ({"agreement": 0.98}, r"the agreement must be in \[0.15, 0.95\], got 0.98"),
        ({"agreement": 0.1}, r"the agreement must be in \[0.15, 0.95\], got 0.1"),
        ({"correlation": 0.95}, r"the correlation must be in \[-0.7385, 0.9027\], got 0.95"),
    ],
)
def test_impossible_pairs_are_refused(relation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        binary_spread(0.4, 0.05, **relation)


def test_a_pilot_is_scaled_to_other_seeds() -> None:
    random = np.random.default_rng(1)
    differences = random.normal(0.0, 1.0, (4000, 1)) + random.normal(0.0, 2.0, (4000, 4))
    noise = float(variance_split(differences).seed)
    assert pilot_spread(differences, noise, seeds=4).variance == pytest.approx(1 + 4 / 4, rel=0.1)
    assert pilot_spread(differences, noise, seeds=1).variance == pytest.approx(1 + 4, rel=0.1)
    assert pilot_spread(differences, noise, seeds=16).variance == pytest.approx(1 + 4 / 16, rel=0.1)
    single = pilot_spread(differences[:, :1], None, seeds=1).variance
    assert pilot_spread(differences[:, :1], None, seeds=4).variance == pytest.approx(single * (1 + 1 / 4) / 2)


def test_clusters_of_a_pilot_count() -> None:
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(50), 10)
    differences = (random.normal(size=50)[clusters] + random.normal(size=500))[:, None]
    alone = pilot_spread(differences, None, seeds=1).variance
    assert pilot_spread(differences, None, seeds=1, clusters=clusters).variance == pytest.approx(
        10 * alone / 2, rel=0.4
    )
