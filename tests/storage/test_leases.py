"""Who evaluates which trial, on a real PostgreSQL server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import LeaseLostError, StorageError
from llmsearch_optuna.storage import (
    Claims,
    CompletionStore,
    Leases,
    StoredCompletion,
    advisory_lock,
    make_claims,
    open_storage,
)

KEY = "0" * 32
RUNG = [StoredCompletion(position=0, row=3, text="a\0b\ud800", token_ids=(1, 2), finish_reason="eos", score=0.5)]


@contextmanager
def opened(url: str) -> Iterator[RDBStorage]:
    storage = open_storage(url)
    CompletionStore(storage)  # makes the tables
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.fixture
def storage(server_url: str) -> Iterator[RDBStorage]:
    with opened(server_url) as storage:
        yield storage


def leases(storage: RDBStorage, lease_timeout_s: float = 60.0) -> Leases:
    return Leases(storage, KEY, lease_timeout_s=lease_timeout_s)


def test_what_another_worker_evaluates_is_not_taken(storage: RDBStorage) -> None:
    first, other = leases(storage), leases(storage)
    first.take(4)
    assert other.take_abandoned([4, 5], room=2) == [5]  # 5 was begun by a worker that died at once
    assert first.take_abandoned([5], room=1) == []
    assert (first.holds(4), other.holds(4), first.holds(5), other.holds(5)) == (True, False, False, True)


@pytest.mark.full
def test_no_more_are_taken_than_there_is_room(storage: RDBStorage) -> None:
    assert leases(storage).take_abandoned([1, 2, 3], room=2) == [1, 2]
    assert leases(storage).take_abandoned([1, 2, 3], room=0) == []


@pytest.mark.full
def test_studies_are_kept_apart(storage: RDBStorage) -> None:
    leases(storage).take(1)
    assert Leases(storage, "1" * 32, lease_timeout_s=60.0).take_abandoned([1], room=1) == [1]


def test_a_dead_workers_trial_is_taken_over_and_lost_to_it(storage: RDBStorage) -> None:
    dead, other = leases(storage, lease_timeout_s=0.05), leases(storage, lease_timeout_s=0.05)
    dead.take(4)
    time.sleep(0.1)
    assert dead.holds(4)  # as nobody wanted it
    assert other.take_abandoned([4], room=1) == [4]
    assert not dead.holds(4)
    with pytest.raises(LeaseLostError, match="another worker has taken trial 4 over"):
        CompletionStore(storage, dead).append(KEY, 4, RUNG)
    CompletionStore(storage, other).append(KEY, 4, RUNG)
    assert CompletionStore(storage).load(KEY, 4) == RUNG


def test_a_living_worker_keeps_its_trials_and_gives_them_back_in_the_end(storage: RDBStorage) -> None:
    first, other = leases(storage, lease_timeout_s=0.4), leases(storage, lease_timeout_s=0.4)
    with first.kept_alive():
        first.take(4)
        time.sleep(1.0)
        assert other.take_abandoned([4], room=1) == []
    assert other.take_abandoned([4], room=1) == [4]


def test_released_one_by_one(storage: RDBStorage) -> None:
    worker = leases(storage)
    worker.take(4)
    worker.take(5)
    worker.release(4)
    assert (worker.holds(4), worker.holds(5)) == (False, True)


def test_a_rung_being_stored_holds_off_who_would_take_the_trial_over(storage: RDBStorage) -> None:
    first, other = leases(storage, lease_timeout_s=0.01), leases(storage, lease_timeout_s=0.01)
    first.take(4)
    time.sleep(0.05)
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(other.take_abandoned([4], room=1)))
    with storage.engine.begin() as connection:
        first.require(connection, 4)
        thread.start()
        thread.join(0.3)
        assert taken == []
    thread.join()
    assert taken == [4]


def test_an_advisory_lock_is_held_by_one(storage: RDBStorage) -> None:
    inside = 0
    most = 0

    def enter(name: str) -> None:
        nonlocal inside, most
        with advisory_lock(storage.engine, name):
            inside += 1
            most = max(most, inside)
            time.sleep(0.1)
            inside -= 1

    for names, expected in ((["a", "a", "a"], 1), (["b", "c"], 2)):
        most = 0
        threads = [threading.Thread(target=enter, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == expected


def test_a_worker_that_cannot_renew_says_so_and_goes_on(
    server_url: str, storage: RDBStorage, caplog: pytest.LogCaptureFixture
) -> None:
    worker = leases(storage, lease_timeout_s=0.2)
    with worker.kept_alive():
        worker.take(4)
        with storage.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE llmsearch_leases RENAME TO away"))
        deadline = time.monotonic() + 60.0
        while "the leases of this worker could not be renewed" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with storage.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO llmsearch_leases"))
        assert worker.holds(4)


def test_a_process_that_is_alone_holds_all(server_url: str) -> None:
    database = open_storage(None)
    claims = make_claims(database, KEY, lease_timeout_s=1.0)
    assert type(claims) is Claims
    assert claims.take_abandoned([1, 2], room=1) == [1, 2]
    assert claims.holds(7)
    with pytest.raises(StorageError, match=r"several workers need a PostgreSQL server .*, got sqlite"):
        Leases(database, KEY, lease_timeout_s=1.0)
    with opened(server_url) as storage:
        assert isinstance(make_claims(storage, KEY, lease_timeout_s=1.0), Leases)
