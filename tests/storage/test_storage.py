import contextlib
import dataclasses
import functools
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hand_made_studies
import optuna
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interruptions import WriteCounter
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.storage import (
    CompletionOutline,
    CompletionStore,
    HeldOutCompletion,
    StoredCompletion,
    StoredSample,
    TokenCounts,
    exclusive_use,
    open_storage,
    readable_errors,
    shown_place,
    shown_url,
    sqlite_url,
    without_passwords,
)
from llmsearch_optuna.storage.schema import VERSION

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def store() -> Iterator[CompletionStore]:
    """One in memory for all tests that need no file; they use their own study keys."""
    storage = open_storage(None)
    yield CompletionStore(storage)
    storage.engine.dispose()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompletionStore, CompletionStore]:
    """One file opened twice."""
    url = f"sqlite:///{tmp_path_factory.mktemp('stores')}/x.db"
    return CompletionStore(open_storage(url)), CompletionStore(open_storage(url))


KEYS = itertools.count()


def completion(position: int = 0, **changes: Any) -> StoredCompletion:
    plain = StoredCompletion(position=position, row=7, text="text", token_ids=(1, 2), finish_reason="eos", score=0.5)
    return dataclasses.replace(plain, **changes)


refused = functools.partial(hand_made_studies.refused, StorageError)


# Round trips.


@pytest.mark.parametrize(
    "text",
    ["", "a\x00b\x00", "\ud800 lone \udfff", "line\r\nline\u2028\x85", "é\U0001f600", "\"\\ '", "x" * 2**20],
    ids=["empty", "NUL", "surrogates", "lines", "unicode", "quotes", "megabyte"],
)
def test_any_text_survives_a_file(text: str, stores: tuple[CompletionStore, CompletionStore]) -> None:
    writer, reader = stores
    key = f"text {next(KEYS)}"
    reference = {"answer": text, text: ["nested", {"deep": None}], "number": 0.1, "yes": True}
    samples = [StoredSample(position=0, row=3, prompt=text, reference=reference)]
    writer.append(key, 0, [completion(text=text)])
    writer.save_samples(key, samples)
    assert reader.load(key, 0) == [completion(text=text)]
    assert reader.load_samples(key) == samples


completions = st.builds(
    StoredCompletion,
    position=st.integers(0, 2**31 - 1),
    row=st.integers(0, 2**31 - 1),
    text=st.text(),
    token_ids=st.lists(st.integers(0, 2**31)).map(tuple),
    finish_reason=st.sampled_from(["eos", "stop", "length"]),
    score=st.none() | st.floats(allow_nan=False),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(completions, max_size=4, unique_by=lambda row: row.position))
def test_completions_come_back_by_position(store: CompletionStore, rows: list[StoredCompletion]) -> None:
    key = f"law {next(KEYS)}"
    for index, row in enumerate(rows):
        store.append(key, 3, [row])
        assert len(store.load(key, 3)) == index + 1
    assert store.load(key, 3) == sorted(rows, key=lambda row: row.position)
    assert store.load(key, 2) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(completions, max_size=4, unique_by=lambda row: row.position), st.integers(0, 2**32 - 1))
def test_held_out_completions_come_back_by_position(
    store: CompletionStore, rows: list[StoredCompletion], seed: int
) -> None:
    key = f"held out {next(KEYS)}"
    store.append_held_out(key, [HeldOutCompletion("best", seed, row) for row in rows])
    assert store.load_held_out(key, "best", seed) == sorted(rows, key=lambda row: row.position)
    assert store.load_held_out(key, "best", seed ^ 1) == store.load_held_out(key, "other", seed) == []
    assert store.load(key, 0) == []


