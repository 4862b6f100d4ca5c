"""Beside Optuna's study: its samples, and every completion with its score."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.storage.database import advisory_lock, readable_errors
from llmsearch_optuna.storage.leases import Claims
from llmsearch_optuna.storage.migrations import prepare_tables
from llmsearch_optuna.storage.schema import METADATA

__all__ = ["CompletionOutline", "CompletionStore", "HeldOutCompletion", "StoredCompletion", "StoredSample"]


def _completion_columns() -> list[sa.Column[Any]]:
    # Texts are stored as JSON, which carries NUL bytes and lone surrogates through every database.
    return [
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("text", sa.JSON, nullable=False),
        sa.Column("token_ids", sa.JSON, nullable=False),
        sa.Column("finish_reason", sa.String(16), nullable=False),
        sa.Column("score", sa.Double, nullable=True),
        sa.Column("token_count", sa.Integer, nullable=False, server_default=sa.text("0")),
    ]


_COMPLETIONS = sa.Table(
    "llmsearch_completions",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, primary_key=True, autoincrement=False),
    *_completion_columns(),
)

_LATEST = sa.Table(
    "llmsearch_latest_rung",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, nullable=False),
)

_HELD_OUT = sa.Table(
    "llmsearch_held_out",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("finalist", sa.String(32), primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True, autoincrement=False),
    *_completion_columns(),
)

_SAMPLES = sa.Table(
    "llmsearch_samples",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("prompt", sa.JSON, nullable=False),
    sa.Column("reference", sa.JSON, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class StoredSample:
    """One sample of the search split, so that a study can be read without its dataset.

    Attributes:
        position: Its place in the shared order.
        row: Its row in the dataset.
        prompt: The prompt.
        reference: The evaluation columns, as far as JSON can hold them (other values as text).
    """

    position: int
    row: int
    prompt: str
    reference: dict[str, Any]

    @property
    def reference_text(self) -> str:
        """The reference alone where it is one text, else all of it as JSON."""
        values = list(self.reference.values())
        if len(values) == 1 and isinstance(values[0], str):
            return values[0]
        return json.dumps(self.reference, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class StoredCompletion:
    """One scored completion of one trial.

    Attributes:
        position: The sample's place in the shared order.
        row: The sample's row in the dataset.
        text: The completion as the scorer saw it.
        token_ids: Every generated token; empty where an engine does not know them.
        finish_reason: ``"eos"``, ``"stop"`` or ``"length"``.
        score: The sample's own score; ``None`` where the metric scores only the whole corpus.
        token_count_reported: The number of tokens, where an engine knows that alone.
    """

    position: int
    row: int
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    score: float | None
    token_count_reported: int = 0

    @property
    def token_count(self) -> int:
        """The number of its tokens; 0 where that is not known."""
        return len(self.token_ids) or self.token_count_reported


class CompletionOutline(NamedTuple):
    """A completion without its text and tokens, of which a study may have very many.

    Attributes:
        position: The sample's place in the shared order.
        score: The sample's own score; ``None`` where the metric scores only the whole corpus.
        token_count: The number of its tokens.
        finish_reason: ``"eos"``, ``"stop"`` or ``"length"``.
    """

    position: int
    score: float | None
    token_count: int
    finish_reason: str


class HeldOutCompletion(NamedTuple):
    """A completion on the hold-out split; its position is the sample's place there.

    Attributes:
        finalist: Identifies the finalist's parameters, whatever the seed; at most 32 characters.
        seed: The seed of its noise.
        completion: The completion.
    """

    finalist: str
    seed: int
    completion: StoredCompletion


class CompletionStore:
    """Completions by study and trial, in the database that holds the Optuna study.

    A study is named by a random key that it carries as a user attribute, so that a study that was deleted and made anew
    under its old name never meets the completions of its predecessor.

    Args:
        storage: Where the study lives.
        claims: Which trials this process may write.

    Raises:
        StorageError: The tables cannot be made, or a newer version of the package made them.
    """

    def __init__(self, storage: RDBStorage, claims: Claims | None = None) -> None:
        self._storage = storage
        self._claims = claims or Claims()
        with readable_errors(self._engine.url), advisory_lock(self._engine, "llmsearch tables"):
            prepare_tables(self._engine)

    @property
    def _engine(self) -> sa.Engine:
        return self._storage.engine

    def append(self, study_key: str, trial_number: int, completions: Sequence[StoredCompletion]) -> None:
        """Adds the completions of one rung in one transaction.

        Raises:
            StorageError: The database cannot be written.
            LeaseLostError: Another process has taken the trial over.
        """
        rows = [
            {"study_key": study_key, "trial_number": trial_number, **_values(completion)} for completion in completions
        ]
        if not rows:  # which SQLAlchemy would take for a row of defaults
            return
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            self._claims.require(connection, trial_number)
            connection.execute(_COMPLETIONS.insert(), rows)
            if not self._claims.shared:
                latest = _LATEST.update().where(_LATEST.c.study_key == study_key).values(trial_number=trial_number)
                if connection.execute(latest).rowcount == 0:
                    connection.execute(_LATEST.insert().values(study_key=study_key, trial_number=trial_number))

    def latest_rung(self, study_key: str) -> int | None:
        """The number of the trial whose rung was stored last; ``None`` if that is not known, as among workers.

        Raises:
            StorageError: The database cannot be read.
        """
        query = sa.select(_LATEST.c.trial_number).where(_LATEST.c.study_key == study_key)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def load(self, study_key: str, trial_number: int) -> list[StoredCompletion]:
        """The completions of one trial, by position.

        Raises:
            StorageError: The database cannot be read.
        """
        query = (
            sa.select(_COMPLETIONS)
            .where(_COMPLETIONS.c.study_key == study_key, _COMPLETIONS.c.trial_number == trial_number)
            .order_by(_COMPLETIONS.c.position)
        )
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return [_completion(row) for row in connection.execute(query)]

    def load_scores(self, study_key: str, trial_number: int) -> list[float | None]:
        """The scores of one trial's samples so far, by position.

        Raises:
            StorageError: The database cannot be read.
        """
        query = (
            sa.select(_COMPLETIONS.c.score)
            .where(_COMPLETIONS.c.study_key == study_key, _COMPLETIONS.c.trial_number == trial_number)
            .order_by(_COMPLETIONS.c.position)
        )
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def load_outlines(self, study_key: str) -> dict[int, list[CompletionOutline]]:
        """All completions of a study without their texts: by trial, and by position.

        Raises:
            StorageError: The database cannot be read.
        """
        table = _COMPLETIONS.c
        query = (
            sa.select(table.trial_number, *(table[name] for name in CompletionOutline._fields))
            .where(table.study_key == study_key)
            .order_by(table.trial_number, table.position)
        )
        found: dict[int, list[CompletionOutline]] = {}
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            for trial_number, *values in connection.execute(query):
                found.setdefault(trial_number, []).append(CompletionOutline(*values))
        return found

    def load_held_out_outlines(self, study_key: str) -> dict[tuple[str, int], list[CompletionOutline]]:
        """All completions on the hold-out split without their texts: by finalist and seed, and by position.

        Raises:
            StorageError: The database cannot be read.
        """
        table = _HELD_OUT.c
        query = (
            sa.select(table.finalist, table.seed, *(table[name] for name in CompletionOutline._fields))
            .where(table.study_key == study_key)
            .order_by(table.finalist, table.seed, table.position)
        )
        found: dict[tuple[str, int], list[CompletionOutline]] = {}
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            for finalist, seed, *values in connection.execute(query):
                found.setdefault((finalist, seed), []).append(CompletionOutline(*values))
        return found

    def count_tokens(self, study_key: str) -> int:
        """The number of tokens in all completions of a study.

        Raises:
            StorageError: The database cannot be read.
        """
        query = sa.select(sa.func.sum(_COMPLETIONS.c.token_count)).where(_COMPLETIONS.c.study_key == study_key)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def append_held_out(self, study_key: str, completions: Sequence[HeldOutCompletion]) -> None:
        """Adds completions of finalists on the hold-out split, in one transaction.

        Raises:
            StorageError: The database cannot be written.
        """
        rows = [
            {"study_key": study_key, "finalist": finalist, "seed": seed, **_values(completion)}
            for finalist, seed, completion in completions
        ]
        if rows:
            with readable_errors(self._engine.url), self._engine.begin() as connection:
                connection.execute(_HELD_OUT.insert(), rows)

    def load_held_out(self, study_key: str, finalist: str, seed: int) -> list[StoredCompletion]:
        """The completions of one finalist with one seed on the hold-out split, by position.

        Raises:
            StorageError: The database cannot be read.
        """
        table = _HELD_OUT.c
        query = (
            sa.select(_HELD_OUT)
            .where(table.study_key == study_key, table.finalist == finalist, table.seed == seed)
            .order_by(table.position)
        )
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return [_completion(row) for row in connection.execute(query)]

    def score_held_out(self, study_key: str, finalist: str, seed: int, scores: Sequence[float]) -> None:
        """Adds the scores to the completions of one finalist with one seed, in the order of their positions.

        Raises:
            StorageError: The database cannot be written.
        """
        table = _HELD_OUT.c
        update = (
            _HELD_OUT.update()
            .where(
                table.study_key == study_key,
                table.finalist == finalist,
                table.seed == seed,
                table.position == sa.bindparam("at"),
            )
            .values(score=sa.bindparam("own"))
        )
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            connection.execute(update, [{"at": position, "own": score} for position, score in enumerate(scores)])

    def save_samples(self, study_key: str, samples: Sequence[StoredSample]) -> None:
        """Keeps the search split of a study; does nothing if it is kept already.

        Raises:
            StorageError: The database cannot be written.
        """
        rows = [{"study_key": study_key, **vars(sample)} for sample in samples]
        kept = sa.select(sa.func.count()).where(_SAMPLES.c.study_key == study_key)
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            if rows and connection.execute(kept).scalar() == 0:
                connection.execute(_SAMPLES.insert(), rows)

    def load_samples(self, study_key: str) -> list[StoredSample]:
        """The search split of a study, by position.

        Raises:
            StorageError: The database cannot be read.
        """
        query = sa.select(_SAMPLES).where(_SAMPLES.c.study_key == study_key).order_by(_SAMPLES.c.position)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return [
                StoredSample(position=row.position, row=row.row, prompt=row.prompt, reference=row.reference)
                for row in connection.execute(query)
            ]


def _values(completion: StoredCompletion) -> dict[str, Any]:
    values = {**vars(completion), "token_count": completion.token_count}
    del values["token_count_reported"]
    return values


def _completion(row: Any) -> StoredCompletion:
    return StoredCompletion(
        position=row.position,
        row=row.row,
        text=row.text,
        token_ids=tuple(row.token_ids),
        finish_reason=row.finish_reason,
        score=row.score,
        token_count_reported=0 if row.token_ids else row.token_count,
    )
