"""What a dashboard shows of a study is written as it goes on, once, and never at the search's expense."""

import io
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note
from tiers import partly_full
from tiny_studies import TIMINGS, everything, make_tuner, search

from llmsearch_optuna.dashboard.annotations import Annotations, CompletionArtifacts, artifact_directory
from llmsearch_optuna.dashboard.markdown import SIGNATURE
from llmsearch_optuna.storage import open_storage
from llmsearch_optuna.study.attributes import PRUNED_AT, REPLAYED, TOKENS_PER_S


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("searched") / "x.db"
    search(make_tuner(), path)
    return path


@pytest.fixture
def path(searched: Path, tmp_path: Path) -> Path:
    """A study of nine trials, two of which are baselines."""
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(searched)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    shutil.copytree(f"{searched}.artifacts", f"{copy}.artifacts")
    return copy


def load(path: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=open_storage(f"sqlite:///{path}"))


def notes(path: Path) -> list[str]:
    study = load(path)
    return [get_note(optuna.Trial(study, trial._trial_id)) for trial in study.trials]


def artifacts(path: Path) -> list[str]:
    """The file of each trial."""
    store = CompletionArtifacts(open_storage(f"sqlite:///{path}"), artifact_directory(f"sqlite:///{path}"))
    study = load(path)
    contents = []
    for trial in study.trials:
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        with store.open_reader(meta.artifact_id) as file:
            contents.append(file.read().decode())
        assert meta.filename == f"trial_{trial.number}_completions.jsonl"
    return contents


def annotate(path: Path) -> Annotations:
    return Annotations(load(path), open_storage(f"sqlite:///{path}"), artifact_directory(f"sqlite:///{path}"))


def execute(path: Path, statement: str) -> int:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).rowcount


@pytest.mark.full
def test_every_trial_has_a_note_and_its_completions(path: Path) -> None:
    for number, note in enumerate(notes(path)):
        assert note.startswith(f"## Trial {number}")
        assert note.endswith(SIGNATURE)
    for trial, lines in zip(load(path).trials, artifacts(path), strict=True):
        rows = [json.loads(line) for line in lines.splitlines()]
        assert len(rows) == trial.last_step
        assert all("\n" not in str(value) for row in rows for value in row.values())
        assert sum(row["score"] for row in rows) / len(rows) == pytest.approx(trial.value)
    assert len(list(Path(f"{path}.artifacts").iterdir())) == 9
    assert get_note(load(path)).startswith("## no verdict yet")


def test_trials_tell_speed_replay_and_where_they_were_pruned(path: Path) -> None:
    trials = load(path).trials
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        assert trial.user_attrs[TOKENS_PER_S] > 0.0
        assert 0.0 <= trial.user_attrs[REPLAYED] <= 1.0
        assert (trial.user_attrs.get(PRUNED_AT) == trial.last_step) == (trial.state == TrialState.PRUNED)
    assert max(trial.user_attrs[REPLAYED] for trial in trials) > 0.0


def test_the_share_that_is_replayed_is_that_of_the_engine(tmp_path: Path) -> None:
    tuner = make_tuner()
    study = search(tuner, tmp_path / "x.db", 4, concurrency=1)
    assert tuner.replay is not None
    # What a trial takes over from another, the engine never sees.
    generated = [trial for trial in study.trials if REPLAYED in trial.user_attrs]
    replayed = sum(
        trial.user_attrs[REPLAYED] * (trial.user_attrs["tokens"] - trial.user_attrs.get("reused_tokens", 0))
        for trial in generated
    )
    # What the engine has begun of further rungs counts there only.
    assert 0 < round(replayed) <= tuner.replay.replayed


@pytest.mark.parametrize(
    "cut",
    [
        "DELETE FROM study_system_attributes WHERE key LIKE 'dashboard:3:%'",
        "DELETE FROM study_system_attributes WHERE key LIKE 'dashboard:3:note_str:%'",
        "UPDATE study_system_attributes SET value_json = '\"## Tri\"' WHERE key LIKE 'dashboard:3:note_str:%'",
        "DELETE FROM study_system_attributes",
    ],
    ids=["before the note", "before its text", "within its text", "everything"],
)
def test_what_a_killed_search_did_not_write_is_written_when_it_goes_on(path: Path, cut: str) -> None:
    before, study_before = notes(path), get_note(load(path))
    assert execute(path, cut) > 0
    assert notes(path) != before
    search(make_tuner(), path)
    assert notes(path) == before
    assert get_note(load(path)) == study_before


class Killed(BaseException):
    pass


