"""Opening and locking databases, and converting their errors to messages of one line."""

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.storage.schema import VERSION, stored_version

__all__ = [
    "Storage",
    "advisory_lock",
    "check_version",
    "exclusive_use",
    "open_storage",
    "opening_errors",
    "readable_errors",
    "shown_place",
    "shown_url",
    "sqlite_path",
    "sqlite_url",
    "storage_url",
    "without_passwords",
]

Storage = str | os.PathLike[str]
"""A database: an SQLAlchemy URL, or the path of an SQLite file."""

_BUSY_TIMEOUT_S = 60.0

_AGAIN = "and run the same command again: it resumes where it stopped"

_REMEDIES = {
    "disk is full": f"make room, {_AGAIN}",
    "No space left on device": f"make room, {_AGAIN}",
    "disk I/O error": f"check that the disk works and has room, {_AGAIN}",
    "database is locked": f"wait for the process that writes to it, {_AGAIN}",
    **dict.fromkeys(
        (
            "unable to open database file",
            "Permission denied",
            "Read-only file",
            "No such file",
            "Not a dir",
            "File exists",
        ),
        "`storage` must name a file in a folder that can be written",
    ),
    "No module named": "install the database's driver",
    "image is malformed": "`llmsearch-optuna fsck` lists what is intact",
    "what is stored is damaged": "`llmsearch-optuna fsck` lists what is intact",
}
"""What to do, by a part of the message of SQLite, Python or the operating system."""


_SECRET_OPTION = re.compile(r"([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&\s]*", re.IGNORECASE)
"""An option of a URL that holds a password, as in ``?user=me&password=...``."""


def sqlite_url(path: str) -> str:
    """Return the storage URL of an SQLite file. A URL is returned unchanged."""
    # `%` and `?` have a special meaning in a URL.
    return path if "://" in path else f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


def storage_url(storage: Storage | None) -> str | None:
    """Return the SQLAlchemy URL of a database; None for a study in memory.

    Raises:
        ConfigurationError: It is neither a URL nor a path.
    """
    if storage is None:
        return None
    if not isinstance(storage, str | os.PathLike) or not os.fspath(storage):
        raise ConfigurationError(f"`storage` must be the path of an SQLite file or an SQLAlchemy URL, got {storage!r}")
    return sqlite_url(os.fspath(storage))


