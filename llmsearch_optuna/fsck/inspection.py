"""Reading a database as it is, in whatever state it is, without writing a byte to it."""

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.storage.database import readable_errors, shown_url, sqlite_path
from llmsearch_optuna.storage.schema import stored_version

__all__ = ["Inspection", "RawCompletion", "RawStudy", "RawTrial", "inspect_database"]

_MOST_COMPLAINTS = 8

_TEXTS = frozenset(
    {
        *("study_name", "direction", "state", "key", "value_json", "value_type", "intermediate_value_type"),
        *("text", "token_ids", "finish_reason", "prompt", "reference"),
    }
)


@dataclass(frozen=True, kw_only=True)
class RawStudy:
    """A study as it is stored.

    Attributes:
        id: Its id in the database.
        name: Its name.
        directions: ``"MAXIMIZE"`` or ``"MINIMIZE"``, one per objective.
        user_attrs: Its user attributes, as the JSON that is stored.
    """

    id: int
    name: str
    directions: list[str]
    user_attrs: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class RawTrial:
    """A trial as it is stored.

    Attributes:
        number: Its number.
        state: ``"COMPLETE"``, ``"PRUNED"``, ``"RUNNING"``, ``"WAITING"`` or ``"FAIL"``.
        values: Its values; ``None`` is one that is not finite.
        reported: Its intermediate values by step; ``None`` is one that is not finite.
        user_attrs: Its user attributes, as the JSON that is stored.
    """

    number: int
    state: str
    values: list[float | None] = field(default_factory=list)
    reported: dict[int, float | None] = field(default_factory=dict)
    user_attrs: dict[str, str] = field(default_factory=dict)


class RawCompletion(NamedTuple):
    """A completion as it is stored: texts are JSON; anything may be damaged.

    Attributes:
        group: What it belongs to: a trial's number, or a finalist with a seed.
        position: The sample's place.
        row: The sample's row in the dataset.
        text: The completion.
        token_ids: Its tokens.
        finish_reason: Why it ended.
        score: Its score.
        token_count: The number of its tokens; ``None`` in a database of version 1.
    """

    group: tuple[Any, ...]
    position: Any
    row: Any
    text: Any
    token_ids: Any
    finish_reason: Any
    score: Any
    token_count: Any