def test_held_out_completions_are_scored_afterwards(store: CompletionStore) -> None:
    bare = [completion(position, score=None) for position in range(3)]
    groups = [("held", "best", 1), ("held", "best", 2), ("held", "other", 1), ("another", "best", 1)]
    for key, finalist, seed in groups:
        store.append_held_out(key, [HeldOutCompletion(finalist, seed, stored) for stored in bare])
    store.score_held_out("held", "best", 1, [0.5, 0.25, 0.125])
    assert [stored.score for stored in store.load_held_out("held", "best", 1)] == [0.5, 0.25, 0.125]
    metrics = [{"json valid": 1.0, "b": 0.1 * position} for position in range(3)]
    store.store_held_out_metrics("held", "best", 1, metrics)
    scored = store.load_held_out("held", "best", 1)
    assert [stored.metric_scores for stored in scored] == metrics
    assert [stored.score for stored in scored] == [0.5, 0.25, 0.125]
    for group in groups[1:]:
        assert store.load_held_out(*group) == bare


def test_studies_and_trials_are_kept_apart(store: CompletionStore) -> None:
    for key, number in (("one", 0), ("one", 1), ("other", 0)):
        store.append(key, number, [completion(text=f"{key} {number}")])
    assert [stored.text for stored in store.load("one", 1)] == ["one 1"]
    assert [stored.text for stored in store.load("other", 0)] == ["other 0"]


def test_a_rung_is_stored_once_and_whole(store: CompletionStore) -> None:
    store.append("rung", 0, [completion(0)])
    message = refused(lambda: store.append("rung", 0, [completion(1), completion(0)]))
    assert message.startswith("database sqlite:// cannot be used: UNIQUE constraint failed")
    assert store.load("rung", 0) == [completion(0)]


def test_an_empty_rung_stores_nothing(store: CompletionStore) -> None:
    store.append("empty", 0, [])
    store.save_samples("empty", [])
    assert store.load("empty", 0) == []
    assert store.load_samples("empty") == []


def test_scores_and_tokens_are_read_without_the_texts(store: CompletionStore) -> None:
    counts = {"thinking_token_count": 1, "prompt_token_count": 3}
    rows = [completion(position, score=position / 4, **counts) for position in (2, 0, 1)]
    study, other = (f"scores {next(KEYS)}" for _ in range(2))
    store.append(study, 0, rows)
    store.append(study, 1, [completion(score=None, token_ids=(1, 2, 3), **counts)])
    store.append(other, 0, rows)
    assert store.load_scores(study, 0) == [0.0, 0.25, 0.5]
    assert store.load_scores(study, 1) == [None]
    assert store.load_scores(study, 2) == []
    assert store.count_tokens(study) == {0: TokenCounts(6, 3, 9), 1: TokenCounts(3, 1, 3)}
    assert store.count_tokens(other) == {0: TokenCounts(6, 3, 9)}
    assert store.count_tokens("none") == {}


def test_outlines_are_read_without_the_texts(store: CompletionStore) -> None:
    rows = [
        completion(position, token_ids=(1,) * position, score=position / 4, prompt_token_count=5)
        for position in (2, 0, 1)
    ]
    store.append("a", 0, rows)
    store.append("a", 3, [completion(0, score=None, finish_reason="length")])
    store.append("b", 0, [completion(0)])
    store.append_held_out("a", [HeldOutCompletion("f", 7, row) for row in rows])
    outlines = [CompletionOutline(position, position / 4, position, "eos", 0, 5) for position in (0, 1, 2)]
    last = completion(0)
    assert store.load_outlines("a") == {0: outlines, 3: [CompletionOutline(0, None, len(last.token_ids), "length")]}
    assert store.load_held_out_outlines("a") == {("f", 7): outlines}
    assert store.load_outlines("c") == {}


def test_samples_are_kept_as_first_saved(store: CompletionStore) -> None:
    first = [StoredSample(position=position, row=9 - position, prompt="p", reference={}) for position in (1, 0)]
    store.save_samples("samples", first)
    store.save_samples("samples", [StoredSample(position=0, row=1, prompt="q", reference={})])
    assert store.load_samples("samples") == first[::-1]
    assert store.load_samples("none") == []


