"""The search: several trials in flight, one rung at a time, in an order that only the stored study decides."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.errors import LeaseLostError, TrialError
from llmsearch_optuna.search.evaluation import Evaluation, GenerationObjective
from llmsearch_optuna.search.limits import Limits, reason_to_stop
from llmsearch_optuna.search.observers import SearchObserver
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.storage import Claims
from llmsearch_optuna.study.attributes import ENDED, ERROR, PARAMS, REPLAYED, REUSED_TOKENS, ROUND, TOKENS_PER_S
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.trials import FINISHED, rounds_passed

__all__ = ["run_search"]

_LOG = logging.getLogger(__name__)


def run_search(
    study: optuna.Study,
    storage: RDBStorage,
    objective: GenerationObjective,
    proposer: Proposer,
    *,
    limits: Limits,
    concurrency: int,
    claims: Claims,
    should_stop: Callable[[], bool],
    observer: SearchObserver,
) -> None:
    """Runs trials until the limits are reached.

    A trial that cannot be scored fails, and the search goes on. Trials that are interrupted, or in flight when time or
    tokens are used up, stay RUNNING in the storage; the next call takes them up where their last rungs were stored.
    Where nothing better is to be expected, those in flight are finished, and no further ones proposed. A worker ends
    when there is nothing left to do, those of others included.

    Args:
        study: The study, with its pruner.
        storage: Where it lives.
        objective: Evaluates a trial.
        proposer: Queues every trial.
        limits: When it ends.
        concurrency: Trials in flight in this process, whose rungs are generated together.
        claims: Which trials this process evaluates.
        should_stop: Asked after every rung; ends the search.
        observer: Told what happens.

    Raises:
        TrialError: Every trial failed; the message gives the first failure.
    """
    with claims.kept_alive():
        observer.started(len(study.get_trials(deepcopy=False, states=FINISHED)))
        search = _Search(study, storage, objective, proposer, limits, claims, observer)
        search.take_up(concurrency)
        while not search.is_to_end(should_stop):
            if search.fill(concurrency):
                search.advance()
            elif search.others_run():
                time.sleep(claims.patience_s)
            else:
                break
        observer.ended()
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    if failed and len(failed) == len(study.get_trials(deepcopy=False, states=FINISHED)):
        raise TrialError(f"all {len(failed)} trials failed, the first with: {failed[0].user_attrs.get(ERROR)}")


class _InFlight(NamedTuple):
    trial: optuna.Trial
    evaluation: Evaluation
    began: int
    started: float

    @property
    def passed(self) -> int:
        """The round of the last rung that it passed."""
        return self.began + self.evaluation.rungs_passed


class _Search:
    """The trials in flight.

    They advance in rounds: in each, every trial in flight passes one rung, in the order of their numbers, and trials
    begin only between two rounds. The round of a trial is stored, and with it the order of all that happens: a search
    that is interrupted anywhere goes on with the same trial, rung and proposal as if it had not been. Of workers that
    share a study, each has rounds of its own; what is stored then is the order in which trials began and finished.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        objective: GenerationObjective,
        proposer: Proposer,
        limits: Limits,
        claims: Claims,
        observer: SearchObserver,
    ) -> None:
        self._study = study
        self._storage = storage
        self._objective = objective
        self._proposer = proposer
        self._limits = limits
        self._claims = claims
        self._observer = observer
        self._started = time.monotonic()
        self._in_flight: dict[int, _InFlight] = {}
        # Why there are no further trials, as far as the log says.
        self._told: str | None = None
        # The round of the last rung that any trial passed.
        self._latest = 0
        if not claims.shared:
            begun = [trial for trial in self._trials() if ROUND in trial.user_attrs]
            self._latest = max(map(rounds_passed, begun), default=0)

    def take_up(self, room: int) -> None:
        """Takes up the trials that an interrupted search or a dead worker left.

        Args:
            room: How many are wanted; see `Claims.take_abandoned`.
        """
        with self._claims.exclusively():
            left = [one.number for one in self._trials(TrialState.RUNNING) if one.number not in self._in_flight]
            taken = [self._attach(number) for number in self._claims.take_abandoned(left, room)]
            for trial in taken:
                self._note_begin(trial)  # which a process may not have come to that died
        for trial in taken:
            self._start(trial)

    def is_to_end(self, should_stop: Callable[[], bool]) -> bool:
        """Whether the search ends though there is something left to do.

        Tokens are counted between two rounds, so that an interruption does not change where they end.
        """
        timeout, most_tokens = self._limits.timeout, self._limits.max_tokens_total
        reason = None
        if should_stop():
            reason = "as it was told to"
        elif timeout is not None and time.monotonic() - self._started >= timeout:
            reason = f"the timeout of {timeout:g} s has passed"
        elif most_tokens is not None and not self._round_is_under_way():
            tokens = self._objective.tokens_stored() - self._tokens_reused()
            if tokens >= most_tokens:
                reason = f"{tokens} tokens are generated, the limit is {most_tokens}"
        if reason is not None:
            in_flight = len(self._in_flight)
            _LOG.info("the search stops: %s; %d trials in flight can be taken up again", reason, in_flight)
        return reason is not None

    def _tokens_reused(self) -> int:
        """Stored tokens that were not generated, but taken over from trials with parameters of the same effect."""
        finished: int = sum(trial.user_attrs.get(REUSED_TOKENS, 0) for trial in self._trials(*FINISHED))
        return finished + sum(one.evaluation.tokens_reused for one in self._in_flight.values())

    def others_run(self) -> bool:
        """Whether other workers have trials in flight, which might be left to this one."""
        return self._claims.shared and bool(self._trials(TrialState.RUNNING))

    def fill(self, concurrency: int) -> bool:
        """Begins trials, unless a round is under way; whether any are in flight."""
        if self._claims.shared and len(self._in_flight) < concurrency:
            self.take_up(concurrency - len(self._in_flight))
        while not self._round_is_under_way() and len(self._in_flight) < concurrency:
            trial = self._ask()
            if trial is None:
                break
            self._start(trial)
        return bool(self._in_flight)

    def advance(self) -> None:
        """Brings the trials that are furthest behind to their next rungs, generated in one batch."""
        furthest_behind = min(one.passed for one in self._in_flight.values())
        group = [one for _, one in sorted(self._in_flight.items()) if one.passed == furthest_behind]
        self._observer.advancing({one.trial.number: one.evaluation for one in self._in_flight.values()})
        try:
            completions = self._generate(group)
        except TrialError:
            # Which trial is to blame, or a rung ahead that may never come, shows when each is on its own.
            completions = None
        for one in group:
            try:
                own = self._generate([one], look_ahead=False)[0] if completions is None else completions.pop(0)
                one.evaluation.record(own)
            except TrialError as error:
                self._fail(one.trial, error)
            except (LeaseLostError, UpdateFinishedTrialError):
                self._drop(one.trial)
            else:
                self._latest = max(self._latest, one.passed)
                self._observer.rung_passed(one.trial, one.evaluation)
                self._conclude(one)

    def _generate(self, group: Sequence[_InFlight], *, look_ahead: bool = True) -> list[list[Completion]]:
        requests = [one.evaluation.requests() for one in group]
        rungs = [one.evaluation.upcoming() for one in group] if look_ahead else []
        ahead = itertools.zip_longest(*rungs, fillvalue=())
        upcoming = [request for rung in ahead for own in rung for request in own]
        completions = iter(
            self._objective.engine.generate(
                [request for own in requests for request in own], self._observer.tokens_generated, upcoming
            )
        )
        self._objective.after_generation()
        return [[next(completions) for _ in own] for own in requests]

    def _round_is_under_way(self) -> bool:
        """Whether a trial has passed a rung in the round that another one in flight has yet to finish."""
        return any(one.passed < self._latest for one in self._in_flight.values())

    def _ask(self) -> optuna.Trial | None:
        """The next trial, if there is to be one."""
        with self._claims.exclusively():
            trials = self._trials()
            waiting = sum(trial.state == TrialState.WAITING for trial in trials)
            if len(trials) - waiting >= self._limits.n_trials:
                return None
            trial = self._study.ask() if waiting else self._propose(trials)
            if trial is not None:
                self._claims.take(trial.number)
                self._note_begin(trial)
            return trial

    def _propose(self, trials: Sequence[FrozenTrial]) -> optuna.Trial | None:
        """Begins a trial of the sampler's, all in one transaction."""
        reason = reason_to_stop(trials, self._limits, maximize=maximizes(self._study))
        proposed = None if reason else self._proposer.propose(self._study)
        if proposed is None:
            reason = reason or "every point of the grid has been proposed"
            if reason != self._told:
                _LOG.info("no further trials: %s", reason)
            self._told = reason
            return None
        proposed.set_user_attr(PARAMS, self._objective.space.suggest(proposed).to_json())
        proposed.set_user_attr(ROUND, self._round(trials))
        self._study.add_trial(proposed)
        return self._attach(max(trial.number for trial in self._trials(TrialState.RUNNING)))

    def _attach(self, number: int) -> optuna.Trial:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return optuna.Trial(self._study, self._storage.get_trial_id_from_study_id_trial_number(study_id, number))

    def _round(self, trials: Sequence[FrozenTrial]) -> int:
        """When a trial begins; see `ROUND`."""
        return sum(trial.state in FINISHED for trial in trials) if self._claims.shared else self._latest

    def _note_begin(self, trial: optuna.Trial) -> None:
        if ROUND not in trial.user_attrs:
            trial.set_user_attr(ROUND, self._round(self._trials()))

    def _start(self, trial: optuna.Trial) -> None:
        started = time.monotonic()
        try:
            evaluation = self._objective.start(trial)
        except TrialError as error:
            self._fail(trial, error)
            return
        began = self._latest - evaluation.rungs_passed if self._claims.shared else trial.user_attrs[ROUND]
        one = self._in_flight[trial.number] = _InFlight(trial, evaluation, began, started)
        self._latest = max(self._latest, one.passed)
        self._observer.trial_started(trial, evaluation)
        self._conclude(one)

    def _conclude(self, one: _InFlight) -> None:
        """Tells the study of a trial that is finished."""
        if one.evaluation.pruned:
            self._tell(one.trial, TrialState.PRUNED)
        elif one.evaluation.finished:
            self._tell(one.trial, TrialState.COMPLETE, one.evaluation.values)

    def _fail(self, trial: optuna.Trial, error: TrialError) -> None:
        _LOG.warning("trial %d failed: %s", trial.number, error)
        _LOG.debug("trial %d failed so:", trial.number, exc_info=error)
        self._tell(trial, TrialState.FAIL, error=str(error))

    def _tell(
        self, trial: optuna.Trial, state: TrialState, values: Sequence[float] | None = None, error: str | None = None
    ) -> None:
        with self._claims.exclusively():
            if not self._claims.holds(trial.number):
                self._drop(trial)
                return
            if error is not None:
                trial.set_user_attr(ERROR, error)
                one = self._in_flight.get(trial.number)
                if one is not None and one.evaluation.tokens_reused:
                    trial.set_user_attr(REUSED_TOKENS, one.evaluation.tokens_reused)
            if self._claims.shared:
                trial.set_user_attr(ENDED, len(self._trials(*FINISHED)) + 1)
            self._note_timings(trial)
            self._observer.before_trial_ends(trial)
            # In this order: a process that dies in between leaves a trial that is taken over, not a lease without one.
            self._claims.release(trial.number)
            told = self._study.tell(trial, values, state)
        if not self._claims.shared:
            self._latest = max(self._latest, rounds_passed(told))
        one = self._in_flight.pop(trial.number, None)
        self._observer.trial_ended(
            told, None if one is None else one.evaluation, 0.0 if one is None else time.monotonic() - one.started
        )

    def _note_timings(self, trial: optuna.Trial) -> None:
        one = self._in_flight.get(trial.number)
        if one is not None and (generated := one.evaluation.tokens_of_process):
            seconds = max(time.monotonic() - one.started, 1e-9)
            trial.set_user_attr(TOKENS_PER_S, round(generated / seconds, 1))
            trial.set_user_attr(REPLAYED, round(one.evaluation.tokens_replayed / generated, 4))

    def _drop(self, trial: optuna.Trial) -> None:
        _LOG.warning("trial %d is left to another worker, which has taken it over", trial.number)
        self._in_flight.pop(trial.number, None)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """All trials by default."""
        return self._study.get_trials(deepcopy=False, states=states or None)