class Inspection:
    """Reads one state of a database; every method raises `StorageError` where that part of it cannot be read.

    Args:
        connection: To the database, in a transaction that only reads.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def complaints(self) -> list[str]:
        """What SQLite finds wrong in the file's structure; nothing on a server, which looks after its files itself."""
        if self._connection.dialect.name != "sqlite":
            return []
        found = [str(row[0]) for row in self._rows(sa.text("PRAGMA integrity_check(1000)"))]
        lines = [line for text in found if text != "ok" for line in text.splitlines() if not line.startswith("***")]
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for table, _, parent, _ in self._rows(sa.text("PRAGMA foreign_key_check")):
            counts[table, parent] += 1
        lines += [
            f"{count} rows of {table} belong to {parent} that are lost" for (table, parent), count in counts.items()
        ]
        more = len(lines) - _MOST_COMPLAINTS
        return lines if more <= 0 else [*lines[:_MOST_COMPLAINTS], f"and {more} more of this kind"]

    def version(self) -> int | None:
        """The version of our tables; ``None`` if there are none."""
        with self._one_line():
            return stored_version(self._connection)

    def optuna_versions(self) -> tuple[str | None, str]:
        """The version of Optuna's tables, ``None`` if there are none, and the one that this Optuna knows."""
        known = RDBStorage("sqlite://").get_head_version()
        with self._one_line():
            inspector = sa.inspect(self._connection)
            if not all(inspector.has_table(name) for name in ("studies", "trials", "alembic_version")):
                return None, known
        found = self._rows(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version")))
        return str(found[0][0]) if found else None, known

    def studies(self) -> list[RawStudy]:
        """All studies, by id."""
        directions: dict[int, list[str]] = defaultdict(list)
        attributes: dict[int, dict[str, str]] = defaultdict(dict)
        for study_id, direction in self._rows(
            _select("study_directions", "study_id", "direction").order_by(sa.column("objective"))
        ):
            directions[study_id].append(direction)
        for study_id, key, value in self._rows(_select("study_user_attributes", "study_id", "key", "value_json")):
            attributes[study_id][key] = value
        return [
            RawStudy(id=study_id, name=name, directions=directions[study_id], user_attrs=attributes[study_id])
            for study_id, name in self._rows(_select("studies", "study_id", "study_name").order_by(sa.text("1")))
        ]

    def trials(self, study: RawStudy) -> list[RawTrial]:
        """All trials of a study, by number."""
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
        """The completions of a trial, by position."""
        return self._completions("llmsearch_completions", ("trial_number",), study_key, trial_number)

    def held_out(self, study_key: str) -> list[RawCompletion]:
        """The completions on the hold-out split of a study, by finalist, seed and position."""
        return self._completions("llmsearch_held_out", ("finalist", "seed"), study_key)

    def samples(self, study_key: str) -> list[tuple[Any, Any, Any, Any]]:
        """Position, row, prompt and reference of the samples of a study, by position."""
        query = _select("llmsearch_samples", "position", "row", "prompt", "reference")
        return [tuple(row) for row in self._rows(query.where(_of_key(study_key)).order_by(sa.column("position")))]

    def sizes(self, table: str) -> dict[tuple[Any, ...], int]:
        """How many rows of a table belong to each study key, and trial where it has trials."""
        columns: list[sa.ColumnElement[Any]] = [sa.column("study_key")]
        if table == "llmsearch_completions":
            columns.append(sa.column("trial_number"))
        query = sa.select(*columns, sa.func.count()).select_from(sa.table(table)).group_by(*columns)
        return {tuple(row[:-1]): row[-1] for row in self._rows(query)}

    def _completions(self, table: str, groups: tuple[str, ...], study_key: str, *trial: int) -> list[RawCompletion]:
        with self._one_line():
            known = [column["name"] for column in sa.inspect(self._connection).get_columns(table)]
        query = _select(
            table, *groups, "position", "row", "text", "token_ids", "finish_reason", "score",
            *(["token_count"] if "token_count" in known else []),
        )  # fmt: skip
        query = query.where(_of_key(study_key)).order_by(*map(sa.column, groups), sa.column("position"))
        if trial:
            query = query.where(sa.column("trial_number") == trial[0])
        count = len(groups)
        return [
            RawCompletion(tuple(row[:count]), *row[count:], *([] if "token_count" in known else [None]))
            for row in self._rows(query)
        ]

    def _rows(self, query: Any) -> list[Any]:
        with self._one_line():
            return list(self._connection.execute(query))

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(str(getattr(error, "orig", None) or error)) from error


@contextlib.contextmanager
def inspect_database(url: str) -> Iterator[Inspection]:
    """Opens a database for looking at it only.

    Args:
        url: SQLAlchemy URL.

    Raises:
        StorageError: It does not exist, cannot be opened, or is in memory.
    """
    with readable_errors(url):
        path = sqlite_path(url)
        if path is None and sa.make_url(url).get_backend_name() == "sqlite":
            raise StorageError(f"{shown_url(url)} is no file of which something could be lost")
        if path is not None and not path.is_file():
            raise StorageError(f"there is no database {path}")
        try:
            engine = sa.create_engine(url) if path is None else _reader(path)
        except ImportError as error:
            raise StorageError(f"database {shown_url(url)} cannot be used: {error}") from error
    try:
        with readable_errors(url):
            connection = engine.connect()
            if path is None:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.exec_driver_sql("BEGIN")
        with connection:
            yield Inspection(connection)
    finally:
        engine.dispose()


def _reader(path: Path) -> sa.Engine:
    """Reads a file, and the log beside it where there is one."""
    # A log that a process left is read by way of an index, which SQLite makes beside it; a file without one is read as
    # if nothing could ever change it, or SQLite would leave both there.
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
    in_use = any(log.exists() and log.stat().st_size > 0 for log in logs)
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'' if in_use else '&immutable=1'}"
    return sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60.0),
        poolclass=sa.NullPool,
    )


def _select(table: str, *columns: str) -> sa.Select[*tuple[Any, ...]]:
    """Texts, enumerations and JSON as text, numbers as they are."""
    shown = [sa.cast(sa.column(name), sa.Text) if name in _TEXTS else sa.column(name) for name in columns]
    return sa.select(*shown).select_from(sa.table(table))


def _of_key(study_key: str) -> sa.ColumnElement[bool]:
    return sa.column("study_key") == study_key
