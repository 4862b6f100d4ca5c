"""The finalists on samples that no trial has seen, with seeds that no trial had."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Engine, Request, Stopping
from llmsearch_optuna.metrics import Metric, ScoreRange
from llmsearch_optuna.search.scoring import check_scores, processed_text, request_of
from llmsearch_optuna.space.params import MAX_SEED, GenerationParams
from llmsearch_optuna.storage import CompletionStore, HeldOutCompletion, StoredCompletion
from llmsearch_optuna.study.attributes import PARAMS
from llmsearch_optuna.study.ranking import has_several, score_of
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores, held_out_key, score_groups
from llmsearch_optuna.verdict.finalists import Finalist, select_finalists
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import Verdict, keep_verdict, stored_verdict

__all__ = ["HoldOut", "HoldOutCallback", "confirm", "fresh_seeds"]

HoldOutCallback = Callable[[int, int], None]
"""Told how many completions there are, and how many are wanted."""

_LEAST_ROWS = 64

_LOG = logging.getLogger(__name__)


def fresh_seeds(study_seed: int, count: int, used: Collection[int]) -> tuple[int, ...]:
    """Generation seeds that depend on the study's seed alone, except that those used before are left out."""
    seeds: list[int] = []
    number = 0
    while len(seeds) < count:
        digest = hashlib.blake2b(f"{study_seed}:hold-out:{number}".encode(), digest_size=4).digest()
        seed = int.from_bytes(digest, "little") % (MAX_SEED + 1)
        if seed not in used and seed not in seeds:
            seeds.append(seed)
        number += 1
    return tuple(seeds)


def confirm(
    study: optuna.Study,
    hold_out: "HoldOut",
    *,
    study_seed: int,
    seeds: int,
    resamples: int,
    on_completions: HoldOutCallback,
) -> Verdict:
    """The verdict on a study: the stored one, or a new one, which is then stored.

    The stored one is kept as long as it compares the same finalists, with as many seeds or more.

    Args:
        study: The study.
        hold_out: Generates and scores its finalists.
        study_seed: What the fresh seeds and the bootstrap depend on.
        seeds: How many fresh seeds to generate with, at least.
        resamples: How often the bootstrap draws, where the metric scores only a corpus.
        on_completions: Told of the progress.

    Raises:
        TrialError: The completions of a finalist cannot be generated or scored.
        StorageError: No trial is fully evaluated yet, or the database cannot be used.
    """
    finalists = select_finalists(study)
    known = stored_verdict(study)
    if known is not None and known.seeds >= seeds and known.is_of(finalists, known.seeds):
        return known
    fresh = fresh_seeds(study_seed, seeds, _known_seeds(study))
    verdict = judge(
        hold_out.finalist_scores(finalists.everyone, fresh, on_completions, with_tokens=has_several(study)),
        best=finalists.best,
        reference=finalists.reference,
        metric=hold_out.metric.name,
        greater_is_better=hold_out.metric.greater_is_better,
        held_out=True,
        samples=len(hold_out.samples),
        max_difference=None if hold_out.score_range is None else hold_out.score_range[1] - hold_out.score_range[0],
        resamples=resamples,
        seed=study_seed,
    )
    keep_verdict(study, verdict)
    return verdict


