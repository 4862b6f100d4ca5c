"""The evaluation of finalists on held-out samples with seeds that no trial had."""

import dataclasses
import hashlib
import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import RDBStorage

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Request
from llmsearch_optuna.engine.irregular import check_answers, irregular_rows
from llmsearch_optuna.errors import ScorerError, TaskError, check_minimum
from llmsearch_optuna.metrics import Metric, max_difference
from llmsearch_optuna.metrics.reducers import reducer_of
from llmsearch_optuna.search.judging import with_store
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, HeldOutCompletion, StoredCompletion
from llmsearch_optuna.study.attributes import PARAMS, STOPPED
from llmsearch_optuna.study.constraints import stored_constraints
from llmsearch_optuna.study.objectives import TOKENS
from llmsearch_optuna.study.price import Price, stored_price
from llmsearch_optuna.study.ranking import expense, has_several, score_of
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.comparison import FinalistResult
from llmsearch_optuna.verdict.expenses import expenses_of, mean_cost
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores, held_out_key, score_groups
from llmsearch_optuna.verdict.finalists import Finalist, select_finalists
from llmsearch_optuna.verdict.judge_noise import judge_noise
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.judging_metrics import judge_metrics, measures_of
from llmsearch_optuna.verdict.stages import Stage, in_stages, plan_stages
from llmsearch_optuna.verdict.verdict import Verdict, keep_verdict, no_holdout, stored_verdict

__all__ = ["HoldOut", "HoldOutCallback", "check_verdict", "confirm", "fresh_seeds", "update_costs"]

HoldOutCallback = Callable[[int, int], None]
"""``(completions, total) -> None``, called with the number of completions so far and the total number."""

_MIN_BATCH = 64

_LOG = logging.getLogger(__name__)


def fresh_seeds(study_seed: int, count: int, used: Collection[int]) -> tuple[int, ...]:
    """Return `count` distinct generation seeds, derived from the study's seed. Seeds in `used` are skipped."""
    seeds: list[int] = []
    number = 0
    while len(seeds) < count:
        digest = hashlib.blake2b(f"{study_seed}:hold-out:{number}".encode(), digest_size=4).digest()
        seed = int.from_bytes(digest, "little")  # in the range of seeds, of four bytes
        if seed not in used and seed not in seeds:
            seeds.append(seed)
        number += 1
    return tuple(seeds)


def check_verdict(*, held_out: int, seeds: int, resamples: int) -> None:
    """Check that a verdict can be made.

    Args:
        held_out: The number of held-out samples.
        seeds: See `confirm`.
        resamples: See `confirm`.

    Raises:
        ConfigurationError: A number is too small.
    """
    check_minimum("seeds", seeds, 1)
    check_minimum("resamples", resamples, 100)
    if held_out < 2:
        raise TaskError(no_holdout(held_out))


def confirm(
    study: optuna.Study,
    hold_out: "HoldOut",
    *,
    study_seed: int,
    seeds: int,
    resamples: int,
    on_completions: HoldOutCallback,
) -> Verdict:
    """Return the stored verdict of a study, or compute and store a new one.

    The stored verdict is kept as long as it compares the same finalists with at least as many seeds.

    Args:
        study: The study.
        hold_out: Generates and scores the finalists.
        study_seed: The seed that determines the fresh seeds and the bootstrap.
        seeds: The number of fresh seeds for each finalist that is not greedy.
        resamples: The number of bootstrap resamples for a corpus metric.
        on_completions: Called with the progress.

    Raises:
        TrialError: The completions of a finalist cannot be generated or scored.
        StorageError: No trial is fully evaluated yet, or the database cannot be used.
    """
    finalists = select_finalists(study)
    stored = stored_verdict(study)
    if stored is not None and stored.has_seeds(seeds) and stored.is_of(finalists):
        return stored
    fresh = fresh_seeds(study_seed, seeds, _used_seeds(study))
    second, price = expense(study), stored_price(study)
    minimized = None if second is None else second.name
    constraints = stored_constraints(study)
    metric, score_range = hold_out.evaluator.metric, hold_out.evaluator.score_range

    def judge_stage(stage: Stage) -> Verdict:
        scores = hold_out.finalist_scores(
            stage.finalists, fresh[: stage.seeds], on_completions, minimized=minimized, price=price
        )
        verdict = judge(
            scores,
            best=finalists.best,
            reference=finalists.reference,
            metric=metric.name,
            greater_is_better=metric.greater_is_better,
            held_out=True,
            samples=len(hold_out.samples),
            max_difference=max_difference(metric, score_range),
            expense=minimized,
            alpha=stage.alpha,
            resamples=resamples,
            seed=study_seed,
        )
        measures = measures_of(scores, hold_out.evaluator, constraints)
        return dataclasses.replace(
            verdict,
            metrics=judge_metrics(measures, reference=finalists.reference, constraints=constraints),
            planned_seeds=seeds,
            stopped=study.user_attrs.get(STOPPED),
        )

    verdict = in_stages(plan_stages(finalists, seeds, has_several=has_several(study)), judge_stage)
    keep_verdict(study, verdict)
    return verdict


