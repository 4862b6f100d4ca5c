"""Full disks, damaged files, and databases of others: one clear line, and nothing is damaged."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
import version_1
from hand_made_studies import refused
from study_files import STUDY, write_model_and_rows
from tiny_studies import everything

from llmsearch_optuna import Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.storage.schema import VERSION
from llmsearch_optuna.study.study import open_study


@pytest.fixture(scope="module")
def tuner() -> Tuner:
    return version_1.make_tuner()


@pytest.fixture(scope="module")
def searched(tuner: Tuner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study, its log put into the file."""
    path = tmp_path_factory.mktemp("searched") / "x.db"
    version_1.search(tuner, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def path(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(searched, tmp_path / "x.db"))


def stored(path: Path) -> list[Any]:
    return everything(open_study(f"sqlite:///{path}")[0], path)


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


# Full disks.


@contextmanager
def room_for(pages: int) -> Iterator[None]:
    """Limit the database to this number of pages, as a full disk does."""

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.Engine, "connect", limit)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", limit)


@pytest.mark.full
def test_a_full_disk_stops_a_search_that_goes_on_when_there_is_room(
    tuner: Tuner, searched: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(searched)) as connection:
        (needed,) = connection.execute("PRAGMA page_count").fetchone()
    stopped: set[tuple[object, ...]] = set()
    for pages in (2, 10, *range(20, needed)):
        with room_for(pages):
            caplog.clear()
            message = None
            try:
                version_1.search(tuner, path)
            except StorageError as error:
                message = str(error)
        if message is None:  # a note does not end a search
            assert any(sign in caplog.text for sign in ("is not written", "are not written"))
        else:
            assert message == (
                f"database sqlite:///{path} cannot be used: database or disk is full: make room, and run the same "
                "command again: it resumes where it stopped"
            )
        assert integrity(path) == "ok"
        findings = check_database(f"sqlite:///{path}")
        if findings.studies:
            assert findings.whole
        stopped.update((study.completions, *study.trials.items()) for study in findings.studies)
    assert len(stopped) > 2  # in several places
    version_1.search(tuner, path)
    assert stored(path) == stored(searched)


