"""Opening a study and its database for a search, and locking them for a search or a verdict."""

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.metrics import CorpusMetric, Metric
from llmsearch_optuna.search.baselines import InitialTrial, enqueue, enqueue_again
from llmsearch_optuna.search.early_stop import EarlyStop, Outlook
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.first_scores import FirstScores
from llmsearch_optuna.search.judging import judge_attribute, with_store
from llmsearch_optuna.search.limits import all_failed, reason_to_stop
from llmsearch_optuna.search.loop import Search
from llmsearch_optuna.search.observers import SearchObserver, SearchObservers
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.progress import EventCallback, SearchProgress
from llmsearch_optuna.search.race import Race
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.search.score_readers import RememberedScores, StoredScores
from llmsearch_optuna.search.tracking import Tracking
from llmsearch_optuna.storage import (
    Claims,
    CompletionStore,
    Storage,
    StoredSample,
    advisory_lock,
    exclusive_use,
    make_claims,
    open_storage,
    readable_errors,
    storage_url,
)
from llmsearch_optuna.storage.system_attributes import names_of_studies
from llmsearch_optuna.study.attributes import JUDGE, KEY, PARAMS, PRICE, TRACK
from llmsearch_optuna.study.environment import note_environment
from llmsearch_optuna.study.judge import describe_judge
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.study import create_study, keep_concurrency, open_study, study_key
from llmsearch_optuna.study.trials import FINISHED, trial_params

__all__ = ["Database", "SearchSession", "find_database", "lock_for_verdict", "open_session", "stored_samples"]

_LOG = logging.getLogger(__name__)


class Database(NamedTuple):
    """The database of a study.

    Attributes:
        url: Its SQLAlchemy URL; None if it is in memory.
        storage: The open connection.
    """

    url: str | None
    storage: RDBStorage


