"""Reading a possibly damaged database without writing to it."""

import contextlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.storage.database import opening_errors, readable_errors, shown_url, sqlite_path
from llmsearch_optuna.storage.schema import COMPLETIONS, HELD_OUT, JUDGEMENTS, LEASES, SAMPLES, stored_version

__all__ = ["Inspection", "RawCompletion", "RawStudy", "RawTrial", "inspect_database"]

_MOST_COMPLAINTS = 8

_TEXTS = frozenset(
    {
        *("study_name", "direction", "state", "key", "value_json", "value_type", "intermediate_value_type"),
        *("text", "token_ids", "finish_reason", "further", "metric_scores"),
        *("prompt", "reference", "answers", "renewed"),
    }
)


@dataclass(frozen=True, kw_only=True)
class RawStudy:
    """A study as it is stored.

    Attributes:
        id: The study's id in the database.
        name: The study's name.
        directions: ``"MAXIMIZE"`` or ``"MINIMIZE"``, one per objective.
        user_attrs: The user attributes, as stored JSON.
    """

    id: int
    name: str
    directions: list[str]
    user_attrs: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class RawTrial:
    """A trial as it is stored.

    Attributes:
        number: The trial's number.
        state: ``"COMPLETE"``, ``"PRUNED"``, ``"RUNNING"``, ``"WAITING"`` or ``"FAIL"``.
        values: The values, one per objective. None if a value is not finite.
        reported: The intermediate values by step. None if a value is not finite.
        user_attrs: The user attributes, as stored JSON.
    """

    number: int
    state: str
    values: list[float | None] = field(default_factory=list)
    reported: dict[int, float | None] = field(default_factory=dict)
    user_attrs: dict[str, str] = field(default_factory=dict)


class RawCompletion(NamedTuple):
    """A completion as it is stored: the columns of `COMPLETIONS` or `HELD_OUT`. Every value may be damaged.

    Attributes:
        group: ``(trial number,)`` or ``(finalist, seed)``.
        position: The sample's place in its split.
        row: The sample's row in the dataset.
        text: The completion, as JSON.
        token_ids: The token ids, as JSON.
        finish_reason: ``"eos"``, ``"stop"`` or ``"length"``; of a server also what is no ordinary answer.
        score: The sample's score. None if the metric scores only a corpus.
        token_count: The number of tokens. None in a database of version 1.
        thinking_token_count: The number of tokens of its thought. None in a database of version 1 or 2.
        further: The further completions of the sample, as JSON. None if there are none.
        prompt_token_count: The number of tokens of its prompt. None in a database of version 1 to 3.
        metric_scores: The scores under further metrics by label, as JSON. None if there are none.
    """

    group: tuple[Any, ...]
    position: Any
    row: Any
    text: Any
    token_ids: Any
    finish_reason: Any
    score: Any
    token_count: Any = None
    thinking_token_count: Any = None
    further: Any = None
    prompt_token_count: Any = None
    metric_scores: Any = None


