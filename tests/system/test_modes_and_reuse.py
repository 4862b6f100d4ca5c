"""Searches over decoding modes, and over parameters that often have the same effect."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from backends import replace_backend
from counted_engine import Counted
from interruptions import WriteCounter, interrupted
from optuna.trial import FrozenTrial, TrialState
from tiers import partly_full
from tiny_studies import ROWS, everything, make_tuner

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.space.dimensions import Categorical, Float, Int
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import REUSED_FROM, REUSED_TOKENS
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params

MODES = SearchSpace.from_dict(
    {
        "num_beams": {"choices": [1, 3]},
        "length_penalty": {"low": 0.0, "high": 2.0, "when": {"num_beams": 3}},
        "do_sample": {"choices": [True, False], "when": {"num_beams": 1}},
        "temperature": {"low": 0.3, "high": 2.0, "when": {"do_sample": True}},
        "generation_seed": {"choices": [0, 1]},
        "max_new_tokens": 4,
    }
)

# 36 points with 11 effects.
ALIKE = SearchSpace(
    temperature=Categorical([0.5, 1.0, 2.0]),
    top_k=Categorical([1, 20]),
    tfs=Categorical([None, 1.0]),
    repetition_penalty=Categorical([None, 1.0, 1.3]),
    generation_seed=Categorical([0, 1]),
    max_new_tokens=4,
)


def counted_tuner(**changes: Any) -> tuple[Tuner, Counted]:
    tuner = make_tuner()
    engine = Counted(tuner._backend.engine)
    replace_backend(tuner, engine=engine, **changes)
    return tuner, engine


def run(tuner: Tuner, path: Path, space: SearchSpace, **changes: Any) -> optuna.Study:
    arguments: dict[str, Any] = {"n_trials": 24, "rungs": 4, "concurrency": 3, "sampler": "random"}
    storage = f"sqlite:///{path}"
    return tuner.search(space, storage=storage, show_progress=False, **{**arguments, **changes})


def without_reuse(trials: list[FrozenTrial]) -> list[Any]:
    kept = ("generation_params", "tokens", "finish_reasons", "round", "pruned_at", "baseline")
    return [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.value,
            trial.intermediate_values,
            [trial.user_attrs.get(k) for k in kept],
        )
        for trial in trials
    ]


@pytest.mark.full
def test_one_study_compares_beams_with_sampling_and_is_resumed_identically(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"n_trials": 8, "sampler": "tpe"}
    whole = run(make_tuner(), tmp_path / "whole.db", MODES, **arguments)
    assert {trial_params(trial).mode for trial in whole.trials} == {"greedy", "sampling", "beam search"}
    for at in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(interrupted(make_tuner(), at), tmp_path / "cut.db", MODES, **arguments)
    resumed = run(make_tuner(), tmp_path / "cut.db", MODES, **arguments)
    assert everything(resumed, tmp_path / "cut.db") == everything(whole, tmp_path / "whole.db")


@pytest.mark.full
@pytest.mark.parametrize(("concurrency", "pruner"), partly_full([(1, "median"), (3, "paired")], fast=[(3, "paired")]))
def test_what_cannot_differ_is_not_generated_again_and_changes_no_result(
    concurrency: int, pruner: str, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"concurrency": concurrency, "pruner": pruner, "n_trials": 20}
    tuner, engine = counted_tuner()
    study = run(tuner, tmp_path / "reused.db", ALIKE, **arguments)
    plain, plain_engine = counted_tuner(repeatable=False)
    again = run(plain, tmp_path / "paid.db", ALIKE, **arguments)
    assert without_reuse(study.trials) == without_reuse(again.trials)
    stores = [CompletionStore(open_storage(f"sqlite:///{tmp_path}/{name}.db")) for name in ("reused", "paid")]
    for trial in study.trials:
        kept, paid = (
            store.load(study_key(owner), trial.number) for store, owner in zip(stores, (study, again), strict=True)
        )
        assert kept == paid

    reused = [trial for trial in study.trials if REUSED_FROM in trial.user_attrs]
    assert len(reused) >= 4
    assert not any(REUSED_FROM in trial.user_attrs for trial in again.trials)
    for trial in reused:
        source = study.trials[trial.user_attrs[REUSED_FROM]]
        assert trial_params(source).canonical == trial_params(trial).canonical
        assert 0 < trial.user_attrs[REUSED_TOKENS] <= trial.user_attrs["tokens"]
        if source.state == TrialState.COMPLETE:
            assert trial.user_attrs[REUSED_TOKENS] == trial.user_attrs["tokens"]
    saved = sum(trial.user_attrs[REUSED_TOKENS] for trial in reused)
    assert saved == plain_engine.tokens - engine.tokens > 0
    assert len(engine.asked) < len(plain_engine.asked)


@pytest.mark.full
def test_a_copy_of_a_pruned_trial_goes_on_where_that_one_ended(tmp_path: Path) -> None:
    weak, strong = {"temperature": 0.5, "max_new_tokens": 1}, {"temperature": 2.0, "max_new_tokens": 4}
    tuner, engine = counted_tuner()
    first = run(tuner, tmp_path / "x.db", ALIKE, presets=[strong, weak], n_trials=4, concurrency=1)
    assert first.trials[3].state == TrialState.PRUNED
    seen = len(first.trials[3].intermediate_values) * 4
    asked = len(engine.asked)
    copy = {**weak, "tfs": 1.0, "top_a": 0.0, "do_sample": True}
    unpruned = run(
        tuner, tmp_path / "x.db", ALIKE, presets=[strong, weak, copy], n_trials=5, concurrency=1, pruner="none"
    )
    last = unpruned.trials[4]
    assert (last.state, last.user_attrs[REUSED_FROM]) == (TrialState.COMPLETE, 3)
    assert len(engine.asked) - asked == len(ROWS) - seen
    assert last.user_attrs["tokens"] - last.user_attrs[REUSED_TOKENS] == len(ROWS) - seen
    shared = [last.intermediate_values[step] for step in first.trials[3].intermediate_values]
    assert shared == list(first.trials[3].intermediate_values.values())


@pytest.mark.full
@pytest.mark.no_cover
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_copies_are_found_again_by_a_search_that_was_interrupted(sampler: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"sampler": sampler, "n_trials": 16}
    whole = run(make_tuner(), tmp_path / "whole.db", ALIKE, **arguments)
    expected = everything(whole, tmp_path / "whole.db")
    assert any(REUSED_FROM in trial.user_attrs for trial in whole.trials)
    for at in (1, 3, 2):
        with pytest.raises(KeyboardInterrupt):
            run(interrupted(make_tuner(), at), tmp_path / "cut.db", ALIKE, **arguments)
    assert everything(run(make_tuner(), tmp_path / "cut.db", ALIKE, **arguments), tmp_path / "cut.db") == expected


@pytest.mark.full
@pytest.mark.no_cover
def test_copies_are_found_again_by_a_search_that_was_interrupted_at_any_write(tmp_path: Path) -> None:
    tuner = make_tuner()
    arguments: dict[str, Any] = {"sampler": "tpe", "n_trials": 12, "concurrency": 2}
    with WriteCounter() as counter:
        expected = everything(run(tuner, tmp_path / "whole.db", ALIKE, **arguments), tmp_path / "whole.db")
    assert any(REUSED_FROM in attributes for *_, attributes, _ in expected)
    for at in range(60, counter.writes, 211):
        cut = tmp_path / f"cut{at}.db"
        with WriteCounter(at), pytest.raises(KeyboardInterrupt):
            run(tuner, cut, ALIKE, **arguments)
        assert everything(run(tuner, cut, ALIKE, **arguments), cut) == expected, f"interrupted at write {at}"


def test_tokens_that_were_not_generated_again_do_not_count(tmp_path: Path) -> None:
    space = SearchSpace(do_sample=False, temperature=Float(0.1, 1.0), top_k=Int(2, 50), max_new_tokens=4)
    tuner, engine = counted_tuner()
    arguments: dict[str, Any] = {"concurrency": 1, "pruner": "none", "baselines": False}
    once = len(ROWS) * 4
    study = run(tuner, tmp_path / "x.db", space, n_trials=6, max_tokens_total=once + 1, **arguments)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6
    assert [trial.user_attrs.get(REUSED_FROM) for trial in study.trials] == [None, 0, 0, 0, 0, 0]
    assert {trial.value for trial in study.trials} == {study.trials[0].value}
    assert engine.tokens <= once


def test_functions_of_the_users_own_are_asked_every_time(tmp_path: Path) -> None:
    calls: list[int] = []

    def answer(prompts: list[str], params: dict[str, Any]) -> list[str]:
        calls.append(len(prompts))
        return [str(len(calls))] * len(prompts)

    space = SearchSpace(do_sample=False, temperature=Float(0.1, 1.0), max_new_tokens=4)
    tuner = make_tuner(model=None, custom_pred_function=answer)
    run(tuner, tmp_path / "x.db", space, n_trials=3, concurrency=1, pruner="none", baselines=False)
    assert sum(calls) == 3 * len(ROWS)
