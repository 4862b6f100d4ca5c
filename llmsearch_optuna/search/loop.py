"""The search loop: several trials in flight, one rung at a time, in an order that depends only on the stored study.

How it works. The trials in flight advance in *rounds*. In each round, every trial in flight passes one rung: all their
samples go to the engine as one batch, and the trials are then scored, reported and pruned in the order of their
numbers. Trials begin only between two rounds, if fewer than `concurrency` are in flight. The sampler thus sees the
results of all rounds so far, and of no unfinished one. The number of rounds that were passed when a trial began is
stored with the trial (`ROUND`), and each of its rungs is stored when it is passed. The stored study therefore
determines the round of every event, and which trial, rung or proposal comes next. No clock is involved.

*Interruptions change nothing*, because a resumed search rebuilds this state. It takes up the trials that were left
RUNNING, restores their stored rungs, and first advances the trials that are furthest behind. As long as one trial in
flight has not finished the latest round, no new trial begins. A rung that was generated but not stored is generated
again, with the same tokens.

*A race* (`search.race`) decides between two rounds which trials are in flight. The others rest, RUNNING and stored,
until they are chosen again. The rounds in which a trial rested are stored with it (`RESTED`).

*Workers* share a study on a database server. Each has rounds of its own, and a lease on each trial that it evaluates.
Starts, proposals and ends of trials are serialised by a database lock. Instead of rounds, the database then stores the
order in which trials began and ended (`ROUND`, `ENDED`). A worker that has nothing to do waits while others have trials
in flight, because it must take these over if their leases expire.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import LeaseLostError, ScorerError, TrialError
from llmsearch_optuna.metrics import ScoringGivenUpError
from llmsearch_optuna.search.budget import Budget
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.in_flight import InFlight, generate_rungs
from llmsearch_optuna.search.judging import judge_spending
from llmsearch_optuna.search.limits import all_begun, describe_end
from llmsearch_optuna.search.observers import SearchObserver
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.race import Choice, Race
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.search.spending import Spending, count_spending, store_reused
from llmsearch_optuna.storage import Claims
from llmsearch_optuna.study.attributes import (
    ENDED,
    ERROR,
    PARAMS,
    RESTED,
    RESTING,
    ROUND,
    SCORER_FAULT,
    STOPPED,
    TRIAL_TOKENS,
)
from llmsearch_optuna.study.trials import FINISHED, find_trial_id, finished_count, is_resting, rounds_passed

__all__ = ["Search"]

_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Search:
    """A running search: the trials in flight in this process, and their rounds.

    Attributes:
        study: The study, with its pruner.
        storage: The storage of the study.
        objective: Evaluates a trial.
        proposer: Proposes the trials.
        options: The options of the search, of which only the limits are used here.
        concurrency: The number of trials in flight in this process, whose rungs are generated together.
        claims: Decides which trials this process evaluates.
        observer: Receives the events of the search.
        stop_rule: Returns why no further trial is to be proposed, or None.
    """

    study: optuna.Study
    storage: RDBStorage
    objective: GenerationObjective
    proposer: Proposer
    options: SearchOptions
    concurrency: int
    claims: Claims
    observer: SearchObserver
    stop_rule: Callable[[optuna.Study, Sequence[FrozenTrial]], str | None]
    _in_flight: dict[int, InFlight] = field(init=False, default_factory=dict)
    _ended_by: str | None = field(init=False, default=None)
    _choice: Choice = field(init=False, default=Choice(()))
    # The number of the last round in which a trial passed a rung or failed.
    _latest: int = field(init=False, default=0)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run trials until a limit is reached or a stop is requested.

        A trial that cannot be scored fails, and the search continues. Trials that are interrupted, or in flight when
        time or tokens are used up, stay RUNNING in the storage. The next call resumes them after their last stored
        rung. If no better trial is to be expected (`stop_rule`), those in flight are finished and no further one is
        proposed. A worker ends when neither it nor any other worker has a trial left.

        Args:
            should_stop: Called between rungs; the search stops if it returns True.

        Raises:
            TrialError: All trials failed, and none can be resumed. The message contains the first failure.
        """
        budget = Budget(
            timeout=self.options.timeout,
            max_tokens=self.options.max_tokens_total,
            max_cost=self.options.max_cost,
            spending=self._spending,
            should_stop=should_stop,
        )
        self.objective = dataclasses.replace(self.objective, is_to_end=lambda: budget.interrupted() is not None)
        with self.claims.kept_alive():
            self.observer.started(finished_count(self._trials()))
            if not self.claims.shared:
                begun = [trial for trial in self._trials() if ROUND in trial.user_attrs]
                self._latest = max(map(rounds_passed, begun), default=0)
            self._take_up(self.concurrency)
            while not self._is_to_end(budget):
                if self._fill():
                    self._advance()
                elif self.claims.shared and not all(map(is_resting, self._trials(TrialState.RUNNING))):
                    time.sleep(self.claims.patience_s)  # this worker may have to take over the trials of another
                else:
                    self._prune_resting()
                    self._store_end(describe_end(self._ended_by, self._trials(), self.options.n_trials, self._choice))
                    break
            else:
                self._store_end(None)
            self.observer.ended()
        failed, can_go_on = self._trials(TrialState.FAIL), should_stop() or self._trials(TrialState.RUNNING)
        if failed and not can_go_on and len(failed) == len(self._trials(*FINISHED)):
            raise TrialError(f"all {len(failed)} trials failed, the first with: {failed[0].user_attrs.get(ERROR)}")

    def _store_end(self, sentence: str | None) -> None:
        """Store and show why the search ended before its number of trials; None if it did not, or goes on later."""
        if self.study.user_attrs.get(STOPPED) != sentence:
            self.study.set_user_attr(STOPPED, sentence)
        if sentence is not None:
            self.observer.stopped(sentence)

    def _take_up(self, room: int) -> None:
        """Take up trials that an interrupted search or a dead worker left; see `Claims.take_abandoned` for `room`."""
        with self.claims.exclusively():
            running = self._trials(TrialState.RUNNING)
            left = [trial.number for trial in running if trial.number not in self._in_flight and not is_resting(trial)]
            taken = [self._attach(number) for number in self.claims.take_abandoned(left, room)]
            for trial in taken:
                self._store_round(trial)  # a process that died may not have stored it
        for trial in taken:
            self._start(trial)

    def _is_to_end(self, budget: Budget) -> bool:
        """Return whether to stop now, and leave the trials in flight to a later call.

        Tokens are counted only between two rounds, so that an interruption does not change where the search ends.
        """
        reason = budget.interrupted()
        if reason is None and budget.is_limited and not self._round_is_under_way():
            reason = budget.spent(any_complete=self._latest > 0 and bool(self._trials(TrialState.COMPLETE)))
        if reason is not None:
            _LOG.info("the search stops: %s; %d trials in flight can be resumed", reason, len(self._in_flight))
        return reason is not None

    def _spending(self) -> Spending:
        """Return what all stored completions have taken, but those that were copied from earlier trials."""
        copied = {number: running.evaluation.reused for number, running in self._in_flight.items()}
        further, price = judge_spending(self.objective.metric), self.objective.price
        return count_spending(self.objective.tokens_stored(), self._trials(), copied, price, further)

    def _fill(self) -> bool:
        """Put trials in flight until there are `concurrency` of them. Return whether any are in flight.

        With several workers, abandoned trials come first. New trials begin, and trials rest, only between two rounds.
        """
        if self.claims.shared and len(self._in_flight) < self.concurrency:
            self._take_up(self.concurrency - len(self._in_flight))
        if isinstance(self.study.pruner, Race) and not self._round_is_under_way():
            self._choose(self.study.pruner)
        while not self._round_is_under_way() and len(self._in_flight) < self.concurrency:
            trial = self._ask()
            if trial is None:
                break
            self._start(trial)
        return bool(self._in_flight)

    def _choose(self, race: Race) -> None:
        """Let the trials in flight rest that the race does not choose, and take up those that it chooses."""
        with self.claims.exclusively():
            trials = [
                trial
                for trial in self._trials(*FINISHED, TrialState.RUNNING)
                if trial.state != TrialState.RUNNING or is_resting(trial) or trial.number in self._in_flight
            ]
            self._choice = race.choose(self.study, trials, tokens=self._tokens_of, places=self.concurrency)
            for number in sorted(set(self._in_flight).difference(self._choice.trials)):
                if self.claims.holds(number):
                    self._in_flight.pop(number).rest()
                    self.claims.release(number)
                else:
                    self._drop(self._in_flight[number].trial)
            chosen = self._wake([number for number in self._choice.trials if number not in self._in_flight])
        for trial in chosen:
            self._start(trial)

    def _wake(self, numbers: Sequence[int]) -> list[optuna.Trial]:
        """Claim resting trials. Call it within `exclusively`."""
        # A worker that died may have left its lease on a trial that rests.
        trials = [self._attach(number) for number in self.claims.take_abandoned(numbers, len(numbers))]
        for trial in trials:
            if not self.claims.shared:
                passed = rounds_passed(self._trials()[trial.number])
                trial.set_user_attr(RESTED, trial.user_attrs.get(RESTED, 0) + self._latest - passed)
            trial.set_user_attr(RESTING, False)
        return trials

    def _prune_resting(self) -> None:
        """End the trials that a race has left resting."""
        with self.claims.exclusively():
            resting = self._wake([trial.number for trial in self._trials() if is_resting(trial)])
        for trial in resting:
            self._start(trial)
            if running := self._in_flight.get(trial.number):
                running.evaluation.prune()
                self._end_if_finished(running)

    def _tokens_of(self, trial: FrozenTrial) -> int:
        running = self._in_flight.get(trial.number)
        return int(trial.user_attrs.get(TRIAL_TOKENS, 0)) if running is None else running.evaluation.tokens

    def _advance(self) -> None:
        """Advance the trials that are furthest behind by one rung, generated in one batch."""
        furthest_behind = min(running.passed for running in self._in_flight.values())
        group = [running for _, running in sorted(self._in_flight.items()) if running.passed == furthest_behind]
        self.observer.advancing({number: running.evaluation for number, running in self._in_flight.items()})
        on_tokens = self.observer.tokens_generated
        try:
            batches = generate_rungs(self.objective, group, on_tokens)
        except TrialError:
            # One trial, or a request of a later rung, may have caused the error: generate for each trial separately.
            batches = None
        for index, running in enumerate(group):
            try:
                running.evaluation.record(
                    generate_rungs(self.objective, [running], on_tokens, look_ahead=False)[0]
                    if batches is None
                    else batches[index]
                )
            except TrialError as error:
                self._fail(running.trial, error)
            except ScoringGivenUpError as error:
                _LOG.warning("trial %d is left to a later search: %s", running.trial.number, error)
                return
            except (LeaseLostError, UpdateFinishedTrialError):
                self._drop(running.trial)
            else:
                self._latest = max(self._latest, running.passed)
                self.observer.rung_passed(running.trial, running.evaluation)
                self._end_if_finished(running)

    def _round_is_under_way(self) -> bool:
        """Return whether a trial in flight has yet to finish a round in which another has passed its rung."""
        return any(running.passed < self._latest for running in self._in_flight.values())

    def _ask(self) -> optuna.Trial | None:
        """Begin the next trial: a queued one, or else a proposal. Return None if there is none."""
        with self.claims.exclusively():
            trials = self._trials()
            if all_begun(trials, self.options.n_trials):
                return None
            waiting = any(trial.state == TrialState.WAITING for trial in trials)
            if isinstance(self.study.pruner, Race) and not waiting and self.study.pruner.waits_for_baselines(trials):
                return None
            trial = self.study.ask() if waiting else self._propose(trials)
            if trial is not None:
                self.claims.take(trial.number)
                self._store_round(trial)
            return trial

    def _propose(self, trials: Sequence[FrozenTrial]) -> optuna.Trial | None:
        """Begin a trial that the sampler proposes, in one transaction. Return None if there is none."""
        reason = self.stop_rule(self.study, trials)
        proposed = None if reason else self.proposer.propose(self.study)
        if proposed is None:
            reason = reason or "every point of the grid has been proposed"
            if self._ended_by is None:
                _LOG.info("no further trials: %s", reason)
            self._ended_by = reason
            return None
        self._ended_by = None
        proposed.set_user_attr(PARAMS, self.objective.space.suggest(proposed).to_json())
        proposed.set_user_attr(ROUND, self._round(trials))
        self.study.add_trial(proposed)
        # Users may queue trials meanwhile. Trials begin one at a time, so that the added one is the last that runs.
        return self._attach(max(trial.number for trial in self._trials(TrialState.RUNNING)))

    def _attach(self, number: int) -> optuna.Trial:
        """Return the `optuna.Trial` of a stored trial."""
        return optuna.Trial(self.study, find_trial_id(self.storage, self.study, number))

    def _round(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the value of `ROUND` for a trial that begins now."""
        return sum(trial.state in FINISHED for trial in trials) if self.claims.shared else self._latest

    def _store_round(self, trial: optuna.Trial) -> None:
        if ROUND not in trial.user_attrs:
            trial.set_user_attr(ROUND, self._round(self._trials()))

    def _start(self, trial: optuna.Trial) -> None:
        """Put a trial in flight. A resumed trial may have all its rungs already, and is then ended."""
        started = time.monotonic()
        try:
            evaluation = self.objective.start(trial)
        except TrialError as error:
            self._fail(trial, error)
            return
        except ScoringGivenUpError as error:
            _LOG.warning("trial %d is left to a later search: %s", trial.number, error)
            return
        began = self._latest - evaluation.rungs_passed
        if not self.claims.shared:
            began = trial.user_attrs[ROUND] + trial.user_attrs.get(RESTED, 0)
        running = self._in_flight[trial.number] = InFlight(trial, evaluation, began, started)
        self._latest = max(self._latest, running.passed)
        self.observer.trial_started(trial, evaluation)
        self._end_if_finished(running)

    def _end_if_finished(self, running: InFlight) -> None:
        if running.evaluation.pruned:
            self._end(running.trial, TrialState.PRUNED)
        elif running.evaluation.finished:
            self._end(running.trial, TrialState.COMPLETE, running.evaluation.values)

    def _fail(self, trial: optuna.Trial, error: TrialError) -> None:
        _LOG.warning("trial %d failed: %s", trial.number, error)
        _LOG.debug("traceback of trial %d:", trial.number, exc_info=error)
        self._end(trial, TrialState.FAIL, error=error)

    def _end(
        self,
        trial: optuna.Trial,
        state: TrialState,
        values: Sequence[float] | None = None,
        error: TrialError | None = None,
    ) -> None:
        """End a trial in the study, unless another worker has taken it over."""
        with self.claims.exclusively():
            if not self.claims.holds(trial.number):
                self._drop(trial)
                return
            running = self._in_flight.get(trial.number)
            if error is not None:
                trial.set_user_attr(ERROR, str(error))
                if isinstance(error, ScorerError):
                    trial.set_user_attr(SCORER_FAULT, True)
                if running is not None and running.evaluation.reused.generated:
                    store_reused(trial, running.evaluation.reused)
            if self.claims.shared:
                trial.set_user_attr(ENDED, len(self._trials(*FINISHED)) + 1)
            if running is not None:
                running.store_timings()
            self.observer.before_trial_ends(trial)
            # The lease is released first: if the process then dies, the trial is taken over and no lease remains.
            self.claims.release(trial.number)
            ended = self.study.tell(trial, values, state)
        if not self.claims.shared:
            self._latest = max(self._latest, rounds_passed(ended))
        self._in_flight.pop(trial.number, None)
        seconds = 0.0 if running is None else time.monotonic() - running.started
        self.observer.trial_ended(ended, None if running is None else running.evaluation, seconds)

    def _drop(self, trial: optuna.Trial) -> None:
        _LOG.warning("trial %d is left to another worker, which has taken it over", trial.number)
        self._in_flight.pop(trial.number, None)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states; all trials if none is given."""
        return self.study.get_trials(deepcopy=False, states=states or None)
