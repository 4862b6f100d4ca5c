"""Studies made by hand, trial by trial."""

from collections.abc import Callable, Collection
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from llmsearch_optuna.errors import LlmsearchError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import PARAMS
from llmsearch_optuna.study.study import create_study

FINGERPRINT: dict[str, Any] = {"model": "llama#1", "space": {"top_p": 1.0}, "seed": 42}

SAMPLED = GenerationParams(temperature=0.5, generation_seed=1)


def create(storage: RDBStorage, name: str, **changes: Any) -> optuna.Study:
    return create_study(name, storage, **{"greater_is_better": True, "fingerprint": FINGERPRINT, **changes})


def refused(kind: type[LlmsearchError], attempt: Callable[[], object]) -> str:
    with pytest.raises(kind) as refusal:
        attempt()
    text = str(refusal.value)
    assert len(text.splitlines()) == 1
    return text


def with_constraint(study: optuna.Study, broken: Collection[int]) -> optuna.Study:
    """Return a copy of a study in which the trials of these numbers break a constraint."""
    copy = optuna.create_study(direction=study.direction)
    for trial in study.get_trials():
        trial.set_constraint("x", 0.1 if trial.number in broken else 0.0)
        copy.add_trial(trial)
    return copy


def finish(study: optuna.Study, value: float | None, **attributes: Any) -> int:
    """Run one trial. It is pruned if it has no value."""
    trial = study.ask()
    for key, attribute in attributes.items():
        trial.set_user_attr(key, attribute)
    if PARAMS not in attributes:
        trial.set_user_attr(PARAMS, GenerationParams().to_json())
    study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)
    return trial.number
