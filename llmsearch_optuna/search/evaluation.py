"""The objective of a search: the parameters of one trial, generated and scored rung by rung."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.irregular import check_answers
from llmsearch_optuna.metrics.reducers import reducer_of
from llmsearch_optuna.search.further_scores import FurtherScores, refuse_corpus_score
from llmsearch_optuna.search.reporting import report, should_prune
from llmsearch_optuna.search.score_readers import report_scores
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.search.spending import check_counts, store_reused
from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, TokenCounts
from llmsearch_optuna.study.attributes import (
    BASELINE,
    FINISH_REASONS,
    FIXED_PARAMS,
    PARAMS,
    PRUNED_AT,
    REPEATS,
    REUSED_FROM,
    THINKING_TOKENS,
    TIED_VOTES,
    TRIAL_TOKENS,
)
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.study.objectives import COST, SCORE, TOKENS
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.study.trials import began, ended, trial_params

__all__ = ["Evaluation", "GenerationObjective"]

# The number of later rungs that the engine may begin on while it has free slots. Most trials reach these rungs.
_LOOK_AHEAD = 3


@dataclass(frozen=True, kw_only=True)
class GenerationObjective(Evaluator):
    """An Optuna objective, ``(trial) -> score``, that generates, scores, reports and prunes rung by rung.

    With several objectives, it is ``(trial) -> [score, tokens or cost]`` for a study with two directions and prunes
    nothing. It can be passed to any ``study.optimize(objective, catch=(TrialError,))``. `Tuner.search` calls `start`
    instead, and advances several trials together. The attributes of `Evaluator` (`engine`, `metric`, ...) are further
    arguments.

    Attributes:
        samples: The search split, in the shared order.
        space: The search space of the trials.
        rungs: The numbers of samples at which trials report, in ascending order. The last one is the number of samples.
        objectives: The names of the values that a study receives: the score, or the score and the tokens per sample or
            the cost of 1,000 samples.
        price: The price of tokens; None if there is none.
        constraints: What a feasible trial keeps.
        store: Stores the completions and restores those of a resumed trial. Without it, `report_scores` records the
            per-sample scores of every trial in the study.
        study_key: The study's key in the store.
        reuse: Whether a trial copies the stored completions of an evaluated trial whose parameters have the same effect
            (`GenerationParams.canonical`). Only valid for an engine that always returns the same completion for the
            same request. Without a store, it has no effect.
    """

    samples: tuple[Sample, ...]
    space: SearchSpace
    rungs: tuple[int, ...]
    objectives: tuple[str, ...] = (SCORE,)
    price: Price | None = None
    constraints: tuple[Constraint, ...] = ()
    store: CompletionStore | None = None
    study_key: str = ""
    reuse: bool = False

    def __call__(self, trial: optuna.Trial) -> float | list[float]:
        """Evaluate a trial and return the score over all samples; with several objectives, all values.

        Raises:
            optuna.TrialPruned: The study's pruner stopped the trial.
            TrialError: The trial cannot be scored.
        """
        evaluation = self.start(trial)
        while not evaluation.finished:
            evaluation.advance()
        if evaluation.pruned:
            raise optuna.TrialPruned
        return evaluation.value if len(self.objectives) == 1 else evaluation.values

    def tokens_stored(self) -> dict[int, TokenCounts]:
        """Return the numbers of tokens of all stored completions by trial number; empty without a store."""
        return {} if self.store is None else self.store.count_tokens(self.study_key)

    def start(self, trial: optuna.Trial) -> "Evaluation":
        """Choose the parameters of a trial, and begin its evaluation after the completions that are already stored.

        Raises:
            TrialError: The stored completions cannot be scored.
        """
        fixed = trial.user_attrs.get(FIXED_PARAMS)
        params = self.space.suggest(trial) if fixed is None else GenerationParams.from_json(fixed)
        if PARAMS not in trial.user_attrs:
            trial.set_user_attr(PARAMS, params.to_json())
        return Evaluation(self, trial, params, self._reusable(trial, params))

    def _reusable(self, trial: optuna.Trial, params: GenerationParams) -> list[StoredCompletion]:
        """Return the completions of an evaluated trial whose parameters have the same effect; empty if there is none.

        Of several such trials, the one with the most samples is used. Only trials that had ended when this one began
        are considered, so that an interrupted trial finds the same one again.
        """
        if self.store is None or not self.reuse:
            return []
        trials = trial.study.get_trials(deepcopy=False)
        start, effect = began(trials[trial.number]), params.canonical
        repeats = trial.user_attrs.get(REPEATS)
        equal = [
            earlier
            for earlier in trials
            if (earlier.state in (TrialState.COMPLETE, TrialState.PRUNED) or earlier.number == repeats)
            and PARAMS in earlier.user_attrs
            and ended(earlier) <= start
            and trial_params(earlier).canonical == effect
        ]
        if not equal:
            return []
        furthest = max(equal, key=lambda earlier: (earlier.last_step or 0, -earlier.number))
        if REUSED_FROM not in trial.user_attrs:
            trial.set_user_attr(REUSED_FROM, furthest.number)
        return self.store.load(self.study_key, furthest.number)


class Evaluation:
    """The evaluation of one trial, rung by rung.

    Args:
        objective: The objective.
        trial: The trial.
        params: Its generation parameters.
        reused: Completions of an earlier trial that are copied instead of generated, from the first sample on.

    Attributes:
        params: The generation parameters of the trial.
        value: The metric over the samples so far; NaN before the first rung.
        pruned: Whether the pruner stopped the trial.
        counts: The numbers of tokens of all completions so far.
        reused: The numbers of tokens that were copied from an earlier trial.
        tokens_of_process: The number of tokens that this process generated.
        tokens_replayed: The number of tokens of this process that needed no forward pass.
    """

    def __init__(
        self,
        objective: GenerationObjective,
        trial: optuna.Trial,
        params: GenerationParams,
        reused: Sequence[StoredCompletion],
    ) -> None:
        self.params = params
        self.value = float("nan")
        self.pruned = False
        self.counts = self.reused = TokenCounts()
        self.tokens_of_process = self.tokens_replayed = 0
        self._rates = None if objective.price is None else objective.price.rates_of(params)
        self._reused = reused
        self._objective = objective
        self._trial = trial
        self._texts: list[tuple[str, ...]] = []
        # None once the metric has turned out to score only a corpus.
        self._scores: list[float] | None = []
        self._further = FurtherScores(objective, objective.constraints)
        self._finish_reasons: Counter[str] = Counter()
        self._tied_votes = 0
        if objective.store is not None:
            self._restore(objective.store)

    @property
    def scored(self) -> int:
        """The number of samples scored so far."""
        return len(self._texts)

    @property
    def rungs_passed(self) -> int:
        """The number of rungs scored so far."""
        return sum(size <= self.scored for size in self._objective.rungs)

    @property
    def tokens(self) -> int:
        """The number of tokens of all completions so far."""
        return self.counts.generated

    @property
    def cost(self) -> float | None:
        """The cost of all completions so far, including copied ones; None without a price."""
        return None if self._rates is None else self._rates.cost(self.counts)

    @property
    def values(self) -> list[float]:
        """The value of each objective over the samples so far. At least one rung must be scored."""
        objectives, expense = self._objective.objectives, self.tokens / self.scored
        if COST in objectives and self._rates is not None:
            expense = self._rates.per_samples(self.counts, self.scored)
        return [self.value, expense][: len(objectives)]

    @property
    def metrics(self) -> dict[str, float]:
        """The mean score over the samples so far under each further metric, by label."""
        return self._further.means

    @property
    def broken(self) -> dict[Constraint, float]:
        """The constraints that are broken over the samples so far, each with the value that breaks it."""
        return self._further.broken(self._constrained)

    @property
    def _constrained(self) -> dict[str, float]:
        return {SCORE: self.value, TOKENS: self.tokens / self.scored}

    @property
    def finished(self) -> bool:
        """Whether the trial is pruned or fully evaluated."""
        return self.pruned or self.scored == len(self._objective.samples)

    def advance(self) -> None:
        """Generate the completions of the next rung, and record them; see `record`."""
        self.record(self._objective.generate(self.requests()))

    def requests(self) -> list[Request]:
        """Return the requests of the next rung, without those for completions that are reused."""
        return self._requests(self.scored, self._rungs_left[0])

    def upcoming(self) -> list[list[Request]]:
        """Return the requests of up to three rungs after the next one, by rung. A pruned trial will not need them."""
        return [self._requests(start, end) for start, end in itertools.pairwise(self._rungs_left[: _LOOK_AHEAD + 1])]

    def record(self, completions: Sequence[Completion]) -> None:
        """Score, store and report the next rung, and ask the pruner.

        Args:
            completions: The completions of `requests`, in the same order.

        Raises:
            TrialError: The trial cannot be scored, its answers say more about the server than about the parameters (see
                `check_answers`), or tokens are an objective or constrained and the engine does not count them.
            ConfigurationError: There is a price, and the engine does not count the tokens.
            LeaseLostError: Another worker has taken the trial over.
        """
        check_counts(completions, self._objective.objectives, self._rates, self._objective.constraints)
        start, end = self.scored, self._rungs_left[0]
        samples, reused = self._objective.samples[start:end], self._reused[start:end]
        generated = [
            self._objective.stored(position, sample, of_sample)
            for position, (sample, of_sample) in enumerate(
                zip(samples[len(reused) :], self._by_sample(completions), strict=True), start + len(reused)
            )
        ]
        rows = [*reused, *generated]
        answers = [(row.row, reason) for row in rows for reason in row.finish_reasons]
        check_answers(answers, self._finish_reasons, is_last=end == len(self._objective.samples))
        scores = self._score(samples, rows)
        if scores is not None:
            rows = [dataclasses.replace(row, score=score) for row, score in zip(rows, scores, strict=True)]
        rows = self._further.add(samples, rows)
        if reused:
            # Before the rows are stored: other workers subtract these numbers from those of all stored rows.
            store_reused(self._trial, self.reused + TokenCounts.of(reused))
        if self._objective.store is not None:
            self._objective.store.append(self._objective.study_key, self._trial.number, rows)
        elif self._scores is not None:
            report_scores(self._trial, self._scores)
        self._count(rows)
        self._further.store_violations(self._trial, self._constrained)
        self.tokens_of_process += sum(completion.token_count for completion in completions)
        self.tokens_replayed += sum(completion.replayed for completion in completions)
        report(self._trial, self.value, step=self.scored)
        self._conclude_rung()

    def prune(self) -> None:
        """End the evaluation at the samples scored so far."""
        self.pruned = True
        self._store_totals()

    @property
    def _rungs_left(self) -> tuple[int, ...]:
        return self._objective.rungs[self.rungs_passed :]

    def _requests(self, start: int, end: int) -> list[Request]:
        """Return the requests for a range of samples, without those for completions that are reused."""
        samples = self._objective.samples[max(start, len(self._reused)) : end]
        return [request for sample in samples for request in self._objective.requests(sample, self.params)]

    def _by_sample(self, completions: Sequence[Completion]) -> list[Sequence[Completion]]:
        count = len(completion_params(self.params))
        return [completions[start : start + count] for start in range(0, len(completions), count)]

    def _score(self, samples: Sequence[Sample], rows: Sequence[StoredCompletion]) -> list[float] | None:
        """Update `value` and return the scores of the new samples; None if the metric scores only a corpus.

        Args:
            samples: The new samples.
            rows: Their completions. The first of them may have scores, which are not computed again.
        """
        new = None
        texts = [row.texts for row in rows]
        stored_scores = itertools.takewhile(lambda score: score is not None, (row.score for row in rows))
        scores = [score for score in stored_scores if score is not None]
        if self._scores is not None and len(scores) < len(samples):
            new = self._objective.score(samples[len(scores) :], texts[len(scores) :])
            scores += new.per_sample or ()
        self._texts += texts
        if self._scores is not None and len(scores) == len(samples):
            self._scores += scores
            self.value = sum(self._scores) / len(self._scores)
            return scores
        # The metric scores a corpus as a whole: all samples so far.
        refuse_corpus_score(self._objective.constraints)
        self._scores = None
        if new is not None and self.scored == len(samples):
            self.value = new.value
        else:
            self.value = self._objective.score(self._objective.samples[: self.scored], self._texts).value
        return None

    def _count(self, rows: Sequence[StoredCompletion]) -> None:
        self.counts += TokenCounts.of(rows)
        self.reused += TokenCounts.of(row for row in rows if row.position < len(self._reused))
        self._finish_reasons.update(reason for row in rows for reason in row.finish_reasons)
        is_tied = reducer_of(self._objective.metric).is_tied
        self._tied_votes += sum(is_tied(row.texts) for row in rows if row.further)

    def _restore(self, store: CompletionStore) -> None:
        """Restore the state of an interrupted trial from its stored completions, and make its missing reports."""
        stored = store.load(self._objective.study_key, self._trial.number)
        if not stored:
            return
        reported = self._trial.study.get_trials(deepcopy=False)[self._trial.number].intermediate_values
        for size in (*self._objective.rungs, len(stored)):
            if self.scored < size <= len(stored):
                rows, samples = stored[self.scored : size], self._objective.samples[self.scored : size]
                self._score(samples, rows)
                self._further.add(samples, rows)
                self._count(rows)
                if self.scored not in reported:
                    report(self._trial, self.value, step=self.scored)
        self._further.store_violations(self._trial, self._constrained)
        # A pruning decision must not be repeated, because the pruner may see more trials now. If another trial has
        # stored a rung since, the decision on this trial's last rung has been made.
        latest = store.latest_rung(self._objective.study_key)
        if self.scored == len(self._objective.samples) or latest in (None, self._trial.number):
            self._conclude_rung()

    def _conclude_rung(self) -> None:
        """Ask the pruner whether the trial goes on."""
        if BASELINE not in self._trial.user_attrs and self.scored < len(self._objective.samples):
            self.pruned = should_prune(self._trial)
        if self.finished:
            self._store_totals()

    def _store_totals(self) -> None:
        """Set the attributes of a finished trial."""
        self._trial.set_user_attr(TRIAL_TOKENS, self.tokens)
        if self.counts.thinking:
            self._trial.set_user_attr(THINKING_TOKENS, self.counts.thinking)
        if self._tied_votes:
            self._trial.set_user_attr(TIED_VOTES, self._tied_votes)
        if self._reused:
            store_reused(self._trial, self.reused)
        self._trial.set_user_attr(FINISH_REASONS, dict(self._finish_reasons))
        self._further.store_means(self._trial)
        if self.pruned:
            self._trial.set_user_attr(PRUNED_AT, self.scored)
