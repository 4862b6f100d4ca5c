"""The database of a search, and its samples as they are stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from study_files import STUDY
from tiny_studies import everything, make_tuner, search

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, StorageError
from llmsearch_optuna.report import write_report
from llmsearch_optuna.search.session import stored_samples
from llmsearch_optuna.study_file.file import StudyFile


def sample(row: int, *, reference: Mapping[str, Any]) -> Sample:
    return Sample(row=row, prompt=f"prompt {row}", token_ids=(), reference=reference)


def test_stored_samples_hold_what_json_can() -> None:
    references: list[dict[str, Any]] = [
        {"answer": "x", "day": np.datetime64("2020-01-02"), "items": ["a"]},
        {"answer": None},
    ]
    stored = stored_samples([sample(row, reference=reference) for row, reference in enumerate(references)])
    assert [row.position for row in stored] == [0, 1]
    assert [row.prompt for row in stored] == ["prompt 0", "prompt 1"]
    assert {row.row: row.reference for row in stored} == {
        0: {"answer": "x", "day": "2020-01-02", "items": ["a"]},
        1: {"answer": None},
    }


def test_what_json_has_no_number_for_is_stored_as_text() -> None:
    rows = [sample(0, reference={"answer": float("nan")}), sample(1, reference={"answer": float("-inf")})]
    stored = stored_samples(rows)
    assert {row.row: row.reference["answer"] for row in stored} == {0: "NaN", 1: "-Infinity"}


@pytest.mark.full
def test_a_storage_may_be_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tuner = make_tuner(holdout_size=4)
    space = {"temperature": {"low": 0.3, "high": 2.0}, "max_new_tokens": 2}
    storages: tuple[str | Path, ...] = (tmp_path / "x.db", "x.db", f"sqlite:///{tmp_path / 'x.db'}")
    for trials, storage in enumerate(storages, start=1):
        study = tuner.search(space, n_trials=trials, rungs=12, storage=storage, show_progress=False)
        assert len(study.trials) == trials
    assert [path.name for path in tmp_path.glob("*.db")] == ["x.db"]
    tuner._searched.clear()
    assert tuner.confirm(study, seeds=1, storage=Path("x.db"), show_progress=False).samples == 4
    write_report(study, Path("x.db"), "page.html")
    assert "<!doctype html>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        (".", ". is a directory: name a file in it, for example study.db"),
        (Path(), ". is a directory: name a file in it, for example study.db"),
        ("sqlite:///new/", "new/ is a directory: name a file in it, for example new/study.db"),
        ("", "`storage` must be the path of an SQLite file or an SQLAlchemy URL, got ''"),
        (3, "`storage` must be the path of an SQLite file or an SQLAlchemy URL, got 3"),
    ],
)
def test_what_is_no_storage_is_refused(storage: Any, message: str) -> None:
    tuner = make_tuner()
    with pytest.raises(LlmsearchError) as refusal:
        tuner.search({"max_new_tokens": 2}, storage=storage)
    assert str(refusal.value) == message
    with pytest.raises(ConfigurationError, match="`study_name` must be a string, got 3"):
        tuner.search({"max_new_tokens": 2}, study_name=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["renamed", None])
def test_a_study_that_is_renamed_or_deleted_during_its_search_ends_it_in_one_line(
    name: str | None, tmp_path: Path
) -> None:
    tuner, path, arguments = make_tuner(), tmp_path / "x.db", {"concurrency": 2}
    searched = f"sqlite:///{path}"

    def rename(event: dict[str, Any]) -> None:
        """Do as optuna-dashboard does."""
        if event["event"] != "rung" or name in optuna.get_all_study_names(searched):
            return
        study = optuna.load_study(study_name="llmsearch", storage=searched)
        if name is not None:
            renamed = optuna.create_study(study_name=name, storage=searched, directions=study.directions)
            renamed.add_trials(study.get_trials(deepcopy=False))
            for key, value in study.user_attrs.items():
                renamed.set_user_attr(key, value)
        optuna.delete_study(study_name="llmsearch", storage=searched)

    with pytest.raises(StorageError) as refusal:
        search(tuner, path, 4, on_event=rename, **arguments)
    if name is None:
        assert str(refusal.value) == "study `llmsearch` was deleted while it was in use"
        return
    assert str(refusal.value) == (
        "study `llmsearch` was renamed to `renamed` while it was in use: run it again under this name"
    )
    resumed = search(tuner, path, 4, study_name=name, **arguments)
    whole = search(tuner, tmp_path / "whole.db", 4, **arguments)
    assert everything(resumed, path) == everything(whole, tmp_path / "whole.db")


def test_a_study_file_whose_storage_is_a_directory_is_refused(tmp_path: Path) -> None:
    text = STUDY.format(trials=4).replace("[study]", '[study]\nstorage = "."')
    with pytest.raises(StorageError, match="is a directory: name a file in it, for example "):
        StudyFile.parse(text, name="x", directory=tmp_path)
