"""Keeping other processes off, on a server."""

import contextlib
import hashlib
from collections.abc import Iterator

import sqlalchemy as sa

__all__ = ["advisory_lock"]


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