def update_costs(study: optuna.Study, storage: RDBStorage, study_seed: int) -> None:
    """Store the costs of a study's verdict at the latest price, if there is a verdict.

    Args:
        study: The study.
        storage: Its database.
        study_seed: The seed that determines the fresh seeds.

    Raises:
        StorageError: The database cannot be used, or another version of the package wrote the verdict.
    """
    verdict, price = stored_verdict(study), stored_price(study)
    if verdict is None:
        return
    outlines = {} if price is None else CompletionStore(storage).load_held_out_outlines(study_key(study))
    seeds = fresh_seeds(study_seed, verdict.seeds, _used_seeds(study))

    def priced(result: FinalistResult) -> FinalistResult:
        if price is None or result.params is None:
            return dataclasses.replace(result, cost=None)
        runs = _runs(result.name, result.params, seeds)
        rows = [outlines.get((run.key, run.params.generation_seed), []) for run in runs]
        return dataclasses.replace(result, cost=mean_cost(rows, price.rates_of(result.params)))

    updated = dataclasses.replace(verdict, finalists=tuple(map(priced, verdict.finalists)))
    if updated != verdict:
        keep_verdict(study, updated)


class _Run(NamedTuple):
    """One finalist with one seed.

    Attributes:
        label: The name in messages.
        key: Identifies the parameters without the seed in the store; see `held_out_key`.
        params: The generation parameters, with the seed of the run.
    """

    label: str
    key: str
    params: GenerationParams


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Generates and scores finalists on the hold-out split. Stored completions are not generated again.

    Attributes:
        evaluator: Generates and scores the completions.
        samples: The hold-out split, in the shared order.
        store: Stores completions and scores.
        study_key: The study's key in the store.
        rows: The number of completions that the engine generates at the same time.
    """

    evaluator: Evaluator
    samples: tuple[Sample, ...]
    store: CompletionStore
    study_key: str
    rows: int

    def finalist_scores(
        self,
        finalists: Sequence[Finalist],
        seeds: Sequence[int],
        on_completions: HoldOutCallback,
        *,
        minimized: str | None,
        price: Price | None,
    ) -> list[FinalistScores]:
        """Return the scores of finalists, after generating the completions that are not stored.

        Args:
            finalists: The finalists.
            seeds: The generation seeds. A greedy finalist is generated once, regardless of them.
            on_completions: Called with the progress.
            minimized: The name of the second objective; None without one.
            price: The price of tokens; None if there is none.

        Raises:
            TrialError: The completions of a finalist cannot be generated or scored.
        """
        runs_of = [_runs(finalist.name, finalist.params, seeds) for finalist in finalists]
        all_runs = list(itertools.chain.from_iterable(runs_of))
        self._generate(all_runs, on_completions)
        completions = {run: self._load(run) for run in all_runs}
        texts = {run: [completion.texts for completion in completions[run]] for run in all_runs}
        metric = with_store(self.evaluator.metric, self.store, self.study_key)
        scores, metrics = self._scores(metric, completions, texts), self._metric_scores(completions, texts)
        references = [sample.reference for sample in self.samples]
        is_tied = reducer_of(metric).is_tied
        all_rates = [None if price is None else price.rates_of(finalist.params) for finalist in finalists]
        return [
            FinalistScores(
                name=finalist.name,
                scores=np.array([scores[run] for run in runs]).T
                if all(scores.values())
                else corpus_scores(metric, references, [[text for (text,) in texts[run]] for run in runs]),
                expenses=None
                if minimized is None
                else expenses_of([completions[run] for run in runs], finalist.params, minimized, rates),
                cost=mean_cost([completions[run] for run in runs], rates),
                trial=finalist.trial.number,
                search_score=score_of(finalist.trial),
                params=finalist.params,
                irregular=irregular_rows(
                    (row.row, reason) for run in runs for row in completions[run] for reason in row.finish_reasons
                ),
                metrics={
                    **{
                        label: np.array([[row[label] for row in metrics[run]] for run in runs]).T
                        for label in self.evaluator.further_metrics
                    },
                    TOKENS: np.array(
                        [[row.token_count for row in completions[run]] for run in runs], dtype=np.float64
                    ).T,
                },
                tied_votes=sum(is_tied(of_sample) for run in runs for of_sample in texts[run] if len(of_sample) > 1),
                judge_noise=judge_noise(metric, references, [texts[run] for run in runs]),
            )
            for finalist, runs, rates in zip(finalists, runs_of, all_rates, strict=True)
        ]

    def _generate(self, runs: Sequence[_Run], on_completions: HoldOutCallback) -> None:
        """Generate the completions that are not stored.

        The completions of one sample are generated together, because they share the prompt and most tokens.
        """
        stored = {run: {completion.position for completion in self._load(run)} for run in runs}
        missing = [
            (position, run) for position in range(len(self.samples)) for run in runs if position not in stored[run]
        ]
        total = len(runs) * len(self.samples)
        size = max(_MIN_BATCH, 2 * self.rows)
        batches = [missing[start : start + size] for start in range(0, len(missing), size)]
        done = total - len(missing)
        if missing:
            _LOG.info(
                "finalists on %d held-out samples: %d completions, of which %d are stored already",
                len(self.samples),
                total,
                done,
            )
        on_completions(done, total)
        for batch, following in itertools.zip_longest(batches, batches[1:], fillvalue=()):
            generated = iter(self.evaluator.generate(self._requests(batch), None, self._requests(following)))
            completions = [[next(generated) for _ in completion_params(run.params)] for _, run in batch]
            check_answers(
                [
                    (self.samples[position].row, completion.finish_reason)
                    for (position, _), of_sample in zip(batch, completions, strict=True)
                    for completion in of_sample
                ],
                {},
                is_last=True,
            )
            self.store.append_held_out(
                self.study_key,
                [
                    HeldOutCompletion(
                        run.key,
                        run.params.generation_seed,
                        self.evaluator.stored(position, self.samples[position], of_sample),
                    )
                    for (position, run), of_sample in zip(batch, completions, strict=True)
                ],
            )
            done += len(batch)
            on_completions(done, total)

    def _requests(self, batch: Sequence[tuple[int, _Run]]) -> list[Request]:
        return [
            request
            for position, run in batch
            for request in self.evaluator.requests(self.samples[position], run.params)
        ]

    def _load(self, run: _Run) -> list[StoredCompletion]:
        return self.store.load_held_out(self.study_key, run.key, run.params.generation_seed)

    def _scores(
        self,
        metric: Metric,
        completions: Mapping[_Run, Sequence[StoredCompletion]],
        texts: Mapping[_Run, Sequence[Sequence[str]]],
    ) -> dict[_Run, Sequence[float]]:
        """Return the per-sample scores of each run, and store new ones. Empty if the metric scores only a corpus."""
        scores: dict[_Run, Sequence[float]] = {
            run: [row.score for row in rows if row.score is not None] for run, rows in completions.items()
        }
        unscored = [run for run in completions if not scores[run]]
        new = score_groups(
            metric,
            [sample.reference for sample in self.samples],
            [texts[run] for run in unscored],
            names=[run.label for run in unscored],
            sample_ids=[sample.row for sample in self.samples],
        )
        for run, (_, per_sample) in zip(unscored, new, strict=True):
            if per_sample is not None:
                self.evaluator.check_range(self.samples, per_sample, f"{run.label}: ")
                scores[run] = per_sample
                self.store.score_held_out(self.study_key, run.key, run.params.generation_seed, per_sample)
        return scores

    def _metric_scores(
        self, completions: Mapping[_Run, Sequence[StoredCompletion]], texts: Mapping[_Run, Sequence[Sequence[str]]]
    ) -> dict[_Run, Sequence[Mapping[str, float]]]:
        """Return the scores of each run under the further metrics by sample, and store new ones."""
        scores: dict[_Run, Sequence[Mapping[str, float]]] = {}
        for run, rows in completions.items():
            scores[run] = [row.metric_scores for row in rows if row.metric_scores]
            if self.evaluator.further_metrics and not scores[run]:
                try:
                    scores[run] = self.evaluator.score_further(self.samples, texts[run])
                except ScorerError as error:
                    raise ScorerError(f"{run.label} cannot be scored: {error}") from error
                self.store.store_held_out_metrics(self.study_key, run.key, run.params.generation_seed, scores[run])
        return scores


def _runs(name: str, params: GenerationParams, seeds: Sequence[int]) -> list[_Run]:
    params = params.unseeded
    key = held_out_key(params)
    if params.greedy:
        return [_Run(f"`{name}`", key, params)]
    return [
        _Run(f"`{name}` with seed {seed}", key, dataclasses.replace(params, generation_seed=seed)) for seed in seeds
    ]


def _used_seeds(study: optuna.Study) -> set[int]:
    """Return the seeds of all trials, and all seeds among the choices of a categorical dimension."""
    seeds: set[int] = set()
    for trial in study.get_trials(deepcopy=False):
        if PARAMS in trial.user_attrs:
            seeds.add(trial_params(trial).generation_seed)
        choices = trial.distributions.get("generation_seed")
        if isinstance(choices, CategoricalDistribution):
            seeds.update(int(choice) for choice in choices.choices if choice is not None)
    return seeds