class Inspection:
    """A reader of one state of a database. Every method raises `StorageError` if its part cannot be read.

    Args:
        connection: The connection, in a read-only transaction.
        without_log: See the attribute.

    Attributes:
        without_log: Whether it is an SQLite file that is written through a log (``-wal``), and there is no log beside
            it. That is so after a search has ended, and also in a copy that was made without the log.
    """

    def __init__(self, connection: sa.Connection, *, without_log: bool = False) -> None:
        self.without_log = without_log
        self._connection = connection

    def complaints(self) -> list[str]:
        """Return the flaws that SQLite reports in the structure of its file; an empty list for a server."""
        if self._connection.dialect.name != "sqlite":
            return []
        results = [str(row[0]) for row in self._rows(sa.text("PRAGMA integrity_check(1000)"))]
        lines = [line for text in results if text != "ok" for line in text.splitlines() if not line.startswith("***")]
        orphans = self._rows(sa.text("PRAGMA foreign_key_check"))
        counts = Counter((table, parent) for table, _, parent, _ in orphans)
        lines += [
            f"{count} rows of {table} belong to {parent} that are lost" for (table, parent), count in counts.items()
        ]
        more = len(lines) - _MOST_COMPLAINTS
        return lines if more <= 0 else [*lines[:_MOST_COMPLAINTS], f"and {more} more of this kind"]

    def version(self) -> int | None:
        """Return the version of this package's tables. None if there are none."""
        with self._storage_errors():
            return stored_version(self._connection)

    def optuna_versions(self) -> tuple[str | None, str]:
        """Return the schema revision of Optuna's tables (None if there are none) and the one that Optuna expects."""
        installed = RDBStorage("sqlite://").get_head_version()
        if not self._has("studies", "trials", "alembic_version"):
            return None, installed
        rows = self._rows(_select("alembic_version", "version_num"))
        return str(rows[0][0]) if rows else None, installed

    def studies(self) -> list[RawStudy]:
        """Return all studies, by id."""
        directions: dict[int, list[str]] = defaultdict(list)
        attributes: dict[int, dict[str, str]] = defaultdict(dict)
        query = _select("study_directions", "study_id", "direction").order_by(sa.column("objective"))
        for study_id, direction in self._rows(query):
            directions[study_id].append(direction)
        for study_id, key, value in self._rows(_select("study_user_attributes", "study_id", "key", "value_json")):
            attributes[study_id][key] = value
        return [
            RawStudy(id=study_id, name=name, directions=directions[study_id], user_attrs=attributes[study_id])
            for study_id, name in self._rows(_select("studies", "study_id", "study_name").order_by(sa.text("1")))
        ]

    def trials(self, study: RawStudy) -> list[RawTrial]:
        """Return all trials of a study, by number."""
        trials: dict[int, RawTrial] = {}
        of_study = sa.column("study_id") == study.id
        query = _select("trials", "trial_id", "number", "state").where(of_study).order_by(sa.column("number"))
        for trial_id, number, state in self._rows(query):
            trials[trial_id] = RawTrial(number=number, state=state)
        ids = sa.select(sa.column("trial_id", sa.Integer)).select_from(sa.table("trials")).where(of_study)

        def of_trials(table: str, *columns: str) -> list[Any]:
            return self._rows(_select(table, "trial_id", *columns).where(sa.column("trial_id").in_(ids)))

        values = of_trials("trial_values", "objective", "value", "value_type")
        for trial_id, _, value, kind in sorted(values, key=lambda row: (row[0], row[1])):
            trials[trial_id].values.append(value if kind == "FINITE" else None)
        for trial_id, step, value, kind in of_trials(
            "trial_intermediate_values", "step", "intermediate_value", "intermediate_value_type"
        ):
            trials[trial_id].reported[step] = value if kind == "FINITE" else None
        for trial_id, key, value in of_trials("trial_user_attributes", "key", "value_json"):
            trials[trial_id].user_attrs[key] = value
        return list(trials.values())

    def completions(self, study_key: str, trial_number: int) -> list[RawCompletion]:
        """Return the completions of a trial, by position."""
        of_trial = sa.and_(_of_key(study_key), sa.column("trial_number") == trial_number)
        return self._completions(COMPLETIONS.name, ("trial_number",), of_trial)

    def held_out(self, study_key: str) -> list[RawCompletion]:
        """Return the completions of a study on its hold-out split, by finalist, seed and position."""
        return self._completions(HELD_OUT.name, ("finalist", "seed"), _of_key(study_key))

    def samples(self, study_key: str) -> list[tuple[Any, Any, Any, Any]]:
        """Return the samples of a study by position, as (position, row, prompt as JSON, reference as JSON)."""
        query = _select(SAMPLES.name, "position", "row", "prompt", "reference")
        return self._rows(query.where(_of_key(study_key)).order_by(sa.column("position")))

    def judgements(self, study_key: str) -> list[tuple[Any, Any, Any]]:
        """Return the judgements that a study asked for, as (key, score, answers as JSON)."""
        if not self._has(JUDGEMENTS.name):
            return []
        query = _select(JUDGEMENTS.name, "key", "score", "answers").where(_of_key(study_key)).order_by(sa.column("key"))
        return self._rows(query)

    def leases(self) -> list[tuple[Any, Any, Any, Any]]:
        """Return all leases as (study key, trial number, worker, time of the last renewal as a string)."""
        if not self._has(LEASES.name):
            return []
        query = _select(LEASES.name, "study_key", "trial_number", "worker", "renewed")
        return self._rows(query.order_by(sa.column("trial_number")))

    def now(self) -> str:
        """Return the database's clock as a string, in the form of the leases."""
        is_postgresql = self._connection.dialect.name == "postgresql"
        clock = sa.func.clock_timestamp() if is_postgresql else sa.func.current_timestamp()
        return str(self._rows(sa.select(sa.cast(clock, sa.Text)))[0][0])

    def sizes(self, table: str) -> dict[tuple[Any, ...], int]:
        """Return the number of rows of a table by ``(study key,)``, or by ``(study key, trial number)``.

        The trial number is only in the keys for the table of completions.
        """
        columns: list[sa.ColumnElement[Any]] = [sa.column("study_key")]
        if table == COMPLETIONS.name:
            columns.append(sa.column("trial_number"))
        query = sa.select(*columns, sa.func.count()).select_from(sa.table(table)).group_by(*columns)
        return {tuple(row[:-1]): row[-1] for row in self._rows(query)}

    def _completions(self, table: str, groups: Sequence[str], where: sa.ColumnElement[bool]) -> list[RawCompletion]:
        with self._storage_errors():
            columns = [column["name"] for column in sa.inspect(self._connection).get_columns(table)]
        values = [name for name in RawCompletion._fields[1:] if name in columns]
        query = _select(table, *groups, *values).where(where).order_by(*map(sa.column, (*groups, "position")))
        return [RawCompletion(tuple(row[: len(groups)]), *row[len(groups) :]) for row in self._rows(query)]

    def _has(self, *tables: str) -> bool:
        with self._storage_errors():
            inspector = sa.inspect(self._connection)
            return all(inspector.has_table(table) for table in tables)

    def _rows(self, query: Any) -> list[Any]:
        with self._storage_errors():
            return list(self._connection.execute(query))

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(str(getattr(error, "orig", None) or error)) from error


