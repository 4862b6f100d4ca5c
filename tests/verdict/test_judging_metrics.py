"""The intervals of further metrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmsearch_optuna.statistics.intervals import difference_intervals
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.verdict.judging_metrics import Measure, judge_metrics, mean_interval


@given(arrays(np.float64, (9, 2), elements=st.sampled_from([0.0, 0.25, 1.0])))
def test_an_interval_holds_the_mean_and_is_mirrored(scores: np.ndarray) -> None:
    low, high = mean_interval(scores, (0.0, 1.0))
    assert 0.0 <= low <= scores.mean() <= high <= 1.0
    if scores.mean() != 0.5:
        assert list(mean_interval(1.0 - scores, (0.0, 1.0))) == pytest.approx([1.0 - high, 1.0 - low])


def test_equal_scores_are_no_certainty() -> None:
    """With 100 right ones, the exact binomial bound."""
    low, high = mean_interval(np.ones((100, 1)), (0.0, 1.0))
    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 100))
    assert mean_interval(np.full((100, 1), 7.0), None)[0] < 7.0


@pytest.mark.parametrize(("share", "seeds"), [(0.9, 1), (0.98, 4), (0.5, 1)])
def test_coverage(share: float, seeds: int) -> None:
    rng = np.random.default_rng(0)
    drawn = (rng.random((800, 200, seeds)) < share).astype(np.float64)
    ends = np.array([mean_interval(scores, (0.0, 1.0)) for scores in drawn])
    assert np.mean((ends[:, 0] <= share) & (share <= ends[:, 1])) >= 0.92


def test_comparisons_are_paired_and_each_by_itself() -> None:
    rng = np.random.default_rng(1)
    base, best = rng.random((30, 1)), rng.random((30, 4))
    values = {"greedy": base, "best": best}
    measures = [Measure("a", True, (0.0, 1.0), values), Measure("tokens", False, None, values)]
    constraint = Constraint.parse("tokens", "<= 0.2")
    results = judge_metrics(measures, reference="greedy", constraints=[constraint])
    assert [(entry.label, entry.name, entry.constraint) for entry in results] == [
        ("a", "greedy", None),
        ("a", "best", None),
        ("tokens", "greedy", "<= 0.2"),
        ("tokens", "best", "<= 0.2"),
    ]
    exact = difference_intervals(best - base, alpha=0.05, max_difference=1.0)
    first, second = results[1].comparison, results[3].comparison
    assert first is not None
    assert second is not None
    assert (first.gain, first.low, first.high) == pytest.approx(tuple(map(float, exact[:3])))
    assert (second.gain, second.low) == pytest.approx((-first.gain, -first.high))  # fewer are better
    assert results[0].comparison is results[2].comparison is None
    assert results[2].standing == "breaks"
    assert all(entry.comparison is None for entry in judge_metrics(measures, reference=None, constraints=[]))
