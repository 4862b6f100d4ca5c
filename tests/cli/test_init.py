"""``init``: study files of data files that nobody has described."""

import csv
import json
from pathlib import Path

import pytest
from study_files import write_model_and_rows

from llmsearch_optuna.cli import main
from llmsearch_optuna.study_file.file import StudyFile


def test_from_a_data_file_to_an_export_in_five_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a tiny model, and a file with spaces, quotes and braces in its columns."""
    write_model_and_rows(tmp_path)
    with (tmp_path / "my data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["nr_id", "instruction", "output"])
        rows = [[n, f'Say "{n}" {{twice}}, {"again " * (n % 3)}', f"{n} {n} of them"] for n in range(24)]
        writer.writerows([*rows, rows[0], rows[1]])
    study = tmp_path / "x.toml"
    model = str(tmp_path / "model")
    assert main(["init", str(tmp_path / "my data.csv"), model, "-o", str(study)]) == 0
    assert capsys.readouterr().out == (
        f"{study} is written: read it, say in `messages` how to answer, and go on with\n"
        f"  llmsearch-optuna run {study} --dry-run\n"
    )
    assert main(["init", str(tmp_path / "my data.csv"), model, "-o", str(study)]) == 1
    assert f"{study} exists: move it away" in capsys.readouterr().err
    tiny = ["--set", "space.max_new_tokens=4"]
    assert main(["run", str(study), "--dry-run", *tiny]) == 0
    assert main(["run", str(study), "--trials", "4", "--quiet", *tiny]) == 0
    assert main(["report", str(tmp_path / "x.db"), "-o", str(tmp_path / "x.html")]) == 0
    capsys.readouterr()
    assert main(["export", str(tmp_path / "x.db"), "--to", "vllm"]) == 0
    assert json.loads(capsys.readouterr().out)["sampling_params"]["max_tokens"] == 4


def test_paths_are_those_that_the_study_file_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n' * 3)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "studies").mkdir()
    assert main(["init", "rows.jsonl", "models/tiny", "-o", "studies/x.toml"]) == 0
    file = StudyFile.load(tmp_path / "studies" / "x.toml")
    assert file.data.path == "../rows.jsonl"
    assert file.model is not None
    assert file.model.name == "../models/tiny"
