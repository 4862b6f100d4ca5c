"""The study of repetition control in `studies/`, on a tiny model in the place of the demo's."""

import json
from pathlib import Path

import pytest
from study_files import write_model_and_rows

from llmsearch_optuna.cli import main

STUDY = Path(__file__).parents[2] / "studies" / "repetition.toml"
SMALLER = {'name = "demo"': 'name = "model"', "_size = 48": "_size = 8", "rungs = 16": "rungs = 4"}


def test_it_is_searched_resumed_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_and_rows(tmp_path)
    text = STUDY.read_text(encoding="utf-8")
    for name, smaller in SMALLER.items():
        assert name in text
        text = text.replace(name, smaller)
    (tmp_path / "repetition.toml").write_text(text, encoding="utf-8")
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