# Opening.


def test_a_database_is_made_with_its_folders_and_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.db"
    storage = open_storage(f"sqlite:///{path}")
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1  # NORMAL
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000
    assert path.is_file()


@pytest.mark.full
def test_a_process_that_is_killed_while_it_makes_the_tables_leaves_out_none(tmp_path: Path) -> None:
    """Optuna by itself would go on without the indexes of the tables that it finds."""

    def schema(path: Path) -> list[str]:
        CompletionStore(open_storage(f"sqlite:///{path}"))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return list(connection.iterdump())

    with WriteCounter(statements=("CREATE",)) as creations:
        whole = schema(tmp_path / "whole.db")
    assert creations.writes > 15
    for place in range(1, creations.writes + 1):
        path = tmp_path / f"{place}.db"
        with WriteCounter(place, ("CREATE",)), pytest.raises(KeyboardInterrupt):
            schema(path)
        assert schema(path) == whole


@pytest.mark.parametrize("url", [None, "sqlite://", "sqlite:///:memory:"])
def test_in_memory(url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with exclusive_use(url), exclusive_use(url):
        storage = open_storage(url)
        store = CompletionStore(storage)
        store.append("key", 0, [completion()])
        assert store.load("key", 0) == [completion()]
        optuna.create_study(storage=storage, study_name="s")
        assert [study.study_name for study in storage.get_all_studies()] == ["s"]
    assert list(tmp_path.iterdir()) == []


def test_in_memory_databases_serve_all_threads() -> None:
    store = CompletionStore(open_storage(None))
    thread = threading.Thread(target=store.append, args=("key", 0, [completion()]))
    thread.start()
    thread.join()
    assert store.load("key", 0) == [completion()]


def test_a_reader_reads_while_a_writer_writes(url: str) -> None:
    writer, reader = open_storage(url), open_storage(url, must_exist=False)
    CompletionStore(writer)
    with writer.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO llmsearch_schema VALUES (0)")
        assert CompletionStore(reader).load("key", 0) == []


def test_sqlite_url() -> None:
    assert sqlite_url("studies/x.db") == "sqlite:///studies/x.db"
    assert sqlite_url("/abs/x.db") == "sqlite:////abs/x.db"
    assert sqlite_url("postgresql://host/db") == "postgresql://host/db"


# What cannot be opened.


def test_a_missing_file_is_not_made(path: Path, url: str) -> None:
    assert refused(lambda: open_storage(url, must_exist=True)) == f"there is no database {path}"
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("statement", [None, "CREATE TABLE t (x)"])
def test_a_database_without_studies_is_left_as_it_is(statement: str | None, path: Path, url: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement or "VACUUM")
    connection.close()
    before = path.read_bytes()
    assert refused(lambda: open_storage(url, must_exist=True)) == f"{path} holds no study"
    assert path.read_bytes() == before


@pytest.mark.parametrize("must_exist", [False, True])
def test_a_file_that_is_no_database(must_exist: bool, path: Path, url: str) -> None:
    path.write_bytes(b"garbage " * 1000)
    message = refused(lambda: open_storage(url, must_exist=must_exist))
    assert message == f"database {url} cannot be used: file is not a database"
    assert path.read_bytes() == b"garbage " * 1000


def test_a_directory(path: Path, url: str) -> None:
    path.mkdir()
    message = f"{path} is a directory: name a file in it, for example {path}/study.db"
    assert refused(lambda: open_storage(url)) == message
    assert refused(lambda: open_storage(url, must_exist=True)) == message


def test_a_folder_that_is_a_file(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    url = f"sqlite:///{path}/y.db"
    for attempt in (lambda: open_storage(url), lambda: exclusive_use(url).__enter__()):
        message = refused(attempt)
        assert message.startswith(f"database {url} cannot be used: ")
        assert message.endswith(": `storage` must name a file in a folder that can be written")


def test_a_read_only_database(path: Path, url: str) -> None:
    CompletionStore(open_storage(url)).append("key", 0, [completion()])
    read_only = f"sqlite:///file:{path}?mode=ro&uri=true"
    store = CompletionStore(open_storage(read_only))
    assert store.load("key", 0) == [completion()]
    message = refused(lambda: store.append("key", 0, [completion(1)]))
    assert message.endswith(" cannot be used: attempt to write a readonly database")
    with exclusive_use(read_only):
        pass
    assert not Path("file:").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    url = f"sqlite:///{tmp_path}/x.db"
    assert refused(lambda: open_storage(url)).startswith(f"database {url} cannot be used: ")
    assert refused(lambda: exclusive_use(url).__enter__()).startswith(f"database {url} cannot be used: ")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "studies/x.db",
            "database studies/x.db (SQLite files are written sqlite:///PATH) cannot be used: Could not parse ",
        ),
        ("nosql://x", "database nosql://x cannot be used: Can't load plugin: sqlalchemy.dialects:nosql"),
    ],
)
def test_wrong_urls(url: str, message: str) -> None:
    assert refused(lambda: open_storage(url)).startswith(message)


