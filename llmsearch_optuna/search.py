"""The search: several trials in flight, one rung at a time, in an order that only the stored study decides."""

import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.engine import Completion
from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.limits import Limits, reason_to_stop
from llmsearch_optuna.objective import Evaluation, GenerationObjective
from llmsearch_optuna.progress import SearchProgress
from llmsearch_optuna.proposals import Proposer
from llmsearch_optuna.rounds import rounds_passed
from llmsearch_optuna.study import ERROR, ROUND

__all__ = ["run_search"]

_LOG = logging.getLogger(__name__)

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def run_search(
    study: optuna.Study,
    storage: RDBStorage,
    objective: GenerationObjective,
    proposer: Proposer,
    *,
    limits: Limits,
    concurrency: int,
    show_progress: bool,
) -> None:
    """Runs trials until the limits are reached.

    A trial that cannot be scored fails, and the search goes on. Trials that are interrupted, or in flight when time or
    tokens are used up, stay RUNNING in the storage; the next call takes them up where their last rungs were stored.
    Where nothing better is to be expected, those in flight are finished, and no further ones proposed.

    Args:
        study: The study, with its pruner.
        storage: Where it lives.
        objective: Evaluates a trial.
        proposer: Queues every trial.
        limits: When it ends.
        concurrency: Trials in flight, whose rungs are generated together.
        show_progress: Whether to show progress on standard error.

    Raises:
        TrialError: Every trial failed; the message gives the first failure.
    """
    with SearchProgress(
        study, samples=len(objective.samples), n_trials=limits.n_trials, enabled=show_progress
    ) as progress:
        progress.begin(len(study.get_trials(deepcopy=False, states=_FINISHED)))
        search = _Search(study, objective, proposer, progress, limits)
        search.take_up(storage)
        while not search.has_used_up() and search.fill(concurrency):
            search.advance()
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    if failed and len(failed) == len(study.get_trials(deepcopy=False, states=_FINISHED)):
        raise TrialError(f"all {len(failed)} trials failed, the first with: {failed[0].user_attrs.get(ERROR)}")


class _InFlight(NamedTuple):
    trial: optuna.Trial
    evaluation: Evaluation
    started: float


