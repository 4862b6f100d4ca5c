"""The data of a study that its report shows, read from the database once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.engine.irregular import irregular_rows
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.identity import without_hashes
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import (
    CompletionOutline,
    CompletionStore,
    Storage,
    StoredSample,
    TokenCounts,
    open_storage,
    sqlite_url,
)
from llmsearch_optuna.study.attributes import BASELINE, ERROR, KEY, PARAMS, REPLAYED, STOPPED, STUDY_FILE
from llmsearch_optuna.study.constraints import is_feasible, stored_constraints
from llmsearch_optuna.study.environment import study_environment
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.further_metrics import metric_means
from llmsearch_optuna.study.judge import describe_judge
from llmsearch_optuna.study.objectives import COST, EXPENSES, TOKENS, Expense
from llmsearch_optuna.study.price import Price, Rates, stored_price
from llmsearch_optuna.study.ranking import expense, infeasibility, maximizes, ranked, score_of
from llmsearch_optuna.study.source import without_password
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import describe_params, reused_counts, trial_params
from llmsearch_optuna.verdict.finalist_scores import held_out_key
from llmsearch_optuna.verdict.finalists import select_finalists
from llmsearch_optuna.verdict.verdict import Verdict, stored_verdict

__all__ = ["NORMAL_95", "HeldOutScores", "StudyRecord", "TrialRecord", "database_of", "read_study"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

NORMAL_95 = 1.96
"""The half-width of a 95 % normal interval, in standard errors."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """The data of one trial.

    Attributes:
        number: Its number.
        state: Its state.
        value: The metric over all samples; for a trial that is not fully evaluated, the last reported value. ``None``
            if there is no value.
        params: Its generation parameters; ``None`` if they are not stored yet.
        chosen: The values that the sampler chose, by Optuna's parameter names.
        distributions: The distributions that they were chosen from, by the same names.
        baseline: The baseline's name; ``None`` for other trials.
        reported: The metric over the first n samples, by n.
        scores: The scores of the samples, in the shared order. Shape: (seen,). ``None`` if the metric scores only a
            corpus.
        token_counts: The number of tokens of each completion, in the shared order. Shape: (seen,).
        counts: The numbers of tokens of all completions and their prompts.
        cost: The cost of all completions, including reused ones; ``None`` if it is unknown or there is no price.
        irregular: The positions of answers of a server that are no ordinary text, by finish reason; see `IRREGULAR`.
        error: The reason why it failed; ``None`` if it did not.
        replayed: The share of its tokens that needed no forward pass; ``None`` if it is not stored.
        reused: The number of tokens in completions that it reused from a trial whose parameters have the same effect.
        metrics: The mean scores under the further metrics, by label; empty if the trial is not evaluated.
        is_feasible: Whether it keeps all constraints over its samples so far.
        reused_cost: The part of `cost` that was not spent, because completions were reused.
    """

    number: int
    state: TrialState
    value: float | None
    params: GenerationParams | None
    chosen: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    baseline: str | None
    reported: Mapping[int, float]
    scores: _Floats | None
    token_counts: _Ints
    counts: TokenCounts
    cost: float | None
    irregular: Mapping[str, Sequence[int]]
    error: str | None
    replayed: float | None
    reused: int
    reused_cost: float
    metrics: Mapping[str, float]
    is_feasible: bool

    @property
    def seen(self) -> int:
        """The number of samples with a completion."""
        return len(self.token_counts)

    @property
    def description(self) -> str:
        """The generation parameters on one line; empty if they are not stored yet."""
        return "" if self.params is None else describe_params(self.params)

    @property
    def is_complete(self) -> bool:
        """Whether the trial was evaluated on all samples."""
        return self.state == TrialState.COMPLETE

    @property
    def is_pruned(self) -> bool:
        """Whether the trial was pruned."""
        return self.state == TrialState.PRUNED

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean score over the samples; ``None`` for fewer than two scores."""
        if self.scores is None or len(self.scores) < 2:
            return None
        return float(self.scores.std(ddof=1) / np.sqrt(len(self.scores)))