def test_a_path_is_no_url_for_the_lock_either() -> None:
    assert refused(lambda: exclusive_use("studies/x.db").__enter__()).startswith(
        "database studies/x.db (SQLite files are written sqlite:///PATH) cannot be used: "
    )


def test_a_missing_driver_is_named_and_the_password_is_not() -> None:
    message = refused(lambda: open_storage("oracle+oracledb://me:secret@host/db"))
    assert message == (
        "database oracle+oracledb://me:***@host/db cannot be used: No module named 'oracledb': install the database's "
        "driver"
    )


def test_shown_place_is_a_path_or_a_url_without_its_password() -> None:
    assert shown_place("studies/x.db") == shown_place("sqlite:///studies/x.db") == "studies/x.db"
    assert shown_place("postgresql+psycopg://me:secret@host/db") == "postgresql+psycopg://me:***@host/db"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("worker x.toml --storage postgresql://me:geheim@h/db", "worker x.toml --storage postgresql://me:***@h/db"),
        ("worker --storage 'p://h/db?user=me&password=geheim'", "worker --storage 'p://h/db?user=me&password=***'"),
        ("run x.toml --set a.url=http://host:80/v1", "run x.toml --set a.url=http://host:80/v1"),
    ],
)
def test_a_command_line_is_logged_without_passwords(command: str, shown: str) -> None:
    assert without_passwords(command).rstrip("'") == shown.rstrip("'")


def test_shown_url_hides_the_password() -> None:
    assert shown_url("mysql://me:secret@host/db") == "mysql://me:***@host/db"
    assert shown_url(sa.make_url("mysql://me:secret@host/db")) == "mysql://me:***@host/db"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql//me:geheim@host/db", "***@host/db (SQLite files are written sqlite:///PATH)"),
        ("me:geheim@host/db", "***@host/db (SQLite files are written sqlite:///PATH)"),
        ("mysql://me:geheim/db", "mysql://me:***/db"),
        ("mysql://me:geheim@host:54x/db", "mysql://***@host:54x/db"),
        ("mysql://me:ge@heim@host/db", "mysql://me:***@host/db"),
        ("mysql://host/db?user=me&password=geheim", "mysql://host/db?password=***&user=me"),
        ("mysql://host:x/db?sslpassword=geheim", "mysql://host:***/db?sslpassword=***"),
        ("studies/x.db", "studies/x.db (SQLite files are written sqlite:///PATH)"),
    ],
)
def test_no_password_is_shown_even_if_the_url_is_wrong(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert "geheim" not in refused(lambda: open_storage(url))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://host:abc/db", "its port is not a number"),
        ("postgresql://me:geheim/db", "its port is not a number"),
        ("sqlite:///x.db?timeout=abc", "could not convert string to float: 'abc'"),
        ("sqlite:///\0x.db", "embedded null byte"),
    ],
)
def test_a_wrong_part_of_a_url_is_one_line(url: str, reason: str) -> None:
    message = refused(lambda: open_storage(url))
    assert message.startswith(f"database {shown_url(url)} cannot be used: {reason}")
    assert "geheim" not in message


