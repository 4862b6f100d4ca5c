"""The paired pruner in anybody's study."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import optuna
import pytest
from optuna.trial import TrialState

from llmsearch_optuna import PairedPruner, report_scores

optuna.logging.set_verbosity(optuna.logging.ERROR)

Floats = npt.NDArray[np.float64]
Direction = Literal["maximize", "minimize"]

N = 64
RUNGS = range(8, N + 1, 8)
UNIT = (0.0, 1.0)


def scores_of(mean: float, seed: int, size: int = N) -> Floats:
    return (np.random.default_rng(seed).random(size) < mean).astype(float)


def make_study(pruner: optuna.pruners.BasePruner, direction: Direction = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, pruner=pruner)


def run(study: optuna.Study, scores: Sequence[float] | Floats, trial: optuna.Trial | None = None) -> int | None:
    """Evaluates a trial rung by rung; where it is pruned."""
    trial = trial or study.ask()
    for rung in RUNGS:
        report_scores(trial, list(scores[:rung]))
        trial.report(float(np.mean(scores[:rung])), rung)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return rung
    study.tell(trial, float(np.mean(scores)))
    return None


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_bad_trial_is_pruned_and_a_good_one_is_not(direction: Direction) -> None:
    sign = 1.0 if direction == "maximize" else -1.0
    study = make_study(PairedPruner(score_range=(-1.0, 1.0)), direction)
    assert run(study, sign * scores_of(0.6, 0)) is None
    assert run(study, sign * scores_of(0.1, 1)) == 8
    assert run(study, sign * scores_of(0.6, 0)) is None  # the incumbent itself
    assert run(study, sign * scores_of(0.9, 2)) is None
    assert run(study, sign * scores_of(0.6, 3)) is not None


def test_what_cannot_reach_the_incumbent_is_pruned_for_certain() -> None:
    study = make_study(PairedPruner(1e-9, score_range=UNIT))
    run(study, np.repeat([1.0, 0.0], [62, 2]))
    # Two of 64 may be lost: with three lost the rest cannot make up for it; with two it can.
    assert run(study, np.repeat([1.0, 0.0, 1.0], [13, 2, 49])) is None
    assert run(study, np.repeat([1.0, 0.0, 1.0], [13, 3, 48])) == 16
    assert run(make_study_with_margin(), np.repeat([1.0, 0.0, 1.0], [13, 2, 49])) == 16


def make_study_with_margin() -> optuna.Study:
    study = make_study(PairedPruner(1e-9, 0.01, score_range=UNIT))
    run(study, np.repeat([1.0, 0.0], [62, 2]))
    return study
