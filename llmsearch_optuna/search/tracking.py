"""The progress of a search as runs of a tracking service: one run per trial, and a parent for the study."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import describe_error
from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import advisory_lock
from llmsearch_optuna.study.attributes import BASELINE, ERROR, PARAMS, TRACK, TRIAL_TOKENS
from llmsearch_optuna.study.environment import study_environment
from llmsearch_optuna.study.fingerprint import describe_part, study_fingerprint
from llmsearch_optuna.study.ranking import best_trial
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import FINISHED, trial_params
from llmsearch_optuna.tracking.base import TrackedRun, Tracker
from llmsearch_optuna.tracking.mlflow_runs import MlflowTracker
from llmsearch_optuna.tracking.options import TrackOptions
from llmsearch_optuna.tracking.wandb_runs import WandbTracker

__all__ = ["Tracking"]

_LOG = logging.getLogger(__name__)

_TRACKERS: Mapping[str, Callable[[TrackOptions], Tracker]] = {"mlflow": MlflowTracker, "wandb": WandbTracker}


class Tracking(SearchObserver):
    """Shows a study in a tracking service.

    A run has the parameters of its trial, its score and tokens after every rung, and its state. The step is the number
    of samples. The keys of runs derive from that of the study, so that a resumed search, another worker and the verdict
    continue the same runs. Trials that ended unnoticed are added when a search starts, if the service can tell.

    No error of the service ends a search: the first one is logged as a warning, and nothing more is sent.

    Args:
        study: The study. Its attribute `TRACK` says where its runs are; nothing is sent without one.
        storage: Its database.
        settings: Further parameters of the study's run, by name.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage, settings: Mapping[str, object] | None = None) -> None:
        self._study, self._storage, self._key = study, storage, study_key(study)
        stored = study.user_attrs.get(TRACK)
        self._options = None if stored is None else TrackOptions(**stored)
        self._settings = settings or {}
        self._service: _Service | None = None
        self._runs: dict[int, TrackedRun] = {}
        self._stopped: dict[str, str] = {}

    def started(self, finished: int) -> None:  # noqa: ARG002
        """Begin or continue the run of the study, and add the trials that ended unnoticed."""
        self._send(self._catch_up)

    def trial_started(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Begin or continue the run of a trial."""

        def begin(service: _Service) -> None:
            run = self._open(service, trial.number, progress.params, trial.user_attrs)
            if progress.scored and service.tracker.finished(self._key) is not None:
                _fill(run, self._study.get_trials(deepcopy=False)[trial.number])

        self._send(begin)

    def rung_passed(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Send a trial's score and tokens so far."""
        values = {"score": progress.value, "tokens": float(progress.tokens)}
        values |= {} if progress.cost is None else {"cost": progress.cost}
        self._send(lambda _: self._runs[trial.number].log(values, progress.scored))

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """End the run of a trial."""
        self._send(lambda service: self._end(service, trial))

    def stopped(self, reason: str) -> None:
        """Keep the reason for `ended`."""
        self._stopped = {"stopped": reason}

    def ended(self) -> None:
        """End the run of the study, which a later search or the verdict continues."""
        best = best_trial(self._study)
        values = {} if best is None else {"best_score": best.values[0], "best_trial": float(best.number)}
        self._send(lambda service: service.parent.finish(values, self._stopped))

    def judged(self, sentence: str, figures: Mapping[str, float]) -> None:
        """Add the verdict to the run of the study.

        Args:
            sentence: The verdict in one sentence.
            figures: Its numbers by name.
        """
        self._send(lambda service: service.parent.finish(figures, {"verdict": sentence}))

    def _send(self, action: Callable[["_Service"], object]) -> None:
        """Call an action that needs the service. After the first error, no other one is called."""
        if self._options is None:
            return
        try:
            self._service = self._service or self._connect(self._options)
            action(self._service)
        except Exception as error:  # noqa: BLE001 - packages raise errors of all kinds, and none may end a search
            _LOG.warning("tracking in %s ends, and all else goes on: %s", self._options.to, describe_error(error))
            self._options = None

    def _connect(self, options: TrackOptions) -> "_Service":
        tracker = _TRACKERS[options.to](options)
        parts = {name: describe_part(part) for name, part in study_fingerprint(self._study).items()}
        params = {**study_environment(self._study), **parts, **self._settings}
        with advisory_lock(self._storage.engine, f"llmsearch tracking {self._key}"):  # workers share the run
            return _Service(tracker, tracker.open(self._key, self._study.study_name, params))

    def _catch_up(self, service: "_Service") -> None:
        finished = service.tracker.finished(self._key)
        if finished is not None:
            for trial in self._study.get_trials(deepcopy=False, states=FINISHED):
                if self._key_of(trial.number) not in finished:
                    self._end(service, trial)

    def _open(
        self, service: "_Service", number: int, params: GenerationParams, attributes: Mapping[str, Any]
    ) -> TrackedRun:
        if number in self._runs:  # it has rested
            return self._runs[number]
        name = f"trial {number}" + (f" [{attributes[BASELINE]}]" if BASELINE in attributes else "")
        self._runs[number] = service.tracker.open(self._key_of(number), name, params.to_dict(), self._key)
        return self._runs[number]

    def _end(self, service: "_Service", trial: FrozenTrial) -> None:
        attributes = trial.user_attrs
        if trial.number not in self._runs and PARAMS in attributes:  # a trial can fail before it has parameters
            self._open(service, trial.number, trial_params(trial), attributes)
        run = self._runs.pop(trial.number, None)
        if run is None:
            return
        _fill(run, trial)
        tokens = {"tokens": float(attributes[TRIAL_TOKENS])} if TRIAL_TOKENS in attributes else {}
        texts = {"state": trial.state.name.lower(), **({"error": attributes[ERROR]} if ERROR in attributes else {})}
        run.finish(tokens, texts, failed=trial.state == TrialState.FAIL)

    def _key_of(self, number: int) -> str:
        return f"{self._key}-{number}"


class _Service(NamedTuple):
    """A service in use, and the run of the study."""

    tracker: Tracker
    parent: TrackedRun


def _fill(run: TrackedRun, trial: FrozenTrial) -> None:
    """Log the scores of a trial that its run does not have."""
    for step, value in sorted(trial.intermediate_values.items()):
        if step >= run.next_step:
            run.log({"score": value}, step)