def test_a_damaged_database(path: Path, url: str) -> None:
    store = CompletionStore(open_storage(url))
    for position in range(50):
        store.append("key", 0, [completion(position, text="x" * 4000)])
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    content = bytearray(path.read_bytes())
    content[-100 * 1024 :] = b"\x55" * (100 * 1024)
    path.write_bytes(content)
    message = refused(lambda: CompletionStore(open_storage(url)).load("key", 0))
    assert message == (
        f"database {url} cannot be used: database disk image is malformed: `llmsearch-optuna fsck` lists what is intact"
    )


def test_errors_of_optuna_are_readable_too() -> None:
    def fail() -> None:
        with readable_errors("sqlite:///x.db"):
            cause = sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("disk\nfull"))
            raise optuna.exceptions.StorageInternalError("An exception is raised during the commit.") from cause

    assert refused(fail) == "database sqlite:///x.db cannot be used: disk full"


def test_errors_that_are_not_the_databases_pass() -> None:
    with pytest.raises(KeyError), readable_errors("sqlite://"):
        raise KeyError


# The schema.


def test_a_newer_schema_is_refused_and_an_own_one_kept(url: str) -> None:
    storage = open_storage(url)
    CompletionStore(storage)
    CompletionStore(storage)
    with storage.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version FROM llmsearch_schema").scalars().all() == [VERSION]
        connection.exec_driver_sql("INSERT INTO llmsearch_schema VALUES (99)")
    for attempt in (
        lambda: CompletionStore(storage),
        lambda: open_storage(url),
        lambda: open_storage(url, must_exist=True),
    ):
        assert refused(attempt) == (
            f"{url} was written by a newer llmsearch_optuna (schema 99, this one supports {VERSION}): upgrade the "
            "package"
        )


def test_a_schema_of_another_optuna_is_refused(url: str) -> None:
    storage = open_storage(url)
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    assert "is no longer compatible with the table schema" in refused(lambda: open_storage(url))


def test_the_dashboard_of_optuna_opens_it(url: str) -> None:
    CompletionStore(open_storage(url))
    plain = RDBStorage(url)
    optuna.create_study(storage=plain, study_name="s")
    assert [study.study_name for study in open_storage(url, must_exist=True).get_all_studies()] == ["s"]


# One search at a time.

HOLDER = """
import sys
from llmsearch_optuna.storage import exclusive_use
with exclusive_use(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends(path: Path, url: str) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        link = path.with_name("link.db")
        link.symlink_to(path)
        for name in (path, path.parent / ".." / path.parent.name / "x.db", link):
            assert refused(lambda name=name: exclusive_use(f"sqlite:///{name}").__enter__()) == (  # type: ignore[misc]
                f"{name} is being searched by another process, or a verdict is being computed: wait for it, or use "
                "another storage"
            )
        with exclusive_use(f"sqlite:///{path}2"):
            pass
        holder.kill()  # not even then does a lock stay behind
        holder.wait()
        with exclusive_use(url):
            pass


def test_the_lock_is_released_after_an_error(url: str) -> None:
    with pytest.raises(RuntimeError, match="the search failed"), exclusive_use(url):
        raise RuntimeError("the search failed")
    with exclusive_use(url):
        assert "another process" in refused(lambda: exclusive_use(url).__enter__())
    with exclusive_use(url):
        pass


def test_other_databases_are_not_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with exclusive_use("postgresql://host/db"), exclusive_use("postgresql://host/db"):
        assert list(tmp_path.iterdir()) == []
