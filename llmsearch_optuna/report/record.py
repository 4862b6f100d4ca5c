"""A study as its report sees it: all that the database holds of it, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionOutline, CompletionStore, StoredSample, open_storage, sqlite_url
from llmsearch_optuna.study.attributes import BASELINE, ERROR, KEY, PARAMS, REPLAYED, REUSED_TOKENS, STUDY_FILE
from llmsearch_optuna.study.environment import study_environment
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.ranking import has_several, maximizes, score_of
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.contenders import held_out_key
from llmsearch_optuna.verdict.finalists import select_finalists
from llmsearch_optuna.verdict.verdict import Verdict, stored_verdict

__all__ = ["NORMAL_95", "HeldOutScores", "StudyRecord", "TrialRecord", "read_study"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

NORMAL_95 = 1.96
"""Standard errors on either side in a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: Its number.
        state: How far it came.
        value: The metric over all samples; of a pruned trial, over those it was scored on.
        params: What it generated with; ``None`` if it has not begun.
        chosen: The parameters that the sampler chose, as Optuna names them.
        distributions: What they were chosen from.
        baseline: The baseline's name; ``None`` for all others.
        reported: The metric over the first samples, by their number.
        scores: The samples' own scores, in the shared order. Shape: (seen,); ``None`` where the metric scores only a
            corpus.
        token_counts: Tokens of each completion, in the shared order. Shape: (seen,).
        error: Why it failed.
        replayed: The share of its tokens that needed no forward pass, if that is stored.
        reused: Tokens of completions that it took over from a trial of the same effect.
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
    error: str | None
    replayed: float | None
    reused: int

    @property
    def seen(self) -> int:
        """The number of samples that it has completions for."""
        return len(self.token_counts)

    @property
    def is_complete(self) -> bool:
        """Whether it was evaluated on all samples."""
        return self.state == TrialState.COMPLETE

    @property
    def is_pruned(self) -> bool:
        """Whether the pruner gave up on it."""
        return self.state == TrialState.PRUNED

    @property
    def standard_error(self) -> float | None:
        """Of the mean score, as an estimate for samples like these; ``None`` without scores of single samples."""
        if self.scores is None or len(self.scores) < 2:
            return None
        return float(self.scores.std(ddof=1) / np.sqrt(len(self.scores)))


@dataclass(frozen=True, kw_only=True)
class HeldOutScores:
    """What a finalist scored on the hold-out split.

    Attributes:
        name: What the finalist is now: its name, or its trial where it is none any more.
        by_seed: The mean score of each seed. Shape: (seeds,); empty where the metric scores only a corpus.
        tokens: Tokens of all its completions.
    """

    name: str
    by_seed: _Floats
    tokens: int


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """A study.

    Attributes:
        name: Its name.
        key: The key of its completions.
        metric: The metric's name.
        maximize: Whether a higher score is better.
        counts_tokens: Whether few tokens are an objective, too.
        fingerprint: What its scores depend on, by name.
        environment: The versions and the hardware that it was begun with, by name, as far as they are known.
        study_file: The study file that it was last searched with, if it was.
        trials: All trials that have begun, by number.
        names: The names of the finalists by the numbers of their trials: ``"best"``, a baseline's, ...
        best: The fully evaluated trial with the best value; ``None`` as long as there is none.
        samples: The samples of the search split, in the shared order.
        verdict: The verdict, if there is one.
        verdict_is_current: Whether it compares those who are the finalists now.
        held_out: The finalists' scores on the hold-out split, as far as there are.
        began: When its first trial began.
        ended: When its last trial ended.
    """

    name: str
    key: str
    metric: str
    maximize: bool
    counts_tokens: bool
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
    began: datetime | None
    ended: datetime | None

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The fully evaluated trials."""
        return tuple(trial for trial in self.trials if trial.is_complete)

    @property
    def pruned(self) -> tuple[TrialRecord, ...]:
        """The pruned trials."""
        return tuple(trial for trial in self.trials if trial.is_pruned)

    @property
    def baselines(self) -> tuple[TrialRecord, ...]:
        """The fully evaluated baselines."""
        return tuple(trial for trial in self.complete if trial.baseline is not None)

    @property
    def parameters(self) -> Mapping[str, BaseDistribution]:
        """What samplers chose from, by parameter."""
        return {name: found for trial in self.trials for name, found in trial.distributions.items()}

    @property
    def score_name(self) -> str:
        """The metric's name without its arguments, for axes."""
        return self.metric.partition("(")[0]

    def is_better(self, value: float, than: float) -> bool:
        """Whether one value of the metric is better than another."""
        return value > than if self.maximize else value < than


