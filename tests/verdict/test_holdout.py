"""Confirming studies of tiny models: completions, stored verdicts, errors."""

import dataclasses
import io
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hand_made_studies
import numpy as np
import optuna
import pytest
import sqlalchemy
import stages
import tiny_studies
from backends import replace_backend
from interruptions import WriteCounter, interrupted
from optuna.distributions import CategoricalDistribution
from rich.console import Console
from tiny_models import tiny_model
from tiny_studies import scorer

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.errors import (
    ConfigurationError,
    FingerprintError,
    LlmsearchError,
    StorageError,
    TaskError,
    TrialError,
)
from llmsearch_optuna.search.progress import holdout_progress
from llmsearch_optuna.search.session import Database
from llmsearch_optuna.space.dimensions import Categorical, Float
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.verdict.holdout import fresh_seeds
from llmsearch_optuna.verdict.verdict import Verdict, stored_verdict

ROWS = [{"question": f"How many apples are {i}?", "answer": str(i)} for i in range(28)]
HELD_OUT = 20
SPACE = SearchSpace(temperature=Float(0.5, 1.5), generation_seed=Categorical([0, 1]), max_new_tokens=4)


def mean_scorer(references: list[dict[str, str]], predictions: list[str]) -> float:
    return float(np.mean(scorer(references, predictions)))


def make_tuner(**changes: Any) -> Tuner:
    """Make a tuner with whose seed the best trial is not a baseline."""
    return tiny_studies.make_tuner(**{"dataset": ROWS, "holdout_size": HELD_OUT, "seed": 1, **changes})


def fragile(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    """Fails on the size of the hold-out split."""
    if len(predictions) == HELD_OUT:
        raise ZeroDivisionError("no")
    return scorer(references, predictions)


def search(tuner: Tuner, path: Path | None = None, n_trials: int = 6, **changes: Any) -> optuna.Study:
    storage = None if path is None else f"sqlite:///{path}"
    arguments: dict[str, Any] = {"rungs": 4, "show_progress": False, "storage": storage, "pruner": "none"}
    return tuner.search(SPACE, n_trials=n_trials, **{**arguments, **changes})


def confirm(tuner: Tuner, study: optuna.Study, **changes: Any) -> Verdict:
    return tuner.confirm(study, **{"show_progress": False, "seeds": 2, **changes})


class Watched:
    """The real engine, with a record of its requests."""

    def __init__(self, engine: Any) -> None:
        self.requests: list[Request] = []
        self._engine = engine

    def generate(self, requests: Sequence[Request], *arguments: Any) -> list[Completion]:
        self.requests += requests
        completions: list[Completion] = self._engine.generate(requests, *arguments)
        return completions


def watch(tuner: Tuner) -> Watched:
    backend = tuner._backend
    watched = Watched(getattr(backend.engine, "_engine", backend.engine))
    replace_backend(tuner, engine=watched)
    return watched


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, Path]:
    """A tuner and the database of a study that it searched."""
    tuner, path = make_tuner(), tmp_path_factory.mktemp("origin") / "x.db"
    search(tuner, path)
    return tuner, path


@pytest.fixture
def tuner(origin: tuple[Tuner, Path]) -> Iterator[Tuner]:
    """The tuner of most tests. Changes of its engine are undone after each test."""
    only, _ = origin
    engine = only._backend.engine
    yield only
    replace_backend(only, engine=engine)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/x.db"


@pytest.fixture
def study(tuner: Tuner, origin: tuple[Tuner, Path], url: str, tmp_path: Path) -> optuna.Study:
    """The tuner's study before a verdict, in a separate database."""
    return copied(tuner, origin[1], tmp_path / "x.db")


def copied(tuner: Tuner, source: Path, target: Path) -> optuna.Study:
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    study, database = open_study(f"sqlite:///{target}")
    tuner._searched[study_key(study)] = Database(f"sqlite:///{target}", database)
    return study


@pytest.fixture
def one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """All finalists with all seeds, at once."""
    monkeypatch.setattr(stages.PLAN, stages.in_one_stage)


in_one_stage = pytest.mark.usefixtures("one_stage")


