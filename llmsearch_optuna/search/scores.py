"""Where the per-sample scores of trials are kept, and how they are read."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.attributes import SCORES
from llmsearch_optuna.study.trials import ended

__all__ = [
    "CompleteTrial",
    "RememberedScores",
    "ScoreReader",
    "StoredScores",
    "report_scores",
    "reported_scores",
]


_Floats = npt.NDArray[np.float64]

ScoreReader = Callable[[optuna.Study, FrozenTrial], Sequence[float] | _Floats | None]
"""``(study, trial) -> the trial's scores so far``, in the order of the samples that all trials of the study share; or
``None`` where it has no scores of single samples."""


def report_scores(trial: optuna.Trial, scores: Sequence[float]) -> None:
    """Tells the study a trial's scores, sample by sample, as `PairedPruner` and `Proposer` read them.

    Args:
        trial: The trial.
        scores: All its scores so far, in the order of the samples that all trials of the study share.
    """
    trial.set_user_attr(SCORES, [float(score) for score in scores])


def reported_scores(study: optuna.Study, trial: FrozenTrial) -> _Floats | None:  # noqa: ARG001  # a ScoreReader
    """Reads what `report_scores` told."""
    scores = trial.user_attrs.get(SCORES)
    return None if scores is None else np.array(scores, dtype=np.float64)


class StoredScores:
    """Reads the scores of a study that `Tuner.search` drives.

    Args:
        store: Where its completions are kept.
        study_key: Its key there.
    """

    def __init__(self, store: CompletionStore, study_key: str) -> None:
        self._store = store
        self._study_key = study_key

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> _Floats | None:  # noqa: ARG002  # a ScoreReader
        """See `ScoreReader`."""
        scores = self._store.load_scores(self._study_key, trial.number)
        return None if not scores or None in scores else np.array(scores, dtype=np.float64)


class CompleteTrial(NamedTuple):
    """A fully evaluated trial.

    Attributes:
        trial: The trial.
        scores: Its scores, in the order of the samples. Shape: (samples,).
        mean: Their mean.
        ended: When it ended; see `ended`.
    """

    trial: FrozenTrial
    scores: _Floats
    mean: float
    ended: float


class RememberedScores(SearchObserver):
    """Reads the scores of a finished trial, which never change, only once.

    Args:
        reader: Reads them.
        alone: Whether nobody finishes trials but who calls `trial_ended` then. Looking for them takes milliseconds,
            which is much where pruners look after every rung.
    """

    def __init__(self, reader: ScoreReader, *, alone: bool = False) -> None:
        self._reader = reader
        self._alone = alone
        self._known: dict[tuple[object, ...], _Floats | None] = {}
        self._complete: list[CompleteTrial] | None = None

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """Reads the fully evaluated trials anew when they are next asked for."""
        self._complete = None

    def complete(self, study: optuna.Study) -> list[CompleteTrial]:
        """The fully evaluated trials that have scores, in the order of their numbers."""
        if self._complete is None or not self._alone:
            trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            found = [(trial, self(study, trial)) for trial in trials]
            self._complete = [
                CompleteTrial(trial, scores, float(scores.mean()), ended(trial))
                for trial, scores in found
                if scores is not None
            ]
        return self._complete

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> _Floats | None:
        """See `ScoreReader`."""
        key = (study.study_name, trial.number, trial.datetime_complete)
        if key in self._known:
            return self._known[key]
        scores = self._reader(study, trial)
        read = None if scores is None else np.asarray(scores, dtype=np.float64)
        if trial.state.is_finished():
            self._known[key] = read
        return read
