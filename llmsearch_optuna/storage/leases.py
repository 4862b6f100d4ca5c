"""The trials that a process may evaluate: all of them, or those that it holds leases on."""

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
from llmsearch_optuna.storage.schema import LEASES

__all__ = ["Claims", "Leases", "make_claims"]

_LOG = logging.getLogger(__name__)

_RENEWALS_PER_TIMEOUT = 4

# The server's clock at the time of the statement, not at the start of the transaction. All workers use this clock.
_NOW = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))


class Claims:
    """The trials that this process may evaluate. In this class, all of them: no other process works on the study.

    Every running trial is therefore its own, or was left by a process that died. `Leases` is for several processes.

    Attributes:
        shared: Whether other processes evaluate trials of the study.
        patience_s: Seconds between two checks for trials that another process abandoned; used only if `shared`.
    """

    shared = False
    patience_s = 0.0

    def exclusively(self) -> AbstractContextManager[None]:
        """Return a context in which no other process begins or finishes a trial."""
        return contextlib.nullcontext()

    def take_abandoned(self, running: Sequence[int], room: int) -> list[int]:  # noqa: ARG002
        """Claim running trials that no process evaluates any more. Call it within `exclusively`.

        Args:
            running: The numbers of the trials that are running, but not in this process.
            room: The maximum number of trials to claim. This class ignores it: a process that is alone on a study must
                claim every interrupted trial to continue the same rounds (see `search.loop`).

        Returns:
            The numbers of the claimed trials.
        """
        return list(running)

    def take(self, trial_number: int) -> None:
        """Claim a trial that has just begun. Call it within `exclusively`."""

    def release(self, trial_number: int | None = None) -> None:
        """Give up the claim on a trial; on all trials of this process if None."""

    def holds(self, trial_number: int) -> bool:  # noqa: ARG002
        """Return whether this process still holds a trial. Call it within `exclusively`."""
        return True

    def require(self, connection: sa.Connection, trial_number: int) -> None:
        """Ensure that this process holds a trial until the end of the current transaction.

        Args:
            connection: The connection with the transaction.
            trial_number: The trial.

        Raises:
            LeaseLostError: Another process has taken the trial over.
        """

    def kept_alive(self) -> AbstractContextManager[None]:
        """Return a context in which the claims stay valid."""
        return contextlib.nullcontext()


class Leases(Claims):
    """The trials that one of several workers on a study may evaluate. The study must be on a PostgreSQL server.

    A worker stores a lease for each of its trials and renews it from a thread. A lease that has not been renewed for
    `lease_timeout_s` by the server's clock has expired. Another worker then takes the trial over, from its last stored
    rung.

    Args:
        storage: The database of the study.
        study_key: The study's key.
        lease_timeout_s: Seconds without a renewal after which a worker's trials are taken over.

    Raises:
        StorageError: The database is not on a PostgreSQL server.
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
        self._of_study = LEASES.c.study_key == study_key
        self._of_worker = sa.and_(self._of_study, LEASES.c.worker == self._worker)
        self._lease_timeout_s = lease_timeout_s
        self.patience_s = min(lease_timeout_s / _RENEWALS_PER_TIMEOUT, 2.0)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """See `Claims`."""
        with readable_errors(self._engine.url), advisory_lock(self._engine, f"llmsearch study {self._study_key}"):
            yield

    def take_abandoned(self, running: Sequence[int], room: int) -> list[int]:
        """See `Claims`. A running trial has no lease if its worker died just after beginning it or before ending it."""
        if not running or room < 1:
            return []
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            earliest = _NOW - dt.timedelta(seconds=self._lease_timeout_s)
            alive = sa.select(LEASES.c.trial_number).where(self._of_study, LEASES.c.renewed >= earliest)
            leased = set(connection.execute(alive).scalars())
            taken = [number for number in running if number not in leased][:room]
            for number in taken:
                connection.execute(LEASES.delete().where(self._of_study, LEASES.c.trial_number == number))
                self._insert(connection, number)
        return taken

    def take(self, trial_number: int) -> None:
        """See `Claims`."""
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            self._insert(connection, trial_number)

    def release(self, trial_number: int | None = None) -> None:
        """See `Claims`."""
        leases = LEASES.delete().where(self._of_worker)
        if trial_number is not None:
            leases = leases.where(LEASES.c.trial_number == trial_number)
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            connection.execute(leases)

    def holds(self, trial_number: int) -> bool:
        """See `Claims`."""
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return connection.execute(self._lease_of(trial_number)).first() is not None

    def require(self, connection: sa.Connection, trial_number: int) -> None:
        """See `Claims`."""
        if connection.execute(self._lease_of(trial_number).with_for_update()).first() is None:
            raise LeaseLostError(f"another worker has taken trial {trial_number} over")

    @contextlib.contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Return a context in which a thread renews the leases. All leases are released when the context ends."""
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
        renewal = LEASES.update().where(self._of_worker).values(renewed=_NOW)
        while not ended.wait(self._lease_timeout_s / _RENEWALS_PER_TIMEOUT):
            try:
                with readable_errors(self._engine.url), self._engine.begin() as connection:
                    connection.execute(renewal)
            except StorageError as error:
                # The next renewal may still be in time. If not, storing the next rung raises `LeaseLostError`.
                _LOG.warning("the leases of this worker could not be renewed: %s", error)

    def _lease_of(self, trial_number: int) -> sa.Select[tuple[str]]:
        return sa.select(LEASES.c.worker).where(self._of_worker, LEASES.c.trial_number == trial_number)

    def _insert(self, connection: sa.Connection, trial_number: int) -> None:
        values = {"study_key": self._study_key, "trial_number": trial_number, "worker": self._worker, "renewed": _NOW}
        connection.execute(LEASES.insert().values(values))


def make_claims(storage: RDBStorage, study_key: str, *, lease_timeout_s: float) -> Claims:
    """Return `Leases` for a database on a server, or `Claims` for SQLite, which only one process at a time searches.

    Raises:
        StorageError: The server is not PostgreSQL.
    """
    if storage.engine.dialect.name == "sqlite":
        return Claims()
    return Leases(storage, study_key, lease_timeout_s=lease_timeout_s)
