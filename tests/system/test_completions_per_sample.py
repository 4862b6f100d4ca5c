"""Searches with several completions per sample: the completions, their scores, resumption, the verdict, errors."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import tiny_studies
from fake_server import FakeServer

from llmsearch_optuna import OpenAIServer, SearchSpace, Tuner, make_metric
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, MetricError
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.dimensions import Float, Int
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, open_storage
from llmsearch_optuna.study.attributes import BASELINE, FINISH_REASONS, TIED_VOTES
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params

optuna.logging.set_verbosity(optuna.logging.ERROR)

ROWS = [{"question": f"How many apples are {i}?", "answer": str(i)} for i in range(24)]
SPACE = SearchSpace(temperature=Float(0.5, 2.0), samples_per_prompt=3, max_new_tokens=4)


def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    return [float(len(set(prediction)) > 4) for prediction in predictions]


scorer.answer = len  # type: ignore[attr-defined]


def make_tuner(reducer: str | None = None, **changes: Any) -> Tuner:
    metric = make_metric(scorer, reducer=reducer)
    return tiny_studies.make_tuner(
        **{"dataset": ROWS, "scorer": metric, "search_size": 16, "holdout_size": 8, **changes}
    )


def search(tuner: Tuner, path: Path, n_trials: int = 5, space: SearchSpace = SPACE, **options: Any) -> optuna.Study:
    options = {"rungs": 4, "show_progress": False, "pruner": "none", "stop_early": False, **options}
    return tuner.search(space, n_trials=n_trials, storage=f"sqlite:///{path}", **options)


def stored(study: optuna.Study, path: Path) -> dict[int, list[StoredCompletion]]:
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    return {trial.number: store.load(study_key(study), trial.number) for trial in study.trials}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, optuna.Study, Path]:
    path = tmp_path_factory.mktemp("completions") / "x.db"
    tuner = make_tuner("majority")
    return tuner, search(tuner, path), path


def test_each_completion_is_that_of_its_seed_alone(searched: tuple[Tuner, optuna.Study, Path]) -> None:
    tuner, study, path = searched
    for trial in study.trials:
        rows = stored(study, path)[trial.number]
        singles = completion_params(trial_params(trial))
        assert len(singles) == (1 if trial.user_attrs.get(BASELINE) in ("greedy", "model default") else 3)
        for number, single in enumerate(singles):
            alone = tuner.get_score(single, [ROWS[row.row] for row in rows]).outputs
            assert [row.texts[number] for row in rows] == alone


def test_a_score_is_that_of_the_votes_and_ties_are_counted(searched: tuple[Tuner, optuna.Study, Path]) -> None:
    _, study, path = searched
    ties = 0
    for trial in study.trials:
        rows = stored(study, path)[trial.number]
        tied = 0
        for row in rows:
            lengths = list(map(len, row.texts))
            most = max(map(lengths.count, lengths))
            winners = [text for text in row.texts if lengths.count(len(text)) == most]
            assert row.score == pytest.approx(sum(scorer([], [text])[0] for text in winners) / len(winners))
            tied += len(set(map(len, winners))) > 1
        assert trial.user_attrs.get(TIED_VOTES, 0) == tied
        assert trial.value == pytest.approx(sum(row.score or 0.0 for row in rows) / len(rows))
        assert sum(trial.user_attrs[FINISH_REASONS].values()) == sum(len(row.texts) for row in rows)
        ties += tied
    assert ties


def test_interruptions_change_nothing(searched: tuple[Tuner, optuna.Study, Path], tmp_path: Path) -> None:
    _, study, path = searched
    again = search(make_tuner("majority"), tmp_path / "x.db", n_trials=2)
    again = search(make_tuner("majority"), tmp_path / "x.db")
    assert [trial.values for trial in again.trials] == [trial.values for trial in study.trials]
    assert stored(again, tmp_path / "x.db") == stored(study, path)
    assert [trial.user_attrs.get(TIED_VOTES) for trial in again.trials] == [
        trial.user_attrs.get(TIED_VOTES) for trial in study.trials
    ]


def test_the_verdict_and_the_checks_read_them(searched: tuple[Tuner, optuna.Study, Path]) -> None:
    tuner, study, path = searched
    verdict = tuner.confirm(study, seeds=2, show_progress=False)
    best = next(result for result in verdict.finalists if result.name == verdict.best)
    assert (best.tied_votes > 0) == (f"of `{best.name}`" in verdict.sentence.partition("tied votes")[2])
    assert not check_database(f"sqlite:///{path}").problems


def test_the_first_completion_is_that_of_a_search_with_one(tmp_path: Path) -> None:
    rows = {}
    for count in (1, 2):
        space = SearchSpace(temperature=0.9, samples_per_prompt=count, max_new_tokens=4)
        study = search(make_tuner(), tmp_path / f"{count}.db", space=space, baselines=False, n_trials=1)
        rows[count] = stored(study, tmp_path / f"{count}.db")[0]
    assert [row.text for row in rows[1]] == [row.text for row in rows[2]]
    assert [row.token_ids for row in rows[1]] == [row.token_ids for row in rows[2]]
    for row in rows[2]:
        assert row.score == sum(scorer([], list(row.texts))) / 2
        assert row.token_count == sum(len(ids) for ids in (row.token_ids, row.further[0].token_ids))


def test_the_number_can_be_searched_against_tokens(tmp_path: Path) -> None:
    space = SearchSpace(temperature=Float(0.5, 2.0), samples_per_prompt=Int(2, 5), max_new_tokens=4)
    study = search(
        make_tuner("pass@2"), tmp_path / "x.db", n_trials=6, space=space, objectives=("score", "tokens"), pruner=None
    )
    counts = set()
    for trial in study.trials:
        params, rows = trial_params(trial), stored(study, tmp_path / "x.db")[trial.number]
        count = len(completion_params(params))
        counts.add(count)
        assert {len(row.texts) for row in rows} == {count}
        assert trial.values[1] == sum(row.token_count for row in rows) / len(rows)
    assert len(counts) > 2


def test_a_server_is_asked_with_a_seed_per_completion(server: FakeServer, tmp_path: Path) -> None:
    remote = OpenAIServer(base_url=server.base_url, model="tiny")
    tuner = make_tuner("majority", server=remote, model=None, tokenizer=None)
    study = search(tuner, tmp_path / "x.db", n_trials=3)
    for trial in study.trials:
        params = trial_params(trial)
        for row in stored(study, tmp_path / "x.db")[trial.number]:
            assert len(row.texts) == len(completion_params(params))
            assert params.greedy or len(set(row.texts)) > 1
            assert row.token_count == sum(further.token_count_reported for further in row.further) + (
                row.token_count_reported
            )
    assert tuner.confirm(study, seeds=1, show_progress=False).sentence


def test_one_prompt_and_several_completions_in_python() -> None:
    tuner = make_tuner("best")
    params = GenerationParams(temperature=1.5, max_new_tokens=4, samples_per_prompt=3)
    score = tuner.get_score(params, ROWS[:2])
    assert len(score.outputs) == 6
    singles = [tuner.get_score(single, ROWS[:2]).outputs for single in completion_params(params)]
    assert score.outputs == [texts[row] for row in range(2) for texts in singles]
    assert score.value == sum(max(scorer([], score.outputs[start : start + 3])) for start in (0, 3)) / 2


@pytest.mark.parametrize(
    ("reducer", "metric", "space", "message"),
    [
        ("majority", scorer, {"temperature": 0.5}, '`reducer` = "majority" needs several completions per sample: set'),
        (
            "pass@4",
            scorer,
            {"temperature": 0.5, "samples_per_prompt": Int(2, 8)},
            '`samples_per_prompt` must be >= 4 for `reducer` = "pass@4", got 2',
        ),
        (None, scorer, {"samples_per_prompt": 2}, "`samples_per_prompt` > 1 has no effect, as every trial decodes gre"),
        (
            None,
            "bleu",
            {"temperature": 0.5, "samples_per_prompt": 2},
            "`samples_per_prompt` > 1 needs a metric that scores single samples, and `bleu` scores a corpus",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_the_search(
    reducer: str | None, metric: Any, space: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tuner = make_tuner(scorer=make_metric(metric, reducer=reducer))
    with pytest.raises(ConfigurationError) as error:
        search(tuner, tmp_path / "x.db", space=SearchSpace(**space, max_new_tokens=4))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("reducer", "metric", "options", "message"),
    [
        (
            "pass@2",
            scorer,
            {"baselines": {"in use": {"temperature": 0.5, "samples_per_prompt": 1}}},
            '`samples_per_prompt` of baseline `in use` must be >= 2 for `reducer` = "pass@2", got 1',
        ),
        (
            "pass@2",
            scorer,
            {"presets": [{"temperature": 0.5, "samples_per_prompt": 1}]},
            '`samples_per_prompt` of a preset must be >= 2 for `reducer` = "pass@2", got 1',
        ),
        (
            None,
            "bleu",
            {"presets": [{"temperature": 0.5, "samples_per_prompt": 4}]},
            "`samples_per_prompt` of a preset must be 1, as `bleu` scores a corpus, got 4",
        ),
    ],
)
def test_baselines_and_presets_that_do_not_fit_are_refused_before_the_search(
    reducer: str | None, metric: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tuner = make_tuner(scorer=make_metric(metric, reducer=reducer))
    space = SearchSpace(temperature=0.5, max_new_tokens=4, **({"samples_per_prompt": 2} if reducer else {}))
    with pytest.raises(ConfigurationError) as error:
        search(tuner, tmp_path / "x.db", space=space, **options)
    assert str(error.value) == message
    assert not (tmp_path / "x.db").exists()


def test_a_baseline_that_decodes_greedily_fits_every_reducer(tmp_path: Path) -> None:
    tuner = make_tuner(scorer=make_metric(scorer, reducer="pass@2"))
    study = search(tuner, tmp_path / "x.db", 3, baselines={"plain": {"do_sample": False, "samples_per_prompt": 1}})
    assert [trial.user_attrs.get(BASELINE) for trial in study.trials] == ["model default", "greedy", "plain"]


def test_a_scorer_of_all_samples_at_once_is_refused(tmp_path: Path) -> None:
    tuner = make_tuner(scorer=lambda references, predictions: 0.5)
    with pytest.raises(MetricError, match="`samples_per_prompt` > 1 needs a metric that scores single samples"):
        search(tuner, tmp_path / "x.db")


def test_another_reducer_is_another_study(tmp_path: Path) -> None:
    search(make_tuner("best"), tmp_path / "x.db", n_trials=1)
    with pytest.raises(FingerprintError, match=r"metric: best of .* then, majority of .* now"):
        search(make_tuner("majority"), tmp_path / "x.db", n_trials=2)


def test_damaged_completions_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    search(make_tuner(), path, n_trials=3)
    storage = open_storage(f"sqlite:///{path}")
    with storage.engine.begin() as connection:
        damaged = json.dumps([{"text": "x"}])
        connection.exec_driver_sql(
            "UPDATE llmsearch_completions SET further = ? WHERE position = 1 AND further IS NOT NULL", (damaged,)
        )
    problems = check_database(f"sqlite:///{path}").problems
    assert any("further completions of the completions at positions 1 cannot be read" in str(line) for line in problems)


def test_parameters_keep_the_number() -> None:
    params = GenerationParams(temperature=0.5, samples_per_prompt=4)
    assert GenerationParams.from_json(params.to_json()) == params
    assert dataclasses.replace(params, samples_per_prompt=None).to_json() != params.to_json()