class _Search:
    """The trials in flight.

    They advance in rounds: in each, every trial in flight passes one rung, in the order of their numbers, and trials
    begin only between two rounds. The round of a trial is stored, and with it the order of all that happens: a search
    that is interrupted anywhere goes on with the same trial, rung and proposal as if it had not been.
    """

    def __init__(
        self,
        study: optuna.Study,
        objective: GenerationObjective,
        proposer: Proposer,
        progress: SearchProgress,
        limits: Limits,
    ) -> None:
        self._study = study
        self._objective = objective
        self._proposer = proposer
        self._progress = progress
        self._limits = limits
        self._started = time.monotonic()
        self._tokens = 0
        if limits.max_tokens_total is not None and objective.store is not None:
            self._tokens = objective.store.count_tokens(objective.study_key)
        self._in_flight: dict[int, _InFlight] = {}

    def take_up(self, storage: RDBStorage) -> None:
        """Takes up the trials that an interrupted search left."""
        study_id = storage.get_study_id_from_name(self._study.study_name)
        for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, left.number)
            self._begin(optuna.Trial(self._study, trial_id))

    def has_used_up(self) -> bool:
        """Whether the search ends for want of time or tokens.

        Tokens are counted between two rounds, so that an interruption does not change where they end.
        """
        timeout, tokens = self._limits.timeout, self._limits.max_tokens_total
        if timeout is not None and time.monotonic() - self._started >= timeout:
            reason = f"the timeout of {timeout:g} s has passed"
        elif tokens is not None and self._tokens >= tokens and not self._round_is_under_way():
            reason = f"{self._tokens} tokens are generated, the limit is {tokens}"
        else:
            return False
        _LOG.info("the search stops: %s; %d trials in flight can be taken up again", reason, len(self._in_flight))
        return True

    def fill(self, concurrency: int) -> bool:
        """Begins trials, unless a round is under way; whether any are in flight."""
        while not self._round_is_under_way():
            finished = len(self._study.get_trials(deepcopy=False, states=_FINISHED))
            if len(self._in_flight) >= min(concurrency, self._limits.n_trials - finished):
                break
            if not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                if reason := reason_to_stop(self._study, self._limits):
                    _LOG.info("no further trials: %s", reason)
                    break
                if not self._proposer.enqueue(self._study):
                    _LOG.info("every point of the grid is evaluated")
                    break
            self._begin(self._study.ask())
        return bool(self._in_flight)

    def advance(self) -> None:
        """Brings the trials that are furthest behind to their next rungs, generated in one batch."""
        passed = self._passed()
        group = [self._in_flight[number] for number in sorted(passed) if passed[number] == min(passed.values())]
        self._progress.evaluating({one.trial.number: one.evaluation for one in self._in_flight.values()})
        try:
            completions = self._generate(group)
        except TrialError as error:
            if len(group) == 1:
                self._fail(group[0].trial, error)
                return
            # Which trial is to blame shows when each is on its own.
            completions = None
        for one in group:
            try:
                own = self._generate([one])[0] if completions is None else completions.pop(0)
                self._record(one.evaluation, own)
            except TrialError as error:
                self._fail(one.trial, error)
            else:
                self._conclude(one)

    def _record(self, evaluation: Evaluation, completions: list[Completion]) -> None:
        before = evaluation.tokens
        try:
            evaluation.record(completions)
        finally:
            self._tokens += evaluation.tokens - before

    def _generate(self, group: Sequence[_InFlight]) -> list[list[Completion]]:
        requests = [one.evaluation.requests() for one in group]
        ahead = itertools.zip_longest(*(one.evaluation.upcoming() for one in group), fillvalue=())
        upcoming = [request for rung in ahead for own in rung for request in own]
        completions = iter(
            self._objective.engine.generate(
                [request for own in requests for request in own], self._progress.tokens, upcoming
            )
        )
        self._objective.after_generation()
        return [[next(completions) for _ in own] for own in requests]

    def _round_is_under_way(self) -> bool:
        """Whether a trial has passed a rung in the round that another one in flight has yet to finish."""
        if not self._in_flight:
            return False
        return _latest(self._study.get_trials(deepcopy=False)) > min(self._passed().values())

    def _passed(self) -> dict[int, int]:
        """The rounds passed by each trial in flight."""
        trials = self._study.get_trials(deepcopy=False)
        return {number: rounds_passed(trials[number]) for number in self._in_flight}

    def _begin(self, trial: optuna.Trial) -> None:
        if ROUND not in trial.user_attrs:
            others = [one for one in self._study.get_trials(deepcopy=False) if one.number != trial.number]
            trial.set_user_attr(ROUND, _latest(others))
        started = time.monotonic()
        try:
            evaluation = self._objective.start(trial)
        except TrialError as error:
            self._fail(trial, error)
            return
        self._in_flight[trial.number] = _InFlight(trial, evaluation, started)
        self._conclude(self._in_flight[trial.number])

    def _conclude(self, one: _InFlight) -> None:
        """Tells the study of a trial that is finished."""
        if not one.evaluation.finished:
            return
        if one.evaluation.pruned:
            told = self._study.tell(one.trial, state=TrialState.PRUNED)
        else:
            told = self._study.tell(one.trial, one.evaluation.value)
        del self._in_flight[one.trial.number]
        self._progress.trial_finished(told, one.evaluation, time.monotonic() - one.started)

    def _fail(self, trial: optuna.Trial, error: TrialError) -> None:
        _LOG.warning("trial %d failed: %s", trial.number, error)
        trial.set_user_attr(ERROR, str(error))
        told = self._study.tell(trial, state=TrialState.FAIL)
        one = self._in_flight.pop(trial.number, None)
        self._progress.trial_finished(
            told, None if one is None else one.evaluation, 0.0 if one is None else time.monotonic() - one.started
        )


def _latest(trials: Iterable[FrozenTrial]) -> int:
    return max((rounds_passed(trial) for trial in trials if ROUND in trial.user_attrs), default=0)
