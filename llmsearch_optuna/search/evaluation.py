"""The objective: one trial's parameters, generated and scored rung by rung."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import optuna
from optuna.trial import TrialState

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Completion, Engine, Request, Stopping
from llmsearch_optuna.errors import ConfigurationError, TrialError
from llmsearch_optuna.metrics import Metric, ScoreRange
from llmsearch_optuna.search.scores import report_scores
from llmsearch_optuna.search.scoring import check_scores, processed_text, request_of
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore, StoredCompletion
from llmsearch_optuna.study.attributes import BASELINE, FIXED_PARAMS, PARAMS, PRUNED_AT, REUSED_FROM, REUSED_TOKENS
from llmsearch_optuna.study.objectives import SCORE, TOKENS, report, should_prune
from llmsearch_optuna.study.trials import began, ended, trial_params

__all__ = ["Evaluation", "GenerationObjective", "RungPlan", "rung_sizes"]

RungPlan = int | Sequence[int] | Literal["doubling"]
"""Every so many samples; at these numbers of samples; or at 8, 16, 32, ..."""

# Far enough to fill the slots that replay leaves free; near enough that most trials come there without being pruned.
_LOOK_AHEAD = 3


def rung_sizes(plan: RungPlan, samples: int) -> tuple[int, ...]:
    """The numbers of samples at which a trial reports, ascending; the last is always `samples`.

    Raises:
        ConfigurationError: The plan is not a positive step, an ascending list of positive sizes, or ``"doubling"``.
    """
    if plan == "doubling":
        sizes = [8 * 2**power for power in range(samples.bit_length())]
    elif isinstance(plan, int) and not isinstance(plan, bool) and plan >= 1:
        sizes = list(range(plan, samples + 1, plan))
    elif (
        isinstance(plan, list | tuple)
        and plan
        and all(isinstance(size, int) for size in plan)
        and sorted({0, *plan}) == [0, *plan]
    ):
        sizes = list(plan)
    else:
        raise ConfigurationError(
            f'`rungs` must be a step >= 1, an ascending list of sizes >= 1 or "doubling", got {plan!r}'
        )
    return (*(size for size in sizes if size < samples), samples)


@dataclass(frozen=True, kw_only=True)
class GenerationObjective:
    """A plain Optuna objective, ``(trial) -> score``, that generates, scores, reports and prunes rung by rung.

    With several objectives, it is ``(trial) -> [score, tokens]`` for a study of as many directions, and prunes nothing.

    Usable in anybody's ``study.optimize(objective, catch=(TrialError,))``; `Tuner.search` drives it step by step.

    Attributes:
        engine: Generates the completions.
        samples: The search split, in the shared order.
        metric: Scores them.
        space: What a trial samples from.
        stopping: What ends a completion.
        rungs: The numbers of samples at which trials report, ascending; the last is all of them.
        objectives: What a study is told of a trial: the score, or the score and the tokens per sample.
        output_preproc: Applied to every completion before it is scored and stored.
        score_range: The least and the largest score that a sample can have; a trial with another fails.
        store: Where completions are kept, and found again when a trial is resumed. Without it, `report_scores` tells
            the study every trial's scores.
        study_key: The study's key in the store.
        reuse: Whether a trial whose parameters cannot differ in effect from those of an evaluated one takes over what
            that one has in the store. Only for an engine that would give the same completions again.
        after_generation: Called after every pass of the engine.
    """

    engine: Engine
    samples: tuple[Sample, ...]
    metric: Metric
    space: SearchSpace
    stopping: Stopping
    rungs: tuple[int, ...]
    objectives: tuple[str, ...] = (SCORE,)
    output_preproc: Callable[[str], str] = str.strip
    score_range: ScoreRange | None = None
    store: CompletionStore | None = None
    study_key: str = ""
    reuse: bool = False
    after_generation: Callable[[], None] = field(default=lambda: None)

    def __call__(self, trial: optuna.Trial) -> float | list[float]:
        """The metric's value over all samples; with several objectives, all values.

        Raises:
            optuna.TrialPruned: The study's pruner gave up on the trial.
            TrialError: The trial cannot be scored.
        """
        evaluation = self.start(trial)
        while not evaluation.finished:
            evaluation.advance()
        if evaluation.pruned:
            raise optuna.TrialPruned
        return evaluation.value if len(self.objectives) == 1 else evaluation.values

    def tokens_stored(self) -> int:
        """The tokens of all completions of the study that are kept; 0 without a store."""
        return 0 if self.store is None else self.store.count_tokens(self.study_key)

    def start(self, trial: optuna.Trial) -> "Evaluation":
        """Chooses the trial's parameters and restores what an interrupted run of it has stored."""
        given = trial.user_attrs.get(FIXED_PARAMS)
        params = self.space.suggest(trial) if given is None else GenerationParams.from_json(given)
        if PARAMS not in trial.user_attrs:
            trial.set_user_attr(PARAMS, params.to_json())
        return Evaluation(self, trial, params, self._known(trial, params))

    def _known(self, trial: optuna.Trial, params: GenerationParams) -> list[StoredCompletion]:
        """The completions of an evaluated trial whose parameters have the same effect; none where there is none.

        Of those that had finished when this one began, whatever finished since, so that an interrupted trial finds the
        same one again.
        """
        if self.store is None or not self.reuse:
            return []
        trials = trial.study.get_trials(deepcopy=False)
        start, wanted = began(trials[trial.number]), params.canonical
        equal = [
            one
            for one in trials
            if one.state in (TrialState.COMPLETE, TrialState.PRUNED)
            and PARAMS in one.user_attrs
            and ended(one) <= start
            and trial_params(one).canonical == wanted
        ]
        if not equal:
            return []
        furthest = max(equal, key=lambda one: (one.last_step or 0, -one.number))
        if REUSED_FROM not in trial.user_attrs:
            trial.set_user_attr(REUSED_FROM, furthest.number)
        return self.store.load(self.study_key, furthest.number)


