"""Several metrics in one study, one of them constrained: from the search to the verdict and all that shows it."""

import functools
import hashlib
import json
import logging
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hand_made_studies import refused
from interruptions import WriteCounter, interrupted
from optuna.trial import TrialState
from optuna_dashboard._serializer import serialize_frozen_trial
from scored_texts import share_of_letters
from study_files import write_model_and_rows
from tiers import partly_full
from tiny_studies import everything, make_tuner, search

from llmsearch_optuna import Float, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, MetricError, TrialError
from llmsearch_optuna.export import trace
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.report import read_study, render_report
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import METRIC
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.ranking import best_trial
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study_file.file import StudyFile

ROWS = [{"question": f"How many apples are {i}?", "answer": "right"} for i in range(80)]
SPACE = SearchSpace(temperature=Float(0.1, 2.0), max_new_tokens=4)
RULE = {"valid": ">= 0.9"}


def right(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
    return [float("right" in prediction) for prediction in predictions]


def valid(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
    return [float("invalid" not in prediction) for prediction in predictions]


class Answers:
    """A model of which higher temperatures are right more often, and above 1 invalid more often.

    Attributes:
        spoiled: Prompts whose answers are invalid at any temperature above 0.5.
    """

    def __init__(self) -> None:
        self.spoiled: set[str] = set()

    def __call__(self, prompts: list[str], parameters: dict[str, Any]) -> list[str]:
        heat = parameters.get("temperature") or 0.0
        answers = []
        for prompt in prompts:
            digest = hashlib.sha256(f"{prompt} {parameters.get('generation_seed')}".encode()).digest()
            first, second = digest[0] / 256, digest[1] / 256
            is_invalid = second < 0.6 * (heat - 1.0) or (prompt in self.spoiled and heat > 0.5)
            answers.append(("right" if first < 0.2 + 0.35 * heat else "wrong") + (" invalid" if is_invalid else ""))
        return answers


def answering(answers: Answers | None = None, **changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "model": None,
        "tokenizer": None,
        "custom_pred_function": answers or Answers(),
        "dataset": ROWS,
        "scorer": right,
        "further_metrics": {"valid": valid},
        "score_range": (0.0, 1.0),
        "search_size": 40,
        "holdout_size": 40,
    }
    return make_tuner(**{**arguments, **changes})


def searched(tuner: Tuner, path: Path | None, n_trials: int = 16, **changes: Any) -> optuna.Study:
    storage = None if path is None else f"sqlite:///{path}"
    arguments: dict[str, Any] = {"constraints": RULE, "storage": storage, "rungs": 8, "concurrency": 2}
    return tuner.search(SPACE, n_trials=n_trials, show_progress=False, **{**arguments, **changes})


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, optuna.Study, Path]:
    path, tuner = tmp_path_factory.mktemp("constraints") / "x.db", answering()
    study = searched(tuner, path)
    tuner.confirm(study, show_progress=False)
    return tuner, study, path


class TestSearch:
    def test_the_best_keeps_what_the_unconstrained_best_breaks(
        self, confirmed: tuple[Tuner, optuna.Study, Path], tmp_path: Path
    ) -> None:
        _, study, _ = confirmed
        free = searched(answering(), tmp_path / "free.db", constraints={})
        assert free.best_trial.user_attrs[f"{METRIC}valid"] < 0.9
        assert study.best_trial.user_attrs[f"{METRIC}valid"] >= 0.9
        assert study.best_value < free.best_value
        assert study.best_value > (study.trials[0].value or 0.0)  # the baseline
        chosen = best_trial(study)
        assert chosen is not None
        assert chosen.number == study.best_trial.number

    def test_what_is_stored_is_what_was_scored(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, path = confirmed
        store = CompletionStore(open_storage(f"sqlite:///{path}"))
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
        for trial in study.trials:
            rows = store.load(study_key(study), trial.number)
            assert len(rows) == trial.last_step
            scores = valid([], [row.text for row in rows])
            assert [row.metric_scores for row in rows] == [{"valid": score} for score in scores]
            mean = sum(scores) / len(scores)
            assert trial.user_attrs[f"{METRIC}valid"] == pytest.approx(mean)
            assert list(trial.constraints.values()) == [pytest.approx(0.9 - mean)]
        assert check_database(f"sqlite:///{path}").whole

    def test_no_trial_is_pruned_that_would_be_the_best(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        """What a pruned trial would have scored in the end is no better, or breaks the constraint."""
        _, study, _ = confirmed
        pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
        assert pruned
        tuner = answering()
        for trial in pruned:
            outputs = tuner.get_score(trial.params | {"max_new_tokens": 4}).outputs
            rows = [sample.row for sample in tuner.task.search]
            means = [sum(metric([], [outputs[row] for row in rows])) / len(rows) for metric in (right, valid)]
            assert means[0] <= study.best_value or means[1] < 0.9

    def test_the_dashboard_reads_what_is_feasible(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, _ = confirmed
        for trial in study.trials:
            shown = serialize_frozen_trial(0, trial, {})
            assert all(value <= 0.0 for value in shown["constraints"]) == is_feasible(trial)
            assert len(shown["constraints"]) == 1

    def test_other_metrics_or_rules_are_another_study(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, _, path = confirmed
        with pytest.raises(FingerprintError, match=r"other constraints \(constraints.valid: >= 0.9 then, >= 0.8 now"):
            searched(tuner, path, constraints={"valid": ">= 0.8"})
        with pytest.raises(FingerprintError, match="other constraints and other further metrics"):
            searched(answering(further_metrics=None), path, constraints={})

    @pytest.mark.parametrize("arguments", [{"sampler": "gp"}, {"sampler": "nsga2"}, {"pruner": "race"}])
    def test_other_samplers_and_races(self, arguments: dict[str, Any]) -> None:
        study = searched(answering(), None, 12, **arguments)
        assert is_feasible(study.best_trial)

    def test_tokens_and_the_score_can_be_constrained(self) -> None:
        tuner = make_tuner(stop=["e", "a"])
        study = search(
            tuner, None, 8, constraints={"tokens": "<= 3", "score": ">= 0.1"}, objectives=["score", "tokens"]
        )
        for trial in study.trials:
            assert list(trial.constraints.values()) == pytest.approx([trial.values[1] - 3.0, 0.1 - trial.values[0]])
        assert all(map(is_feasible, study.best_trials))


@pytest.mark.parametrize("step", partly_full([97, 13], fast=[97]))
def test_a_search_interrupted_at_any_write_ends_as_the_uninterrupted_one(step: int, tmp_path: Path) -> None:
    def run(path: Path) -> list[Any]:
        tuner = make_tuner(further_metrics={"letters": share_of_letters})
        study = search(tuner, path, 6, constraints={"letters": ">= 0.3"}, concurrency=2)
        return [*everything(study, path), [trial.constraints for trial in study.trials]]

    with WriteCounter() as counter:
        expected = run(tmp_path / "whole.db")
    for at in range(30, counter.writes, step):
        cut = tmp_path / f"cut{at}.db"
        with WriteCounter(at), pytest.raises(KeyboardInterrupt):
            run(cut)
        assert run(cut) == expected, f"interrupted at write {at}"


def test_a_verdict_that_is_interrupted_scores_the_same(tmp_path: Path) -> None:
    verdicts = []
    for name, passes in (("whole", None), ("parts", 1)):
        tuner = make_tuner(holdout_size=6, further_metrics={"letters": share_of_letters})
        study = search(tuner, tmp_path / f"{name}.db", 5)
        if passes is not None:
            with pytest.raises(KeyboardInterrupt):
                interrupted(tuner, 0).confirm(study, show_progress=False)
        verdicts.append(tuner.confirm(study, show_progress=False))
    assert verdicts[0] == verdicts[1]
    assert {result.label for result in verdicts[0].metrics} == {"letters"}


class TestVerdict:
    def test_what_holds_is_recommended(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, study, _ = confirmed
        verdict = tuner.confirm(study, show_progress=False)
        assert verdict.improved
        assert verdict.standing_of("best") in ("keeps", "undecided")
        assert verdict.recommended
        (best,) = [result for result in verdict.metrics if result.name == "best"]
        assert f"valid >= 0.9 ({best})" in verdict.sentence
        assert best.comparison is not None

    def test_better_but_breaks(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Held-out prompts on which all but the coldest trials give invalid answers."""
        answers = Answers()
        tuner = answering(answers)
        answers.spoiled = {sample.prompt for sample in tuner.task.holdout[:20]}
        study = searched(tuner, tmp_path / "x.db")
        verdict = tuner.confirm(study, show_progress=False)
        assert verdict.sentence.startswith("better, but breaks valid >= 0.9 (0.5")
        assert not verdict.recommended
        assert "export" not in verdict.next_step
        caution = trace(study).caution
        assert caution is not None
        assert "breaks a constraint: better, but breaks valid >= 0.9" in caution
        assert "Breaks a constraint" in render_report(study, str(tmp_path / "x.db"))


class TestWhatShowsAStudy:
    def test_commands(
        self, confirmed: tuple[Tuner, optuna.Study, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        _, study, path = confirmed
        assert main(["best", str(path)]) == 0
        output = capsys.readouterr().out
        assert "feasible" in output
        assert "gain in" in output
        assert main(["best", str(path), "--json"]) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["metrics"] == {"valid": study.best_trial.user_attrs[f"{METRIC}valid"]}
        assert values["feasible"] is True
        assert values["verdict"]["metrics"][0]["label"] == "valid"
        assert main(["show", str(path)]) == 0
        assert ", valid 1, " in capsys.readouterr().out

    def test_report(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, path = confirmed
        record = read_study(study, str(path))
        assert record.labels == ("valid",)
        assert record.constraints == ("valid >= 0.9",)
        assert record.best is not None
        assert record.best.number == study.best_trial.number
        page = render_report(study, str(path))
        for words in (
            "constraints valid &gt;= 0.9",
            "valid &gt;= 0.9 held out",
            "gain in valid held out",
            ">feasible<",
        ):
            assert words in page

    def test_notes(self, confirmed: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, _ = confirmed
        notes = " ".join(str(value) for value in study._storage.get_study_system_attrs(study._study_id).values())
        assert "| constraints | broken |" in notes
        assert "| constraints | kept |" in notes
        assert "| valid | " in notes
        assert "valid \\>\\= 0\\.9" in notes

    def test_none_is_feasible(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "x.db"
        study = searched(answering(), path, 6, constraints={"valid": ">= 1.1"})
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
        assert main(["best", str(path)]) == 0
        line = "no fully evaluated trial keeps valid >= 1.1: the best is trial"
        assert line in capsys.readouterr().out
        caution = trace(study).caution
        assert caution is not None
        assert "breaks valid >= 1.1 on the samples of the search" in caution
        assert line[1:].replace(">", "&gt;") in render_report(study, str(path))

    def test_progress_and_events(self, capsys: pytest.CaptureFixture[str]) -> None:
        events: list[dict[str, Any]] = []
        answering().search(SPACE, n_trials=6, constraints=RULE, rungs=8, show_progress=True, on_event=events.append)
        assert "breaks valid >= 0.9 (0." in capsys.readouterr().err
        ended = [event for event in events if event["event"] == "trial_finished"]
        assert all("valid" in event["metrics"] for event in ended)
        assert any(event.get("breaks") == ["valid >= 0.9"] for event in ended)


class TestBadInput:
    def test_the_constraint(self) -> None:
        tuner = answering()
        for rule, message in (
            ({"vald": ">= 0.9"}, "got `vald`: metrics are valid"),
            ({"valid": "~0.98"}, "got valid = '~0.98'"),
            ({"cost": "<= 1"}, "got `cost`: metrics are valid"),
            ({"tokens": "<= 1"}, "`constraints` on `tokens` have no effect with custom_pred_function"),
        ):
            assert message in refused(ConfigurationError, functools.partial(searched, tuner, None, constraints=rule))
        for key, value in (("sampler", "cmaes"), ("pruner", "median")):
            changes: Any = {key: value}
            text = refused(ConfigurationError, functools.partial(searched, tuner, None, **changes))
            assert f"the {value} {key} ignores constraints" in text

    def test_a_corpus(self) -> None:
        tuner = make_tuner(scorer="bleu", further_metrics={"letters": share_of_letters})
        text = refused(ConfigurationError, lambda: search(tuner, None, 2, constraints={"score": ">= 0.1"}))
        assert "need a metric that scores every sample" in text
        study = search(tuner, None, 6, constraints={"letters": ">= 0.1"})
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}  # no pruner of Optuna's

    def test_one_number_for_all_ends_the_search_at_once(self) -> None:
        tuner = make_tuner(further_metrics={"mean": lambda _references, predictions: len(predictions) / 9})
        text = refused(MetricError, lambda: search(tuner, None, 4))
        assert "the further metric `mean` must return one score per sample" in text

    def test_a_metric_that_raises_fails_the_trial_with_the_sample(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
            raise ValueError("no")

        tuner = answering(further_metrics={"valid": broken})
        with caplog.at_level(logging.ERROR), pytest.raises(TrialError) as failure:
            searched(tuner, None, 1)
        assert "metric `valid`: scorer" in str(failure.value)
        assert "raised ValueError: no on sample" in str(failure.value)


STUDY = """
[study]
n_trials = 6
rungs = 4
constraints = { letters = ">= 0.2", tokens = "<= 4" }

[model]
name = "model"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{question}"
search_size = 8
holdout_size = 8

[metric]
name = "token_f1"

[metrics.letters]
name = "mine:letters"

[metrics.f1]
name = "token_f1"
column = "answer"

[space]
temperature = { low = 0.5, high = 1.5 }
max_new_tokens = 4
"""

SCORER = (
    "def letters(references, predictions):\n    return [float(any(map(str.isalpha, text))) for text in predictions]\n"
)


class TestStudyFile:
    def test_from_the_file_to_the_verdict(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_model_and_rows(tmp_path)
        (tmp_path / "mine.py").write_text(SCORER, encoding="utf-8")
        (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
        assert main(["run", str(tmp_path / "study.toml"), "--quiet"]) == 0
        output = capsys.readouterr().out
        assert "letters" in output
        assert "f1" in output
        assert main(["confirm", str(tmp_path / "study.db"), "--json"]) == 0
        values = json.loads(capsys.readouterr().out)
        assert {result["label"]: result["constraint"] for result in values["metrics"]} == {
            "letters": ">= 0.2",
            "f1": None,
            "tokens": "<= 4",
        }
        assert main(["run", str(tmp_path / "study.toml"), "--dry-run"]) == 0
        assert "on these samples" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('letters = ">=', 'leters = ">=', "got `leters`: metrics are letters, f1"),
            (">= 0.2", "~0.98", "`constraints` in [study] must be like { letters"),
            ("[metrics.f1]", "[metrics.score]", "must not be the name of an objective, got `score`"),
            ('name = "mine:letters"', "", '[metrics.letters] needs a name = "..."'),
            (
                '[metrics.f1]\nname = "token_f1"\ncolumn = "answer"',
                "[metrics]\nf1 = 3",
                "`f1` in [metrics] must be a table",
            ),
            ("constraints = {", 'constraints = "x"\n# {', "`constraints` in [study] must be a table, got 'x'"),
        ],
    )
    def test_bad_files(self, old: str, new: str, message: str, tmp_path: Path) -> None:
        text = STUDY.replace(old, new)
        assert text != STUDY
        with pytest.raises(ConfigurationError) as error:
            StudyFile.parse(text, name="x", directory=tmp_path)
        assert message in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def searched_together(url: str) -> optuna.Study:
    tuner = make_tuner(further_metrics={"letters": share_of_letters})
    arguments: dict[str, Any] = {"rungs": 4, "concurrency": 2, "lease_timeout_s": 2.0, "show_progress": False}
    space = SearchSpace(temperature=Float(0.3, 2.0), max_new_tokens=4)
    return tuner.search(space, n_trials=10, storage=url, constraints={"letters": ">= 0.3"}, **arguments)


@pytest.mark.full
def test_two_workers(server_url: str) -> None:
    context = multiprocessing.get_context("forkserver")
    worker = context.Process(target=searched_together, args=(server_url,))
    worker.start()
    study = searched_together(server_url)
    worker.join(300)
    assert worker.exitcode == 0
    store = CompletionStore(open_storage(server_url))
    assert len(study.trials) == 10
    for trial in study.trials:
        rows = store.load(study_key(study), trial.number)
        mean = sum(row.metric_scores["letters"] for row in rows) / len(rows)
        assert list(trial.constraints.values()) == [pytest.approx(0.3 - mean)]
        assert trial.user_attrs[f"{METRIC}letters"] == pytest.approx(mean)
