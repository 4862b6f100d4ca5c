"""Opening a database: SQLite in write-ahead mode, one process at a time, and errors in one line."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.storage.schema import VERSION, stored_version

__all__ = [
    "advisory_lock",
    "check_version",
    "exclusive_use",
    "open_storage",
    "readable_errors",
    "shown_url",
    "sqlite_path",
    "sqlite_url",
]


_BUSY_TIMEOUT_S = 60.0

_AGAIN = "and run the same command again: it goes on where it was"

_REMEDIES = {
    "disk is full": f"make room, {_AGAIN}",
    "No space left on device": f"make room, {_AGAIN}",
    "disk I/O error": f"see that the disk is sound and has room, {_AGAIN}",
    "database is locked": f"wait for the process that writes to it, {_AGAIN}",
    "No module named": "install the database's driver",
    "image is malformed": "`llmsearch-optuna fsck` lists what is intact",
    "what is stored is damaged": "`llmsearch-optuna fsck` lists what is intact",
}
"""What to do, by what SQLite, Python and the operating system say."""


def sqlite_url(path: str) -> str:
    """The storage URL of an SQLite file; URLs are returned as they are."""
    # In a URL, these two are no characters of a name.
    return path if "://" in path else f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


def open_storage(url: str | None, *, must_exist: bool = False) -> RDBStorage:
    """Opens a database, and makes it where there is none.

    SQLite is put into write-ahead mode, so that a dashboard reads while the search writes.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:///studies/x.db``; in memory when ``None``.
        must_exist: Refuse to make a new SQLite file, or to put tables into one that holds no study.

    Raises:
        StorageError: The file does not exist, is not a database, cannot be written, or the URL is wrong.
    """
    if url is None:
        return _in_memory()
    with _opening_errors(url):
        path = sqlite_path(url)
        if path is not None:
            if must_exist and not path.is_file():
                raise StorageError(f"there is no database {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
        patience: dict[str, Any] = {} if path is None else {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
        engine = sa.create_engine(url, **patience)
        template = url.replace("{", "{{").replace("}", "}}")  # which Optuna formats
        try:
            # Two workers that begin at once must not both make the tables.
            with advisory_lock(engine, "llmsearch tables"):
                with engine.connect() as connection:
                    is_new = _check_contents(connection, path, must_exist=must_exist)
                if path is None:
                    return RDBStorage(template, engine_kwargs={"pool_pre_ping": True})
        finally:
            engine.dispose()
        if is_new:
            _make_tables(path)
        storage = RDBStorage(template, engine_kwargs=patience, skip_compatibility_check=is_new)
        if not must_exist:
            with storage.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        sa.event.listen(storage.engine, "connect", _set_synchronous_normal)
        # The listener sees new connections only.
        storage.engine.dispose()
        return storage


def check_version(connection: sa.Connection) -> None:
    """Refuses tables that a newer version of the package made.

    Raises:
        StorageError: It did.
    """
    version = stored_version(connection)
    if version is not None and version > VERSION:
        raise StorageError(
            f"{shown_url(connection.engine.url)} was written by a newer llmsearch_optuna (schema {version}, this one "
            f"knows {VERSION}): upgrade the package"
        )


def _in_memory() -> RDBStorage:
    pool = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
    return RDBStorage("sqlite://", engine_kwargs=pool, skip_compatibility_check=True)  # it is new


def _make_tables(path: Path) -> None:
    """Makes Optuna's tables in one transaction.

    Optuna makes one after the other, and an index only with its table: where a process is killed in between, the index
    that keeps studies of one name apart would be missing for ever.
    """
    storage = _in_memory()
    try:
        with storage.engine.connect() as source, contextlib.closing(sqlite3.connect(path)) as target:
            made: Any = source.connection.driver_connection
            made.backup(target)
    finally:
        storage.engine.dispose()


def _check_contents(connection: sa.Connection, path: Path | None, *, must_exist: bool) -> bool:
    """Refuses what is not ours before anything is written to it; whether there is nothing at all."""
    inspector = sa.inspect(connection)
    marks = {"studies": "study_name", "version_info": "library_version"}  # Optuna makes these two first
    found = [
        table
        for table, column in marks.items()
        if inspector.has_table(table) and column in [one["name"] for one in inspector.get_columns(table)]
    ]
    if must_exist and "studies" not in found:
        raise StorageError(f"{path or shown_url(connection.engine.url)} holds no study")
    # On a server, tables of several programs share a database; a file has one owner.
    if path is not None and not found and (others := inspector.get_table_names()):
        raise StorageError(f"{path} holds tables of another program ({', '.join(others)}): use another storage")
    check_version(connection)
    return not found


@contextlib.contextmanager
def exclusive_use(url: str | None) -> Iterator[None]:
    """Keeps a second process from searching the same SQLite file; other databases are not locked.

    Raises:
        StorageError: Another process is searching it, the lock file cannot be made beside it, or the URL is wrong.
    """
    with _opening_errors(url or "sqlite://"):
        path = None if url is None else sqlite_path(url)
    if path is None:
        yield
        return
    with _opening_errors(str(url)):
        lock = filelock.FileLock(f"{path.resolve()}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StorageError(
                f"{path} is being searched by another process: wait for it, or use another storage"
            ) from error
    try:
        yield
    finally:
        lock.release()


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; ``None`` for databases in memory and for others.

    Raises:
        StorageError: The URL is wrong.
    """
    try:
        parsed = sa.make_url(url)
        parsed.render_as_string()
    except sa.exc.ArgumentError as error:
        raise StorageError(f"database {shown_url(url)} cannot be used: {error}") from error
    except UnicodeError as error:
        raise StorageError(f"the name of a database must be UTF-8, got {url.rpartition('/')[2]!r}") from error
    database = parsed.database
    # SQLite's own file: URIs may mean anything: they are left to SQLite.
    if parsed.get_backend_name() != "sqlite" or not database or database.startswith((":memory:", "file:")):
        return None
    return Path(database)


