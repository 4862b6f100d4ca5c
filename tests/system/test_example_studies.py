"""Study files in `studies/`, on a tiny model in place of the demo's, or a fake server in place of a real one."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from fake_server import FakeServer
from study_files import write_model_and_rows

from llmsearch_optuna.cli import main

STUDIES = Path(__file__).parents[2] / "studies"
TINY = {'name = "demo"': 'name = "model"'}


def write_smaller(name: str, directory: Path, changes: Mapping[str, str]) -> str:
    """Write a study file with changes, and return its text."""
    text = (STUDIES / name).read_text(encoding="utf-8")
    for part, other in changes.items():
        assert part in text
        text = text.replace(part, other)
    (directory / name).write_text(text, encoding="utf-8")
    return text


def test_repetition_is_searched_resumed_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_and_rows(tmp_path)
    text = write_smaller("repetition.toml", tmp_path, {**TINY, "_size = 48": "_size = 8", "rungs = 16": "rungs = 4"})
    for trials in ("4", "7"):
        assert main(["run", str(tmp_path / "repetition.toml"), "--trials", trials, "--quiet"]) == 0
    database = str(tmp_path / "repetition.db")
    capsys.readouterr()
    assert main(["export", database, "--trial", "3", "--to", "json"]) == 0
    params = json.loads(capsys.readouterr().out)["llmsearch_optuna"]["params"]
    assert params["dry_sequence_breakers"] == ["\n", ","]
    (tmp_path / "repetition.toml").write_text(text.replace('["\\n", ","]', '["\\n"]'), encoding="utf-8")
    assert main(["run", str(tmp_path / "repetition.toml"), "--trials", "8", "--quiet"]) == 1
    assert "dry_sequence_breakers" in capsys.readouterr().err
    for command in ("best", "report", "fsck"):
        assert main([command, database]) == 0


def test_votes_are_searched_to_a_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_and_rows(tmp_path)
    shutil.copytree(STUDIES / "landscapes", tmp_path / "landscapes")
    sizes = {"search_size = 64": "search_size = 8", "holdout_size = 128": "holdout_size = 8"}
    write_smaller("votes.toml", tmp_path, {**TINY, **sizes, "max_new_tokens = 32": "max_new_tokens = 4"})
    assert main(["run", str(tmp_path / "votes.toml"), "--trials", "6", "--quiet"]) == 0
    assert "majority of numeric" in capsys.readouterr().out


def test_reasoning_is_searched_on_a_server(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(STUDIES / "landscapes", tmp_path / "landscapes")
    sizes = {"search_size = 64": "search_size = 8", "holdout_size = 128": "holdout_size = 8"}
    write_smaller("reasoning.toml", tmp_path, {"http://localhost:8000/v1": server.base_url, **sizes})
    assert main(["run", str(tmp_path / "reasoning.toml"), "--trials", "6", "--quiet"]) == 0
    assert "verdict: " in capsys.readouterr().out
    assert {json.dumps(request.get("chat_template_kwargs")) for request in server.requests} >= {
        '{"enable_thinking": true}',
        '{"enable_thinking": false}',
    }
