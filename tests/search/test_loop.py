"""The search loop: totals, failures, interruption and resumption, fingerprints."""

import itertools
import logging
import time
import types
import zlib
from pathlib import Path
from typing import Any

import optuna
import pytest
from backends import replace_backend
from interruptions import WriteCounter, interrupted
from optuna.trial import FrozenTrial, TrialState, create_trial
from tiers import partly_full
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import ROWS, everything, make_tuner, scorer, search, stored_tokens

from llmsearch_optuna import SearchSpace
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, StorageError, TrialError
from llmsearch_optuna.report.record import read_study
from llmsearch_optuna.report.sections import verdict_status
from llmsearch_optuna.search.loop import Search
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.space.dimensions import Categorical, Float
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, TokenCounts, exclusive_use, open_storage
from llmsearch_optuna.study.attributes import BASELINE, REUSED_TOKENS, ROUND, STOPPED
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.verdict.finalists import finalists


@pytest.mark.full
@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("sampler", "concurrency"), [*itertools.product(["tpe", "random", "qmc", "cmaes", "gp"], [1, 3])]
)
def test_an_interrupted_study_ends_as_the_uninterrupted_one(sampler: str, concurrency: int, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"sampler": sampler, "concurrency": concurrency}
    whole = search(make_tuner(), tmp_path / "whole.db", **arguments)
    cut = tmp_path / "cut.db"
    for at in (1, 0, 3, 2):
        with pytest.raises(KeyboardInterrupt):
            search(interrupted(make_tuner(), at), cut, **arguments)
    resumed = search(make_tuner(), cut, **arguments)
    assert everything(resumed, cut) == everything(whole, tmp_path / "whole.db")
    assert {trial.state for trial in whole.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.no_cover
@pytest.mark.parametrize("step", partly_full([211, 17], fast=[211]))
def test_a_study_interrupted_at_any_write_ends_as_the_uninterrupted_one(step: int, tmp_path: Path) -> None:
    tuner = make_tuner()
    arguments: dict[str, Any] = {"concurrency": 3, "n_trials": 10}
    with WriteCounter() as counter:
        expected = everything(search(tuner, tmp_path / "whole.db", **arguments), tmp_path / "whole.db")
    assert len({state for _, state, *_ in expected}) == 2  # some are pruned
    for at in range(25, counter.writes, step):
        cut = tmp_path / f"cut{at}.db"
        with WriteCounter(at), pytest.raises(KeyboardInterrupt):
            search(tuner, cut, **arguments)
        assert everything(search(tuner, cut, **arguments), cut) == expected, f"interrupted at write {at}"


@pytest.mark.full
@pytest.mark.no_cover
def test_what_fails_in_a_batch_fails_its_own_trial_only() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    model.generation_config.eos_token_id = tokenizer.eos_token = None
    tuner = make_tuner(model=model, tokenizer=tokenizer)
    banned = GenerationParams(no_repeat_ngram_size=1, max_new_tokens=400)  # runs out of tokens that are not banned
    presets = [{"temperature": 0.5, "max_new_tokens": 4}, banned, {"temperature": 0.7, "max_new_tokens": 4}]
    study = search(tuner, None, 5, presets=presets, concurrency=5, pruner="none")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["FAIL", "COMPLETE"]
    assert "every token is banned" in study.trials[3].user_attrs["error"]
    alone = search(tuner, None, 5, presets=presets, concurrency=1, pruner="none")
    assert [trial.value for trial in alone.trials] == [trial.value for trial in study.trials]


@pytest.mark.full
def test_concurrency_changes_no_trials_completions_and_stays_with_the_study(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    study = search(make_tuner(), path, 6, concurrency=3, sampler="random", pruner="none")
    one_by_one = search(make_tuner(), tmp_path / "y.db", 6, concurrency=1, sampler="random", pruner="none")
    assert [trial.values for trial in study.trials] == [trial.values for trial in one_by_one.trials]
    assert {trial.user_attrs["round"] for trial in study.trials} == {0, 4}
    longer = search(make_tuner(batch_size=8), path, 9, sampler="random", pruner="none")
    assert [trial.user_attrs["round"] for trial in longer.trials[6:]] == [8, 8, 8]


@pytest.mark.full
def test_n_trials_is_the_total(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    assert len(search(make_tuner(), path, 3).trials) == 3
    assert len(search(make_tuner(), path, 3).trials) == 3
    longer = search(make_tuner(), path, 6)
    assert len(longer.trials) == 6
    assert [t.params for t in longer.trials] == [t.params for t in search(make_tuner(), tmp_path / "y.db", 6).trials]


def test_the_best_trial_is_a_fully_evaluated_one(tmp_path: Path) -> None:
    study = search(make_tuner(), None, 12)
    assert TrialState.PRUNED in {trial.state for trial in study.trials}
    assert study.best_trial.last_step == len(ROWS)
    names = [name for name, _, _ in finalists(study)]
    assert names == ["model default", "greedy", "best"]


@pytest.mark.parametrize("concurrency", partly_full([1, 4], fast=[4]))
def test_a_grid_ends_when_it_is_exhausted(concurrency: int, caplog: pytest.LogCaptureFixture) -> None:
    space = SearchSpace(temperature=Float(0.5, 1.5, step=0.5), generation_seed=Categorical([0, 1]), max_new_tokens=2)
    with caplog.at_level(logging.INFO):
        study = make_tuner().search(
            space, n_trials=50, sampler="grid", pruner="none", concurrency=concurrency, show_progress=False
        )
    assert caplog.text.count("no further trials: every point of the grid has been proposed") == 1
    points = [(trial.params["temperature"], trial.params["generation_seed"]) for trial in study.trials[2:]]
    assert sorted(points) == [(t, s) for t in (0.5, 1.0, 1.5) for s in (0, 1)]


@pytest.mark.full
@pytest.mark.parametrize(
    "pruner",
    partly_full(
        ["paired", "median", "percentile", "hyperband", "successive-halving", "none"], fast=["hyperband", "none"]
    ),
)
def test_every_pruner_runs(pruner: str) -> None:
    study = search(make_tuner(), None, 8, pruner=pruner)
    assert len(study.trials) == 8
    if pruner == "none":
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


@pytest.mark.full
def test_what_is_scored_only_as_a_whole_is_pruned_by_the_median(caplog: pytest.LogCaptureFixture) -> None:
    study = search(make_tuner(scorer="bleu"), None, 1, pruner=None)
    assert isinstance(study.pruner, optuna.pruners.MedianPruner)
    with pytest.raises(ConfigurationError, match="the paired pruner needs scores of single samples"):
        search(make_tuner(scorer="bleu"), None, 1, pruner="paired")

    def whole(references: list[dict[str, str]], predictions: list[str]) -> float:
        return sum(len(set(prediction)) for prediction in predictions) / len(predictions)

    for pruner, instead in ((None, "MedianPruner prunes in its place"), ("paired", "nothing is pruned")):
        caplog.clear()
        states = {trial.state for trial in search(make_tuner(scorer=whole), None, 12, pruner=pruner).trials}
        assert states == ({TrialState.COMPLETE, TrialState.PRUNED} if pruner is None else {TrialState.COMPLETE})
        (record,) = [entry for entry in caplog.records if "scores of single samples" in entry.message]
        assert record.message.endswith(instead)


class TestLimits:
    def tokens(self, study: optuna.Study, path: Path) -> int:
        """The tokens that were generated, not copied from another trial."""
        stored = stored_tokens(CompletionStore(open_storage(f"sqlite:///{path}")), study_key(study))
        return stored - sum(int(trial.user_attrs.get(REUSED_TOKENS, 0)) for trial in study.trials)

    @pytest.mark.full
    @pytest.mark.parametrize(("concurrency", "step"), partly_full([(3, 307), (1, 37), (3, 37)], fast=[(3, 307)]))
    def test_tokens_end_at_the_same_point_whether_interrupted_or_not(
        self, concurrency: int, step: int, tmp_path: Path
    ) -> None:
        arguments: dict[str, Any] = {"max_tokens_total": 300, "concurrency": concurrency}
        tuner = make_tuner()
        with WriteCounter() as counter:
            whole = search(tuner, tmp_path / "whole.db", **arguments)
        expected = everything(whole, tmp_path / "whole.db")
        assert 300 <= self.tokens(whole, tmp_path / "whole.db") < 300 + concurrency * 4 * 4
        assert len(whole.trials) < 9
        for at in range(25, counter.writes, step):
            cut = tmp_path / f"cut{at}.db"
            with WriteCounter(at), pytest.raises(KeyboardInterrupt):
                search(tuner, cut, **arguments)
            assert everything(search(tuner, cut, **arguments), cut) == expected, f"interrupted at write {at}"
        again = search(tuner, tmp_path / "whole.db", **arguments)  # the budget is used up
        assert everything(again, tmp_path / "whole.db") == expected

    @pytest.mark.full
    def test_a_study_that_was_given_more_ends_as_one_that_had_it_all_along(self, tmp_path: Path) -> None:
        tuner = make_tuner()
        whole = search(tuner, tmp_path / "whole.db", concurrency=2)
        for tokens in (100, 250, None):
            parts = search(tuner, tmp_path / "parts.db", concurrency=2, max_tokens_total=tokens)
        assert everything(parts, tmp_path / "parts.db") == everything(whole, tmp_path / "whole.db")

    @pytest.mark.full
    def test_time_ends_it_and_what_is_in_flight_is_taken_up_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        whole = search(make_tuner(), tmp_path / "whole.db", concurrency=2)
        cut = tmp_path / "cut.db"
        with caplog.at_level(logging.INFO):
            study = search(make_tuner(), cut, concurrency=2, timeout=1e-9)
        assert "the search stops: the timeout of 1e-09 s has passed" in caplog.text
        assert study.trials == [] or {trial.state for trial in study.trials} == {TrialState.WAITING}
        slow = make_tuner(callbacks_after_inference=[lambda: time.sleep(1.0)])
        study = search(slow, cut, concurrency=2, timeout=1.0)
        assert TrialState.RUNNING in {trial.state for trial in study.trials}
        assert everything(search(make_tuner(), cut, concurrency=2), cut) == everything(whole, tmp_path / "whole.db")

    @pytest.mark.full
    def test_patience_ends_it(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            study = search(make_tuner(), None, 40, patience=4, concurrency=1, baselines=False)
        assert len(study.trials) == study.best_trial.number + 5
        assert "no further trials: the last 4 trials did not beat the best one" in caplog.text

    @pytest.mark.full
    def test_what_cannot_be_beaten_ends_it(self) -> None:
        def perfect(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            return [1.0] * len(predictions)

        tuner = make_tuner(scorer=perfect, score_range=(0, 1))
        study = search(tuner, None, 9, concurrency=1)
        assert [trial.user_attrs.get("baseline") for trial in study.trials] == ["model default", "greedy"]
        assert {trial.state for trial in search(tuner, None, 9, concurrency=3).trials} == {TrialState.COMPLETE}
        assert len(search(tuner, None, 9, pruner="none").trials) == 9
        assert len(search(make_tuner(scorer=perfect), None, 9).trials) == 9  # the maximum score is not declared


class TestFailingTrials:
    def test_a_failing_trial_is_recorded_and_the_study_goes_on(self) -> None:
        def fragile(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            calls.append(1)
            if len(calls) in (10, 11, 12):  # and two retries
                raise ZeroDivisionError("no")
            return scorer(references, predictions)

        calls: list[int] = []
        study = search(make_tuner(scorer=fragile), None, 5)
        states = [trial.state for trial in study.trials]
        assert states.count(TrialState.FAIL) == 1
        failed = next(trial for trial in study.trials if trial.state == TrialState.FAIL)
        assert "raised ZeroDivisionError: no" in failed.user_attrs["error"]
        assert len(states) == 5

    def test_all_failing_is_an_error_with_the_first_reason(self) -> None:
        def broken(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            return [float("nan")] * len(predictions)

        with pytest.raises(TrialError, match=r"all 3 trials failed, the first with: scorer .*broken` returned nan"):
            search(make_tuner(scorer=broken), None, 3)

    @pytest.mark.parametrize("concurrency", [1, 2])
    def test_a_stop_after_the_first_failure_can_be_resumed(self, concurrency: int, tmp_path: Path) -> None:
        def broken_at_first(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            calls.append(1)
            return [float("nan")] * len(predictions) if len(calls) <= 3 else scorer(references, predictions)

        calls: list[int] = []  # with two retries of the first one
        tuner = make_tuner(scorer=broken_at_first)
        arguments: dict[str, Any] = {"concurrency": concurrency, "pruner": "none"}
        stopped = search(tuner, tmp_path / "x.db", 3, should_stop=lambda: len(calls) >= 3, **arguments)
        failed, unfinished = [trial.state for trial in stopped.trials]
        assert failed == TrialState.FAIL
        assert unfinished == (TrialState.WAITING if concurrency == 1 else TrialState.RUNNING)
        states = [trial.state for trial in search(tuner, tmp_path / "x.db", 3, **arguments).trials]
        assert states == [TrialState.FAIL, *[TrialState.COMPLETE] * 3]

    def test_a_search_of_failures_stops_and_can_be_resumed(self, tmp_path: Path) -> None:
        def broken_at_first(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            if is_broken:
                raise OSError("no disk")
            return scorer(references, predictions)

        is_broken = True
        path = tmp_path / "study.db"
        tuner = make_tuner(scorer=broken_at_first)
        with pytest.raises(TrialError, match=r"all \d trials failed, the first with: .* raised OSError: no disk"):
            search(tuner, path, 30)
        is_broken = False
        states = [trial.state for trial in search(tuner, path, 30).trials]
        assert 5 <= states.count(TrialState.FAIL) < 10
        assert len(states) - states.count(TrialState.FAIL) >= 20


def test_a_baseline_that_is_added_at_the_end_is_evaluated(tmp_path: Path) -> None:
    ended = search(make_tuner(), tmp_path / "x.db", 4)
    assert len(ended.trials) == 4
    production = {"production": {"temperature": 0.7}}
    study = search(make_tuner(), tmp_path / "x.db", 4, baselines=production)
    assert [trial.state for trial in study.trials[4:]] == [TrialState.COMPLETE]
    assert study.trials[4].user_attrs[BASELINE] == "production"
    assert len(search(make_tuner(), tmp_path / "x.db", 4, baselines=production).trials) == 5
    another: dict[str, Any] = {
        "baselines": {"another": {"temperature": 0.9}},
        "presets": [{"temperature": 0.5, "max_new_tokens": 4}],
    }
    study = search(make_tuner(), tmp_path / "x.db", 4, **another)  # the preset comes too late
    assert [trial.state for trial in study.trials[5:]] == [TrialState.COMPLETE, TrialState.WAITING]
    assert study.trials[5].user_attrs[BASELINE] == "another"


def test_a_trial_that_is_queued_during_a_proposal_runs_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    propose, point = Proposer.propose, {"temperature": 0.5, "top_k": 5, "generation_seed": 0}

    def propose_slowly(proposer: Proposer, study: optuna.Study) -> FrozenTrial | None:
        proposed = propose(proposer, study)
        study.enqueue_trial(point, skip_if_exists=True)
        return proposed

    monkeypatch.setattr(Proposer, "propose", propose_slowly)
    study = search(make_tuner(), None, 4, pruner="none")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    queued, proposed = study.trials[2:]
    assert queued.params == point
    assert proposed.params != point
    assert proposed.user_attrs[ROUND] <= queued.user_attrs[ROUND]


class TestFingerprint:
    @pytest.mark.sampled(5)
    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"model": tiny_model(seed=1)}, "another model"),
            (
                {"dataset": ROWS[:15]},
                r"other prompts \(rows, template or tokenizer\), other references and other sizes of the splits",
            ),
            ({"dataset": [{**row, "answer": "?"} for row in ROWS]}, "other references"),
            ({"prompt_template": "Q: {question}"}, "other prompts"),
            ({"scorer": "exact_match"}, "another metric"),
            ({"greater_is_better": False}, "another direction of the score"),
            ({"holdout_size": 4}, "other sizes of the splits"),
            ({"seed": 7}, "other prompts .*, other references, another order of the samples and another seed"),
            ({"stop": ["x"]}, "other conditions that end a completion"),
            ({"output_preproc": str.lower}, "another function `output_preproc`"),
        ],
    )
    def test_a_study_of_something_else_is_refused(self, changes: dict[str, Any], part: str, tmp_path: Path) -> None:
        path = tmp_path / "x.db"
        search(make_tuner(), path, 1)
        with pytest.raises(FingerprintError, match=f": study `llmsearch` was made with {part}") as caught:
            search(make_tuner(**changes), path, 1)
        assert str(caught.value).startswith("use another study_name or storage for a new study")
        assert "another prompts" not in str(caught.value)
        assert len(search(make_tuner(**changes), path, 1, study_name="other").trials) == 1

    def test_another_space_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.db"
        search(make_tuner(), path, 1)
        with pytest.raises(FingerprintError, match="another search space"):
            make_tuner().search(SearchSpace.default(), n_trials=1, storage=f"sqlite:///{path}", show_progress=False)


def test_a_second_search_of_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with exclusive_use(f"sqlite:///{path}"), pytest.raises(StorageError, match="being searched by another process"):
        search(make_tuner(), path, 1)


class NoLookingAhead:
    """An engine that fails on some rows and passes the others to a real one."""

    def __init__(self, engine: Any, rows: set[int]) -> None:
        self.engine, self.rows = engine, rows

    def generate(self, requests: Any, on_tokens: Any = None, upcoming: Any = ()) -> Any:
        if any(request.row in self.rows for request in (*requests, *upcoming)):
            raise TrialError("its logits hold NaN")
        return self.engine.generate(requests, on_tokens)


@pytest.mark.full
def test_what_is_looked_ahead_at_fails_no_trial(tmp_path: Path) -> None:
    """The rung that cannot be generated may be one that the trial does not reach, because it is pruned before."""
    tuner = make_tuner()
    last = {sample.row for sample in tuner.task.search[12:]}
    replace_backend(tuner, engine=NoLookingAhead(tuner._backend.engine, last))
    with pytest.raises(TrialError, match="all 2 trials failed, the first with: its logits hold NaN"):
        search(tuner, tmp_path / "x.db", 2, baselines=False, concurrency=2, pruner="none")
    store = CompletionStore(open_storage(f"sqlite:///{tmp_path / 'x.db'}"))
    study = optuna.load_study(study_name="llmsearch", storage=f"sqlite:///{tmp_path / 'x.db'}")
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert [len(store.load(study_key(study), number)) for number in (0, 1)] == [12, 12]


@pytest.mark.full
def test_stored_scores_are_not_computed_again(tmp_path: Path) -> None:
    scored: list[int] = []

    def counting(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        scored.append(len(predictions))
        return scorer(references, predictions)

    rounds = iter(range(100))
    arguments: dict[str, Any] = {"concurrency": 2, "pruner": "none", "baselines": False}
    stopped = search(
        make_tuner(scorer=counting), tmp_path / "x.db", 3, should_stop=lambda: next(rounds) == 3, **arguments
    )
    assert TrialState.RUNNING in {trial.state for trial in stopped.trials}
    study = search(make_tuner(scorer=counting), tmp_path / "x.db", 3, **arguments)
    assert sum(scored) == 3 * len(ROWS)
    assert study.best_value == search(make_tuner(), None, 3, **arguments).best_value


def test_presets_must_fit_into_the_models_window() -> None:
    with pytest.raises(ConfigurationError, match="window"):
        search(make_tuner(), None, 3, presets=[{"max_new_tokens": 4096}])


@pytest.mark.full
def test_tokens_that_a_trial_in_flight_takes_over_are_told_before_they_are_stored(tmp_path: Path) -> None:
    """Other workers subtract them from the tokens of all stored completions, as nobody generated them."""
    tuner, recorded = make_tuner(), []
    greedy = {"top_k": 1, "max_new_tokens": 4}
    presets = [{**greedy, "temperature": 0.5}, {**greedy, "temperature": 0.9}]
    append = CompletionStore.append

    def watched(store: CompletionStore, key: str, number: int, rows: Any) -> None:
        study = optuna.load_study(study_name="llmsearch", storage=f"sqlite:///{tmp_path / 'x.db'}")
        recorded.append(
            (number, study.trials[number].user_attrs.get(REUSED_TOKENS), sum(row.token_count for row in rows))
        )
        append(store, key, number, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompletionStore, "append", watched)
        study = search(tuner, tmp_path / "x.db", 2, presets=presets, baselines=False, concurrency=1, pruner="none")
    second = [(int(reused or 0), tokens) for number, reused, tokens in recorded if number == 1]
    assert [reused for reused, _ in second] == list(itertools.accumulate(tokens for _, tokens in second))
    running = create_trial(state=TrialState.RUNNING, user_attrs={REUSED_TOKENS: 7})
    study.add_trial(running)
    objective = types.SimpleNamespace(tokens_stored=lambda: {0: TokenCounts(1000)}, price=None, metric=tuner.metric)
    elsewhere: Any = types.SimpleNamespace(_in_flight={}, _trials=lambda: study.trials, objective=objective)
    assert Search._spending(elsewhere).tokens == 1000 - second[-1][0] - 7


@pytest.mark.full
def test_a_failed_trial_tells_what_it_had_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those tokens were not generated, `max_tokens_total` must not count them."""
    asked: list[int] = []

    def prune_the_first_after_two_rungs(trial: optuna.Trial) -> bool:
        asked.append(trial.number)
        return asked == [0, 0]

    monkeypatch.setattr("llmsearch_optuna.search.evaluation.should_prune", prune_the_first_after_two_rungs)
    tuner = make_tuner()
    beyond = {sample.row for sample in tuner.task.search[8:]}
    replace_backend(tuner, engine=NoLookingAhead(tuner._backend.engine, beyond))
    greedy = {"top_k": 1, "max_new_tokens": 4}
    presets = [{**greedy, "temperature": 0.5}, {**greedy, "temperature": 0.9}]
    study = search(tuner, tmp_path / "x.db", 2, presets=presets, baselines=False, concurrency=1)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.FAIL]
    store = CompletionStore(open_storage(f"sqlite:///{tmp_path / 'x.db'}"))
    taken_over = store.load(study_key(study), 1)
    assert taken_over == store.load(study_key(study), 0)
    assert study.trials[1].user_attrs[REUSED_TOKENS] == sum(completion.token_count for completion in taken_over) > 0


def chance(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    """Scores on which no parameter has an influence."""
    return [zlib.crc32(prediction.encode()) % 101 / 100 for prediction in predictions]


def search_for_nothing(path: Path, **changes: Any) -> tuple[optuna.Study, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    rows = [{"question": f"Who is number {number}?", "answer": ""} for number in range(60)]
    tuner = make_tuner(dataset=rows, scorer=chance, search_size=40, holdout_size=20)
    arguments: dict[str, Any] = {"n_trials": 40, "concurrency": 3, "rungs": 20, "on_event": events.append}
    return search(tuner, path, **{**arguments, **changes}), events


def test_a_search_with_nothing_to_find_stops_and_says_why(tmp_path: Path) -> None:
    study, events = search_for_nothing(tmp_path / "x.db")
    assert 14 <= len(study.trials) < 30
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    sentence = study.user_attrs[STOPPED]
    assert sentence.startswith(
        f"the search stopped after {len(study.trials)} of 40 trials: the proposals differ by about "
    )
    assert events[-1] == {"event": "stopped", "reason": sentence}
    record = read_study(study, str(tmp_path / "x.db"))
    assert record.stopped == sentence
    (detail,) = verdict_status(record, "x.db").details[2:]
    assert detail == f"T{sentence[1:]}."
    again, _ = search_for_nothing(tmp_path / "x.db")
    assert (len(again.trials), again.user_attrs[STOPPED]) == (len(study.trials), sentence)


@pytest.mark.full
def test_a_search_that_goes_on_has_not_stopped(tmp_path: Path) -> None:
    study, _ = search_for_nothing(tmp_path / "x.db")
    trials = len(study.trials) + 2
    study, events = search_for_nothing(tmp_path / "x.db", n_trials=trials, stop_early=False)
    assert len(study.trials) == trials
    assert study.user_attrs[STOPPED] is None
    assert events[-1]["event"] == "trial_finished"


@pytest.mark.full
def test_an_interruption_does_not_change_where_a_search_stops(tmp_path: Path) -> None:
    study, _ = search_for_nothing(tmp_path / "whole.db")
    with WriteCounter() as counter:
        search_for_nothing(tmp_path / "counted.db")
    for at in (counter.writes // 2, counter.writes - 30):
        cut = tmp_path / f"{at}.db"
        with WriteCounter(at), pytest.raises(KeyboardInterrupt):
            search_for_nothing(cut)
        resumed, _ = search_for_nothing(cut)
        assert everything(resumed, cut) == everything(study, tmp_path / "whole.db")
        assert resumed.user_attrs[STOPPED] == study.user_attrs[STOPPED]