class Evaluation:
    """One trial on its way through the rungs.

    Attributes:
        params: What it generates with.
        value: The metric over the samples so far; NaN before the first rung.
        pruned: Whether the pruner gave up on it.
        tokens: Tokens generated so far.
        tokens_of_process: Those of them that this process generated.
        tokens_replayed: Those of these that needed no forward pass.
        tokens_reused: Those of `tokens` that were not generated, but taken over from another trial.
    """

    def __init__(
        self,
        objective: GenerationObjective,
        trial: optuna.Trial,
        params: GenerationParams,
        known: Sequence[StoredCompletion] = (),
    ) -> None:
        self.params = params
        self.tokens_reused = 0
        self._known = known
        self.value = float("nan")
        self.pruned = False
        self.tokens = self.tokens_of_process = self.tokens_replayed = 0
        self._objective = objective
        self._trial = trial
        self._predictions: list[str] = []
        self._scores: list[float] | None = []
        self._finish_reasons: Counter[str] = Counter()
        if objective.store is not None:
            self._restore(objective.store.load(objective.study_key, trial.number))

    @property
    def scored(self) -> int:
        """Samples scored so far."""
        return len(self._predictions)

    @property
    def rungs_passed(self) -> int:
        """Rungs scored so far."""
        return sum(size <= self.scored for size in self._objective.rungs)

    @property
    def values(self) -> list[float]:
        """What the study is told of it when it is fully evaluated: of each objective, the value."""
        return [self.value, self.tokens / self.scored][: len(self._objective.objectives)]

    @property
    def finished(self) -> bool:
        """Whether the trial is pruned or fully evaluated."""
        return self.pruned or self.scored == len(self._objective.samples)

    def advance(self) -> None:
        """Generates, scores, stores and reports the next rung, and asks the pruner.

        Raises:
            TrialError: The trial cannot be scored.
        """
        completions = self._objective.engine.generate(self.requests())
        self._objective.after_generation()
        self.record(completions)

    def requests(self) -> list[Request]:
        """What the next rung needs generated."""
        samples = self._next_samples()
        return self._requests(samples[len(self._known[self.scored : self.scored + len(samples)]) :])

    def upcoming(self) -> list[list[Request]]:
        """What the rungs after the next one will need, if the trial is not pruned before; at most three of them."""
        reached = self.scored + len(self._next_samples())
        ends = [size for size in self._objective.rungs if size >= reached][: _LOOK_AHEAD + 1]
        return [
            self._requests(self._objective.samples[max(start, len(self._known)) : end])
            for start, end in itertools.pairwise(ends)
        ]

    def record(self, completions: Sequence[Completion]) -> None:
        """Scores, stores and reports the completions of `requests`, and asks the pruner.

        Raises:
            TrialError: The trial cannot be scored.
        """
        self._check_tokens(completions)
        samples = self._next_samples()
        known = self._known[self.scored : self.scored + len(samples)]
        generated = samples[len(known) :]
        start = self.scored + len(known)
        predictions = [
            processed_text(self._objective.output_preproc, sample, completion)
            for sample, completion in zip(generated, completions, strict=True)
        ]
        scores = self._score(samples, [*(row.text for row in known), *predictions], [row.score for row in known])
        rows = [
            *known,
            *(
                StoredCompletion(
                    position=start + index,
                    row=sample.row,
                    text=prediction,
                    token_ids=completion.token_ids,
                    finish_reason=completion.finish_reason,
                    score=None if scores is None else scores[len(known) + index],
                    tokens_told=completion.tokens_told,
                )
                for index, (sample, completion, prediction) in enumerate(
                    zip(generated, completions, predictions, strict=True)
                )
            ),
        ]
        if self._objective.store is not None:
            self._objective.store.append(self._objective.study_key, self._trial.number, rows)
        elif self._scores is not None:
            report_scores(self._trial, self._scores)
        self._count(rows)
        self.tokens_of_process += sum(completion.token_count for completion in completions)
        self.tokens_replayed += sum(completion.replayed for completion in completions)
        report(self._trial, self.value, step=self.scored)
        self._judge()

    def _requests(self, samples: Sequence[Sample]) -> list[Request]:
        return [request_of(sample, self.params, self._objective.stopping) for sample in samples]

    def _next_samples(self) -> tuple[Sample, ...]:
        end = next(size for size in self._objective.rungs if size > self.scored)
        return self._objective.samples[self.scored : end]

    def _score(
        self, samples: Sequence[Sample], predictions: list[str], known: Sequence[float | None] = ()
    ) -> list[float] | None:
        """Brings `value` up to date; the new samples' own scores where the metric has them.

        Args:
            samples: The new samples.
            predictions: Their completions.
            known: The first samples' own scores, as far as they are stored.
        """
        metric = self._objective.metric
        new = None
        own = [score for score in known if score is not None]
        if len(own) < len(known):  # the metric has none, or some are lost
            own = []
        if self._scores is not None and len(own) < len(samples):
            rest = samples[len(own) :]
            new = metric(
                [sample.reference for sample in rest],
                predictions[len(own) :],
                sample_ids=[sample.row for sample in rest],
            )
            if new.per_sample is not None:
                check_scores(rest, new.per_sample, self._objective.score_range)
                own += new.per_sample
        self._predictions += predictions
        if self._scores is not None and len(own) == len(samples):
            self._scores += own
            self.value = sum(self._scores) / len(self._scores)
            return own
        # The metric scores a corpus as a whole: all samples so far.
        self._scores = None
        seen = self._objective.samples[: self.scored]
        if new is not None and len(seen) == len(samples):
            self.value = new.value
        else:
            self.value = metric(
                [sample.reference for sample in seen], self._predictions, sample_ids=[sample.row for sample in seen]
            ).value
        return None

    def _check_tokens(self, completions: Sequence[Completion]) -> None:
        is_known = not completions or any(completion.token_count for completion in completions)
        if TOKENS in self._objective.objectives and not is_known:
            raise TrialError(f"`{TOKENS}` cannot be an objective, as what generates tells no numbers of tokens")

    def _count(self, rows: Sequence[StoredCompletion]) -> None:
        self.tokens += sum(row.token_count for row in rows)
        self.tokens_reused += sum(row.token_count for row in rows if row.position < len(self._known))
        self._finish_reasons.update(row.finish_reason for row in rows)

    def _restore(self, stored: Sequence[StoredCompletion]) -> None:
        """Takes up where an interrupted run of this trial stopped, reports that it did not make included."""
        if not stored:
            return
        reported = self._trial.study.get_trials(deepcopy=False)[self._trial.number].intermediate_values
        for size in (*self._objective.rungs, len(stored)):
            if self.scored < size <= len(stored):
                rows = stored[self.scored : size]
                self._score(self._next_samples()[: len(rows)], [row.text for row in rows], [row.score for row in rows])
                self._count(rows)
                if self.scored not in reported:
                    report(self._trial, self.value, step=self.scored)
        # What has been decided is not decided again, as the pruner may have seen more trials since: only where nothing
        # was stored after this rung, it may not have been.
        if self.scored == len(self._objective.samples) or self._is_latest():
            self._judge()

    def _is_latest(self) -> bool:
        """Whether no other trial has stored a rung since this one did."""
        store = self._objective.store
        return store is None or store.latest_rung(self._objective.study_key) in (None, self._trial.number)

    def _judge(self) -> None:
        """Asks the pruner, and sums up a trial that is finished."""
        if BASELINE not in self._trial.user_attrs and self.scored < len(self._objective.samples):
            self.pruned = should_prune(self._trial)
        if self.finished:
            self._trial.set_user_attr("tokens", self.tokens)
            if self._known:
                self._trial.set_user_attr(REUSED_TOKENS, self.tokens_reused)
            self._trial.set_user_attr("finish_reasons", dict(self._finish_reasons))
        if self.pruned:
            self._trial.set_user_attr(PRUNED_AT, self.scored)
