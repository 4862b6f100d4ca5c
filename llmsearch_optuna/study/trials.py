"""The parameters of trials, and when they began and ended: by rounds, or by the number of finished trials."""

import json
import math
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import BEAM_PARAMETERS, PARAMETERS, GenerationParams, names_in
from llmsearch_optuna.space.settings import is_setting
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.attributes import (
    ENDED,
    PARAMS,
    REPEATS,
    RESTED,
    RESTING,
    REUSED_PROMPT_TOKENS,
    REUSED_THINKING_TOKENS,
    REUSED_TOKENS,
    ROUND,
)

__all__ = [
    "FINISHED",
    "began",
    "describe_params",
    "ended",
    "find_trial_id",
    "finished_count",
    "is_resting",
    "reused_counts",
    "rounds_passed",
    "trial_params",
    "without_repeated",
]

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
"""The states of trials that have ended."""


def without_repeated(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count as trials of a search: all except the failed ones that another trial repeats."""
    repeated = {trial.user_attrs[REPEATS] for trial in trials if REPEATS in trial.user_attrs}
    return [trial for trial in trials if trial.number not in repeated]


def finished_count(trials: Sequence[FrozenTrial]) -> int:
    """Return the number of trials that have ended and that no other one repeats, of all trials of a study."""
    return sum(trial.state in FINISHED for trial in without_repeated(trials))


def find_trial_id(storage: BaseStorage, study: optuna.Study, number: int) -> int:
    """Return the id in the database of the trial of this number."""
    return storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(study.study_name), number)


def rounds_passed(trial: FrozenTrial) -> int:
    """Return the number of rounds that the search had passed after the trial's last rung, or after it failed."""
    failed = int(trial.state == TrialState.FAIL)
    began = int(trial.user_attrs[ROUND]) + int(trial.user_attrs.get(RESTED, 0))
    return began + len(trial.intermediate_values) + failed


def is_resting(trial: FrozenTrial) -> bool:
    """Return whether a trial has begun, but no process evaluates it until a race takes it up again."""
    return trial.state == TrialState.RUNNING and bool(trial.user_attrs.get(RESTING))


def began(trial: FrozenTrial) -> float:
    """Return when a trial began: its attribute `ROUND`, or without it the timestamp of its start in seconds.

    Return infinity if neither is recorded. Values are comparable only within a study.
    """
    if ROUND in trial.user_attrs:
        return float(trial.user_attrs[ROUND])
    return math.inf if trial.datetime_start is None else trial.datetime_start.timestamp()


def ended(trial: FrozenTrial) -> float:
    """Return when a finished trial ended, in the unit of `began`.

    The value is at most that of `began` for every trial that began after this end; infinity if it is not recorded.
    """
    if ENDED in trial.user_attrs:
        return float(trial.user_attrs[ENDED])
    if ROUND in trial.user_attrs:
        return float(rounds_passed(trial))
    return math.inf if trial.datetime_complete is None else trial.datetime_complete.timestamp()


def reused_counts(trial: FrozenTrial) -> TokenCounts:
    """Return the numbers of tokens that a trial copied from an earlier one so far."""
    return TokenCounts(
        generated=trial.user_attrs.get(REUSED_TOKENS, 0),
        thinking=trial.user_attrs.get(REUSED_THINKING_TOKENS, 0),
        prompt=trial.user_attrs.get(REUSED_PROMPT_TOKENS, 0),
    )


def trial_params(trial: FrozenTrial) -> GenerationParams:
    """Return all generation parameters of a trial, including fixed ones.

    Raises:
        StorageError: The trial has not begun, or was not made by this package.
    """
    if PARAMS not in trial.user_attrs:
        state = trial.state.name.lower()
        raise StorageError(
            f"trial {trial.number} ({state}) has no parameters: it has not begun, or was not made by llmsearch_optuna"
        )
    return GenerationParams.from_json(trial.user_attrs[PARAMS])


def describe_params(params: GenerationParams) -> str:
    """Describe parameters on one line, e.g. ``greedy max_new_tokens=64`` or ``temperature=0.7 top_p=0.9 ...``.

    If they are greedy, parameters without an effect on greedy decoding are left out.
    """
    values = params.to_dict()
    if params.greedy:
        penalties = names_in("penalty")
        penalties += tuple(name for name, row in PARAMETERS.items() if row.requires in penalties)
        matters = (*penalties, "max_new_tokens", *(BEAM_PARAMETERS if params.beams else ()))
        values = {"beam search" if params.beams else "greedy": True} | {
            name: value for name, value in values.items() if name in matters or is_setting(name)
        }
    else:
        values.pop("do_sample", None)

    def written(value: object) -> str:
        if not isinstance(value, float):
            return json.dumps(value)
        # A value next to 0 or 1 must not look like it: there, many parameters are off.
        return f"{value:.3g}" if float(f"{value:.3g}") not in (0.0, 1.0) else f"{value:g}"

    return " ".join(name if value is True else f"{name}={written(value)}" for name, value in values.items())