LIMITED = """
import resource, sys
from llmsearch_optuna.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.full
def test_a_file_that_may_not_grow_stops_the_command_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model_and_rows(tmp_path)
    text = (
        STUDY.format(trials=6).replace("search_size = 8", "").replace("[space]", '[sampler]\nname = "random"\n[space]')
    )
    for name in ("cut", "whole"):
        (tmp_path / f"{name}.toml").write_text(text)
    command = ["run", str(tmp_path / "cut.toml"), "--quiet"]
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, "200000", *command],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert limited.returncode == 1
    errors = [line for line in limited.stderr.splitlines() if "error" in line.lower() or "cannot be used" in line]
    assert len(errors) == 1, limited.stderr
    assert errors[0] == limited.stderr.splitlines()[-1]
    assert re.fullmatch(
        r"llmsearch-optuna: database sqlite:///.*cut\.db cannot be used: disk I/O error: check that the disk works "
        r"and has room, and run the same command again: it resumes where it stopped",
        errors[0],
    )
    assert integrity(tmp_path / "cut.db") == "ok"
    assert check_database(f"sqlite:///{tmp_path}/cut.db").whole
    assert main(command) == main(["run", str(tmp_path / "whole.toml"), "--quiet"]) == 0
    assert stored(tmp_path / "cut.db") == stored(tmp_path / "whole.db")


# Damaged files.


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\x55" * 16
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, overwritten])
@pytest.mark.parametrize("command", ["best", "show", "fsck"])
def test_a_damaged_file_is_refused_in_one_line_and_left_as_it_is(
    damage: Callable[[Path], None], command: str, path: Path, tuner: Tuner, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(path)
    before = path.read_bytes()
    assert main([command, str(path)]) == 1
    captured = capsys.readouterr()
    if command == "fsck":
        assert "database disk image is malformed" in captured.out
    else:
        assert captured.err == (
            f"llmsearch-optuna: database sqlite:///{path} cannot be used: database disk image is malformed: "
            "`llmsearch-optuna fsck` lists what is intact\n"
        )
        assert "malformed" in refused(StorageError, lambda: version_1.search(tuner, path, 20))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'round'", "what is stored is damaged (Expect"),
        ("UPDATE study_user_attributes SET value_json = '{'", "what is stored is damaged (Expecting property name"),
        ("UPDATE trial_params SET distribution_json = '{'", "what is stored is damaged (Expecting property name"),
        ("UPDATE trials SET state = 'COMPLETX' WHERE number = 1", "`llmsearch` is damaged ('COMPLETX' is not among"),
        ("UPDATE trials SET datetime_start = 'x' WHERE number = 1", "`llmsearch` is damaged ("),
        ("UPDATE trial_user_attributes SET value_json = CAST(x'22ff22' AS TEXT)", "Could not decode to UTF-8"),
    ],
)
def test_damaged_values_are_refused_in_one_line(statement: str, reason: str, path: Path, tuner: Tuner) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    assert main(["best", str(path)]) == 1
    assert reason in refused(StorageError, lambda: version_1.search(tuner, path, 20))


def test_damaged_completions_are_refused_in_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE llmsearch_completions SET text = '\"' WHERE position = 3")
        connection.commit()
    assert main(["show", str(path)]) == 1
    assert "what is stored is damaged (Unterminated string" in capsys.readouterr().err


# Databases that are not ours, or not for this version.


def table_of_another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (name)")


def studies_of_another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE studies (school)")


def newer_schema(path: Path) -> None:
    newer(path, "UPDATE llmsearch_schema SET version = 99")


def newer_optuna(path: Path) -> None:
    newer(path, "UPDATE alembic_version SET version_num = 'v99.0.0.a'")


def newer(path: Path, statement: str) -> None:
    storage = open_storage(f"sqlite:///{path}")
    optuna.create_study(storage=storage, study_name="s")
    CompletionStore(storage)
    storage.remove_session()
    storage.engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA journal_mode = DELETE")


@pytest.mark.parametrize(
    ("make", "reading", "searching"),
    [
        (table_of_another, "holds no study", "holds tables of another program (accounts): use another storage"),
        (studies_of_another, "holds no study", "holds tables of another program (studies): use another storage"),
        (
            newer_schema,
            *[f"was written by a newer llmsearch_optuna (schema 99, this one supports {VERSION}): upgrade the"] * 2,
        ),
        (newer_optuna, *["Please try updating optuna to the latest version"] * 2),
    ],
)
def test_databases_of_others_are_left_as_they_are(
    make: Callable[[Path], None],
    reading: str,
    searching: str,
    tuner: Tuner,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = path.read_bytes()
    for command in ("best", "show", "confirm"):
        assert main([command, str(path)]) == 1
        assert reading in capsys.readouterr().err
    assert searching in refused(StorageError, lambda: version_1.search(tuner, path))
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.db", "x.db.lock"]


def test_a_study_of_plain_optuna_is_left_as_it_is(
    tuner: Tuner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="llmsearch", direction="maximize")
    study.add_trial(optuna.create_trial(value=0.5))
    before = path.read_bytes()
    assert main(["best", str(path)]) == 1
    assert "study `llmsearch` was not made by llmsearch_optuna" in capsys.readouterr().err
    assert path.read_bytes() == before
    message = refused(StorageError, lambda: version_1.search(tuner, path))
    assert message == "study `llmsearch` was not made by llmsearch_optuna: use another study_name"
    assert [trial.value for trial in study.get_trials()] == [0.5]


def test_reading_writes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # as a copy may be
    before = path.read_bytes()
    for command in ("best", "show", "fsck"):
        assert main([command, str(path)]) == 0
    assert path.read_bytes() == before
