"""When trials began and ended: in rounds, or in the order in which they finished; no clock changes that."""

import math

from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.study import ENDED, ROUND

__all__ = ["FINISHED", "began", "ended", "rounds_passed"]

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
"""The states of trials that have come to their end."""


def rounds_passed(trial: FrozenTrial) -> int:
    """The number of rounds that the search had passed when the trial did its last step."""
    failed = int(trial.state == TrialState.FAIL)
    return int(trial.user_attrs[ROUND]) + len(trial.intermediate_values) + failed


def began(trial: FrozenTrial) -> float:
    """When a trial began: as the search noted it, or, in anybody's study, the time."""
    if ROUND in trial.user_attrs:
        return float(trial.user_attrs[ROUND])
    return math.inf if trial.datetime_start is None else trial.datetime_start.timestamp()


def ended(trial: FrozenTrial) -> float:
    """When a finished trial ended: no later than `began` of another, if the other then saw it finished."""
    if ENDED in trial.user_attrs:
        return float(trial.user_attrs[ENDED])
    if ROUND in trial.user_attrs:
        return float(rounds_passed(trial))
    return math.inf if trial.datetime_complete is None else trial.datetime_complete.timestamp()
