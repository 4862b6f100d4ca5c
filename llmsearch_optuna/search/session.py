"""A study's database as a search needs it: opened, set up, and shared with other workers."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.search.baselines import InitialTrial, enqueue
from llmsearch_optuna.search.scores import RememberedScores, StoredScores
from llmsearch_optuna.storage import (
    Claims,
    CompletionStore,
    StoredSample,
    advisory_lock,
    exclusive_use,
    make_claims,
    open_storage,
    readable_errors,
)
from llmsearch_optuna.study.environment import note_environment
from llmsearch_optuna.study.study import create_study, study_key

__all__ = ["SearchSession", "open_session", "stored_samples"]


class SearchSession(NamedTuple):
    """An open study, set up to be searched.

    Attributes:
        study: The study.
        storage: Where it lives.
        study_key: The study's key in the store.
        store: Keeps completions and scores.
        claims: Which trials this process evaluates.
        scores: Reads the scores of trials.
    """

    study: optuna.Study
    storage: RDBStorage
    study_key: str
    store: CompletionStore
    claims: Claims
    scores: RememberedScores


@contextlib.contextmanager
def open_session(
    url: str | None,
    study_name: str,
    *,
    greater_is_better: bool,
    fingerprint: Mapping[str, str],
    objectives: Sequence[str],
    environment: Mapping[str, str],
    samples: Sequence[Sample],
    initial_trials: Sequence[InitialTrial],
    user_attrs: Mapping[str, Any],
    lease_timeout_s: float,
) -> Iterator[SearchSession]:
    """Open the study of a search, or make it, and keep an SQLite file to this process meanwhile.

    Args:
        url: The database; in memory if None.
        study_name: The study's name in it.
        greater_is_better: Whether the metric is maximised.
        fingerprint: What the scores depend on; see `create_study`.
        objectives: What is optimised.
        environment: The versions and the hardware of this process, by name.
        samples: The search split, in the shared order.
        initial_trials: What to try before the sampler proposes anything.
        user_attrs: Attributes to set on the study, as JSON can hold them.
        lease_timeout_s: On a server: after how many seconds without a sign of life a process's trials are taken over.

    Raises:
        FingerprintError: The study exists and was made for something else.
        StorageError: The database cannot be used, or another process is searching it.
    """
    with exclusive_use(url):
        storage = open_storage(url)
        with readable_errors(storage.engine.url):
            with advisory_lock(storage.engine, f"llmsearch set-up of {study_name}"):
                study = create_study(
                    study_name,
                    storage,
                    greater_is_better=greater_is_better,
                    fingerprint=fingerprint,
                    objectives=objectives,
                )
                note_environment(study, environment)
                for name, value in user_attrs.items():
                    if study.user_attrs.get(name) != value:
                        study.set_user_attr(name, value)
                key = study_key(study)
                claims = make_claims(storage, key, lease_timeout_s=lease_timeout_s)
                store = CompletionStore(storage, claims)
                store.save_samples(key, stored_samples(samples))
                enqueue(study, initial_trials)
            scores = RememberedScores(StoredScores(store, key), alone=not claims.shared)
            yield SearchSession(study, storage, key, store, claims, scores)


def stored_samples(samples: Sequence[Sample]) -> list[StoredSample]:
    """Return samples as the database keeps them: references as JSON, and what JSON has no number for as text."""
    return [
        StoredSample(
            position=position,
            row=sample.row,
            prompt=sample.prompt,
            reference=json.loads(json.dumps(dict(sample.reference), default=str), parse_constant=str),
        )
        for position, sample in enumerate(samples)
    ]
