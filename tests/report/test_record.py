"""A study as its report sees it."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from pages import Page
from tiny_studies import make_tuner, search

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report import read_study, render_report
from llmsearch_optuna.report.browsing import compare_completions
from llmsearch_optuna.report.outcomes import summarize_finalists
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.attributes import PARAMS, REPLAYED
from llmsearch_optuna.study.study import study_key
from studies.benchmarks.synthetic_studies import Plan, Written, write_study


def test_all_of_a_study_is_read(written: Written) -> None:
    study, storage = written()
    record = read_study(study, storage)
    assert [trial.number for trial in record.trials] == list(range(14))
    assert [trial.baseline for trial in record.trials[:3]] == ["model default", "greedy", None]
    store = CompletionStore(storage)
    for trial, in_study in zip(record.trials, study.trials, strict=True):
        stored = store.load(study_key(study), trial.number)
        assert trial.state == in_study.state
        assert trial.reported == in_study.intermediate_values
        assert trial.scores is not None
        assert trial.scores.tolist() == [completion.score for completion in stored]
        assert trial.token_counts.tolist() == [len(completion.token_ids) for completion in stored]
        assert trial.seen == len(stored)
    assert record.best is not None
    assert record.best.number == study.best_trial.number
    assert [trial.number for trial in record.complete if trial in record.baselines] == [0, 1]
    assert {trial.state for trial in record.pruned} == {TrialState.PRUNED}
    assert [trial.error for trial in record.trials if trial.state == TrialState.FAIL] == ["row 3 scored nan"]
    assert len(record.samples) == 16
    assert record.score_name == "accuracy"
    assert set(record.parameters) == {"temperature", "top_k", "generation_seed"}


def test_a_pruned_trial_has_the_value_that_it_reported_last(written: Written) -> None:
    study, storage = written()
    for trial in read_study(study, storage).pruned:
        assert trial.scores is not None
        assert trial.value == pytest.approx(trial.scores.mean())


def test_held_out_scores_are_those_of_the_verdict(written: Written) -> None:
    study, storage = written()
    record = read_study(study, storage)
    assert record.verdict is not None
    assert record.verdict_is_current
    for scores, finalist in zip(record.held_out, record.verdict.finalists, strict=True):
        assert scores.name == finalist.name
        assert len(scores.by_seed) == finalist.seeds
        assert scores.by_seed.mean() == pytest.approx(finalist.score)
        assert scores.tokens == finalist.seeds * 12 * 2


@pytest.mark.full
def test_the_best_trial_may_differ_from_a_baseline_only_in_the_seed(tmp_path: Path) -> None:
    """A verdict compares the baseline in its place, but the page must name the trial that scored best."""
    study, storage = write_study(tmp_path / "x.db")
    params = GenerationParams(temperature=1.0, generation_seed=7)  # those of the baseline "model default"
    completions = CompletionStore(storage).load(study_key(study), study.best_trial.number)
    study.add_trial(create_trial(value=9.0, user_attrs={PARAMS: params.to_json()}))
    CompletionStore(storage).append(study_key(study), 14, completions)
    record = read_study(study, storage)
    assert record.best is not None
    assert (record.best.number, record.best.params) == (14, params)
    assert record.names[14] == "best"
    assert record.names[0] == "model default"
    comparison = compare_completions(record, storage)
    assert comparison is not None
    assert comparison.names[0] == "best"
    assert next(summary.trial.number for summary in summarize_finalists(record)) == 14
    assert "trial 14" in Page(render_report(study, storage)).words


def test_a_verdict_is_outdated_when_the_finalists_change(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    last = study.best_trial
    study.add_trial(optuna.trial.create_trial(value=9.0, user_attrs=last.user_attrs))
    assert not read_study(study, storage).verdict_is_current


@pytest.mark.parametrize(
    "plan",
    [
        Plan(by_sample=False),
        Plan(baselines=False, held_out=0),
        Plan(trials=1, baselines=False),
        Plan(trials=0, baselines=False),
        Plan(complete=False),
        Plan(maximize=False),
    ],
)
def test_any_study_can_be_read(plan: Plan, written: Written) -> None:
    study, storage = written(plan)
    record = read_study(study, storage)
    assert (record.best is None) == (not plan.complete or plan.trials == 0)
    assert record.maximize == plan.maximize
    assert all((trial.scores is None) != plan.by_sample for trial in record.trials)
    if record.best is not None:
        values = [trial.value for trial in record.complete if trial.value is not None]
        assert record.best.value == (max(values) if plan.maximize else min(values))


@pytest.mark.full
def test_a_real_search_and_its_verdict(tmp_path: Path) -> None:
    tuner = make_tuner(search_size=8, holdout_size=8)
    study = search(tuner, tmp_path / "x.db", n_trials=4, user_attrs={"llmsearch_study_file": {"text": "[study]"}})
    tuner.confirm(study, show_progress=False, seeds=2)
    record = read_study(study, str(tmp_path / "x.db"))
    assert record.study_file == "[study]"
    assert record.verdict is not None
    assert [len(finalist.by_seed) for finalist in record.held_out] == [
        finalist.seeds for finalist in record.verdict.finalists
    ]
    replayed = [trial.user_attrs.get(REPLAYED) for trial in study.trials]
    assert [trial.replayed for trial in record.trials] == replayed
    assert record.began is not None
    assert record.ended is not None
    assert record.began <= record.ended


def test_the_standard_error_is_that_of_a_mean(written: Written) -> None:
    study, storage = written()
    (trial, *_) = read_study(study, storage).trials
    assert trial.scores is not None
    assert trial.standard_error == pytest.approx(np.sqrt(trial.scores.var(ddof=1) / 16))


def test_the_database_must_be_there(tmp_path: Path) -> None:
    study, _ = write_study(tmp_path / "x.db")
    with pytest.raises(StorageError, match=r"nothing\.db"):
        read_study(study, str(tmp_path / "nothing.db"))


def test_seeds_of_another_verdict_are_left_out(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    study.set_user_attr("llmsearch_verdict", {**study.user_attrs["llmsearch_verdict"], "samples": 11})
    assert {len(finalist.by_seed) for finalist in read_study(study, storage).held_out} == {0}


def test_the_study_and_its_own_database_are_required(tmp_path: Path) -> None:
    study, _ = write_study(tmp_path / "x.db")
    _, other = write_study(tmp_path / "y.db")
    with pytest.raises(StorageError, match="the database does not hold the completions of study `synthetic`"):
        read_study(study, other)
    with pytest.raises(StorageError, match="was not made by llmsearch_optuna"):
        read_study(optuna.create_study(), other)
