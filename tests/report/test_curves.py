"""The course of the search as numbers."""

import numpy as np
import pytest

from llmsearch_optuna.report.curves import history, learning_curves
from llmsearch_optuna.report.record import read_study
from studies.benchmarks.synthetic_studies import Plan, Written


@pytest.mark.parametrize("maximize", [True, False])
def test_the_best_so_far_never_gets_worse_and_ends_at_the_best(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize)))
    found = history(record)
    values = [value for _, value in found.best_so_far]
    assert values == sorted(values, reverse=not maximize)
    assert record.best is not None
    assert values[-1] == record.best.value
    assert len(values) == len(record.complete) == len(found.complete) + len(found.baselines)
    assert len(found.pruned) == 4
    assert len(found.failed) == 1


def test_the_band_is_where_other_orders_of_the_samples_would_lead(written: Written) -> None:
    record = read_study(*written(Plan(samples=80)))
    found = learning_curves(record)
    assert record.best is not None
    assert record.best.scores is not None
    assert found.band_samples == (20, 40, 60, 80)
    assert found.band_low[-1] == found.band_high[-1] == pytest.approx(record.best.value)
    generator = np.random.default_rng(0)
    shuffled = np.stack([generator.permutation(record.best.scores) for _ in range(2000)])
    for size, low, high in zip(found.band_samples[:-1], found.band_low, found.band_high, strict=False):
        means = shuffled[:, :size].mean(axis=1)
        assert 0.9 < np.mean((means >= low) & (means <= high)) < 0.995


def test_every_trial_that_reported_has_a_curve(written: Written) -> None:
    record = read_study(*written())
    found = learning_curves(record)
    assert [curve.trial.number for curve in found.curves] == [trial.number for trial in record.trials]
    for curve in found.curves:
        assert dict(zip(curve.samples, curve.values, strict=True)) == curve.trial.reported


@pytest.mark.parametrize("plan", [Plan(by_sample=False), Plan(complete=False), Plan(trials=0, baselines=False)])
def test_without_scores_of_the_best_there_is_no_band(plan: Plan, written: Written) -> None:
    record = read_study(*written(plan))
    assert len(learning_curves(record).band_low) == 0