# Completions.


@in_one_stage
@pytest.mark.full
def test_finalists_score_what_they_score_with_fresh_seeds(tuner: Tuner, study: optuna.Study) -> None:
    engine = watch(tuner)
    verdict = confirm(tuner, study)
    held_out = [ROWS[sample.row] for sample in tuner.task.holdout]
    assert verdict.samples == len(held_out) == HELD_OUT
    # The tiny model's own parameters are greedy: counted once.
    assert [finalist.name for finalist in verdict.finalists] == ["model default", "best", "runner-up 1", "runner-up 2"]
    seeds = fresh_seeds(tuner.seed, 2, {0, 1})
    assert {request.params.generation_seed for request in engine.requests} == {0, *seeds}
    for finalist in verdict.finalists:
        params = finalist.params
        assert params is not None
        seeded = [params] if params.greedy else [dataclasses.replace(params, generation_seed=seed) for seed in seeds]
        assert finalist.seeds == len(seeded)
        scores = [tuner.get_score(params, dataset=held_out).value for params in seeded]
        assert finalist.score == pytest.approx(np.mean(scores))
        assert finalist.trial is not None
        assert finalist.search_score == study.trials[finalist.trial].value
    assert verdict.reference == "model default"
    assert [comparison.name for comparison in verdict.comparisons] == ["best", "runner-up 1", "runner-up 2"]
    assert verdict.sentence.endswith(("samples x 2 seeds", "as large as the one observed"))


def test_nothing_of_the_hold_out_split_is_seen_before(tuner: Tuner) -> None:
    engine = watch(tuner)
    search(tuner, n_trials=3)
    held_out = {sample.prompt for sample in tuner.task.holdout}
    assert engine.requests
    assert not held_out & {request.prompt for request in engine.requests}


@in_one_stage
def test_one_call_of_the_engine_holds_many_finalists(tuner: Tuner, study: optuna.Study) -> None:
    calls: list[set[GenerationParams]] = []
    engine = watch(tuner)
    whole = engine.generate

    def generate(requests: Sequence[Request], *arguments: Any) -> list[Completion]:
        calls.append({request.params for request in requests})
        return whole(requests, *arguments)

    engine.generate = generate  # type: ignore[method-assign]
    confirm(tuner, study, seeds=3)
    assert len(calls) == 2  # 200 completions, 128 per call
    assert all(len(params) == 10 for params in calls)


