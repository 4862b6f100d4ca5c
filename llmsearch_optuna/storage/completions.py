"""The samples of a study, and every completion with its score, in tables next to Optuna's."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from optuna.storages import RDBStorage

from llmsearch_optuna.storage.database import advisory_lock, readable_errors
from llmsearch_optuna.storage.judgements import JudgementStore
from llmsearch_optuna.storage.leases import Claims
from llmsearch_optuna.storage.migrations import prepare_tables
from llmsearch_optuna.storage.schema import COMPLETIONS, HELD_OUT, LATEST_RUNG, SAMPLES

__all__ = [
    "CompletionOutline",
    "CompletionStore",
    "FurtherCompletion",
    "HeldOutCompletion",
    "StoredCompletion",
    "StoredSample",
    "TokenCounts",
]


@dataclass(frozen=True, kw_only=True)
class StoredSample:
    """One sample of the search split, stored so that a study can be read without its dataset.

    Attributes:
        position: The sample's index in the search split, whose order all trials share.
        row: The sample's row in the dataset.
        prompt: The prompt.
        reference: The evaluation columns. Values that JSON cannot hold are stored as strings.
    """

    position: int
    row: int
    prompt: str
    reference: dict[str, Any]

    @property
    def reference_text(self) -> str:
        """The reference itself if it is a single string, else all its columns as JSON."""
        values = list(self.reference.values())
        if len(values) == 1 and isinstance(values[0], str):
            return values[0]
        return json.dumps(self.reference, ensure_ascii=False)


class FurtherCompletion(NamedTuple):
    """A completion of a sample that has several, after the first. See `StoredCompletion`."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    token_count_reported: int = 0
    thinking_token_count: int = 0

    @property
    def token_count(self) -> int:
        """The number of generated tokens; 0 if unknown."""
        return len(self.token_ids) or self.token_count_reported