@contextlib.contextmanager
def inspect_database(url: str) -> Iterator[Inspection]:
    """Open a database in a read-only transaction.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:///studies/x.db``.

    Yields:
        The reader of the database.

    Raises:
        StorageError: The database does not exist, cannot be opened, or is in memory.
    """
    with opening_errors(url):
        path = sqlite_path(url)
        if path is None and sa.make_url(url).get_backend_name() == "sqlite":
            raise StorageError(f"{shown_url(url)} is not a file: name a database on disk or on a server")
        if path is not None and not path.is_file():
            raise StorageError(f"there is no database {path}")
        engine = sa.create_engine(url) if path is None else _reader(path)
    try:
        with readable_errors(url):
            connection = engine.connect()
            if path is None:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.exec_driver_sql("BEGIN")
        with connection:
            yield Inspection(connection, without_log=path is not None and not _has_log(path) and _uses_log(path))
    finally:
        engine.dispose()


def _reader(path: Path) -> sa.Engine:
    """Return an engine that reads a file, and its write-ahead log if there is one."""
    # SQLite reads a log through an index file, which it creates next to the database. A database without a log is
    # opened as immutable, because SQLite would otherwise create both files and leave them there.
    in_use = _has_log(path)
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'' if in_use else '&immutable=1'}"
    return sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60.0),
        poolclass=sa.NullPool,
    )


def _has_log(path: Path) -> bool:
    """Return whether a write-ahead log or a rollback journal with content is beside an SQLite file."""
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
    return any(log.exists() and log.stat().st_size > 0 for log in logs)


def _uses_log(path: Path) -> bool:
    """Return whether the header of an SQLite file says that it is written through a write-ahead log."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def _select(table: str, *columns: str) -> sa.Select[*tuple[Any, ...]]:
    """Return a query that reads strings, enumerations and JSON as strings, and numbers unchanged."""
    shown = [sa.cast(sa.column(name), sa.Text) if name in _TEXTS else sa.column(name) for name in columns]
    return sa.select(*shown).select_from(sa.table(table))


def _of_key(study_key: str) -> sa.ColumnElement[bool]:
    return sa.column("study_key") == study_key
