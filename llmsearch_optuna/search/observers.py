"""The events of a search, for progress bars, dashboards and other observers."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.constraints import Constraint

__all__ = ["SearchObserver", "SearchObservers", "TrialProgress"]


class TrialProgress(Protocol):
    """The progress of a trial's evaluation."""

    @property
    def params(self) -> GenerationParams:
        """The generation parameters of the trial."""

    @property
    def scored(self) -> int:
        """The number of samples scored so far."""

    @property
    def value(self) -> float:
        """The metric over the samples so far; NaN before the first rung."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """The mean score over the samples so far under each further metric, by label."""

    @property
    def broken(self) -> Mapping[Constraint, float]:
        """The constraints that are broken over the samples so far, each with the value that breaks it."""

    @property
    def tokens(self) -> int:
        """The number of tokens of all completions so far."""

    @property
    def cost(self) -> float | None:
        """The cost of all completions so far; None without a price."""


class SearchObserver:
    """Receives the events of a search. The methods do nothing by default: a subclass overrides those that it needs.

    The search waits for each call and ignores the result. An exception ends the search.
    """

    def started(self, finished: int) -> None:
        """Called when the search starts.

        Args:
            finished: The number of trials that had finished before.
        """

    def trial_started(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Called when a trial begins or an interrupted one is resumed."""

    def advancing(self, trials: Mapping[int, TrialProgress]) -> None:
        """Called before the next rungs are generated.

        Args:
            trials: The progress of all trials in flight, by number.
        """

    def tokens_generated(self, count: int) -> None:
        """Called when the engine has generated further tokens.

        Args:
            count: The number of tokens since the last call.
        """

    def rung_passed(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Called when a trial has been scored on the samples of one more rung."""

    def before_trial_ends(self, trial: optuna.Trial) -> None:
        """Called before a trial ends. Nothing can be attached to the trial later."""

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:
        """Called when a trial has been stored as complete, pruned or failed.

        Args:
            trial: The trial.
            progress: Its progress; None if it failed before its evaluation began.
            seconds: The time for which this process evaluated it.
        """

    def stopped(self, reason: str) -> None:
        """Called before `ended` if no further trial is proposed although the number of trials is not reached.

        Args:
            reason: Why, in one sentence.
        """

    def ended(self) -> None:
        """Called when the search ends at one of its limits or on request, but not if an exception interrupts it."""


class SearchObservers(SearchObserver):
    """Passes every event to several observers, in their order."""

    def __init__(self, observers: Sequence[SearchObserver]) -> None:
        for event in vars(SearchObserver):
            if not event.startswith("_"):
                handlers = [getattr(observer, event) for observer in observers]
                setattr(self, event, functools.partial(_call_all, handlers))


def _call_all(handlers: Sequence[Callable[..., None]], *arguments: Any) -> None:
    for handler in handlers:
        handler(*arguments)
