"""The course of the search as numbers."""

import dataclasses

import numpy as np
import pytest
from optuna.trial import TrialState

from llmsearch_optuna.report.curves import best_band, best_so_far
from llmsearch_optuna.report.drawing import draw_learning_curves
from llmsearch_optuna.report.record import read_study
from studies.benchmarks.synthetic_studies import Plan, Written


@pytest.mark.parametrize("maximize", [True, False])
def test_the_best_so_far_never_gets_worse_and_ends_at_the_best(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize)))
    values = [value for _, value in best_so_far(record)]
    assert values == sorted(values, reverse=not maximize)
    assert record.best is not None
    assert values[-1] == record.best.value
    assert len(values) == len(record.complete)


def test_the_best_so_far_keeps_the_constraints(written: Written) -> None:
    record = read_study(*written())
    best = record.best
    assert best is not None
    broken = tuple(
        dataclasses.replace(trial, is_feasible=False) if trial.number == best.number else trial
        for trial in record.trials
    )
    values = [value for _, value in best_so_far(dataclasses.replace(record, trials=broken))]
    assert len(values) == len(record.complete) - 1
    assert best.value not in values


def test_curves_of_trials_that_have_not_ended_are_called_so(written: Written) -> None:
    record = read_study(*written())
    running = next(trial.number for trial in record.pruned if trial.reported)
    trials = tuple(
        dataclasses.replace(trial, state=TrialState.RUNNING) if trial.number == running else trial
        for trial in record.trials
    )
    traces = draw_learning_curves(dataclasses.replace(record, trials=trials), None).data
    numbers = {trace.name: set(trace.customdata) - {None} for trace in traces}
    assert numbers["running"] == {running}
    assert running not in numbers.get("pruned", set())


def test_the_band_is_where_other_orders_of_the_samples_would_lead(written: Written) -> None:
    record = read_study(*written(Plan(samples=80)))
    band = best_band(record)
    assert band is not None
    assert record.best is not None
    assert record.best.scores is not None
    assert band.sizes.tolist() == [20, 40, 60, 80]
    assert band.low[-1] == band.high[-1] == pytest.approx(record.best.value)
    generator = np.random.default_rng(0)
    shuffled = np.stack([generator.permutation(record.best.scores) for _ in range(2000)])
    for size, low, high in zip((20, 40, 60), band.low, band.high, strict=False):
        means = shuffled[:, :size].mean(axis=1)
        assert 0.9 < np.mean((means >= low) & (means <= high)) < 0.995


def test_every_trial_that_reported_has_a_curve(written: Written) -> None:
    record = read_study(*written())
    reported: dict[int, dict[int, float]] = {}
    for trace in draw_learning_curves(record, None).data:
        for number, size, value in zip(trace.customdata, trace.x, trace.y, strict=True):
            if number is not None:  # None separates the trials of a trace
                reported.setdefault(number, {})[size] = value
    assert reported == {trial.number: trial.reported for trial in record.trials}


@pytest.mark.parametrize("plan", [Plan(by_sample=False), Plan(complete=False), Plan(trials=0, baselines=False)])
def test_without_scores_of_the_best_there_is_no_band(plan: Plan, written: Written) -> None:
    assert best_band(read_study(*written(plan))) is None
