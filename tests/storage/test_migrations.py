"""A database of an older version opens, and all that was in it is there."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import version_1
from optuna.trial import TrialState
from tiny_studies import TIMINGS, everything, stored_tokens

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.storage.migrations import MIGRATIONS, prepare_tables
from llmsearch_optuna.storage.schema import METADATA, VERSION
from llmsearch_optuna.study.attributes import PRUNED_AT, REUSED_PROMPT_TOKENS
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.verdict.verdict import stored_verdict

SCRIPT = (Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return path


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def script(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def shapes(engine: sa.Engine) -> dict[str, Any]:
    """Columns and keys of our tables."""
    inspector = sa.inspect(engine)
    return {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)},
            inspector.get_pk_constraint(table)["constrained_columns"],
        )
        for table in METADATA.tables
    }


@pytest.fixture
def engine(path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def test_there_is_a_step_to_every_version() -> None:
    assert len(MIGRATIONS) == VERSION - 1


def test_all_that_was_stored_is_there(path: Path) -> None:
    before = {
        table: rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4")
        for table in ("llmsearch_completions", "llmsearch_held_out", "llmsearch_samples")
    }
    (verdict,) = rows(path, "SELECT value_json FROM study_user_attributes WHERE key = 'llmsearch_verdict'")[0]
    study, storage = open_study(f"sqlite:///{path}")
    store = CompletionStore(storage)
    assert rows(path, "SELECT * FROM llmsearch_schema") == [(VERSION,)]
    for table, old in before.items():
        new = rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4")
        counts = [] if table == "llmsearch_samples" else [len(json.loads(row[-3])) for row in old]
        assert new == (
            [(*row, count, 0, None, 0, None) for row, count in zip(old, counts, strict=True)] if counts else old
        )
        assert len(old) == {"llmsearch_completions": 96, "llmsearch_held_out": 20, "llmsearch_samples": 16}[table]
    key = study_key(study)
    assert [len(store.load(key, trial.number)) for trial in study.trials] == [16, 16, 16, 16, 12, 4, 8, 8]
    tokens = [json.loads(row[5]) for row in before["llmsearch_completions"]]
    assert stored_tokens(store, key) == sum(map(len, tokens))
    assert {len(ids) for ids in tokens} > {2, 4}
    stored = stored_verdict(study)
    assert stored is not None
    now, then = json.loads(json.dumps(stored.to_dict())), json.loads(verdict)
    assert {part: now[part] for part in then if part != "finalists"} == {
        part: value for part, value in then.items() if part != "finalists"
    }
    # What has been added since is unknown there.
    for finalist, before_it in zip(now["finalists"], then["finalists"], strict=True):
        assert finalist == {**dict.fromkeys(finalist), "irregular": {}, "tied_votes": 0, **before_it}
    assert now.keys() - then.keys() == {
        "clusters",
        "constant",
        "ended",
        "metrics",
        "next_step",
        "recommended",
        "expense",
        "judge_share",
        "planned_seeds",
        "savings",
        "stopped",
    }
    assert now["savings"] == []


def test_the_tables_are_those_of_a_new_database(path: Path, tmp_path: Path) -> None:
    new, old = (open_storage(f"sqlite:///{file}") for file in (tmp_path / "new.db", path))
    CompletionStore(new)
    CompletionStore(old)
    assert shapes(old.engine) == shapes(new.engine)


def test_the_command_line_reads_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(path)]) == 0
    output = capsys.readouterr().out
    assert "0.2656" in output
    assert "verdict: no gain shown: " in output
    assert rows(path, "SELECT * FROM llmsearch_schema") == [(1,)]  # nothing that it reads has changed since
    assert main(["show", str(path), "--trial", "6"]) == 0
    assert capsys.readouterr().out.count("completion: ") == 8


@pytest.mark.full
def test_a_search_goes_on_to_the_end_that_a_new_one_has(path: Path, tmp_path: Path) -> None:
    tuner = version_1.make_tuner()
    assert [trial.state for trial in open_study(f"sqlite:///{path}")[0].trials][6:] == [TrialState.RUNNING] * 2
    # Version 1 had the first of these attributes, and not yet the second.
    but = ("judged", PRUNED_AT, REUSED_PROMPT_TOKENS, *TIMINGS)

    def without_prompts(stored: list[Any]) -> list[Any]:
        return [
            (*facts, [dataclasses.replace(completion, prompt_token_count=0) for completion in completions])
            for *facts, completions in stored
        ]

    resumed = without_prompts(everything(version_1.search(tuner, path), path, but=but))
    new = tmp_path / "new.db"
    version_1.search(tuner, new, 6)
    assert resumed == without_prompts(everything(version_1.search(tuner, new), new, but=but))
    assert [state for _, state, *_ in resumed].count(TrialState.PRUNED) > 2


class _KilledError(BaseException):
    pass


def test_a_process_that_is_killed_in_a_step_leaves_the_old_version_whole(path: Path, engine: sa.Engine) -> None:
    def killed(connection: sa.Connection) -> None:
        MIGRATIONS[0](connection)
        raise _KilledError

    before = script(path)
    with pytest.raises(_KilledError):
        prepare_tables(engine, [killed])
    assert script(path) == before
    prepare_tables(engine)
    assert rows(path, "SELECT * FROM llmsearch_schema") == [(VERSION,)]


def test_a_step_is_taken_once(path: Path, engine: sa.Engine) -> None:
    """Of two processes that have both seen the old version, the second finds nothing left to do."""
    other = sa.create_engine(f"sqlite:///{path}")
    taken = []

    def overtaken(connection: sa.Connection) -> None:
        taken.append("first")
        MIGRATIONS[0](connection)

    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE llmsearch_schema") and not taken:
            prepare_tables(other, [overtaken])

    sa.event.listen(engine, "before_cursor_execute", meanwhile)
    prepare_tables(engine, [lambda _: taken.append("second")])
    assert taken == ["first"]
    other.dispose()


def test_a_database_of_version_4_has_no_scores_under_further_metrics(path: Path, engine: sa.Engine) -> None:
    prepare_tables(engine, MIGRATIONS[:3])
    with closing(sqlite3.connect(path)) as connection:  # `create_all` makes missing tables only
        assert connection.execute("SELECT version FROM llmsearch_schema").fetchall() == [(4,)]
        assert "metric_scores" not in [row[1] for row in connection.execute("PRAGMA table_info(llmsearch_completions)")]
    study, storage = open_study(f"sqlite:///{path}")
    rows_of = CompletionStore(storage).load(study_key(study), 0)
    assert rows(path, "SELECT * FROM llmsearch_schema") == [(VERSION,)]
    assert len(rows_of) == 16
    assert {len(row.metric_scores) for row in rows_of} == {0}


def test_unfinished_thoughts_get_the_name_that_they_have_now(path: Path, engine: sa.Engine) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE llmsearch_completions SET finish_reason = 'reasoning' WHERE position = 3")
        connection.commit()
    prepare_tables(engine)
    query = "SELECT DISTINCT position FROM llmsearch_completions WHERE finish_reason = 'thinking'"
    assert rows(path, query) == [(3,)]


def test_steps_follow_each_other_from_where_a_database_is(path: Path, engine: sa.Engine) -> None:
    done = []
    prepare_tables(engine)
    steps = [*MIGRATIONS, lambda _: done.append(VERSION), lambda _: done.append(VERSION + 1)]
    prepare_tables(engine, steps)
    assert done == [VERSION, VERSION + 1]
    with pytest.raises(StorageError, match=f"schema {VERSION + 2}, this one supports {VERSION}"):
        prepare_tables(engine)


def test_tables_of_version_1_that_were_made_and_not_yet_used(path: Path, engine: sa.Engine) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DELETE FROM llmsearch_schema; DROP TABLE llmsearch_held_out")
    prepare_tables(engine)
    assert rows(path, "SELECT token_count, count(*) FROM llmsearch_completions GROUP BY 1 ORDER BY 2")[-1] == (4, 52)
    assert rows(path, "SELECT token_count FROM llmsearch_held_out") == []


def test_a_completion_that_is_damaged_does_not_lock_the_others_in(path: Path, engine: sa.Engine) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE llmsearch_completions SET token_ids = '[1, ' WHERE trial_number = 0 AND position = 3"
        )
        connection.commit()
    prepare_tables(engine)
    counts = rows(path, "SELECT token_count FROM llmsearch_completions WHERE trial_number = 0 ORDER BY position")
    assert [count for (count,) in counts[:5]] == [4, 1, 4, 0, 1]


def test_what_is_up_to_date_is_not_written_to(path: Path, engine: sa.Engine) -> None:
    prepare_tables(engine)
    statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2].split()[0]))
    prepare_tables(engine)
    assert set(statements) == {"SELECT", "PRAGMA"}


def test_a_server_is_upgraded_in_the_same_way(server_url: str) -> None:
    engine = sa.create_engine(server_url)
    prepare_tables(engine)
    expected = shapes(engine)
    tables = ("llmsearch_completions", "llmsearch_held_out")
    with engine.begin() as connection:  # back to version 1
        connection.exec_driver_sql("UPDATE llmsearch_schema SET version = 1")
        for table in tables:
            connection.exec_driver_sql(
                f"ALTER TABLE {table} DROP COLUMN token_count, DROP COLUMN thinking_token_count, "
                "DROP COLUMN prompt_token_count"
            )
        for position, tokens in enumerate(("[]", "[1]", "[1, 2, 3]")):
            connection.exec_driver_sql(
                f"INSERT INTO llmsearch_completions VALUES ('k', 0, {position}, 0, '\"\\u0000\"', '{tokens}', 'eos', 1)"
            )

    def killed(connection: sa.Connection) -> None:
        MIGRATIONS[0](connection)
        raise _KilledError

    with pytest.raises(_KilledError):
        prepare_tables(engine, [killed])
    assert "token_count" not in shapes(engine)["llmsearch_completions"][0]
    prepare_tables(engine)
    assert shapes(engine) == expected
    with engine.connect() as connection:
        query = "SELECT token_count FROM llmsearch_completions ORDER BY position"
        assert connection.exec_driver_sql(query).scalars().all() == [0, 1, 3]
        assert connection.exec_driver_sql("SELECT version FROM llmsearch_schema").scalars().all() == [VERSION]
    engine.dispose()
