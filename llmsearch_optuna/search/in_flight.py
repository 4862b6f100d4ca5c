"""Trials in flight, and the generation of their next rungs in one batch."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import optuna

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.search.evaluation import Evaluation, GenerationObjective
from llmsearch_optuna.study.attributes import REPLAYED, RESTING, TOKENS_PER_S, TRIAL_TOKENS

__all__ = ["InFlight", "generate_rungs"]


class InFlight(NamedTuple):
    """A trial in flight.

    Attributes:
        trial: The trial.
        evaluation: Its evaluation.
        began: The number of the round before its first rung, as if it had never rested.
        started: The time at which this process took it up, in seconds of `time.monotonic`.
    """

    trial: optuna.Trial
    evaluation: Evaluation
    began: int
    started: float

    @property
    def passed(self) -> int:
        """The number of the round in which the trial passed its last rung."""
        return self.began + self.evaluation.rungs_passed

    def rest(self) -> None:
        """Note that no process evaluates the trial until it is taken up again."""
        self.trial.set_user_attr(TRIAL_TOKENS, self.evaluation.tokens)
        self.trial.set_user_attr(RESTING, True)

    def store_timings(self) -> None:
        """Store the speed at which this process generated completions of the trial."""
        if generated := self.evaluation.tokens_of_process:
            seconds = max(time.monotonic() - self.started, 1e-9)
            self.trial.set_user_attr(TOKENS_PER_S, round(generated / seconds, 1))
            self.trial.set_user_attr(REPLAYED, round(self.evaluation.tokens_replayed / generated, 4))


def generate_rungs(
    objective: GenerationObjective,
    trials: Sequence[InFlight],
    on_tokens: Callable[[int], None],
    *,
    look_ahead: bool = True,
) -> list[list[Completion]]:
    """Return the completions of each trial's next rung.

    Args:
        objective: Generates them.
        trials: The trials.
        on_tokens: Called with the number of tokens generated since the last call.
        look_ahead: Whether the engine may also begin on later rungs: first on the following rung of every trial, then
            on the one after it.

    Raises:
        TrialError: A completion could not be generated.
    """
    requests = [running.evaluation.requests() for running in trials]
    upcoming = [running.evaluation.upcoming() for running in trials] if look_ahead else []
    rungs = itertools.chain.from_iterable(itertools.zip_longest(*upcoming, fillvalue=()))
    completions = iter(
        objective.generate(
            list(itertools.chain.from_iterable(requests)), on_tokens, list(itertools.chain.from_iterable(rungs))
        )
    )
    return [list(itertools.islice(completions, len(requests_of_trial))) for requests_of_trial in requests]
