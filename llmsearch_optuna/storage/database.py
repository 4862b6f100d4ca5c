"""Opening a database: SQLite in write-ahead mode, one process at a time, and errors in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError

__all__ = ["exclusive_use", "open_storage", "readable_errors", "shown_url", "sqlite_path", "sqlite_url"]

_BUSY_TIMEOUT_S = 60.0


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
        pool = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
        return RDBStorage("sqlite://", engine_kwargs=pool)
    with readable_errors(url):
        path = sqlite_path(url)
        template = url.replace("{", "{{").replace("}", "}}")  # which Optuna formats
        if path is None:
            return RDBStorage(template, engine_kwargs={"pool_pre_ping": True})
        if must_exist and not path.is_file():
            raise StorageError(f"there is no database {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url)
        try:
            if must_exist and not sa.inspect(engine).has_table("studies"):
                raise StorageError(f"{path} holds no study")
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        finally:
            engine.dispose()
        storage = RDBStorage(template, engine_kwargs={"connect_args": {"timeout": _BUSY_TIMEOUT_S}})
        sa.event.listen(storage.engine, "connect", _set_synchronous_normal)
        # The listener sees new connections only.
        storage.engine.dispose()
        return storage


@contextlib.contextmanager
def exclusive_use(url: str | None) -> Iterator[None]:
    """Keeps a second process from searching the same SQLite file; other databases are not locked.

    Raises:
        StorageError: Another process is searching it, the lock file cannot be made beside it, or the URL is wrong.
    """
    with readable_errors(url or "sqlite://"):
        path = None if url is None else sqlite_path(url)
    if path is None:
        yield
        return
    with readable_errors(str(url)):
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
    """Turns whatever a database, its driver or the file system raises into one line.

    Args:
        url: The database; its password is not shown.

    Raises:
        StorageError: The block raised an error of SQLAlchemy, Optuna's storage, the driver or the file system.
    """
    try:
        yield
    except (
        sa.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        OSError,
        RuntimeError,
        ImportError,  # the database's driver is not installed
    ) as error:
        reason = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        raise StorageError(f"database {shown_url(url)} cannot be used: {reason}") from error


def shown_url(url: str | sa.URL) -> str:
    """A storage URL without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return f"{url} (SQLite files are written sqlite:///PATH)"
