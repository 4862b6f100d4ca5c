"""Studies of any size and shape, written to a database without a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import (
    CompletionStore,
    HeldOutCompletion,
    StoredCompletion,
    StoredSample,
    open_storage,
)
from llmsearch_optuna.study.attributes import BASELINE, ERROR, PARAMS
from llmsearch_optuna.study.study import create_study, study_key
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, held_out_key
from llmsearch_optuna.verdict.finalists import select_finalists
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import keep_verdict

SPACE: dict[str, BaseDistribution] = {
    "temperature": FloatDistribution(0.2, 1.5),
    "top_k": IntDistribution(1, 100, log=True),
    "generation_seed": CategoricalDistribution([0, 1, 2, 3]),
}

Floats = npt.NDArray[np.float64]

Written = Callable[..., tuple[optuna.Study, RDBStorage]]
"""Of the fixture `written`: ``(plan) -> study and storage``."""

WORDS = ["red", "green", "blue", "yellow", "purple", "orange", "black", "white", "brown", "pink"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to write.

    Attributes:
        trials: Trials of the sampler, beside two baselines.
        samples: Samples of the search split.
        held_out: Samples of the hold-out split; with two or more there is a verdict.
        pruned: Every so many trials of the sampler are pruned; 0 for none.
        failed: Every so many trials of the sampler fail; 0 for none.
        maximize: Whether a higher score is better.
        score: The score of every sample; None to draw scores.
        by_sample: Whether single samples have scores.
        baselines: Whether there are baselines.
        complete: Whether trials come to their ends.
        name: The study's name.
        metric: The metric's name.
        text: ``(trial, position) -> completion``.
        prompt: ``(position) -> prompt``.
        error: What failed trials failed with.
    """

    trials: int = 12
    samples: int = 16
    held_out: int = 12
    pruned: int = 3
    failed: int = 7
    maximize: bool = True
    score: float | None = None
    by_sample: bool = True
    baselines: bool = True
    complete: bool = True
    name: str = "synthetic"
    metric: str = "accuracy(column='answer')"
    text: Callable[[int, int], str] = lambda trial, position: " ".join(
        WORDS[(position * 7 + index * (1 + trial % 3)) % len(WORDS)] for index in range(12)
    )
    prompt: Callable[[int], str] = lambda position: f"Question {position}: which colours are there? Answer:"
    error: str = "row 3 scored nan"


def write_study(path: Path, plan: Plan | None = None) -> tuple[optuna.Study, RDBStorage]:
    """Write a study, the same every time."""
    plan = plan or Plan()
    generator = np.random.default_rng(0)
    storage = open_storage(f"sqlite:///{path}")
    fingerprint = {"metric": plan.metric, "splits": {"search": plan.samples, "holdout": plan.held_out}}
    study = create_study(plan.name, storage, greater_is_better=plan.maximize, fingerprint=fingerprint)
    key = study_key(study)
    store = CompletionStore(storage)
    store.save_samples(
        key,
        [
            StoredSample(
                position=at, row=at + 100, prompt=plan.prompt(at), reference={"answer": WORDS[at % len(WORDS)]}
            )
            for at in range(plan.samples)
        ],
    )
    difficulty = generator.normal(size=max(plan.samples, plan.held_out))
    trials = []
    first = -2 if plan.baselines else 0
    for number, order in enumerate(range(first, plan.trials)):
        skill, trial, completions = _trial(plan, number, order, difficulty, generator)
        trials.append((skill, trial))
        store.append(key, number, completions)
    study.add_trials([trial for _, trial in trials])
    if plan.held_out >= 2 and plan.by_sample and study.get_trials(states=(TrialState.COMPLETE,)):
        _confirm(study, store, key, plan, [skill for skill, _ in trials], difficulty, generator)
    return study, storage


