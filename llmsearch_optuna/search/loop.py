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

*Workers* share a study on a database server. Each has rounds of its own, and a lease on each trial that it evaluates.
Starts, proposals and ends of trials are serialised by a database lock. Instead of rounds, the database then stores the
order in which trials began and ended (`ROUND`, `ENDED`). A worker that has nothing to do waits while others have trials
in flight, because it must take these over if their leases expire.
"""

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.errors import LeaseLostError, ScorerError, TrialError
from llmsearch_optuna.metrics import ScoringGivenUpError
from llmsearch_optuna.search.evaluation import Evaluation, GenerationObjective
from llmsearch_optuna.search.limits import reason_to_stop
from llmsearch_optuna.search.observers import SearchObserver
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.storage import Claims
from llmsearch_optuna.study.attributes import (
    ENDED,
    ERROR,
    PARAMS,
    REPLAYED,
    REUSED_TOKENS,
    ROUND,
    SCORER_FAULT,
    STOPPED,
    TOKENS_PER_S,
)
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.trials import FINISHED, repeated_trials, rounds_passed

__all__ = ["Search"]

_LOG = logging.getLogger(__name__)


class _InFlight(NamedTuple):
    """A trial in flight.

    Attributes:
        trial: The trial.
        evaluation: Its evaluation.
        began: The number of the round before its first rung.
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
        early_stop: Returns why further trials have nothing to gain, or None; see `EarlyStop.reason`.
    """

    study: optuna.Study
    storage: RDBStorage
    objective: GenerationObjective
    proposer: Proposer
    options: SearchOptions
    concurrency: int
    claims: Claims
    observer: SearchObserver
    early_stop: Callable[[optuna.Study, Sequence[FrozenTrial]], str | None] = lambda _study, _trials: None
    _started: float = field(init=False, default_factory=time.monotonic)
    _in_flight: dict[int, _InFlight] = field(init=False, default_factory=dict)
    _ended_by: str | None = field(init=False, default=None)
    _warned_of_tokens: bool = field(init=False, default=False)
    # The number of the last round in which a trial passed a rung or failed.
    _latest: int = field(init=False, default=0)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run trials until a limit is reached or a stop is requested.

        A trial that cannot be scored fails, and the search continues. Trials that are interrupted, or in flight when
        time or tokens are used up, stay RUNNING in the storage. The next call resumes them after their last stored
        rung. If no better trial is to be expected (`reason_to_stop`, `EarlyStop`), those in flight are finished and no
        further one is proposed. A worker ends when neither it nor any other worker has a trial left.

        Args:
            should_stop: Called between rungs; the search stops if it returns True.

        Raises:
            TrialError: All finished trials failed. The message contains the first failure.
        """
        self.objective = dataclasses.replace(
            self.objective, is_to_end=lambda: self._was_stopped(should_stop) is not None
        )
        with self.claims.kept_alive():
            self.observer.started(len(self._trials(*FINISHED)) - len(repeated_trials(self._trials())))
            if not self.claims.shared:
                begun = [trial for trial in self._trials() if ROUND in trial.user_attrs]
                self._latest = max(map(rounds_passed, begun), default=0)
            self._take_up(self.concurrency)
            while not self._is_to_end(should_stop):
                if self._fill():
                    self._advance()
                elif self.claims.shared and self._trials(TrialState.RUNNING):
                    time.sleep(self.claims.patience_s)  # this worker may have to take over the trials of another
                else:
                    self._note_reason()
                    break
            self.observer.ended()
        failed = self._trials(TrialState.FAIL)
        if failed and len(failed) == len(self._trials(*FINISHED)):
            raise TrialError(f"all {len(failed)} trials failed, the first with: {failed[0].user_attrs.get(ERROR)}")

    def _note_reason(self) -> None:
        """Store and show why the search ends before its number of trials."""
        begun = f"the search stopped after {len(self._trials())} of {self.options.n_trials} trials"
        sentence = None if self._ended_by is None else f"{begun}: {self._ended_by}"
        if self.study.user_attrs.get(STOPPED) != sentence:
            self.study.set_user_attr(STOPPED, sentence)
        if sentence is not None:
            self.observer.stopped(sentence)

    def _take_up(self, room: int) -> None:
        """Take up the trials that an interrupted search or a dead worker left.

        Args:
            room: The number of trials that there is room for; see `Claims.take_abandoned`.
        """
        with self.claims.exclusively():
            running = self._trials(TrialState.RUNNING)
            left = [trial.number for trial in running if trial.number not in self._in_flight]
            taken = [self._attach(number) for number in self.claims.take_abandoned(left, room)]
            for trial in taken:
                self._store_round(trial)  # a process that died may not have stored it
        for trial in taken:
            self._start(trial)

    def _is_to_end(self, should_stop: Callable[[], bool]) -> bool:
        """Return whether to stop now, and leave the trials in flight to a later call.

        Tokens are counted only between two rounds, so that an interruption does not change where the search ends.
        """
        max_tokens = self.options.max_tokens_total
        reason = self._was_stopped(should_stop)
        if reason is None and max_tokens is not None and not self._round_is_under_way():
            tokens = self.objective.tokens_stored() - self._tokens_reused()
            if tokens == 0 and self._latest > 0 and not self._warned_of_tokens and self._trials(TrialState.COMPLETE):
                self._warned_of_tokens = True
                _LOG.warning(
                    "`max_tokens_total` has no effect: the engine counts no tokens; set `n_trials` or `timeout` instead"
                )
            if tokens >= max_tokens:
                reason = f"{tokens} tokens are generated, the limit is {max_tokens}"
        if reason is not None:
            in_flight = len(self._in_flight)
            _LOG.info("the search stops: %s; %d trials in flight can be resumed", reason, in_flight)
        return reason is not None

    def _was_stopped(self, should_stop: Callable[[], bool]) -> str | None:
        """Return the reason if a stop was requested or the time is over, else None."""
        timeout = self.options.timeout
        if should_stop():
            return "a stop was requested"
        if timeout is not None and time.monotonic() - self._started >= timeout:
            return f"the timeout of {timeout:g} s has passed"
        return None

    def _tokens_reused(self) -> int:
        """Return how many stored tokens were copied from earlier trials instead of generated."""
        elsewhere: int = sum(
            trial.user_attrs.get(REUSED_TOKENS, 0) for trial in self._trials() if trial.number not in self._in_flight
        )
        return elsewhere + sum(running.evaluation.tokens_reused for running in self._in_flight.values())

    def _fill(self) -> bool:
        """Put trials in flight until there are `concurrency` of them. Return whether any are in flight.

        With several workers, trials that others abandoned come first. New trials begin only between two rounds.
        """
        if self.claims.shared and len(self._in_flight) < self.concurrency:
            self._take_up(self.concurrency - len(self._in_flight))
        while not self._round_is_under_way() and len(self._in_flight) < self.concurrency:
            trial = self._ask()
            if trial is None:
                break
            self._start(trial)
        return bool(self._in_flight)

    def _advance(self) -> None:
        """Advance the trials that are furthest behind by one rung, generated in one batch."""
        furthest_behind = min(running.passed for running in self._in_flight.values())
        group = [running for _, running in sorted(self._in_flight.items()) if running.passed == furthest_behind]
        self.observer.advancing({number: running.evaluation for number, running in self._in_flight.items()})
        try:
            batches = self._generate(group)
        except TrialError:
            # One trial, or a request of a later rung, may have caused the error: generate for each trial separately.
            batches = None
        for index, running in enumerate(group):
            try:
                completions = self._generate([running], look_ahead=False)[0] if batches is None else batches[index]
                running.evaluation.record(completions)
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

    def _generate(self, group: Sequence[_InFlight], *, look_ahead: bool = True) -> list[list[Completion]]:
        """Return the completions of each trial's next rung.

        With `look_ahead`, the engine may also begin on later rungs: first on the following rung of every trial, then on
        the one after it.
        """
        requests = [running.evaluation.requests() for running in group]
        rungs = [running.evaluation.upcoming() for running in group] if look_ahead else []
        ahead = itertools.chain.from_iterable(itertools.zip_longest(*rungs, fillvalue=()))
        completions = iter(
            self.objective.generate(
                list(itertools.chain.from_iterable(requests)),
                self.observer.tokens_generated,
                list(itertools.chain.from_iterable(ahead)),
            )
        )
        return [list(itertools.islice(completions, len(requests_of_trial))) for requests_of_trial in requests]

    def _round_is_under_way(self) -> bool:
        """Return whether a trial in flight has yet to finish a round in which another has passed its rung."""
        return any(running.passed < self._latest for running in self._in_flight.values())

    def _ask(self) -> optuna.Trial | None:
        """Begin the next trial: a queued one, or else a proposal. Return None if there is none."""
        with self.claims.exclusively():
            trials = self._trials()
            waiting = sum(trial.state == TrialState.WAITING for trial in trials)
            if len(trials) - waiting - len(repeated_trials(trials)) >= self.options.n_trials:
                return None
            trial = self.study.ask() if waiting else self._propose(trials)
            if trial is not None:
                self.claims.take(trial.number)
                self._store_round(trial)
            return trial

    def _propose(self, trials: Sequence[FrozenTrial]) -> optuna.Trial | None:
        """Begin a trial that the sampler proposes, in one transaction. Return None if there is none."""
        pruner = self.study.pruner
        reason = reason_to_stop(
            trials,
            maximize=maximizes(self.study),
            patience=self.options.patience,
            margin=pruner.margin if isinstance(pruner, PairedPruner) else 0.0,
            score_range=self.objective.score_range if isinstance(pruner, PairedPruner) else None,
        )
        reason = reason or self.early_stop(self.study, trials)
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
        return self._attach(max(trial.number for trial in self._trials(TrialState.RUNNING)))

    def _attach(self, number: int) -> optuna.Trial:
        """Return the `optuna.Trial` of a stored trial."""
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        return optuna.Trial(self.study, self.storage.get_trial_id_from_study_id_trial_number(study_id, number))

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
        began = self._latest - evaluation.rungs_passed if self.claims.shared else trial.user_attrs[ROUND]
        running = self._in_flight[trial.number] = _InFlight(trial, evaluation, began, started)
        self._latest = max(self._latest, running.passed)
        self.observer.trial_started(trial, evaluation)
        self._end_if_finished(running)

    def _end_if_finished(self, running: _InFlight) -> None:
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
                if running is not None and running.evaluation.tokens_reused:
                    trial.set_user_attr(REUSED_TOKENS, running.evaluation.tokens_reused)
            if self.claims.shared:
                trial.set_user_attr(ENDED, len(self._trials(*FINISHED)) + 1)
            if running is not None:
                self._store_timings(running)
            self.observer.before_trial_ends(trial)
            # The lease is released first: if the process then dies, the trial is taken over and no lease remains.
            self.claims.release(trial.number)
            ended = self.study.tell(trial, values, state)
        if not self.claims.shared:
            self._latest = max(self._latest, rounds_passed(ended))
        self._in_flight.pop(trial.number, None)
        if running is None:
            self.observer.trial_ended(ended, None, 0.0)
        else:
            self.observer.trial_ended(ended, running.evaluation, time.monotonic() - running.started)

    def _store_timings(self, running: _InFlight) -> None:
        if generated := running.evaluation.tokens_of_process:
            seconds = max(time.monotonic() - running.started, 1e-9)
            running.trial.set_user_attr(TOKENS_PER_S, round(generated / seconds, 1))
            running.trial.set_user_attr(REPLAYED, round(running.evaluation.tokens_replayed / generated, 4))

    def _drop(self, trial: optuna.Trial) -> None:
        _LOG.warning("trial %d is left to another worker, which has taken it over", trial.number)
        self._in_flight.pop(trial.number, None)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states; all trials if none is given."""
        return self.study.get_trials(deepcopy=False, states=states or None)
