"""The per-sample scores of trials: recorded in the study, or read from the completion store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.attributes import SCORES
from llmsearch_optuna.study.trials import ended, is_resting

__all__ = ["CompleteTrial", "RememberedScores", "ScoreReader", "StoredScores", "report_scores", "reported_scores"]

_Floats = npt.NDArray[np.float64]

ScoreReader = Callable[[optuna.Study, FrozenTrial], Sequence[float] | _Floats | None]
"""``(study, trial) -> the scores of the trial so far``, in the order of the samples that all trials of the study share;
None if the trial has no per-sample scores."""


def report_scores(trial: optuna.Trial, scores: Sequence[float]) -> None:
    """Record the per-sample scores of a trial in the study, where `PairedPruner` and `Proposer` read them.

    Args:
        trial: The trial.
        scores: All its scores so far, in the order of the samples that all trials of the study share.
    """
    trial.set_user_attr(SCORES, [float(score) for score in scores])


def reported_scores(study: optuna.Study, trial: FrozenTrial) -> _Floats | None:  # noqa: ARG001  # a ScoreReader
    """Return the scores that `report_scores` recorded; None if there are none. Shape: (samples scored,)."""
    scores = trial.user_attrs.get(SCORES)
    return None if scores is None else np.array(scores, dtype=np.float64)


@dataclass(frozen=True)
class StoredScores:
    """Reads the scores that `Tuner.search` stored with the completions, under the study's key. Can be pickled."""

    store: CompletionStore
    study_key: str

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> _Floats | None:  # noqa: ARG002  # a ScoreReader
        """See `ScoreReader`."""
        scores = self.store.load_scores(self.study_key, trial.number)
        return None if not scores or None in scores else np.array(scores, dtype=np.float64)


class CompleteTrial(NamedTuple):
    """A fully evaluated trial.

    Attributes:
        trial: The trial.
        scores: Its scores, in the order of the samples. Shape: (samples,).
        mean: Their mean.
        ended: When it ended; see the function `ended` in `study.trials`.
    """

    trial: FrozenTrial
    scores: _Floats
    mean: float
    ended: float


class _Cached(NamedTuple):
    """Scores, and the trial's number of reports and its end when they were read."""

    state: tuple[object, ...]
    scores: _Floats | None


class RememberedScores(SearchObserver):
    """Caches the scores of finished trials, which never change, and of resting ones.

    Args:
        reader: Reads the scores of a trial.
        alone: Whether no other process finishes trials, so that the list of complete trials changes only at
            `trial_ended`. Listing them takes milliseconds, and pruners need the list after every rung.
    """

    def __init__(self, reader: ScoreReader, *, alone: bool = False) -> None:
        self._reader = reader
        self._alone = alone
        self._cache: dict[tuple[str, int], _Cached] = {}
        self._complete: list[CompleteTrial] | None = None

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """List the complete trials again at the next call of `complete`."""
        self._complete = None

    def complete(self, study: optuna.Study) -> list[CompleteTrial]:
        """Return the fully evaluated trials that have scores, in the order of their numbers."""
        if self._complete is None or not self._alone:
            trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            self._complete = [
                CompleteTrial(trial, scores, float(scores.mean()), ended(trial))
                for trial in trials
                if (scores := self(study, trial)) is not None
            ]
        return self._complete

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> _Floats | None:
        """See `ScoreReader`."""
        key, state = (study.study_name, trial.number), (len(trial.intermediate_values), trial.datetime_complete)
        cached = self._cache.get(key)
        if cached is not None and cached.state == state:
            return cached.scores
        scores = self._reader(study, trial)
        array = None if scores is None else np.asarray(scores, dtype=np.float64)
        if trial.state.is_finished() or is_resting(trial):
            self._cache[key] = _Cached(state, array)
        return array
