"""A search that is tracked: in memory, and in MLflow where it is installed."""

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from interruptions import interrupted
from study_files import STUDY, write_model_and_rows
from tiny_studies import SPACE, everything, make_tuner, search
from tracked_runs import MemoryTracker, Run, mlflow_runs

from llmsearch_optuna import Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search import tracking
from llmsearch_optuna.study.attributes import TRACK
from llmsearch_optuna.tracking.options import TrackOptions

has_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs mlflow-skinny")
in_mlflow = [has_mlflow, pytest.mark.full, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ROOT = Path(__file__).parents[2]


class Service:
    """A tracking service under test."""

    def __init__(self, track: dict[str, Any], read: Callable[[], list[Run]]) -> None:
        self.track, self.read = track, read

    def search(self, path: Path, n_trials: int = 5, tuner: Tuner | None = None, **options: Any) -> optuna.Study:
        return search(tuner or make_tuner(holdout_size=6), path, n_trials, track=self.track, **options)

    def runs(self) -> dict[str, Run]:
        runs = self.read()
        assert len({run.name for run in runs}) == len(runs), "no trial has two runs"
        return {run.name: run for run in runs}


def in_memory(monkeypatch: pytest.MonkeyPatch, tracker: MemoryTracker) -> Service:
    """Put a service in memory in the place of MLflow."""
    monkeypatch.setattr(tracking, "_TRACKERS", {"mlflow": tracker})
    monkeypatch.setattr(TrackOptions, "check_installed", lambda self: None)
    return Service({"to": "mlflow"}, lambda: list(tracker.runs.values()))


@pytest.fixture(params=["memory", pytest.param("mlflow", marks=in_mlflow)])
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    if request.param == "memory":
        return in_memory(monkeypatch, MemoryTracker())
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Service({"to": "mlflow", "uri": uri}, lambda: mlflow_runs(uri))


def check_runs(runs: dict[str, Run], study: optuna.Study) -> None:
    """Each trial is one run with all its steps, each once."""
    parent = runs.pop("llmsearch")
    assert parent.parent is None
    assert len(runs) == len(study.trials)
    for trial in study.trials:
        baseline = trial.user_attrs.get("baseline")
        run = runs[f"trial {trial.number}" + (f" [{baseline}]" if baseline else "")]
        assert run.steps["score"] == sorted(trial.intermediate_values.items())
        assert run.steps["tokens"][-1][1] == trial.user_attrs["tokens"]
        assert {step for step, _ in run.steps["tokens"]} <= set(trial.intermediate_values)
        assert run.texts["state"] == trial.state.name.lower()
        assert run.status == "FINISHED"
        assert all(run.params[name] == str(trial.params[name]) for name in trial.params)


def test_a_trial_is_a_run_and_the_verdict_is_on_the_study(service: Service, tmp_path: Path) -> None:
    tuner = make_tuner(holdout_size=6)
    study = service.search(tmp_path / "x.db", 6, tuner)
    runs = service.runs()
    parent = runs["llmsearch"]
    assert parent.params["sampler"] == "tpe"
    assert parent.params["metric"].startswith("tiny_studies.scorer")
    assert parent.params["splits"] == '{"holdout": 6, "search": 10}'
    assert parent.latest("best_score") == study.best_value
    assert "verdict" not in parent.texts
    check_runs(runs, study)
    for _ in range(2):
        verdict = tuner.confirm(study, seeds=1, show_progress=False)
    runs = service.runs()
    assert runs["llmsearch"].texts["verdict"] == verdict.sentence
    assert {name: runs["llmsearch"].latest(name) for name in verdict.figures} == pytest.approx(verdict.figures)
    assert len(runs["llmsearch"].steps["verdict_score"]) == 1
    assert runs["llmsearch"].status == "FINISHED"
    check_runs(runs, study)


def test_tracking_changes_no_result(service: Service, tmp_path: Path) -> None:
    paths = [tmp_path / "tracked.db", tmp_path / "plain.db"]
    tracked = service.search(paths[0])
    plain = search(make_tuner(holdout_size=6), paths[1], 5)
    assert everything(tracked, paths[0]) == everything(plain, paths[1])
    assert tracked.user_attrs[TRACK]["to"] == "mlflow"
    assert TRACK not in plain.user_attrs


@pytest.mark.parametrize("passes", [1, 2])
def test_an_interrupted_search_continues_its_runs(service: Service, tmp_path: Path, passes: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        service.search(tmp_path / "x.db", tuner=interrupted(make_tuner(holdout_size=6), passes))
    before = service.runs()
    assert before["llmsearch"].status == "RUNNING"
    study = service.search(tmp_path / "x.db")
    check_runs(service.runs(), study)
    study = service.search(tmp_path / "x.db", 7)
    check_runs(service.runs(), study)


def test_what_was_searched_without_tracking_is_added(service: Service, tmp_path: Path) -> None:
    search(make_tuner(holdout_size=6), tmp_path / "x.db", 3)
    with pytest.raises(KeyboardInterrupt):
        search(interrupted(make_tuner(holdout_size=6), 1), tmp_path / "x.db", 5)
    study = service.search(tmp_path / "x.db")
    check_runs(service.runs(), study)


@pytest.mark.parametrize("call", [5, 11, 19])
def test_a_process_killed_between_the_study_and_its_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: int
) -> None:
    """The end of a trial is stored before its run is told."""
    tracker = MemoryTracker(fails_at=call, error=KeyboardInterrupt)
    service = in_memory(monkeypatch, tracker)
    with suppress(KeyboardInterrupt):
        service.search(tmp_path / "x.db")
    tracker.fails_at = None
    study = service.search(tmp_path / "x.db")
    check_runs(service.runs(), study)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # threads undo each other's filters
def test_workers_share_the_run_of_the_study(service: Service, server_url: str) -> None:
    tuners = [make_tuner(holdout_size=6) for _ in range(2)]
    options: dict[str, Any] = {"rungs": 4, "show_progress": False, "concurrency": 1, "track": service.track}

    def work(tuner: Tuner) -> optuna.Study:
        return tuner.search(SPACE, n_trials=8, storage=server_url, **options)

    with ThreadPoolExecutor(len(tuners)) as pool:
        study, _ = pool.map(work, tuners)
    check_runs(service.runs(), study)


class TestUnreachable:
    @pytest.mark.parametrize("call", [1, 2, 12])
    def test_the_first_error_is_told_and_the_search_goes_on(
        self, call: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        tracker = MemoryTracker(fails_at=call)
        paths = [tmp_path / "tracked.db", tmp_path / "plain.db"]
        tracked = in_memory(monkeypatch, tracker).search(paths[0])
        assert tracker.calls == call, "nothing more is sent"
        warnings = [record.getMessage() for record in caplog.records if "tracking" in record.getMessage()]
        assert warnings == ["tracking in mlflow ends, and all else goes on: OSError: the server is gone"]
        plain = search(make_tuner(holdout_size=6), paths[1], 5)
        assert everything(tracked, paths[0]) == everything(plain, paths[1])
        tracker.fails_at = None
        service = in_memory(monkeypatch, tracker)
        study = service.search(paths[0])
        check_runs(service.runs(), study)

    @has_mlflow
    @pytest.mark.full
    @pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/x/mlflow.db", "nonsense://x"])
    def test_a_refused_port_or_an_unwritable_file(
        self, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        tuner = make_tuner(holdout_size=6)
        study = search(tuner, tmp_path / "x.db", 3, track={"to": "mlflow", "uri": uri})
        assert len(study.trials) == 3
        assert caplog.text.count("tracking in mlflow ends") == 1
        assert tuner.confirm(study, seeds=1, show_progress=False).sentence


class TestBadInput:
    @pytest.mark.parametrize(
        ("track", "message"),
        [
            ("mlflow", "`track` must be a dict, got 'mlflow'"),
            ({}, "`track` needs the key to, the name of a service"),
            ({"to": "mlfow"}, "unknown tracking service `mlfow`: did you mean `mlflow`?"),
            ({"to": "mlflow", "url": "x"}, "unknown key in `track` `url`: did you mean `uri`?"),
            ({"to": "mlflow", "project": ""}, "`project` must be a non-empty string, got ''"),
            ({"to": "mlflow", "uri": 3}, "`uri` must be a non-empty string, got 3"),
        ],
    )
    def test_one_line_says_what_to_change(self, track: Any, message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            search(make_tuner(), None, 2, track=track)
        assert str(caught.value) == message

    @pytest.mark.parametrize("uri", ["http://me:secret@host:5000", "postgresql://me:secret@host/mlflow"])
    def test_a_password_would_be_stored(self, uri: str) -> None:
        with pytest.raises(ConfigurationError, match=r"`uri` must have no password, got .*\*\*\*@host") as caught:
            TrackOptions(to="mlflow", uri=uri)
        assert "secret" not in str(caught.value)

    def test_a_missing_package_is_told_before_the_search(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        message = "tracking in wandb needs the package wandb: pip install 'llmsearch_optuna[wandb]'"
        with pytest.raises(ConfigurationError) as caught:
            search(make_tuner(), tmp_path / "x.db", 2, track={"to": "wandb"})
        assert str(caught.value) == message
        assert not (tmp_path / "x.db").exists()
        file = tmp_path / "study.toml"
        file.write_text(STUDY.format(trials=2) + '[track]\nto = "wandb"\n', encoding="utf-8")
        assert main(["run", str(file)]) == 1  # without the model, which is not there
        assert capsys.readouterr().err == f"llmsearch-optuna: {message}\n"


@pytest.mark.full
@has_mlflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_command_continues_its_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    write_model_and_rows(tmp_path)
    file = tmp_path / "study.toml"
    options = f'name = "llmsearch"\n\n[track]\nto = "mlflow"\nuri = "{uri}"\n\n[model]'
    file.write_text(STUDY.format(trials=24).replace("\n[model]", options, 1), encoding="utf-8")
    command = [sys.executable, "-c", "from llmsearch_optuna.cli import main; main()", "run", str(file), "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    for number in (2, 5):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not _has_run(tmp_path / "mlflow.db", f"trial {number}"):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0
    study = optuna.load_study(study_name="llmsearch", storage=f"sqlite:///{tmp_path / 'study.db'}")
    runs = {run.name: run for run in mlflow_runs(uri)}
    assert len(runs) == len(study.trials) + 1
    check_runs(runs, study)


def _has_run(database: Path, name: str) -> bool:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as file:
        return bool(file.execute("SELECT 1 FROM runs WHERE name = ?", (name,)).fetchall())
    return False  # it is being made