@pytest.mark.full
@pytest.mark.parametrize(
    "moment",
    partly_full(
        ["before_trial_ends", "within the file", "before_trial_ends, done", "trial_ended", "trial_ended, done"],
        fast=["within the file"],
    ),
)
def test_a_search_killed_around_a_note_ends_as_an_uninterrupted_one(
    searched: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.db"
    method, _, done = moment.partition(", ")
    original: Any = getattr(Annotations, method, None)
    write = CompletionArtifacts.write

    def die_around(self: Annotations, trial: Any, *arguments: Any) -> None:
        if done or trial.number != 4:
            original(self, trial, *arguments)
        if trial.number == 4:
            raise Killed

    def die_within(self: CompletionArtifacts, artifact_id: str, content: BinaryIO) -> None:
        write(self, artifact_id, io.BytesIO(content.read(10)))
        raise Killed

    with monkeypatch.context() as patch:
        if original is None:
            patch.setattr(CompletionArtifacts, "write", die_within)
        else:
            patch.setattr(Annotations, method, die_around)
        with pytest.raises(Killed):
            search(make_tuner(), path)
    study = search(make_tuner(), path)
    assert everything(study, path) == everything(load(searched), searched)
    assert notes(path) == notes(searched)
    assert artifacts(path) == artifacts(searched)
    assert len(list(Path(f"{path}.artifacts").iterdir())) == 9


def test_missing_files_are_made_from_the_database(path: Path) -> None:
    before = artifacts(path)
    shutil.rmtree(f"{path}.artifacts")
    assert artifacts(path) == before
    store = CompletionArtifacts(open_storage(f"sqlite:///{path}"), None)
    with pytest.raises(ArtifactNotFound):
        store.open_reader("12345")
    with pytest.raises(ArtifactNotFound):
        store.remove("12345")


def test_a_missing_file_of_another_program_is_not_found(path: Path) -> None:
    """Its study lies in the same database, but has no completions of ours."""
    storage = open_storage(f"sqlite:///{path}")
    study = optuna.create_study(study_name="foreign", storage=storage)
    study.add_trial(optuna.trial.create_trial(value=1.0, system_attrs={"artifacts:foreign": "{}"}))
    store = CompletionArtifacts(storage, artifact_directory(f"sqlite:///{path}"))
    with pytest.raises(ArtifactNotFound, match="another program"):
        store.open_reader("foreign")


def test_words_of_ones_own_stay(path: Path) -> None:
    study = load(path)
    trial = optuna.Trial(study, study.trials[2]._trial_id)
    save_note(trial, "mine")
    save_note(study, "mine, too")
    annotations = annotate(path)
    annotations.write_missing_notes()
    annotations.write_study_note()
    assert get_note(trial) == "mine"
    assert get_note(study) == "mine, too"


def test_words_on_a_trial_that_runs_stay(path: Path) -> None:
    execute(path, "DELETE FROM study_system_attributes WHERE key LIKE 'dashboard:2:%'")
    study = load(path)
    trial = optuna.Trial(study, study.trials[2]._trial_id)
    save_note(trial, "mine")  # the first version
    annotate(path).write_missing_notes()
    assert get_note(trial) == "mine"


def test_nothing_is_written_twice(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.execute("SELECT * FROM study_system_attributes"))
    annotations = annotate(path)
    annotations.write_missing_notes()
    annotations.write_study_note()
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.execute("SELECT * FROM study_system_attributes")) == before


def test_a_note_is_written_without_reading_all_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = notes(path)
    execute(path, "DELETE FROM study_system_attributes WHERE key LIKE 'dashboard:3:%'")
    study = load(path)
    annotations = annotate(path)

    def read_all(self: RDBStorage, study_id: int) -> dict[str, Any]:
        raise AssertionError("the attributes of a study hold the notes of all its trials")

    with monkeypatch.context() as patch:
        patch.setattr(RDBStorage, "get_study_system_attrs", read_all)
        annotations.trial_ended(study.trials[2], None, 0.0)
    assert notes(path) == before


@pytest.mark.full
def test_the_verdict_is_the_studys_note(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    tuner = make_tuner(holdout_size=4)
    study = search(tuner, path, 4)
    verdict = tuner.confirm(study, seeds=1, show_progress=False)
    first = get_note(load(path)).partition("\n")[0]
    assert first.replace("\\", "") == f"## {verdict.sentence}"
    search(tuner, path, 5)  # the finalists may be others now
    assert SIGNATURE in get_note(load(path))


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A database beside which there can be no artifacts."""
    path = tmp_path / "x.db"
    Path(f"{path}.artifacts").write_text("a file")
    return path


@pytest.mark.full
def test_a_note_that_fails_is_one_warning(unwritable: Path, caplog: pytest.LogCaptureFixture) -> None:
    study = search(make_tuner(), unwritable, 4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    messages = [message for message in warnings if "completions of trial" in message]
    assert len(messages) == 1
    assert messages[0].startswith("the completions of trial 0 are not attached to it: FileExistsError: ")
    assert all(note.endswith(SIGNATURE) for note in notes(unwritable))


@pytest.mark.full
def test_notes_do_not_change_what_is_found(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for event in ("before_trial_ends", "trial_ended"):
        monkeypatch.setattr(Annotations, event, lambda self, *arguments: None)
    path = tmp_path / "x.db"
    assert everything(search(make_tuner(), path), path) == everything(load(searched), searched)
    assert set(notes(path)) == {""}
    assert set(TIMINGS) <= set(load(path).trials[0].user_attrs)


def test_the_directory_is_beside_the_database() -> None:
    assert artifact_directory("sqlite:///studies/x.db") == Path("studies/x.db.artifacts")
    assert artifact_directory("postgresql+psycopg://host/x") is None
