"""The end of a search that cannot improve."""

import copy
from typing import Any, Literal

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna.search.limits import all_begun, all_failed, reason_to_stop, trials_without_improvement
from llmsearch_optuna.study.attributes import BASELINE, ERROR, REPEATS


def complete(value: float, **attributes: Any) -> FrozenTrial:
    return create_trial(value=value, user_attrs=attributes)


PRUNED = create_trial(state=TrialState.PRUNED)
FAILED = create_trial(state=TrialState.FAIL)
RUNNING = create_trial(state=TrialState.RUNNING)
BASE = {BASELINE: "greedy"}


@pytest.mark.parametrize(
    ("trials", "margin", "expected"),
    [
        ([], 0.0, 0),
        ([complete(0.5)], 0.0, 0),
        ([complete(0.5), PRUNED, complete(0.5), FAILED, RUNNING, complete(0.4)], 0.0, 3),
        ([complete(0.5), PRUNED, complete(0.6), PRUNED], 0.0, 1),
        ([complete(0.5), PRUNED, complete(0.6), PRUNED], 0.2, 3),
        ([complete(0.5), complete(0.6), complete(0.75), PRUNED], 0.2, 1),  # small steps add up
        ([PRUNED, complete(0.5, **BASE), complete(0.4, **BASE), PRUNED], 0.0, 1),
    ],
)
def test_trials_without_improvement(trials: list[FrozenTrial], margin: float, expected: int) -> None:
    assert trials_without_improvement(trials, maximize=True, margin=margin) == expected
    negated = copy.deepcopy(trials)
    for trial in negated:
        if trial.value is not None:
            trial.value = -trial.value
    assert trials_without_improvement(negated, maximize=False, margin=margin) == expected


def study_of(*trials: FrozenTrial, direction: Literal["maximize", "minimize"] = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    study.add_trials(trials)
    return study


def reason(study: optuna.Study, **limits: Any) -> str | None:
    return reason_to_stop(study.trials, maximize=study.direction == StudyDirection.MAXIMIZE, **limits)


def test_patience_ends() -> None:
    study = study_of(complete(0.5), PRUNED, complete(0.4))
    assert reason(study, patience=2) == "the last 2 trials did not beat the best one"
    assert reason(study, patience=3) is None
    assert reason(study) is None
    study.add_trial(complete(0.51))
    assert reason(study, patience=2) is None
    message = reason(study, patience=2, margin=0.02)
    assert message == "the last 3 trials did not beat the best one by 0.02"


def test_what_cannot_be_beaten_ends_it() -> None:
    study = study_of(complete(0.97))
    assert reason(study, score_range=(0.0, 1.0)) is None
    assert reason(study, margin=0.1) is None
    message = reason(study, score_range=(0.0, 1.0), margin=0.05)
    assert message == "no trial can beat 0.97 by 0.05"
    assert reason(study_of(complete(1.0)), score_range=(0.0, 1.0)) is not None
    errors = study_of(complete(1.0), complete(0.0), direction="minimize")
    assert reason(errors, score_range=(0.0, 1.0)) == "no trial can beat 0"
    assert reason(study_of(PRUNED), score_range=(0.0, 1.0)) is None


def broken(value: float, excess: float) -> FrozenTrial:
    return create_trial(value=value, constraints={"x": excess})


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([broken(0.9, 0.2), broken(0.1, 0.1), broken(0.95, 0.3)], 1),  # by less violation
        ([broken(0.9, 0.2), complete(0.1), broken(0.95, 0.1), broken(0.95, 0.1)], 2),
        ([complete(0.5), broken(0.9, 0.1), complete(0.4), complete(0.6)], 0),
    ],
)
def test_what_breaks_a_constraint_improves_on_no_feasible_trial(trials: list[FrozenTrial], expected: int) -> None:
    assert trials_without_improvement(trials, maximize=True) == expected


def test_a_perfect_score_that_breaks_a_constraint_ends_nothing() -> None:
    study = study_of(broken(1.0, 0.1))
    assert reason(study, score_range=(0.0, 1.0)) is None
    study.add_trial(complete(0.9))
    assert reason(study, score_range=(0.0, 1.0)) is None
    study.add_trial(complete(1.0))
    assert reason(study, score_range=(0.0, 1.0)) == "no trial can beat 1"


def test_five_failures_and_nothing_else_end_it() -> None:
    failed = create_trial(state=TrialState.FAIL, user_attrs={ERROR: "too long"})
    trials = study_of(*[failed] * 5, RUNNING).trials
    assert all_failed(trials, ()) == "the first 5 trials failed, the last with: too long"
    assert all_failed(trials, {0}) is None
    repeated = create_trial(state=TrialState.FAIL, user_attrs={ERROR: "too long", REPEATS: 0})
    assert all_failed(study_of(*[failed] * 4, repeated).trials, ()) is None
    assert all_failed(study_of(*[failed] * 5, repeated).trials, ()) is not None
    for scored in (complete(0.5), PRUNED):
        assert all_failed(study_of(scored, *[failed] * 5).trials, ()) is None
        assert all_failed(study_of(scored, *[failed] * 5).trials, {0}) is None


def test_baselines_that_are_added_begin_after_the_last_trial() -> None:
    queued, baseline = create_trial(state=TrialState.WAITING), create_trial(state=TrialState.WAITING, user_attrs=BASE)
    assert not all_begun(study_of(complete(0.5)).trials, 2)
    assert all_begun(study_of(complete(0.5), FAILED).trials, 2)
    assert not all_begun(study_of(complete(0.5), queued).trials, 2)
    assert all_begun(study_of(complete(0.5), FAILED, queued).trials, 2)
    assert not all_begun(study_of(complete(0.5), FAILED, baseline).trials, 2)
    assert all_begun(study_of(complete(0.5), FAILED, queued, baseline).trials, 2)
    assert not all_begun(study_of(complete(0.5), FAILED, baseline, queued).trials, 2)  # the first one begins first
