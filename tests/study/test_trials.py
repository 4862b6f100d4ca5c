from datetime import timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import ROUND
from llmsearch_optuna.study.trials import began, describe_params, ended, rounds_passed


@pytest.mark.parametrize(
    ("state", "rungs", "expected"), [(TrialState.COMPLETE, 3, 8), (TrialState.PRUNED, 1, 6), (TrialState.FAIL, 0, 6)]
)
def test_each_rung_and_a_failure_take_a_round(state: TrialState, rungs: int, expected: int) -> None:
    trial = create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        intermediate_values=dict.fromkeys(range(rungs), 0.5),
        user_attrs={ROUND: 5},
    )
    assert rounds_passed(trial) == expected
    assert (began(trial), ended(trial)) == (5.0, float(expected))


def test_where_there_are_no_rounds_the_clock_decides() -> None:
    study = optuna.create_study()
    study.add_trial(create_trial(value=1.0))
    study.ask()
    first, second = study.trials
    assert first.datetime_complete is not None
    assert ended(first) == first.datetime_complete.timestamp()
    assert ended(first) <= began(second) < ended(second) == float("inf")
    first.datetime_complete += timedelta(hours=1)
    assert ended(first) > began(second)


def test_a_trial_that_waits_has_not_begun() -> None:
    study = optuna.create_study()
    study.enqueue_trial({})
    assert began(study.trials[0]) == float("inf")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (GenerationParams(), "greedy max_new_tokens=128"),
        (
            GenerationParams(do_sample=False, temperature=0.7, top_p=0.9, repetition_penalty=1.125, generation_seed=3),
            "greedy repetition_penalty=1.12 max_new_tokens=128",
        ),
        (
            GenerationParams(
                do_sample=True, temperature=0.71234, top_k=50, epsilon_cutoff=3e-4, generation_seed=2**32 - 1
            ),
            "temperature=0.712 top_k=50 epsilon_cutoff=0.0003 generation_seed=4294967295 max_new_tokens=128",
        ),
    ],
)
def test_describe_params(params: GenerationParams, text: str) -> None:
    assert describe_params(params) == text


def test_a_value_next_to_the_one_that_is_off_does_not_look_like_it() -> None:
    params = GenerationParams(temperature=0.81777, repetition_penalty=1.0026, top_p=0.99991, min_p=1e-5)
    described = describe_params(params).split()
    assert {"temperature=0.818", "repetition_penalty=1.0026", "top_p=0.99991", "min_p=1e-05"} <= set(described)
