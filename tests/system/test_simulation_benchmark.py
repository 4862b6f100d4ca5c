"""The verdict's two promises, measured on studies whose truth is known."""

from typing import Literal

import pytest
from tiers import partly_full

from studies.benchmarks.verdicts import simulate_verdicts


@pytest.mark.parametrize("kind", ["binary", "continuous"])
@pytest.mark.parametrize(("samples", "seeds"), partly_full([(20, 4), (48, 4), (200, 1)], fast=[(20, 4)]))
def test_where_all_are_equal_hardly_any_improvement_is_claimed(
    kind: Literal["binary", "continuous"], samples: int, seeds: int
) -> None:
    verdicts = simulate_verdicts(1000, kind=kind, holdout_samples=samples, seeds=seeds)
    assert verdicts.claimed.mean() <= 0.05
    assert verdicts.covered.mean() >= 0.94


@pytest.mark.full
@pytest.mark.parametrize("kind", ["binary", "continuous"])
@pytest.mark.parametrize(("samples", "seeds"), [(20, 4), (48, 4), (200, 1)])
def test_intervals_hold_the_true_differences(kind: Literal["binary", "continuous"], samples: int, seeds: int) -> None:
    verdicts = simulate_verdicts(1000, kind=kind, spread=0.3, holdout_samples=samples, seeds=seeds)
    assert verdicts.covered.mean() >= 0.94


@pytest.mark.full
def test_real_improvements_are_claimed() -> None:
    """So that the promises are not kept by silence."""
    few = simulate_verdicts(400, kind="continuous", spread=0.3, holdout_samples=48).claimed.mean()
    many = simulate_verdicts(400, kind="continuous", spread=0.3, holdout_samples=300).claimed.mean()
    assert 0.5 < few < many