def open_storage(url: str | None, *, must_exist: bool = False) -> RDBStorage:
    """Open a database, and create it if it does not exist.

    Unless `must_exist`, an SQLite file is set to write-ahead mode, so that a dashboard can read while a search writes.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:///studies/x.db``. A database in memory if None.
        must_exist: Raise an error instead of creating an SQLite file, or tables in a database that holds no study.

    Raises:
        StorageError: The database does not exist and must, cannot be read or written, belongs to another program or a
            newer version of the package, or the URL is wrong.
    """
    if url is None:
        return _in_memory()
    with opening_errors(url):
        path = sqlite_path(url)
        if path is not None:
            if must_exist and path.suffix == ".toml":
                raise StorageError(f"{path} is a study file: give the database that it names as `storage`")
            if must_exist and not path.is_file():
                raise StorageError(f"there is no database {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
        patience: dict[str, Any] = {} if path is None else {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
        engine = sa.create_engine(url, **patience)
        template = url.replace("{", "{{").replace("}", "}}")  # Optuna calls `str.format` on it
        try:
            # Two workers that begin at the same time must not both create the tables.
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
        # With a write-ahead log, NORMAL is safe if the process dies. Only a power failure may lose the last commits.
        sa.event.listen(storage.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=NORMAL"))
        storage.engine.dispose()  # the listener applies only to new connections
        return storage


def check_version(connection: sa.Connection) -> None:
    """Check that this version of the package supports the package's tables in the database.

    Raises:
        StorageError: A newer version of the package created them.
    """
    version = stored_version(connection)
    if version is not None and version > VERSION:
        raise StorageError(
            f"{shown_url(connection.engine.url)} was written by a newer llmsearch_optuna (schema {version}, this one "
            f"supports {VERSION}): upgrade the package"
        )


def _in_memory() -> RDBStorage:
    pool = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
    return RDBStorage("sqlite://", engine_kwargs=pool, skip_compatibility_check=True)  # the database is new


def _make_tables(path: Path) -> None:
    """Create Optuna's tables in one transaction.

    Optuna creates one table after the other, and an index only together with its table. A process that is killed in
    between would leave the database without the unique index on the names of studies.
    """
    storage = _in_memory()
    try:
        with storage.engine.connect() as source, contextlib.closing(sqlite3.connect(path)) as target:
            driver_connection: Any = source.connection.driver_connection
            driver_connection.backup(target)
    finally:
        storage.engine.dispose()


def _check_contents(connection: sa.Connection, path: Path | None, *, must_exist: bool) -> bool:
    """Check that a database can be used, and return whether Optuna's tables are missing.

    Args:
        connection: A connection to the database.
        path: Its SQLite file; None for a server or a database in memory.
        must_exist: Raise an error if Optuna's tables are missing.

    Raises:
        StorageError: Optuna's tables are missing and must exist, an SQLite file holds only tables of another program,
            or a newer version of the package created its tables.
    """
    inspector = sa.inspect(connection)
    marks = {"studies": "study_name", "version_info": "library_version"}  # Optuna creates these two first
    tables = [
        table
        for table, column in marks.items()
        if inspector.has_table(table) and column in [details["name"] for details in inspector.get_columns(table)]
    ]
    if must_exist and "studies" not in tables:
        raise StorageError(f"{path or shown_url(connection.engine.url)} holds no study")
    # Several programs may share a database on a server, but not an SQLite file.
    if path is not None and not tables and (others := inspector.get_table_names()):
        raise StorageError(f"{path} holds tables of another program ({', '.join(others)}): use another storage")
    check_version(connection)
    return not tables


@contextlib.contextmanager
def exclusive_use(url: str | None) -> Iterator[None]:
    """Lock an SQLite file, so that no second process runs a search or a verdict in it. Other databases are not locked.

    Args:
        url: SQLAlchemy URL; None for a database in memory.

    Raises:
        StorageError: Another process has locked the file, its lock file cannot be created, or the URL is wrong.
    """
    if url is None or (path := sqlite_path(url)) is None:
        yield
        return
    with opening_errors(url):
        lock = filelock.FileLock(f"{path.resolve()}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StorageError(
                f"{path} is being searched by another process, or a verdict is being computed: wait for it, or use "
                "another storage"
            ) from error
    try:
        yield
    finally:
        lock.release()


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite database. None for databases in memory and on servers.

    Raises:
        StorageError: The URL is wrong, or names a directory.
    """
    try:
        parsed = sa.make_url(url)
        parsed.render_as_string()
    except sa.exc.ArgumentError as error:
        raise StorageError(f"database {shown_url(url)} cannot be used: {error}") from error
    except UnicodeError as error:
        raise StorageError(f"the name of a database must be UTF-8, got {url.rpartition('/')[2]!r}") from error
    except ValueError:  # the error would quote what stands in the port's place, which may be a password
        raise StorageError(
            f"database {shown_url(url)} cannot be used: its port is not a number (a user and a password end with @: "
            "postgresql+psycopg://user:password@host:port/database)"
        ) from None
    database = parsed.database
    if parsed.get_backend_name() != "sqlite" or not database:
        return None
    path = Path(database)
    if not path.name or database.endswith("/") or path.is_dir():
        raise StorageError(f"{database} is a directory: name a file in it, for example {path / 'study.db'}")
    # SQLite itself interprets "file:" URIs and their options.
    return None if database.startswith((":memory:", "file:")) else path


@contextlib.contextmanager
def readable_errors(url: str | sa.URL) -> Iterator[None]:
    """Convert the errors of a database to a `StorageError` with a message of one line.

    Args:
        url: The database. Its password is not shown.

    Raises:
        StorageError: The block raised an error of SQLAlchemy or of Optuna's storage, or read damaged JSON.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, json.JSONDecodeError) as error:
        raise _storage_error(url, error) from error


@contextlib.contextmanager
def opening_errors(url: str | sa.URL) -> Iterator[None]:
    """Convert errors as `readable_errors` does, including those that can occur before a connection exists.

    Args:
        url: The database. Its password is not shown.

    Raises:
        StorageError: The block raised such an error.
    """
    try:
        with readable_errors(url):
            yield
    except (
        OSError,
        RuntimeError,  # raised by Optuna for a schema of another version
        sqlite3.Error,
        ImportError,  # the database's driver is not installed
        ValueError,  # an option in the URL, or a file name with a NUL byte
    ) as error:
        raise _storage_error(url, error) from error


def _storage_error(url: str | sa.URL, error: Exception) -> StorageError:
    # The message of Optuna's error is less specific than that of its cause.
    causes = [cause for cause in _causes(error) if not isinstance(cause, optuna.exceptions.StorageInternalError)]
    originals = [cause.orig for cause in causes if isinstance(cause, sa.exc.DBAPIError) and cause.orig]
    reason = str([*originals, *causes, error][0])
    if isinstance(error, json.JSONDecodeError):
        reason = f"what is stored is damaged ({reason})"
    remedy = next((f": {remedy}" for symptom, remedy in _REMEDIES.items() if symptom in reason), "")
    return StorageError(f"database {shown_url(url)} cannot be used: {reason}{remedy}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown_place(storage: str) -> str:
    """Return the path of an SQLite file, or the URL of another database without its password.

    Args:
        storage: A path or a URL that is valid.
    """
    url = sqlite_url(storage)
    return str(sqlite_path(url) or shown_url(url))


def shown_url(url: str | sa.URL) -> str:
    """Return a storage URL without its password. One that cannot be parsed loses all that may be a password."""
    try:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        shown = re.sub(r":\*\*\*@[^/]*@", ":***@", shown)  # an "@" in a password ends it too early
    except (sa.exc.ArgumentError, ValueError):
        scheme, separator, rest = str(url).rpartition("://")
        if "@" in rest:
            rest = f"***@{rest.rpartition('@')[2]}"
        elif separator:
            rest = re.sub(r":[^/]*", ":***", rest, count=1)
        hint = "" if separator else " (SQLite files are written sqlite:///PATH)"
        shown = f"{scheme}{separator}{rest}{hint}"
    return _SECRET_OPTION.sub(r"\1***", shown)


def without_passwords(text: str) -> str:
    """Return a text, such as a command line, without the passwords of its URLs."""
    return _SECRET_OPTION.sub(r"\1***", re.sub(r"://([^:/\s]*):\S*@", r"://\1:***@", text))


@contextlib.contextmanager
def advisory_lock(engine: sa.Engine, name: str) -> Iterator[None]:
    """Wait for a lock on a PostgreSQL server, and hold it while the context is open.

    The server releases it if the process dies. On other databases, nothing is locked; `exclusive_use` locks an SQLite
    file instead.

    Args:
        engine: The database.
        name: The name of the lock. Only one process at a time holds a lock of this name.

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
