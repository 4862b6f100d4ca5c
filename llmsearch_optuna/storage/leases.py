"""Who evaluates which trial: one process all of them, or several, each of which renews its leases."""

import contextlib
import datetime as dt
import logging
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import LeaseLostError, StorageError
from llmsearch_optuna.storage.database import advisory_lock, readable_errors
from llmsearch_optuna.storage.schema import METADATA

__all__ = ["Claims", "Leases", "make_claims"]

_LOG = logging.getLogger(__name__)

_LEASES = sa.Table(
    "llmsearch_leases",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("worker", sa.String(32), nullable=False),
    sa.Column("renewed", sa.DateTime(timezone=True), nullable=False),
)

_RENEWALS_PER_LAPSE = 4


class Claims:
    """The trials of a process that has the study to itself: all that run are its own, or were left by one that died.

    Attributes:
        shared: Whether other processes evaluate trials of the study.
        patience_s: Seconds to wait before looking again for a trial that another process left.
    """

    shared = False
    patience_s = 0.0

    def exclusively(self) -> AbstractContextManager[None]:
        """While no other process begins or finishes a trial."""
        return contextlib.nullcontext()

    def take_abandoned(self, running: Sequence[int], room: int) -> list[int]:
        """Takes the trials that no process evaluates any more; call it `exclusively`.

        Args:
            running: The trials that run, but not in this process, by number.
            room: How many are wanted; a process that is alone takes them all, or their rounds would not go on.
        """
        del room
        return list(running)

    def take(self, trial_number: int) -> None:
        """Takes a trial that has just begun; call it `exclusively`."""

    def release(self, trial_number: int | None = None) -> None:
        """Gives back a trial; all by default."""

    def holds(self, trial_number: int) -> bool:  # noqa: ARG002
        """Whether a trial is still this process's own; call it `exclusively`."""
        return True

    def require(self, connection: sa.Connection, trial_number: int) -> None:
        """Makes sure, until the transaction ends, that no other process has taken the trial over.

        Raises:
            LeaseLostError: One has.
        """

    def kept_alive(self) -> AbstractContextManager[None]:
        """While other processes shall keep off."""
        return contextlib.nullcontext()


class Leases(Claims):
    """The trials of one of several workers on a study, which must live on a PostgreSQL server.

    A worker notes in the database that a trial is its own, and renews that from a thread. When it has not done so for
    `lease_timeout_s` by the server's clock, it is dead, and another worker takes the trial over, from its last stored
    rung.

    Args:
        storage: Where the study lives.
        study_key: The study's key.
        lease_timeout_s: After how many seconds without a sign of life a worker's trials are taken over.

    Raises:
        StorageError: The database is no PostgreSQL server.
    """

    shared = True

    def __init__(self, storage: RDBStorage, study_key: str, *, lease_timeout_s: float) -> None:
        self._engine = storage.engine
        if self._engine.dialect.name != "postgresql":
            raise StorageError(
                f"several workers need a PostgreSQL server (postgresql+psycopg://...), got {self._engine.dialect.name}"
            )
        self._study_key = study_key
        self._worker = secrets.token_hex(8)
        self._lease_timeout_s = lease_timeout_s
        self.patience_s = min(lease_timeout_s / _RENEWALS_PER_LAPSE, 2.0)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """See `Claims`."""
        with readable_errors(self._engine.url), advisory_lock(self._engine, f"llmsearch study {self._study_key}"):
            yield

    def take_abandoned(self, running: Sequence[int], room: int) -> list[int]:
        """See `Claims`. Without a lease is what a worker began, or was about to end, right before it died."""
        if not running or room < 1:
            return []
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            lapsed = _now(connection) - dt.timedelta(seconds=self._lease_timeout_s)
            alive = sa.select(_LEASES.c.trial_number).where(self._of_study, _LEASES.c.renewed >= lapsed)
            others = set(connection.execute(alive).scalars())
            taken = [number for number in running if number not in others][:room]
            for number in taken:
                connection.execute(_LEASES.delete().where(self._of_study, _LEASES.c.trial_number == number))
                self._insert(connection, number)
        return taken

    def take(self, trial_number: int) -> None:
        """See `Claims`."""
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            self._insert(connection, trial_number)

    def release(self, trial_number: int | None = None) -> None:
        """See `Claims`."""
        own = _LEASES.delete().where(self._of_study, _LEASES.c.worker == self._worker)
        if trial_number is not None:
            own = own.where(_LEASES.c.trial_number == trial_number)
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            connection.execute(own)

    def holds(self, trial_number: int) -> bool:
        """See `Claims`."""
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return connection.execute(self._own(trial_number)).first() is not None

    def require(self, connection: sa.Connection, trial_number: int) -> None:
        """See `Claims`."""
        if connection.execute(self._own(trial_number).with_for_update()).first() is None:
            raise LeaseLostError(f"another worker has taken trial {trial_number} over")

    @contextlib.contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renews the leases from a thread, and gives them back in the end."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(ended,), name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.release()

    def _renew_until(self, ended: threading.Event) -> None:
        own = _LEASES.update().where(self._of_study, _LEASES.c.worker == self._worker)
        while not ended.wait(self._lease_timeout_s / _RENEWALS_PER_LAPSE):
            try:
                with readable_errors(self._engine.url), self._engine.begin() as connection:
                    connection.execute(own.values(renewed=_now(connection)))
            except StorageError as error:
                # The next renewal may be in time yet; if not, the rung that comes to be stored finds the lease lost.
                _LOG.warning("the leases of this worker could not be renewed: %s", error)

    @property
    def _of_study(self) -> sa.ColumnElement[bool]:
        return _LEASES.c.study_key == self._study_key

    def _own(self, trial_number: int) -> sa.Select[tuple[str]]:
        return sa.select(_LEASES.c.worker).where(
            self._of_study, _LEASES.c.trial_number == trial_number, _LEASES.c.worker == self._worker
        )

    def _insert(self, connection: sa.Connection, trial_number: int) -> None:
        connection.execute(
            _LEASES.insert().values(
                study_key=self._study_key, trial_number=trial_number, worker=self._worker, renewed=_now(connection)
            )
        )


def make_claims(storage: RDBStorage, study_key: str, *, lease_timeout_s: float) -> Claims:
    """Those of a worker on a server; in an SQLite file, which serves one process, those of all that runs.

    Raises:
        StorageError: The server is not PostgreSQL.
    """
    return (
        Claims()
        if storage.engine.dialect.name == "sqlite"
        else Leases(storage, study_key, lease_timeout_s=lease_timeout_s)
    )


def _now(connection: sa.Connection) -> dt.datetime:
    """The server's time, by which all workers' leases are measured, whatever the clocks of their machines say."""
    now: dt.datetime = connection.execute(
        sa.select(sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)))
    ).scalar_one()
    return now
