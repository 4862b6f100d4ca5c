"""The judgements of completions by another model, by their content."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from llmsearch_optuna.storage.database import readable_errors
from llmsearch_optuna.storage.schema import JUDGEMENTS

__all__ = ["JudgementCounts", "JudgementStore", "StoredJudgement"]

_MOST_KEYS = 500  # in one query: databases limit the number of variables


class StoredJudgement(NamedTuple):
    """A judgement; see the metric `judge`."""

    score: float | None
    answers: tuple[str, ...]
    order_changed: bool | None
    requests: int
    prompt_tokens: int
    tokens: int


class JudgementCounts(NamedTuple):
    """What a study has asked a judge.

    Attributes:
        judgements: The number of judgements.
        requests: The number of requests for them.
        prompt_tokens: The number of tokens in the judge's prompts.
        tokens: The number of tokens that the judge generated.
        unreadable: The number of judgements that cannot be read.
        pairs: The number of readable judgements of pairs.
        order_changed: The number of pairs whose order changed the answer.
    """

    judgements: int
    requests: int
    prompt_tokens: int
    tokens: int
    unreadable: int
    pairs: int
    order_changed: int


class JudgementStore:
    """The judgements of a database, which all of its studies share. Every method may raise `StorageError`.

    Args:
        engine: The database.
        study_key: The study that asks for the judgements that are saved.
    """

    def __init__(self, engine: sa.Engine, study_key: str) -> None:
        self._engine = engine
        self._study_key = study_key

    def load(self, keys: Sequence[str]) -> dict[str, StoredJudgement]:
        """Return the stored judgements by key."""
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return self._load(connection, keys)

    def save(self, judgements: Mapping[str, StoredJudgement]) -> None:
        """Store judgements. Those that are stored already keep their score, and their requests and tokens are added."""
        with readable_errors(self._engine.url):
            try:
                self._save(judgements)
            except sa.exc.IntegrityError:  # another worker has stored one of them meanwhile
                self._save(judgements)

    def counts(self) -> JudgementCounts:
        """Return what the study has asked for."""
        table = JUDGEMENTS.c
        sums = (table.requests, table.prompt_tokens, table.tokens)
        changed = sa.case((table.order_changed, 1), else_=0)
        query = sa.select(
            sa.func.count(),
            *(sa.func.coalesce(sa.func.sum(column), 0) for column in sums),
            sa.func.count() - sa.func.count(table.score),
            sa.func.count(table.order_changed),
            sa.func.coalesce(sa.func.sum(changed), 0),
        ).where(table.study_key == self._study_key)
        with readable_errors(self._engine.url), self._engine.connect() as connection:
            return JudgementCounts(*map(int, connection.execute(query).one()))

    def _load(self, connection: sa.Connection, keys: Sequence[str]) -> dict[str, StoredJudgement]:
        stored = {}
        columns = [JUDGEMENTS.c[name] for name in StoredJudgement._fields]
        for start in range(0, len(keys), _MOST_KEYS):
            chosen = JUDGEMENTS.c.key.in_(keys[start : start + _MOST_KEYS])
            for key, score, answers, *rest in connection.execute(sa.select(JUDGEMENTS.c.key, *columns).where(chosen)):
                stored[key] = StoredJudgement(score, tuple(answers), *rest)
        return stored

    def _save(self, judgements: Mapping[str, StoredJudgement]) -> None:
        with self._engine.begin() as connection:
            stored = self._load(connection, list(judgements))
            for key, judgement in judgements.items():
                values = judgement._asdict() | {"answers": list(judgement.answers)}
                if key not in stored:
                    connection.execute(JUDGEMENTS.insert(), {"key": key, "study_key": self._study_key, **values})
                    continue
                counted = {name: JUDGEMENTS.c[name] + values[name] for name in ("requests", "prompt_tokens", "tokens")}
                if stored[key].score is None:
                    counted = {**values, **counted}
                connection.execute(JUDGEMENTS.update().where(JUDGEMENTS.c.key == key).values(counted))
