"""Judgements by their content, in SQLite and on a server."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from llmsearch_optuna.storage import CompletionStore, JudgementCounts, JudgementStore, StoredJudgement, open_storage

GOOD = StoredJudgement(4.0, ("Fine \x00\ud800.\nScore: 4",), None, 1, 100, 10)
PAIR = StoredJudgement(0.5, ("Better: A", "Better: A"), True, 2, 200, 20)
SURE = StoredJudgement(1.0, ("Better: A", "Better: B"), False, 2, 200, 20)
NONSENSE = StoredJudgement(None, ("?",), None, 3, 300, 30)


def stores(url: str) -> tuple[JudgementStore, JudgementStore]:
    """The judgements of one database for two studies."""
    store = CompletionStore(open_storage(url))
    return store.judgements("first"), store.judgements("second")


def check(url: str) -> None:
    first, second = stores(url)
    assert first.load([]) == {}
    assert first.load(["a"]) == {}
    assert first.counts() == JudgementCounts(0, 0, 0, 0, 0, 0, 0)
    kept = {"a": GOOD, "b": PAIR, "c": SURE, "d": NONSENSE}
    first.save(kept)
    assert second.load([*kept, *(f"x{number}" for number in range(1200))]) == kept
    assert first.counts() == JudgementCounts(4, 8, 800, 80, 1, 2, 1)
    assert second.counts() == JudgementCounts(0, 0, 0, 0, 0, 0, 0)
    # Whoever asked first is right, and an answer that can be read replaces one that cannot.
    second.save({"a": GOOD._replace(score=1.0), "d": GOOD})
    assert second.load(["a", "d"]) == {
        "a": GOOD._replace(requests=2, prompt_tokens=200, tokens=20),
        "d": GOOD._replace(requests=4, prompt_tokens=400, tokens=40),
    }
    assert first.counts().unreadable == 0
    assert first.counts().requests == 10


def test_a_file_keeps_judgements(tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_server_keeps_judgements(server_url: str) -> None:
    check(server_url)


def test_two_workers_may_store_the_same_judgement_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stores(f"sqlite:///{tmp_path / 'x.db'}")
    load, loads = JudgementStore._load, []

    def overtaken(store: JudgementStore, connection: sa.Connection, keys: list[str]) -> dict[str, StoredJudgement]:
        stored = load(store, connection, keys)
        loads.append(len(stored))
        return {} if len(loads) == 1 else stored  # as if the other had stored it just after

    first.save({"a": GOOD})
    monkeypatch.setattr(JudgementStore, "_load", overtaken)
    second.save({"a": GOOD._replace(score=1.0)})
    assert second.load(["a"])["a"].score == 4.0
    assert loads == [1, 1, 1]