@dataclass(frozen=True, kw_only=True)
class HeldOutScores:
    """The scores of a finalist on the hold-out split.

    Attributes:
        name: The finalist's present name, or ``"trial 3"`` if the trial is no longer a finalist.
        by_seed: The mean score of each seed with completions of all samples. Shape: (seeds,). Empty if the metric
            scores only a corpus.
        tokens: The number of tokens in all its completions on the hold-out split.
        cost: Their cost; ``None`` if it is unknown or there is no price.
    """

    name: str
    by_seed: _Floats
    tokens: int
    cost: float | None


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """The data of a study.

    Attributes:
        name: Its name.
        key: The key under which its completions are stored.
        metric: The metric's name.
        maximize: Whether a higher score is better.
        minimized: The second objective, tokens or cost; ``None`` without one.
        fingerprint: The settings that its scores depend on, by name.
        environment: The versions and the hardware that it was started with, by name; empty if not stored.
        study_file: The content of the study file of its last search; ``None`` without a study file.
        trials: All trials that have started, in the order of their numbers.
        names: The names of the finalists (``"best"``, a baseline's name, ...) by trial number; see `select_finalists`.
        best: The fully evaluated trial with the best value; ``None`` if no trial is fully evaluated. It is in `names`,
            also if a verdict would compare a baseline in its place, as their parameters differ only in the seed.
        samples: The samples of the search split, in the shared order.
        verdict: The stored verdict; ``None`` if there is none.
        verdict_is_current: Whether the verdict compares the present finalists.
        held_out: The scores of the verdict's finalists on the hold-out split; empty without a verdict.
        constraints: What a feasible trial keeps, e.g. ``json_valid >= 0.98``.
        infeasibility: That no fully evaluated trial is feasible, in one sentence; ``None`` if one is.
        stopped: Why the latest search ended before its number of trials, in one sentence; ``None`` if it did not.
        began: The start of its first trial; ``None`` if no trial has started.
        ended: The end of its last finished trial; ``None`` if no trial has finished.
        judge: What a judge was asked and what it cost, in one sentence; ``None`` without one.
    """

    name: str
    key: str
    metric: str
    maximize: bool
    minimized: Expense | None
    fingerprint: Mapping[str, Any]
    environment: Mapping[str, str]
    study_file: str | None
    trials: tuple[TrialRecord, ...]
    names: Mapping[int, str]
    best: TrialRecord | None
    samples: tuple[StoredSample, ...]
    verdict: Verdict | None
    verdict_is_current: bool
    held_out: tuple[HeldOutScores, ...]
    constraints: tuple[str, ...]
    infeasibility: str | None
    stopped: str | None
    began: datetime | None
    ended: datetime | None
    judge: str | None

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The fully evaluated trials."""
        return tuple(trial for trial in self.trials if trial.is_complete)

    @property
    def pruned(self) -> tuple[TrialRecord, ...]:
        """The pruned trials."""
        return tuple(trial for trial in self.trials if trial.is_pruned)

    @property
    def failed(self) -> tuple[TrialRecord, ...]:
        """The failed trials."""
        return tuple(trial for trial in self.trials if trial.state == TrialState.FAIL)

    @property
    def baselines(self) -> tuple[TrialRecord, ...]:
        """The fully evaluated baselines."""
        return tuple(trial for trial in self.complete if trial.baseline is not None)

    @property
    def parameters(self) -> Mapping[str, BaseDistribution]:
        """The distributions that samplers chose from, by Optuna's parameter names."""
        return {name: dist for trial in self.trials for name, dist in trial.distributions.items()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the further metrics."""
        return tuple(dict.fromkeys(label for trial in self.trials for label in trial.metrics))

    @property
    def expense(self) -> Expense:
        """What scores are shown against: the second objective, or else the cost if it is known, or else tokens."""
        is_priced = bool(self.complete) and all(trial.cost is not None for trial in self.complete)
        return self.minimized or EXPENSES[COST if is_priced else TOKENS]

    @property
    def score_name(self) -> str:
        """The metric's name without its arguments, as an axis title."""
        return self.metric_name.partition("(")[0]

    @property
    def metric_name(self) -> str:
        """The metric's name without the hash of a function's source code."""
        return without_hashes(self.metric)

    @property
    def only_score(self) -> float | None:
        """The score of all fully evaluated trials if they are at least two and score the same; else ``None``."""
        values = [trial.value for trial in self.complete]
        return values[0] if len(values) > 1 and len(set(values)) == 1 else None

    def is_better(self, value: float, than: float) -> bool:
        """Return whether one value of the metric is better than another."""
        return value > than if self.maximize else value < than


def database_of(storage: RDBStorage | Storage) -> RDBStorage:
    """Return the database itself, or open its file or URL, which must exist."""
    return storage if isinstance(storage, RDBStorage) else open_storage(sqlite_url(os.fspath(storage)), must_exist=True)


def read_study(study: optuna.Study, storage: RDBStorage | Storage) -> StudyRecord:
    """Read a study, without the texts of its completions.

    Args:
        study: The study.
        storage: The study's database: an opened storage, a file or a URL.

    Raises:
        StorageError: The database cannot be read, does not hold the study's completions, or the study was not made by
            this package.
    """
    if KEY not in study.user_attrs:
        raise StorageError(f"study `{study.study_name}` was not made by llmsearch_optuna")
    database = database_of(storage)
    store = CompletionStore(database)
    key = study_key(study)
    samples = tuple(store.load_samples(key))
    if not samples:
        raise StorageError(
            f"the database does not hold the completions of study `{study.study_name}`: name the database that does"
        )
    # A search may be running. Read the finalists first, so that the trials read later include all of them.
    finalists = select_finalists(study) if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None
    started = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
    outlines, price = store.load_outlines(key), stored_price(study)
    trials = tuple(_trial(trial, outlines.get(trial.number, []), price) for trial in started)
    names = {} if finalists is None else {finalist.trial.number: finalist.name for finalist in finalists.selected}
    best = None if finalists is None else ranked(study)[0].number
    if best is not None:
        names.setdefault(best, "best")  # a finalist with the same parameters and another seed stands for it
    fingerprint = study_fingerprint(study)
    verdict = stored_verdict(study)
    study_file = study.user_attrs.get(STUDY_FILE)
    return StudyRecord(
        name=study.study_name,
        key=key,
        metric=fingerprint.get("metric", "score") if verdict is None else verdict.metric,
        maximize=maximizes(study),
        minimized=expense(study),
        fingerprint=fingerprint,
        environment=study_environment(study),
        study_file=None if study_file is None else without_password(str(study_file["text"])),
        trials=trials,
        names=names,
        best=next((trial for trial in trials if trial.number == best), None),
        samples=samples,
        verdict=verdict,
        verdict_is_current=verdict is not None and finalists is not None and verdict.is_of(finalists),
        held_out=() if verdict is None else _held_out(verdict, names, store.load_held_out_outlines(key), price),
        constraints=tuple(map(str, stored_constraints(study))),
        infeasibility=infeasibility(study),
        stopped=study.user_attrs.get(STOPPED),
        began=min((trial.datetime_start for trial in started if trial.datetime_start is not None), default=None),
        judge=describe_judge(study, database),
        ended=max((trial.datetime_complete for trial in started if trial.datetime_complete is not None), default=None),
    )


def _trial(trial: FrozenTrial, outlines: list[CompletionOutline], price: Price | None) -> TrialRecord:
    scores = [outline.score for outline in outlines]
    reported = dict(sorted(trial.intermediate_values.items()))
    params = trial_params(trial) if PARAMS in trial.user_attrs else None
    rates = None if price is None or params is None else price.rates_of(params)
    return TrialRecord(
        number=trial.number,
        state=trial.state,
        value=score_of(trial) if trial.state == TrialState.COMPLETE else next(reversed(reported.values()), None),
        params=params,
        chosen=trial.params,
        distributions=trial.distributions,
        baseline=trial.user_attrs.get(BASELINE),
        reported=reported,
        scores=None if not scores or None in scores else np.array(scores, dtype=np.float64),
        token_counts=np.array([outline.token_count for outline in outlines], dtype=np.int64),
        counts=TokenCounts.of(outlines),
        cost=_cost(outlines, rates),
        irregular=irregular_rows((outline.position, outline.finish_reason) for outline in outlines),
        error=trial.user_attrs.get(ERROR),
        replayed=trial.user_attrs.get(REPLAYED),
        reused=reused_counts(trial).generated,
        reused_cost=0.0 if rates is None else rates.cost(reused_counts(trial)),
        metrics=metric_means(trial),
        is_feasible=is_feasible(trial),
    )


def _cost(outlines: Sequence[CompletionOutline], rates: Rates | None) -> float | None:
    if rates is None or not all(rates.knows(TokenCounts.of([outline])) for outline in outlines):
        return None
    return rates.cost(TokenCounts.of(outlines))


def _held_out(
    verdict: Verdict,
    names: Mapping[int, str],
    outlines: Mapping[tuple[str, int], list[CompletionOutline]],
    price: Price | None,
) -> tuple[HeldOutScores, ...]:
    held_out = []
    for finalist in verdict.finalists:
        if finalist.params is None:
            continue
        key = held_out_key(finalist.params)
        by_seed = {seed: rows for (name, seed), rows in outlines.items() if name == key}
        every = [row for rows in by_seed.values() for row in rows]
        # A verdict that is being made has incomplete seeds.
        complete = [rows for rows in by_seed.values() if len(rows) == verdict.samples]
        seed_scores = [[row.score for row in rows if row.score is not None] for rows in complete]
        is_scored = all(len(scores) == verdict.samples for scores in seed_scores)
        held_out.append(
            HeldOutScores(
                name=finalist.name if finalist.trial is None else names.get(finalist.trial, f"trial {finalist.trial}"),
                by_seed=np.array([np.mean(scores) for scores in seed_scores] if is_scored else [], dtype=np.float64),
                tokens=sum(row.token_count for row in every),
                cost=_cost(every, None if price is None else price.rates_of(finalist.params)),
            )
        )
    return tuple(held_out)