def _trial(
    plan: Plan, number: int, order: int, difficulty: Floats, generator: np.random.Generator
) -> tuple[float, optuna.trial.FrozenTrial, list[StoredCompletion]]:
    chosen = {
        "temperature": float(generator.uniform(0.2, 1.5)),
        "top_k": int(generator.integers(1, 101)),
        "generation_seed": int(generator.integers(4)),
    }
    is_baseline = order < 0
    params = GenerationParams.from_dict({**chosen, "max_new_tokens": 16})
    if is_baseline:
        params = GenerationParams(do_sample=False) if order == -1 else GenerationParams(temperature=1.0)
    skill = 0.0 if is_baseline else 1.5 - chosen["temperature"]
    state, seen = TrialState.COMPLETE, plan.samples
    if not is_baseline and plan.failed and order % plan.failed == plan.failed - 1:
        state, seen = TrialState.FAIL, plan.samples // 4
    elif not is_baseline and plan.pruned and order % plan.pruned == plan.pruned - 1:
        state, seen = TrialState.PRUNED, plan.samples // 2
    if not plan.complete:
        state, seen = TrialState.RUNNING, plan.samples // 2
    scores = _scores(plan, skill, difficulty[:seen], generator)
    lengths = generator.integers(3, 17, size=seen)
    completions = [
        StoredCompletion(
            position=at,
            row=at + 100,
            text=plan.text(number, at),
            token_ids=tuple(range(lengths[at])),
            finish_reason="eos" if lengths[at] < 16 else "length",
            score=float(scores[at]) if plan.by_sample else None,
        )
        for at in range(seen)
    ]
    rungs = range(max(1, plan.samples // 4), seen + 1, max(1, plan.samples // 4))
    attributes: dict[str, object] = {PARAMS: params.to_json()}
    if is_baseline:
        attributes[BASELINE] = "greedy" if order == -1 else "model default"
    if state == TrialState.FAIL:
        attributes[ERROR] = plan.error
    trial = create_trial(
        state=state,
        value=float(scores.mean()) if state == TrialState.COMPLETE else None,
        params={} if is_baseline else chosen,
        distributions={} if is_baseline else SPACE,
        intermediate_values={size: float(scores[:size].mean()) for size in sorted({*rungs, seen} - {0})},
        user_attrs=attributes,
    )
    return skill, trial, completions


def _scores(plan: Plan, skill: float, difficulty: Floats, generator: np.random.Generator) -> Floats:
    if plan.score is not None:
        return np.full(len(difficulty), plan.score)
    chance = 1.0 / (1.0 + np.exp(difficulty - skill))
    drawn = (generator.random(len(difficulty)) < chance).astype(np.float64)
    return drawn if plan.maximize else 1.0 - drawn


def _confirm(
    study: optuna.Study,
    store: CompletionStore,
    key: str,
    plan: Plan,
    skills: Sequence[float],
    difficulty: Floats,
    generator: np.random.Generator,
) -> None:
    selection = select_finalists(study)
    finalists = []
    for finalist in selection.selected:
        seeds = (0,) if finalist.params.greedy else (11, 12, 13, 14)
        held_out_difficulty = difficulty[: plan.held_out]
        scores = np.stack([_scores(plan, skills[finalist.trial.number], held_out_difficulty, generator) for _ in seeds])
        for seed, drawn in zip(seeds, scores.tolist(), strict=True):
            completions = [
                StoredCompletion(position=at, row=at, text="red", token_ids=(1, 2), finish_reason="eos", score=score)
                for at, score in enumerate(drawn)
            ]
            key_there = held_out_key(finalist.params)
            store.append_held_out(key, [HeldOutCompletion(key_there, seed, completion) for completion in completions])
        finalists.append(
            FinalistScores(
                name=finalist.name,
                scores=scores.T,
                trial=finalist.trial.number,
                search_score=finalist.trial.value,
                params=finalist.params,
            )
        )
    verdict = judge(
        finalists,
        best=selection.best,
        reference=selection.reference,
        metric=plan.metric,
        greater_is_better=plan.maximize,
        held_out=True,
        samples=plan.held_out,
    )
    keep_verdict(study, verdict)
