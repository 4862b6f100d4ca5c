"""One trial against those before it: how often pruners err where all are equal, and how soon they see a worse one."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import TrialState
from scipy import special

from llmsearch_optuna.search.rungs import rung_sizes
from llmsearch_optuna.study.attributes import BASELINE, ROUND
from studies.benchmarks.simulation import Outcome, Scores, Setting, advance, pruner_of

__all__ = ["Duels", "Kind", "duel"]

Kind = Literal["binary", "continuous"]

_REMEMBERING = ("hyperband", "successive-halving")
"""Pruners that compare a trial with what they noted when they were asked about others."""

_SAMPLES = 400
_BEFORE = 4
_BEFORE_MEAN = 0.6
_CORRELATION = 0.3
_SPREAD = 5.0
"""Sum of the parameters of the Beta distribution of continuous scores: 0.2 is their standard deviation."""


class Duels(NamedTuple):
    """What became of each trial.

    Attributes:
        pruned: Whether it was pruned. Shape: (studies,).
        samples: How many samples it was scored on. Shape: (studies,).
    """

    pruned: npt.NDArray[np.bool_]
    samples: npt.NDArray[np.int64]


def duel(pruner: str, *, kind: Kind, mean: float, studies: int) -> Duels:
    """Let a pruner judge one trial per study, after four of mean score 0.6 that were not stopped.

    It is asked after every 8 of 400 samples. Scores of one sample correlate by 0.3. Means are exact: trials with the
    same mean have the very same scores on the search split, in other orders, so that pruning one for the other is
    always wrong.

    Args:
        pruner: Its name.
        kind: Scores of 0 and 1, or between them (Beta distributed).
        mean: Of the trial that is judged.
        studies: How many.
    """
    duels = [_duel(pruner, kind, mean, np.random.default_rng(seed)) for seed in range(studies)]
    return Duels(np.array([is_pruned for is_pruned, _ in duels]), np.array([seen for _, seen in duels]))


def _duel(pruner: str, kind: Kind, mean: float, rng: np.random.Generator) -> tuple[bool, int]:
    correlation = np.sin(np.pi / 2 * _CORRELATION) if kind == "binary" else _CORRELATION
    noise = rng.standard_normal((_BEFORE + 1, _SAMPLES))
    normal = np.sqrt(correlation) * rng.standard_normal(_SAMPLES) + np.sqrt(1.0 - correlation) * noise
    ranks = (normal.argsort(axis=1).argsort(axis=1) + 0.5) / _SAMPLES
    tokens = np.ones(_SAMPLES, dtype=np.int64)
    setting = Setting(pruner=pruner)
    rungs = rung_sizes(setting.rungs, _SAMPLES)
    scores = Scores()
    study = optuna.create_study(direction="maximize", pruner=pruner_of(setting, rungs, scores))
    for number, trial_ranks in enumerate(ranks):
        is_last = number == _BEFORE
        scores.outcomes[number] = Outcome(_quantiles(kind, mean if is_last else _BEFORE_MEAN, trial_ranks), tokens)
        scores.seen[number] = 0
        trial = study.ask()
        trial.set_user_attr(ROUND, number * len(rungs))
        if not is_last and pruner not in _REMEMBERING:
            trial.set_user_attr(BASELINE, "")  # which spares the time to ask
        while not advance(study, trial, rungs, scores, to_the_end=not is_last):
            pass
    last = study.get_trials(deepcopy=False)[-1]
    return last.state == TrialState.PRUNED, scores.seen[last.number]


def _quantiles(kind: Kind, mean: float, ranks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if kind == "binary":
        return (ranks > 1.0 - mean).astype(np.float64)
    return np.asarray(special.betaincinv(_SPREAD * mean, _SPREAD * (1.0 - mean), ranks))