def _set_synchronous_normal(connection: Any, _record: object) -> None:
    # With a write-ahead log, NORMAL loses nothing when the process dies (only a power cut may take the last commits).
    connection.execute("PRAGMA synchronous=NORMAL")


@contextlib.contextmanager
def readable_errors(url: str | sa.URL) -> Iterator[None]:
    """Turns whatever a database raises into one line.

    Args:
        url: The database; its password is not shown.

    Raises:
        StorageError: The block raised an error of SQLAlchemy or of Optuna's storage, or read JSON that is damaged.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, json.JSONDecodeError) as error:
        raise StorageError(_told(url, error)) from error


@contextlib.contextmanager
def _opening_errors(url: str | sa.URL) -> Iterator[None]:
    """As `readable_errors`, and turns what else may happen before there is a connection."""
    try:
        with readable_errors(url):
            yield
    except (
        OSError,
        RuntimeError,  # Optuna's, of a schema that is not its own
        sqlite3.Error,
        ImportError,  # the database's driver is not installed
    ) as error:
        raise StorageError(_told(url, error)) from error


def _told(url: str | sa.URL, error: Exception) -> str:
    # Optuna's own words say little.
    causes = [one for one in _causes(error) if not isinstance(one, optuna.exceptions.StorageInternalError)]
    reason = str(
        next((one.orig for one in causes if isinstance(one, sa.exc.DBAPIError) and one.orig), (causes or [error])[0])
    )
    if isinstance(error, json.JSONDecodeError):
        reason = f"what is stored is damaged ({reason})"
    remedy = next((f": {remedy}" for symptom, remedy in _REMEDIES.items() if symptom in reason), "")
    return f"database {shown_url(url)} cannot be used: {reason}{remedy}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown_url(url: str | sa.URL) -> str:
    """A storage URL without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return f"{url} (SQLite files are written sqlite:///PATH)"


@contextlib.contextmanager
def advisory_lock(engine: sa.Engine, name: str) -> Iterator[None]:
    """Waits until no other process has this lock; the server takes it back from a process that dies.

    SQLite has none: there, one process has the whole file (`exclusive_use`).

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The server cannot be reached.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    key = int.from_bytes(
        hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "big", signed=True
    )
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.cast(key, sa.BigInteger))))
        yield