@dataclass(frozen=True, kw_only=True)
class SearchSession:
    """An open study, set up for a search.

    Attributes:
        study: The study.
        database: Its database.
        claims: Decides which trials this process evaluates.
        scores: Reads the per-sample scores of trials, and caches those of finished ones.
        options: The options of the search.
        objective: Evaluates the trials and stores their completions.
        proposer: Proposes the trials.
        held_out: The number of held-out samples.
    """

    study: optuna.Study
    database: Database
    claims: Claims
    scores: RememberedScores
    options: SearchOptions
    objective: GenerationObjective
    proposer: Proposer
    held_out: int

    def run(
        self,
        *,
        rows: int,
        observers: Sequence[SearchObserver],
        should_stop: Callable[[], bool],
        show_progress: bool,
        on_event: EventCallback | None,
    ) -> None:
        """Run or resume the search; see `Search.run`.

        Args:
            rows: The number of completions that the engine generates at the same time.
            observers: Observers of the search in addition to the cache of scores and the progress.
            should_stop: Called between rungs; the search stops if it returns True.
            show_progress: Whether to show progress on standard error.
            on_event: Called with every event, as a JSON-serialisable dict.

        Raises:
            StorageError: The study was renamed or deleted meanwhile.
        """
        # The first two rungs of these trials fill the rows: the engine may begin on the rung after the next one.
        by_default = max(1, rows // self.objective.rungs[:2][-1])
        concurrency = self.options.concurrency or by_default
        if not self.claims.shared:
            concurrency = keep_concurrency(self.study, self.options.concurrency, by_default)
        with SearchProgress(
            self.study,
            samples=len(self.objective.samples),
            n_trials=self.options.n_trials,
            enabled=show_progress,
            on_event=on_event,
        ) as progress:
            first_scores = FirstScores(self.study, self.objective)
            early_stop = EarlyStop.of(self.options, scores=self.scores, held_out=self.held_out)
            outlook = Outlook(self.study, early_stop)
            settings = {"sampler": self.options.sampler, "pruner": type(self.study.pruner).__name__}
            tracking = Tracking(self.study, self.database.storage, settings)
            ended_before = {trial.number for trial in self.study.get_trials(deepcopy=False, states=FINISHED)}
            search = Search(
                study=self.study,
                storage=self.database.storage,
                objective=self.objective,
                proposer=self.proposer,
                options=self.options,
                concurrency=concurrency,
                claims=self.claims,
                observer=SearchObservers([self.scores, *observers, progress, tracking, first_scores, outlook]),
                stop_rule=lambda study, trials: (
                    all_failed(trials, ended_before)
                    or self._no_improvement(study, trials)
                    or early_stop.reason(study, trials)
                ),
            )
            with _loss_in_one_line(self.study, self.database.storage):
                search.run(should_stop)
        if (judge := describe_judge(self.study, self.database.storage)) is not None:
            _LOG.info("%s", judge)

    def _no_improvement(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> str | None:
        """Return why no further trial is expected to beat the best one; None if one may."""
        pruner = study.pruner
        return reason_to_stop(
            trials,
            maximize=maximizes(study),
            patience=self.options.patience,
            margin=pruner.margin if isinstance(pruner, PairedPruner) else 0.0,
            score_range=self.objective.score_range if isinstance(pruner, PairedPruner | Race) else None,
        )


@contextlib.contextmanager
def open_session(
    storage: Storage | None,
    study_name: str,
    options: SearchOptions,
    objective: GenerationObjective,
    *,
    seed: int,
    held_out: int,
    fingerprint: Mapping[str, Any],
    environment: Mapping[str, str],
    initial_trials: Sequence[InitialTrial],
    user_attrs: Mapping[str, Any],
) -> Iterator[SearchSession]:
    """Open or create the study of a search. An SQLite file is locked for this process while the context is open.

    Args:
        storage: The SQLAlchemy URL or the path of the database; in memory if None.
        study_name: The name of the study in the database.
        options: The options of the search.
        objective: Evaluates the trials.
        seed: The seed of the search.
        held_out: The number of held-out samples.
        fingerprint: What the scores depend on; see `create_study`.
        environment: The versions and the hardware of this process, by name; see `note_environment`.
        initial_trials: The trials to run before the sampler proposes any; at most `n_trials` of them are queued.
        user_attrs: Attributes to set on the study; JSON-serialisable.

    Raises:
        ConfigurationError: The sampler or the pruner does not suit the space or the metric.
        FingerprintError: The study exists and was made for something else.
        StorageError: The database cannot be used, or another process is searching it.
    """
    metric, price = objective.metric, objective.price
    proposer = Proposer(name=options.sampler, space=objective.space, seed=seed, arguments=options.sampler_args)
    make_pruner = functools.partial(
        options.make_pruner,
        objective.rungs,
        score_range=objective.score_range,
        corpus_only=isinstance(metric, CorpusMetric),
    )
    url = storage_url(storage)
    if not isinstance(study_name, str) or not study_name:
        raise ConfigurationError(f"`study_name` must be a string, got {study_name!r}")
    make_pruner()  # so that wrong arguments raise an error before the database is created
    if (tracking := options.tracking()) is not None:
        tracking.check_installed()
    if price is not None:
        price.check_models(objective.space, [trial.params for trial in initial_trials])
    user_attrs = {
        **user_attrs,
        PRICE: None if price is None else price.to_dict(),
        JUDGE: judge_attribute(metric),
        TRACK: None if tracking is None else dataclasses.asdict(tracking),
    }
    _log_pruner(options, metric)
    with exclusive_use(url):
        opened = open_storage(url)
        with readable_errors(opened.engine.url):
            with advisory_lock(opened.engine, f"llmsearch set-up of {study_name}"):
                study = create_study(
                    study_name,
                    opened,
                    greater_is_better=metric.greater_is_better,
                    fingerprint=fingerprint,
                    objectives=options.objectives,
                    price=price,
                    constraints=objective.constraints,
                )
                if price is not None:  # an earlier search may have had none, and trials of other models
                    begun = [trial for trial in study.get_trials(deepcopy=False) if PARAMS in trial.user_attrs]
                    price.check_models(objective.space, map(trial_params, begun))
                note_environment(study, environment)
                for name, value in user_attrs.items():
                    if study.user_attrs.get(name) != value:
                        study.set_user_attr(name, value)
                key = study_key(study)
                claims = make_claims(opened, key, lease_timeout_s=options.lease_timeout_s)
                store = CompletionStore(opened, claims)
                store.save_samples(key, stored_samples(objective.samples))
                enqueue_again(study, initial_trials)  # first: what it repeats need not be queued once more
                enqueue(study, initial_trials[: options.n_trials])
            scores = RememberedScores(StoredScores(store, key), alone=not claims.shared)
            study.pruner = make_pruner(scores=scores)
            yield SearchSession(
                study=study,
                database=Database(url, opened),
                claims=claims,
                scores=scores,
                options=options,
                objective=dataclasses.replace(
                    objective, metric=with_store(metric, store, key), store=store, study_key=key
                ),
                proposer=dataclasses.replace(proposer, scores=scores),
                held_out=held_out,
            )


def _log_pruner(options: SearchOptions, metric: Metric) -> None:
    """Log what takes the place of the paired pruner if it does not suit the objectives or the metric."""
    if len(options.objectives) > 1:
        _LOG.info("several objectives: nothing is pruned")
    elif options.pruner is None and isinstance(metric, CorpusMetric):
        pruner = "no" if options.constraints else "the median"
        _LOG.info("%s does not score single samples: %s pruner replaces the paired one", metric.name, pruner)


def stored_samples(samples: Sequence[Sample]) -> list[StoredSample]:
    """Convert samples to the form of the database. In references, values that JSON cannot hold become strings."""
    return [
        StoredSample(
            position=position,
            row=sample.row,
            prompt=sample.prompt,
            reference=json.loads(json.dumps(dict(sample.reference), default=str), parse_constant=str),
        )
        for position, sample in enumerate(samples)
    ]


def find_database(study: optuna.Study, storage: Storage | None, searched: Mapping[str, Database]) -> Database:
    """Return the database of a study.

    Args:
        study: The study.
        storage: The SQLAlchemy URL or the path of the database; may be None for a study in `searched`.
        searched: The databases of the studies that this process has searched, by study key.

    Raises:
        ConfigurationError: `storage` is None and the study was not searched by this process.
        StorageError: The database cannot be used, or holds a different study of that name.
    """
    key = study_key(study)
    url = storage_url(storage)
    if url is not None:
        stored, opened = open_study(url, study.study_name)
        if study_key(stored) != key:
            raise StorageError(f"`storage` holds another study of the name `{study.study_name}`")
        return Database(url, opened)
    if key not in searched:
        raise ConfigurationError("`storage` must name the database of the study, as this tuner did not search it")
    return searched[key]


@contextlib.contextmanager
def lock_for_verdict(study: optuna.Study, database: Database) -> Iterator[None]:
    """Keep other processes from computing a verdict on the study while the context is open.

    On a PostgreSQL server, they wait. An SQLite file is locked as during a search, so that they get an error.

    Raises:
        StorageError: The database cannot be used, another process has locked the SQLite file, or the study was renamed
            or deleted meanwhile.
    """
    engine = database.storage.engine
    with (
        exclusive_use(database.url),
        readable_errors(engine.url),
        advisory_lock(engine, f"llmsearch verdict {study_key(study)}"),
        _loss_in_one_line(study, database.storage),
    ):
        yield


@contextlib.contextmanager
def _loss_in_one_line(study: optuna.Study, storage: RDBStorage) -> Iterator[None]:
    """Raise an error of one line if the study is renamed or deleted while the context is open, as in a dashboard.

    Raises:
        StorageError: The message has the present name of a renamed study.
    """
    name, key = study.study_name, study_key(study)
    try:
        yield
    except KeyError as error:  # Optuna's storages raise it
        names = names_of_studies(storage, KEY, key)
        if name in names:
            raise
        loss = f"renamed to `{names[-1]}` while it was in use: run it again under this name" if names else ""
        raise StorageError(f"study `{name}` was {loss or 'deleted while it was in use'}") from error
