"""What a trial reports to its study after a rung, also if the study has several objectives."""

import optuna

from llmsearch_optuna.study.ranking import has_several
from llmsearch_optuna.study.trials import find_trial_id

__all__ = ["report", "should_prune"]


def report(trial: optuna.Trial, value: float, step: int) -> None:
    """Report the score of a trial over its first `step` samples.

    Optuna's `Trial.report` raises an error if there are several objectives, because its pruners do not support them.
    The value is then written to the storage directly, for learning curves and resumed trials.
    """
    if not has_several(trial.study):
        trial.report(value, step=step)
        return
    trial_id = find_trial_id(trial.storage, trial.study, trial.number)
    trial.storage.set_trial_intermediate_value(trial_id, step, value)


def should_prune(trial: optuna.Trial) -> bool:
    """Return whether the study's pruner prunes the trial. With several objectives, no trial is pruned."""
    return not has_several(trial.study) and trial.should_prune()