@pytest.mark.parametrize("used", [set(), {fresh_seeds(7, 1, ())[0], 3}])
def test_fresh_seeds(used: set[int]) -> None:
    seeds = fresh_seeds(7, 20, used)
    assert seeds == fresh_seeds(7, 20, used)
    assert len(set(seeds)) == 20
    assert not used & set(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[:5] == fresh_seeds(7, 5, used)
    assert seeds != fresh_seeds(8, 20, used)


def test_seeds_that_could_have_been_chosen_are_not_fresh(tuner: Tuner) -> None:
    first = fresh_seeds(tuner.seed, 1, ())[0]
    space = SearchSpace(temperature=Float(0.5, 1.5), generation_seed=Categorical([1, first]), max_new_tokens=4)
    study = tuner.search(space, n_trials=3, show_progress=False)
    assert CategoricalDistribution([1, first]) in study.trials[2].distributions.values()
    engine = watch(tuner)
    confirm(tuner, study)
    assert first not in {request.params.generation_seed for request in engine.requests}


# Stored completions and verdicts.


def test_the_same_study_has_the_same_verdict_without_a_pass(tuner: Tuner, study: optuna.Study, url: str) -> None:
    verdict = confirm(tuner, study)
    assert stored_verdict(study) == verdict
    again = make_tuner()
    engine = watch(again)
    reopened = optuna.load_study(study_name=study.study_name, storage=url)
    assert confirm(again, reopened, storage=url) == verdict
    assert engine.requests == []


@pytest.mark.full
def test_the_same_search_has_the_same_verdict(tuner: Tuner, study: optuna.Study) -> None:
    other = make_tuner(batch_size=8)
    assert confirm(other, search(other)) == confirm(tuner, study)


@in_one_stage
def test_completions_and_scores_are_kept(tuner: Tuner, study: optuna.Study, url: str) -> None:
    verdict = confirm(tuner, study)
    with sqlalchemy.create_engine(url).connect() as connection:
        rows = connection.exec_driver_sql("select finalist, seed, position, score from llmsearch_held_out").all()
    assert len(rows) == len({row[:3] for row in rows}) == 7 * HELD_OUT
    assert len({row.finalist for row in rows}) == 4
    assert np.mean([row.score for row in rows if row.seed == 0]) == pytest.approx(verdict.finalists[0].score)


@in_one_stage
def test_only_what_is_new_is_generated(tuner: Tuner, tmp_path: Path) -> None:
    study = search(tuner, tmp_path / "x.db", n_trials=4)
    confirm(tuner, study)
    engine = watch(tuner)
    wider = confirm(tuner, study, seeds=3)
    assert {request.params.generation_seed for request in engine.requests} == {fresh_seeds(tuner.seed, 3, {0, 1})[-1]}
    assert wider.seeds == 3
    earlier = {finalist.params for finalist in wider.finalists}
    study = search(tuner, tmp_path / "x.db", n_trials=12)
    engine = watch(tuner)
    later = confirm(tuner, study, seeds=3)
    new = {finalist.params for finalist in later.finalists} - earlier
    assert new
    assert len(engine.requests) == 3 * len(new) * HELD_OUT
    assert stored_verdict(study) == later


@in_one_stage
@pytest.mark.sampled(2)
@pytest.mark.parametrize("at", [0, 1])
def test_an_interrupted_confirmation_goes_on(
    at: int,
    tuner: Tuner,
    study: optuna.Study,
    origin: tuple[Tuner, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = watch(tuner)
    with pytest.raises(KeyboardInterrupt):
        confirm(interrupted(tuner, at), study, seeds=4)
    done = len(engine.requests)
    assert done == at * 128
    assert stored_verdict(study) is None
    engine = watch(tuner)
    with caplog.at_level("INFO", logger="llmsearch_optuna"):
        verdict = confirm(tuner, study, seeds=4)
    assert f"finalists on 20 held-out samples: 260 completions, of which {done} are stored already" in caplog.text
    assert len(engine.requests) == 13 * HELD_OUT - done
    whole = copied(tuner, origin[1], tmp_path / "whole.db")
    assert confirm(tuner, whole, seeds=4) == verdict


@in_one_stage
def test_a_confirmation_interrupted_at_any_write_ends_as_the_uninterrupted_one(
    tuner: Tuner, study: optuna.Study, origin: tuple[Tuner, Path], tmp_path: Path
) -> None:
    """Each attempt is interrupted one write later."""
    verdict = None
    kept: list[Verdict | None] = []
    while verdict is None:
        try:
            with WriteCounter(2):
                verdict = confirm(tuner, study)
        except KeyboardInterrupt:
            kept.append(stored_verdict(study))
    before_the_verdict = 2 + 7  # calls of the engine, groups of scores
    assert kept[:before_the_verdict] == [None] * before_the_verdict
    assert set(kept[before_the_verdict:]) <= {verdict}  # only the study's note is written after it
    assert confirm(tuner, copied(tuner, origin[1], tmp_path / "whole.db")) == verdict


# Other metrics, models and studies.


@pytest.mark.full
def test_a_mean_scorer_gives_the_verdict_of_its_samples(tuner: Tuner, study: optuna.Study) -> None:
    mean = make_tuner(scorer=mean_scorer)
    expected, confirmed = confirm(tuner, study), confirm(mean, search(mean))
    assert [finalist.score for finalist in confirmed.finalists] == pytest.approx(
        [finalist.score for finalist in expected.finalists]
    )
    assert [comparison.low for comparison in confirmed.comparisons] == pytest.approx(
        [comparison.low for comparison in expected.comparisons]
    )
    assert confirmed.comparisons[0].seed_share == pytest.approx(expected.comparisons[0].seed_share)


def test_a_corpus_metric_is_confirmed_and_kept() -> None:
    tuner = make_tuner(scorer="chrf")
    study = search(tuner)
    verdict = confirm(tuner, study, resamples=100)
    held_out = [ROWS[sample.row] for sample in tuner.task.holdout]
    greedy = verdict.finalists[0]
    assert greedy.params is not None
    assert greedy.score == pytest.approx(tuner.get_score(greedy.params, dataset=held_out).value)
    assert all(comparison.low < comparison.gain < comparison.high for comparison in verdict.comparisons)
    assert confirm(tuner, study) == verdict


def test_a_minimised_metric() -> None:
    tuner = make_tuner(greater_is_better=False)
    study = search(tuner, n_trials=8)
    verdict = confirm(tuner, study)
    best = next(finalist for finalist in verdict.finalists if finalist.name == verdict.best)
    assert best.search_score == min(trial.value for trial in study.trials if trial.value is not None)
    reference = next(finalist for finalist in verdict.finalists if finalist.name == verdict.reference)
    for comparison in verdict.comparisons:
        result = next(finalist for finalist in verdict.finalists if finalist.name == comparison.name)
        assert comparison.gain == pytest.approx(reference.score - result.score)


def test_a_study_without_baselines(tuner: Tuner) -> None:
    verdict = confirm(tuner, search(tuner, baselines=False))
    assert verdict.sentence.startswith("no verdict: the study has no fully evaluated baseline")
    assert [finalist.name for finalist in verdict.finalists] == ["best", "runner-up 1", "runner-up 2"]


def test_a_function_in_place_of_a_model() -> None:
    def predict(prompts: list[str], params: dict[str, Any]) -> list[str]:
        sizes.append(len(prompts))
        return [f"{prompt} {params['generation_seed']}"[: 6 + i % 3] for i, prompt in enumerate(prompts)]

    sizes: list[int] = []
    tuner = make_tuner(model=None, custom_pred_function=predict)
    study = search(tuner)
    sizes.clear()
    verdict = confirm(tuner, study)
    assert sum(sizes) == sum(finalist.seeds for finalist in verdict.finalists) * HELD_OUT


@in_one_stage
@pytest.mark.full
def test_callbacks_and_preprocessing_are_those_of_the_search() -> None:
    calls: list[int] = []
    tuner = make_tuner(
        callbacks_after_inference=[lambda: calls.append(1)], output_preproc=lambda text: text.strip().upper()
    )
    study = search(tuner)
    calls.clear()
    confirm(tuner, study)
    assert calls == [1, 1]
    key = study_key(study)
    _, database = tuner._searched[key]
    with database.engine.connect() as connection:
        finalist, seed = connection.exec_driver_sql("select finalist, seed from llmsearch_held_out").first() or ("", 0)
    texts = [completion.text for completion in CompletionStore(database).load_held_out(key, finalist, seed)]
    assert any(texts)
    assert all(text == text.upper().strip() for text in texts)


# Errors.


def refused(kind: type[LlmsearchError], tuner: Tuner, study: optuna.Study, **arguments: Any) -> str:
    return hand_made_studies.refused(kind, lambda: confirm(tuner, study, **arguments))


@pytest.mark.parametrize("size", [0, 1])
def test_no_hold_out_split_tells_what_to_set(size: int, study: optuna.Study) -> None:
    message = refused(TaskError, make_tuner(holdout_size=size), study)
    assert message.startswith("no verdict: ")
    assert "set `holdout_size`" in message


def test_wrong_numbers(tuner: Tuner, study: optuna.Study) -> None:
    assert refused(ConfigurationError, tuner, study, seeds=0) == "`seeds` must be >= 1, got 0"
    assert refused(ConfigurationError, tuner, study, resamples=10) == "`resamples` must be >= 100, got 10"


def test_studies_of_something_else(tuner: Tuner, study: optuna.Study) -> None:
    assert "was made with another model (" in refused(FingerprintError, make_tuner(model=tiny_model(seed=1)), study)
    assert refused(FingerprintError, make_tuner(holdout_size=10), study).startswith(
        "use the Tuner that the study was made with: "
    )
    assert "was made with another direction of the score (direction: maximize then, minimize now)" in refused(
        FingerprintError, make_tuner(greater_is_better=False), study
    )
    foreign = optuna.create_study(study_name="foreign")
    assert refused(StorageError, tuner, foreign) == "study `foreign` was not made by llmsearch_optuna"


def test_thoughts_without_an_end_are_scored(study: optuna.Study, tuner: Tuner) -> None:
    """A finalist that answered in the search may find no end on the hold-out: its answers are empty, and counted."""

    class Endless(Watched):
        def generate(self, requests: Sequence[Request], *arguments: Any) -> list[Completion]:
            completions = super().generate(requests, *arguments)
            return [dataclasses.replace(done, text="", finish_reason="thinking") for done in completions]

    replace_backend(tuner, engine=Endless(tuner._backend.engine))
    verdict = confirm(tuner, study)
    assert "no answer, as the length limit or a stop string ended the thought" in " ".join(
        [verdict.sentence, *verdict.details]
    )


def test_where_a_study_lives_must_be_said_by_who_did_not_search_it(study: optuna.Study, tmp_path: Path) -> None:
    other = make_tuner()
    search(make_tuner(), tmp_path / "y.db", n_trials=1)
    assert refused(ConfigurationError, other, study).startswith("`storage` must name the database of the study")
    message = "`storage` holds another study of the name `llmsearch`"
    assert refused(StorageError, other, study, storage=f"sqlite:///{tmp_path}/y.db") == message
    message = f"there is no database {tmp_path}/z.db"
    assert refused(StorageError, other, study, storage=f"sqlite:///{tmp_path}/z.db") == message


def test_no_fully_evaluated_trial(tuner: Tuner, tmp_path: Path, url: str) -> None:
    engine = watch(tuner)
    with pytest.raises(KeyboardInterrupt):
        search(interrupted(tuner, 1), tmp_path / "x.db")
    assert engine.requests
    study = optuna.load_study(study_name="llmsearch", storage=url)
    assert refused(StorageError, tuner, study) == "study `llmsearch` has no fully evaluated trial yet"


def test_greedy_finalists_need_no_seeds() -> None:
    tuner = make_tuner()
    space = {"repetition_penalty": {"low": 1.0, "high": 1.5}, "do_sample": False, "max_new_tokens": 4}
    study = tuner.search(space, n_trials=3, rungs=4, show_progress=False, pruner="none")
    verdict = confirm(tuner, study, seeds=4)
    assert verdict.seeds == 1
    assert verdict.has_seeds(4)
    engine = watch(tuner)
    assert confirm(tuner, study, seeds=8) == verdict
    assert engine.requests == []
    assert stored_verdict(study) == verdict


def test_a_scorer_that_fails_names_the_finalist_and_loses_nothing() -> None:
    tuner = make_tuner(scorer=fragile)
    study = search(tuner, n_trials=2)
    message = refused(TrialError, tuner, study)
    assert message.startswith("`model default` cannot be scored: scorer ")
    assert "raised ZeroDivisionError: no" in message
    engine = watch(tuner)
    refused(TrialError, tuner, study)
    assert engine.requests == []


def test_a_score_out_of_the_declared_range_is_refused() -> None:
    def rising(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        return [0.5 if int(reference["answer"]) != row else 1.5 for reference in references]

    tuner = make_tuner(scorer=rising, score_range=(0.0, 1.0))
    row = -1
    study = search(tuner, n_trials=2)
    row = tuner.task.holdout[3].row
    message = f"row {row} scored 1.5, but `score_range` is [0.0, 1.0]"
    assert refused(TrialError, tuner, study) == f"`model default`: {message}"
    with pytest.raises(TrialError) as refusal:
        tuner.get_score({"max_new_tokens": 2})
    assert str(refusal.value) == message


def test_progress_is_shown_on_standard_error(
    tuner: Tuner, study: optuna.Study, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    confirm(tuner, study, show_progress=True)
    assert capfd.readouterr().out == ""
    screen = io.StringIO()
    with holdout_progress(console=Console(file=screen, force_terminal=True, width=120)) as on_completions:
        on_completions(7, 140)
    assert "finalists on held-out samples: 7/140 completions" in screen.getvalue()
