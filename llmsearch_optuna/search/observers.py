"""What a search tells of its course: to a progress bar, a dashboard, or whatever else follows it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["SearchObserver", "SearchObservers", "TrialProgress"]


class TrialProgress(Protocol):
    """How far the evaluation of a trial is."""

    @property
    def params(self) -> GenerationParams:
        """What it generates with."""

    @property
    def scored(self) -> int:
        """Samples scored so far."""

    @property
    def value(self) -> float:
        """The metric over the samples so far; NaN before the first rung."""

    @property
    def tokens(self) -> int:
        """Tokens generated so far."""


class SearchObserver:
    """Follows a search. Every method does nothing by default, so that an observer overrides what it needs.

    The search waits for each call. It ignores what an observer returns, and ends with what one raises.
    """

    def started(self, finished: int) -> None:
        """The search starts.

        Args:
            finished: Trials of the study that earlier calls finished.
        """

    def trial_started(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """A trial begins, or an interrupted one is taken up."""

    def advancing(self, trials: Mapping[int, TrialProgress]) -> None:
        """The trials in flight, by number, are about to be brought to their next rungs."""

    def tokens_generated(self, count: int) -> None:
        """The engine has generated further tokens."""

    def rung_passed(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """A trial was scored on the samples of one more rung."""

    def before_trial_ends(self, trial: optuna.Trial) -> None:
        """A trial is about to end. This is the last time that anything can be attached to it."""

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:
        """A trial is complete, pruned or failed, and the study knows it.

        Args:
            trial: The trial.
            progress: How far it came; None if it failed before its evaluation began.
            seconds: How long this process evaluated it.
        """

    def ended(self) -> None:
        """The search ends as planned: by its limits, or as it was told to."""


class SearchObservers(SearchObserver):
    """Tells several observers, in their order.

    Args:
        observers: The observers.
    """

    def __init__(self, observers: Sequence[SearchObserver]) -> None:
        self._observers = tuple(observers)

    def started(self, finished: int) -> None:  # noqa: D102
        for observer in self._observers:
            observer.started(finished)

    def trial_started(self, trial: optuna.Trial, progress: TrialProgress) -> None:  # noqa: D102
        for observer in self._observers:
            observer.trial_started(trial, progress)

    def advancing(self, trials: Mapping[int, TrialProgress]) -> None:  # noqa: D102
        for observer in self._observers:
            observer.advancing(trials)

    def tokens_generated(self, count: int) -> None:  # noqa: D102
        for observer in self._observers:
            observer.tokens_generated(count)

    def rung_passed(self, trial: optuna.Trial, progress: TrialProgress) -> None:  # noqa: D102
        for observer in self._observers:
            observer.rung_passed(trial, progress)

    def before_trial_ends(self, trial: optuna.Trial) -> None:  # noqa: D102
        for observer in self._observers:
            observer.before_trial_ends(trial)

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: D102
        for observer in self._observers:
            observer.trial_ended(trial, progress, seconds)

    def ended(self) -> None:  # noqa: D102
        for observer in self._observers:
            observer.ended()