@dataclass(frozen=True, kw_only=True)
class StoredCompletion:
    """One completion of a trial, or of a finalist on the hold-out split, with its score.

    If a sample has several completions, this is the first of them, with the score of the sample.

    Attributes:
        position: The sample's index in its split.
        row: The sample's row in the dataset.
        text: The completion as it is scored, after `output_preproc`.
        token_ids: Every generated token; empty if the engine does not report them.
        finish_reason: ``"eos"``, ``"stop"`` or ``"length"``; of a server also what is no ordinary answer.
        score: The sample's score. None if it is not scored yet or the metric scores only the whole corpus.
        token_count_reported: The number of tokens if the engine reports only that, else 0.
        thinking_token_count: The number of tokens up to the ends of the thoughts of a reasoning model, in all
            completions of the sample.
        further: The other completions of the sample, by number.
        prompt_token_count: The number of tokens of its prompt, once per completion of the sample; 0 if unknown.
        metric_scores: The sample's scores under the further metrics, by their labels; empty if there are none.
    """

    position: int
    row: int
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    score: float | None
    token_count_reported: int = 0
    thinking_token_count: int = 0
    further: tuple[FurtherCompletion, ...] = ()
    prompt_token_count: int = 0
    metric_scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def token_count(self) -> int:
        """The number of generated tokens in all completions of the sample; 0 if unknown."""
        first = len(self.token_ids) or self.token_count_reported
        return first + sum(completion.token_count for completion in self.further)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of all completions of the sample."""
        return (self.text, *(completion.text for completion in self.further))

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """Why each completion of the sample ended."""
        return (self.finish_reason, *(completion.finish_reason for completion in self.further))

    @property
    def shown_text(self) -> str:
        """The texts of all completions of the sample, for people."""
        if not self.further:
            return self.text
        return "\n".join(f"[{number}] {text}" for number, text in enumerate(self.texts, start=1))


class CompletionOutline(NamedTuple):
    """A completion without its text and tokens, for reading all of a study at once. See `StoredCompletion`."""

    position: int
    score: float | None
    token_count: int
    finish_reason: str
    thinking_token_count: int = 0
    prompt_token_count: int = 0


@dataclass(frozen=True)
class TokenCounts:
    """The numbers of tokens of some completions and their prompts.

    Attributes:
        generated: The tokens of the completions, including their thoughts.
        thinking: The tokens of the thoughts.
        prompt: The tokens of the prompts. A prompt whose number is unknown counts as 0.
    """

    generated: int = 0
    thinking: int = 0
    prompt: int = 0

    @classmethod
    def of(cls, completions: Iterable["StoredCompletion | CompletionOutline"]) -> Self:
        """Return the sums over completions."""
        rows = [(row.token_count, row.thinking_token_count, row.prompt_token_count) for row in completions]
        return cls(*map(sum, zip(*rows, strict=True)))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.generated + other.generated, self.thinking + other.thinking, self.prompt + other.prompt)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.generated - other.generated, self.thinking - other.thinking, self.prompt - other.prompt)


class HeldOutCompletion(NamedTuple):
    """A completion on the hold-out split.

    Attributes:
        finalist: The key of the finalist's parameters without the seed, at most 32 characters; see `held_out_key`.
        seed: The generation seed; 0 for greedy decoding.
        completion: The completion.
    """

    finalist: str
    seed: int
    completion: StoredCompletion


class CompletionStore:
    """The completions of studies, in the database that holds the Optuna studies.

    A study is identified by a random key, which is stored as its user attribute. A study that is deleted and created
    again under the same name therefore never reads the completions of its predecessor. Every method raises
    `StorageError` if the database cannot be read or written.

    Args:
        storage: The database of the studies.
        claims: The trials whose completions this process may store; all by default.

    Raises:
        StorageError: The tables cannot be created, or a newer version of the package created them.
    """

    def __init__(self, storage: RDBStorage, claims: Claims | None = None) -> None:
        self._storage = storage
        self._claims = claims or Claims()
        with readable_errors(self._engine.url), advisory_lock(self._engine, "llmsearch tables"):
            prepare_tables(self._engine)

    @property
    def _engine(self) -> sa.Engine:
        """The engine of the storage. It is not kept, because a storage that is unpickled creates a new one."""
        return self._storage.engine

    def append(self, study_key: str, trial_number: int, completions: Sequence[StoredCompletion]) -> None:
        """Store the completions of one rung in one transaction.

        Raises:
            LeaseLostError: Another process has taken the trial over.
        """
        group = {"study_key": study_key, "trial_number": trial_number}
        rows = [{**group, **_values(completion)} for completion in completions]
        if not rows:  # SQLAlchemy would insert a row of defaults
            return
        with self._writing() as connection:
            self._claims.require(connection, trial_number)
            connection.execute(COMPLETIONS.insert(), rows)
            if not self._claims.shared:
                latest = LATEST_RUNG.update().where(LATEST_RUNG.c.study_key == study_key)
                if not connection.execute(latest, {"trial_number": trial_number}).rowcount:
                    connection.execute(LATEST_RUNG.insert().values(group))

    def append_held_out(self, study_key: str, completions: Sequence[HeldOutCompletion]) -> None:
        """Store completions of finalists on the hold-out split in one transaction."""
        rows = [
            {"study_key": study_key, "finalist": finalist, "seed": seed, **_values(completion)}
            for finalist, seed, completion in completions
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(HELD_OUT.insert(), rows)

    def score_held_out(self, study_key: str, finalist: str, seed: int, scores: Sequence[float]) -> None:
        """Set the scores of the completions of one finalist with one seed.

        Args:
            study_key: The study's key.
            finalist: See `HeldOutCompletion`.
            seed: See `HeldOutCompletion`.
            scores: The score of each sample of the hold-out split, in order.
        """
        self._set_held_out("score", scores, study_key=study_key, finalist=finalist, seed=seed)

    def store_held_out_metrics(
        self, study_key: str, finalist: str, seed: int, scores: Sequence[Mapping[str, float]]
    ) -> None:
        """Set the scores under the further metrics, by label; see `score_held_out`."""
        self._set_held_out("metric_scores", scores, study_key=study_key, finalist=finalist, seed=seed)

    def load(self, study_key: str, trial_number: int) -> list[StoredCompletion]:
        """Return the completions of one trial, by position."""
        return [_completion(row) for row in self._rows(COMPLETIONS, study_key=study_key, trial_number=trial_number)]

    def load_held_out(self, study_key: str, finalist: str, seed: int) -> list[StoredCompletion]:
        """Return the completions of one finalist with one seed on the hold-out split, by position."""
        return [_completion(row) for row in self._rows(HELD_OUT, study_key=study_key, finalist=finalist, seed=seed)]

    def load_scores(self, study_key: str, trial_number: int) -> list[float | None]:
        """Return the scores of one trial's samples so far, by position."""
        rows = self._rows(COMPLETIONS, ["score"], study_key=study_key, trial_number=trial_number)
        return [row.score for row in rows]

    def load_outlines(self, study_key: str) -> dict[int, list[CompletionOutline]]:
        """Return all completions of a study's trials without their texts: by trial number, then by position."""
        outlines = self._outlines(COMPLETIONS, study_key)
        return {trial_number: completions for (trial_number,), completions in outlines.items()}

    def load_held_out_outlines(self, study_key: str) -> dict[tuple[str, int], list[CompletionOutline]]:
        """Return all held-out completions of a study without their texts: by finalist and seed, then by position."""
        return self._outlines(HELD_OUT, study_key)

    def latest_rung(self, study_key: str) -> int | None:
        """Return the number of the trial whose rung was stored last. None if unknown, as with several workers."""
        rows = self._rows(LATEST_RUNG, ["trial_number"], study_key=study_key)
        return rows[0].trial_number if rows else None

    def count_tokens(self, study_key: str) -> dict[int, TokenCounts]:
        """Return the numbers of tokens of a study's trials by trial number, including those of reused completions."""
        columns = (COMPLETIONS.c.token_count, COMPLETIONS.c.thinking_token_count, COMPLETIONS.c.prompt_token_count)
        query = sa.select(COMPLETIONS.c.trial_number, *map(sa.func.sum, columns)).group_by(COMPLETIONS.c.trial_number)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            rows = connection.execute(query.where(COMPLETIONS.c.study_key == study_key)).all()
        # PostgreSQL returns sums of integers as decimals or as integers, depending on their size.
        return {number: TokenCounts(*map(int, sums)) for number, *sums in rows}

    def save_samples(self, study_key: str, samples: Sequence[StoredSample]) -> None:
        """Store the search split of a study, unless it is stored already."""
        rows = [{"study_key": study_key, **vars(sample)} for sample in samples]
        count = sa.select(sa.func.count()).where(SAMPLES.c.study_key == study_key)
        with self._writing() as connection:
            if rows and connection.execute(count).scalar() == 0:
                connection.execute(SAMPLES.insert(), rows)

    def load_samples(self, study_key: str) -> list[StoredSample]:
        """Return the search split of a study, by position."""
        return [
            StoredSample(position=row.position, row=row.row, prompt=row.prompt, reference=row.reference)
            for row in self._rows(SAMPLES, study_key=study_key)
        ]

    def judgements(self, study_key: str) -> JudgementStore:
        """Return the judgements of the database, for a study that asks for more."""
        return JudgementStore(self._engine, study_key)

    def _set_held_out(self, column: str, values: Sequence[Any], **group: str | int) -> None:
        """Set a column of the held-out completions that match `group`, by position."""
        of_sample = HELD_OUT.c.position == sa.bindparam("scored_position")
        update = HELD_OUT.update().where(*_conditions(HELD_OUT, **group), of_sample)
        rows = [{"scored_position": position, "new_value": value} for position, value in enumerate(values)]
        with self._writing() as connection:
            connection.execute(update.values({column: sa.bindparam("new_value", type_=HELD_OUT.c[column].type)}), rows)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with readable_errors(self._engine.url), self._engine.begin() as connection:
            yield connection

    def _rows(self, table: sa.Table, columns: Sequence[str] | None = None, **group: str | int) -> Sequence[sa.Row[Any]]:
        """Return some columns of the rows that match `group`, in the order of the primary key; all columns if None."""
        selected = table.c if columns is None else [table.c[name] for name in columns]
        query = sa.select(*selected).where(*_conditions(table, **group)).order_by(*table.primary_key)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return connection.execute(query).all()

    def _outlines(self, table: sa.Table, study_key: str) -> dict[Any, list[CompletionOutline]]:
        """Return the outlines of a study's completions, grouped by the primary key without study key and position."""
        groups = [column.name for column in table.primary_key][1:-1]
        outlines: dict[Any, list[CompletionOutline]] = {}
        for row in self._rows(table, [*groups, *CompletionOutline._fields], study_key=study_key):
            outlines.setdefault(tuple(row[: len(groups)]), []).append(CompletionOutline(*row[len(groups) :]))
        return outlines


def _conditions(table: sa.Table, **group: str | int) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in group.items()]


def _values(completion: StoredCompletion) -> dict[str, Any]:
    further = [further._asdict() for further in completion.further] or None
    values = {**vars(completion), "token_count": completion.token_count, "further": further}
    values["metric_scores"] = dict(completion.metric_scores) or None
    del values["token_count_reported"]
    return values


def _completion(row: Any) -> StoredCompletion:
    further = tuple(
        FurtherCompletion(**{**completion, "token_ids": tuple(completion["token_ids"])})
        for completion in row.further or ()
    )
    return StoredCompletion(
        position=row.position,
        row=row.row,
        text=row.text,
        token_ids=tuple(row.token_ids),
        finish_reason=row.finish_reason,
        score=row.score,
        token_count_reported=0
        if row.token_ids
        else row.token_count - sum(completion.token_count for completion in further),
        thinking_token_count=row.thinking_token_count,
        further=further,
        prompt_token_count=row.prompt_token_count,
        metric_scores=row.metric_scores or {},
    )
