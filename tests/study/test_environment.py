"""A study tells with what it was begun, and says so when it goes on with something else."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import torch
import transformers
from tiny_models import tiny_model
from tiny_studies import everything, make_tuner, search

from llmsearch_optuna import __version__
from llmsearch_optuna.cli import main
from llmsearch_optuna.study.attributes import ENVIRONMENT
from llmsearch_optuna.study.environment import note_environment, study_environment

BEGUN = "was begun in another environment"


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def test_nothing_is_known_of_a_study_that_noted_nothing(study: optuna.Study) -> None:
    assert study_environment(study) == {}
    study.set_user_attr(ENVIRONMENT, "damaged")
    assert study_environment(study) == {}


def test_each_change_is_told_and_the_beginning_is_kept(study: optuna.Study, caplog: pytest.LogCaptureFixture) -> None:
    begun = {"torch": "2.13.0", "device": "cpu", "gone": "1"}
    for current in (begun, begun):
        note_environment(study, current)
    assert not caplog.records
    note_environment(study, {"torch": "2.14.0", "device": "cpu", "new": "2"})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{BEGUN} (torch 2.13.0 then, 2.14.0 now; gone 1 then, none now; new none then, 2 now)" in record.message
    assert record.message.endswith("new completions and scores may differ from those that it would have had there")
    assert study_environment(study) == begun


def test_a_search_notes_versions_and_hardware(device: torch.device) -> None:
    environment = study_environment(search(make_tuner(model=tiny_model(device=device)), None, 1))
    assert environment.pop("device") == (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu with {torch.backends.cpu.get_cpu_capability()} and {torch.get_num_threads()} threads"
    )
    assert environment == {
        "llmsearch_optuna": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def test_of_what_a_function_runs_on_nothing_is_known() -> None:
    tuner = make_tuner(model=None, custom_pred_function=lambda prompts, params: prompts)
    assert study_environment(search(tuner, None, 1)) == {"llmsearch_optuna": __version__}


@pytest.mark.full
def test_a_search_goes_on_elsewhere_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.db"
    for n_trials in (3, 4):
        search(make_tuner(), path, n_trials, concurrency=1)
    assert BEGUN not in caplog.text
    with closing(sqlite3.connect(path)) as connection, connection:
        statement = "UPDATE study_user_attributes SET value_json = ? WHERE key = ?"
        connection.execute(statement, (json.dumps({"torch": "1.13.1"}), ENVIRONMENT))
    whole = search(make_tuner(), tmp_path / "whole.db", 6, concurrency=1)
    resumed = search(make_tuner(), path, 6)
    assert everything(resumed, path) == everything(whole, tmp_path / "whole.db")
    assert f"torch 1.13.1 then, {torch.__version__} now" in caplog.text
    assert main(["export", str(path), "--to", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["environment"] == {"torch": "1.13.1"}
    assert main(["report", str(path), "-o", str(tmp_path / "report.html")]) == 0
    assert "The study was started with torch 1.13.1." in (tmp_path / "report.html").read_text()