class _Group(NamedTuple):
    """The completions of one finalist with one seed.

    Attributes:
        label: What messages call it.
        key: Identifies the parameters, whatever the seed.
        params: What to generate with.
    """

    label: str
    key: str
    params: GenerationParams


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Generates and scores finalists on the hold-out split; what is stored already is not generated again.

    Attributes:
        engine: Generates the completions.
        samples: The hold-out split, in the shared order.
        metric: Scores them.
        score_range: The least and the largest score that a sample can have, if they are known.
        stopping: What ends a completion.
        output_preproc: Applied to every completion before it is scored and stored.
        store: Where completions and scores are kept.
        study_key: The study's key in the store.
        rows: How many rows the engine generates at once.
        after_generation: Called after every pass of the engine.
    """

    engine: Engine
    samples: tuple[Sample, ...]
    metric: Metric
    score_range: ScoreRange | None
    stopping: Stopping
    output_preproc: Callable[[str], str]
    store: CompletionStore
    study_key: str
    rows: int
    after_generation: Callable[[], None]

    def finalist_scores(
        self,
        finalists: Sequence[Finalist],
        seeds: Sequence[int],
        on_completions: HoldOutCallback,
        *,
        with_tokens: bool = False,
    ) -> list[FinalistScores]:
        """The finalists with their scores.

        Args:
            finalists: Whom to generate with.
            seeds: The seeds of those that sample; greedy decoding needs none.
            on_completions: Told of the progress.
            with_tokens: Whether their tokens count, too.

        Raises:
            TrialError: The completions of a finalist cannot be generated or scored.
        """
        groups = [_groups(one, seeds) for one in finalists]
        self._generate([group for own in groups for group in own], on_completions)
        completions = {group: self._load(group) for own in groups for group in own}
        texts, scores = self._scored(completions)
        references = [sample.reference for sample in self.samples]
        return [
            FinalistScores(
                name=one.name,
                scores=np.array([scores[group] for group in own]).T
                if all(scores.values())
                else corpus_scores(self.metric, references, [texts[group] for group in own]),
                tokens=np.array([[row.token_count for row in completions[group]] for group in own], dtype=np.float64).T
                if with_tokens
                else None,
                trial=one.trial.number,
                search_score=score_of(one.trial),
                params=one.params,
            )
            for one, own in zip(finalists, groups, strict=True)
        ]

    def _generate(self, groups: Sequence[_Group], on_completions: HoldOutCallback) -> None:
        """Generates what is not stored: prompt after prompt, as completions of one prompt have most in common."""
        stored = {group: {completion.position for completion in self._load(group)} for group in groups}
        missing = [
            (position, group)
            for position in range(len(self.samples))
            for group in groups
            if position not in stored[group]
        ]
        total = len(groups) * len(self.samples)
        size = max(_LEAST_ROWS, 2 * self.rows)
        parts = [missing[start : start + size] for start in range(0, len(missing), size)]
        done = total - len(missing)
        if missing:
            _LOG.info("finalists on %d held-out samples: %d completions, %d are stored", len(self.samples), total, done)
        on_completions(done, total)
        for part, following in zip(parts, [*parts[1:], []], strict=False):
            completions = self.engine.generate(self._requests(part), None, self._requests(following))
            self.after_generation()
            self.store.append_held_out(
                self.study_key,
                [
                    HeldOutCompletion(
                        group.key,
                        group.params.generation_seed,
                        StoredCompletion(
                            position=position,
                            row=self.samples[position].row,
                            text=processed_text(self.output_preproc, self.samples[position], completion),
                            token_ids=completion.token_ids,
                            finish_reason=completion.finish_reason,
                            score=None,
                            tokens_told=completion.tokens_told,
                        ),
                    )
                    for (position, group), completion in zip(part, completions, strict=True)
                ],
            )
            done += len(part)
            on_completions(done, total)

    def _requests(self, wanted: Sequence[tuple[int, _Group]]) -> list[Request]:
        return [request_of(self.samples[position], group.params, self.stopping) for position, group in wanted]

    def _load(self, group: _Group) -> list[StoredCompletion]:
        return self.store.load_held_out(self.study_key, group.key, group.params.generation_seed)

    def _scored(
        self, completions: Mapping[_Group, Sequence[StoredCompletion]]
    ) -> tuple[dict[_Group, list[str]], dict[_Group, Sequence[float]]]:
        """The completions of each group as texts, and their scores; none where the metric scores only a corpus."""
        texts = {group: [one.text for one in own] for group, own in completions.items()}
        scores: dict[_Group, Sequence[float]] = {
            group: [one.score for one in own if one.score is not None] for group, own in completions.items()
        }
        left = [group for group in completions if not scores[group]]
        found = score_groups(
            self.metric,
            [sample.reference for sample in self.samples],
            [texts[group] for group in left],
            names=[group.label for group in left],
            sample_ids=[sample.row for sample in self.samples],
        )
        for group, own in zip(left, found, strict=True):
            if own.per_sample is not None:
                check_scores(self.samples, own.per_sample, self.score_range, f"{group.label}: ")
                scores[group] = own.per_sample
                self.store.score_held_out(self.study_key, group.key, group.params.generation_seed, own.per_sample)
        return texts, scores


def _groups(finalist: Finalist, seeds: Sequence[int]) -> list[_Group]:
    params = finalist.params.unseeded
    key = held_out_key(params)
    if params.greedy:
        return [_Group(f"`{finalist.name}`", key, params)]
    return [
        _Group(f"`{finalist.name}` with seed {seed}", key, dataclasses.replace(params, generation_seed=seed))
        for seed in seeds
    ]


def _known_seeds(study: optuna.Study) -> set[int]:
    """The seeds that a trial had, or could have chosen from a list."""
    seeds: set[int] = set()
    for trial in study.get_trials(deepcopy=False):
        if PARAMS in trial.user_attrs:
            seeds.add(trial_params(trial).generation_seed)
        choices = trial.distributions.get("generation_seed")
        if isinstance(choices, CategoricalDistribution):
            seeds.update(int(choice) for choice in choices.choices if choice is not None)
    return seeds