def read_study(study: optuna.Study, storage: RDBStorage | str) -> StudyRecord:
    """Reads all of a study but the texts of its completions.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, or it or the study is another one's.
    """
    if KEY not in study.user_attrs:
        raise StorageError(f"study `{study.study_name}` was not made by llmsearch_optuna")
    database = open_storage(sqlite_url(storage), must_exist=True) if isinstance(storage, str) else storage
    store = CompletionStore(database)
    key = study_key(study)
    samples = tuple(store.load_samples(key))
    if not samples:
        raise StorageError(f"the database does not hold the completions of study `{study.study_name}`: name its own")
    # A search may be under way: what is read later knows at least of what was read before.
    found = select_finalists(study) if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None
    begun = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
    outlines = store.load_outlines(key)
    trials = tuple(_trial(trial, outlines.get(trial.number, [])) for trial in begun)
    names = {} if found is None else {one.trial.number: one.name for one in found.everyone}
    best = None if found is None else next(one for one in found.everyone if one.name == found.best).trial.number
    fingerprint = study_fingerprint(study)
    verdict = stored_verdict(study)
    kept = study.user_attrs.get(STUDY_FILE)
    return StudyRecord(
        name=study.study_name,
        key=key,
        metric=fingerprint.get("metric", "score") if verdict is None else verdict.metric,
        maximize=maximizes(study),
        counts_tokens=has_several(study),
        fingerprint=fingerprint,
        environment=study_environment(study),
        study_file=None if kept is None else str(kept["text"]),
        trials=trials,
        names=names,
        best=next((trial for trial in trials if trial.number == best), None),
        samples=samples,
        verdict=verdict,
        verdict_is_current=verdict is not None and found is not None and verdict.is_of(found, verdict.seeds),
        held_out=() if verdict is None else _held_out(verdict, names, store.load_held_out_outlines(key)),
        began=min((trial.datetime_start for trial in begun if trial.datetime_start is not None), default=None),
        ended=max((trial.datetime_complete for trial in begun if trial.datetime_complete is not None), default=None),
    )


def _trial(trial: FrozenTrial, outlines: list[CompletionOutline]) -> TrialRecord:
    scores = [one.score for one in outlines]
    reported = dict(sorted(trial.intermediate_values.items()))
    return TrialRecord(
        number=trial.number,
        state=trial.state,
        value=score_of(trial) if trial.state == TrialState.COMPLETE else next(reversed(reported.values()), None),
        params=trial_params(trial) if PARAMS in trial.user_attrs else None,
        chosen=trial.params,
        distributions=trial.distributions,
        baseline=trial.user_attrs.get(BASELINE),
        reported=reported,
        scores=None if not scores or None in scores else np.array(scores, dtype=np.float64),
        token_counts=np.array([one.token_count for one in outlines], dtype=np.int64),
        error=trial.user_attrs.get(ERROR),
        replayed=trial.user_attrs.get(REPLAYED),
        reused=trial.user_attrs.get(REUSED_TOKENS, 0),
    )


def _held_out(
    verdict: Verdict, names: Mapping[int, str], outlines: Mapping[tuple[str, int], list[CompletionOutline]]
) -> tuple[HeldOutScores, ...]:
    found = []
    for finalist in verdict.finalists:
        if finalist.params is None:
            continue
        key = held_out_key(finalist.params)
        own = {seed: rows for (name, seed), rows in outlines.items() if name == key}
        # Those of a verdict that is under way are not whole.
        whole = {seed: rows for seed, rows in own.items() if len(rows) == verdict.samples}
        by_seed = [[row.score for row in rows if row.score is not None] for rows in whole.values()]
        is_scored = all(len(scores) == verdict.samples for scores in by_seed)
        found.append(
            HeldOutScores(
                name=finalist.name if finalist.trial is None else names.get(finalist.trial, f"trial {finalist.trial}"),
                by_seed=np.array([np.mean(scores) for scores in by_seed] if is_scored else [], dtype=np.float64),
                tokens=sum(row.token_count for rows in own.values() for row in rows),
            )
        )
    return tuple(found)
