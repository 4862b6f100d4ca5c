import optuna
import pytest
from hand_made_studies import SAMPLED, create, finish, refused
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import BASELINE, MODEL_DEFAULT, PARAMS, QUEUED_PARAMS
from llmsearch_optuna.verdict.finalists import finalists, find_trial, is_baseline, select_finalists


def test_finalists_are_the_evaluated_baselines_and_the_best(storage: RDBStorage) -> None:
    study = create(storage, "finalists")
    message = "study `finalists` has no fully evaluated trial yet"
    assert refused(StorageError, lambda: finalists(study)) == message
    finish(study, None, **{BASELINE: "pruned"})
    assert refused(StorageError, lambda: finalists(study)) == message
    finish(study, 0.5, **{BASELINE: "greedy"})
    assert [(finalist.name, finalist.trial.number) for finalist in finalists(study)] == [("greedy", 1), ("best", 1)]
    finish(study, 0.7, **{PARAMS: SAMPLED.to_json()})
    finish(study, 0.6, **{BASELINE: "model default"})
    assert [(finalist.name, finalist.trial.number, finalist.params) for finalist in finalists(study)] == [
        ("greedy", 1, GenerationParams()),
        ("model default", 3, GenerationParams()),
        ("best", 2, SAMPLED),
    ]


def best_and_others(study: optuna.Study) -> tuple[list[tuple[str, int]], str, str | None]:
    selected, best, reference = select_finalists(study)
    return [(finalist.name, finalist.trial.number) for finalist in selected], best, reference


def hot(temperature: float, seed: int = 0) -> str:
    return GenerationParams(temperature=temperature, generation_seed=seed).to_json()


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_a_verdict_compares_the_best_two_runners_up_and_the_baselines(
    storage: RDBStorage, greater_is_better: bool
) -> None:
    study = create(storage, f"verdict {greater_is_better}", greater_is_better=greater_is_better)
    sign = 1 if greater_is_better else -1
    assert "no fully evaluated trial" in refused(StorageError, lambda: select_finalists(study))
    finish(study, sign * 0.5, **{BASELINE: "model default", PARAMS: hot(0.2)})
    finish(study, sign * 0.6, **{BASELINE: "greedy"})
    assert best_and_others(study) == ([("model default", 0), ("greedy", 1)], "greedy", "greedy")
    for value, temperature in ((0.7, 0.5), (None, 0.6), (0.9, 0.7), (0.8, 0.8), (0.4, 0.9)):
        finish(study, None if value is None else sign * value, **{PARAMS: hot(temperature)})
    expected = [("model default", 0), ("greedy", 1), ("best", 4), ("runner-up 1", 5), ("runner-up 2", 2)]
    assert best_and_others(study) == (expected, "best", "greedy")


def test_the_same_parameters_with_another_seed_are_counted_once(storage: RDBStorage) -> None:
    study = create(storage, "seeds")
    finish(study, 0.5, **{BASELINE: "model default", PARAMS: hot(0.2)})
    finish(study, 0.4, **{BASELINE: "greedy"})
    finish(study, 0.3, **{BASELINE: "greedy again", PARAMS: GenerationParams(do_sample=False, top_p=0.5).to_json()})
    finish(study, 0.7, **{PARAMS: hot(0.5, 1)})
    finish(study, 0.8, **{PARAMS: hot(0.5, 2)})
    finish(study, 0.6, **{PARAMS: hot(0.6, 2)})
    finish(study, 0.75, **{PARAMS: GenerationParams(do_sample=True, temperature=0.5, tfs=1.0).to_json()})
    finish(study, 0.2, **{PARAMS: GenerationParams(do_sample=False, generation_seed=3).to_json()})
    expected = [("model default", 0), ("greedy", 1), ("best", 4), ("runner-up 1", 5)]
    assert best_and_others(study) == (expected, "best", "model default")


def test_a_baseline_with_a_lucky_seed_is_that_baseline(storage: RDBStorage) -> None:
    study = create(storage, "lucky")
    finish(study, 0.5, **{BASELINE: "model default", PARAMS: hot(0.2)})
    finish(study, 0.9, **{PARAMS: hot(0.2, 3)})
    finish(study, 0.6, **{PARAMS: hot(0.5)})
    expected = [("model default", 0), ("runner-up 1", 2)]
    assert best_and_others(study) == (expected, "model default", "model default")


def test_of_a_baseline_whose_parameters_were_changed_the_last_one_counts(storage: RDBStorage) -> None:
    study = create(storage, "changed")
    finish(study, 0.5, **{BASELINE: "greedy"})
    finish(study, 0.6, **{BASELINE: "production", PARAMS: hot(0.7)})
    finish(study, 0.8, **{PARAMS: hot(0.5)})
    finish(study, 0.7, **{BASELINE: "production", PARAMS: hot(0.3)})
    assert best_and_others(study) == (
        [("greedy", 0), ("production", 3), ("best", 2), ("runner-up 1", 1)],
        "best",
        "production",
    )
    assert [(finalist.name, finalist.trial.number) for finalist in finalists(study)] == [
        ("greedy", 0),
        ("production", 3),
        ("best", 2),
    ]


def test_a_baseline_whose_new_parameters_are_not_evaluated_is_none(storage: RDBStorage) -> None:
    study = create(storage, "changed and failed")
    finish(study, 0.5, **{BASELINE: "greedy"})
    finish(study, 0.6, **{BASELINE: "production", QUEUED_PARAMS: hot(0.7)})
    finish(study, 0.4, **{BASELINE: MODEL_DEFAULT, QUEUED_PARAMS: hot(0.6)})
    for name in ("production", MODEL_DEFAULT):  # there may be two of the latter
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={BASELINE: name, QUEUED_PARAMS: hot(0.9)}))
    assert [finalist.name for finalist in finalists(study)] == ["greedy", MODEL_DEFAULT, "best"]
    assert select_finalists(study).reference == "greedy"
    finish(study, 0.6, **{BASELINE: "production", QUEUED_PARAMS: hot(0.9), PARAMS: hot(0.9)})
    assert select_finalists(study).reference == "production"


def test_names_tell_baselines_from_trials_that_were_found() -> None:
    assert not any(map(is_baseline, ("best", "runner-up 1", "front 2", "front")))
    assert all(map(is_baseline, ("greedy", "model default", "production", "frontend", "best so far", "front 1b")))


def test_without_baselines_there_is_no_reference(storage: RDBStorage) -> None:
    study = create(storage, "no baselines")
    finish(study, 0.5, **{PARAMS: hot(0.2)})
    assert best_and_others(study) == ([("best", 0)], "best", None)


def test_find_trial(storage: RDBStorage) -> None:
    study = create(storage, "find")
    assert refused(StorageError, lambda: find_trial(study, 0)) == "study `find` has no trial 0: it has none yet"
    assert "no fully evaluated trial" in refused(StorageError, lambda: find_trial(study, None))
    for value in (0.1, 0.3, 0.2):
        finish(study, value)
    assert find_trial(study, None).number == 1
    assert find_trial(study, 2).value == 0.2
    for number in (-1, 3):
        message = f"study `find` has no trial {number}: its trials are 0 to 2"
        assert refused(StorageError, lambda number=number: find_trial(study, number)) == message  # type: ignore[misc]
