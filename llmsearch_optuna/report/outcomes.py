"""What came of the search as numbers: baselines against best, quality against tokens, seeds, cost."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.report.record import NORMAL_95, StudyRecord, TrialRecord

__all__ = [
    "Cost",
    "Quality",
    "SeedScores",
    "Standing",
    "TrialCost",
    "cost",
    "quality_by_tokens",
    "seed_scores",
    "standings",
]

_Floats = npt.NDArray[np.float64]


class Standing(NamedTuple):
    """What a finalist scored.

    Attributes:
        name: ``"best"``, ``"runner-up 1"``, or a baseline's name.
        trial: Its trial.
        searched: The metric on the search split.
        error: Half the width of its 95 % interval there; ``None`` where the metric scores only a corpus.
        held_out: The metric on the hold-out split, if there is a verdict.
        is_best: Whether it is the best of all on the search split; that may be a baseline.
        is_reference: Whether it is the baseline that the verdict compares with.
    """

    name: str
    trial: TrialRecord
    searched: float
    error: float | None
    held_out: float | None
    is_best: bool
    is_reference: bool


class Quality(NamedTuple):
    """A fully evaluated trial.

    Attributes:
        trial: The trial.
        tokens: Tokens per completion.
        value: The metric.
        is_efficient: Whether no other has both a better metric and fewer tokens.
    """

    trial: TrialRecord
    tokens: float
    value: float
    is_efficient: bool


class SeedScores(NamedTuple):
    """The metric by seed.

    Attributes:
        groups: By finalist, the score of each fresh seed on the hold-out split; or, without a verdict, by seed, the
            scores of the trials that chose it.
        held_out: Whether it is the former.
    """

    groups: Mapping[str, _Floats]
    held_out: bool


class TrialCost(NamedTuple):
    """What one trial cost.

    Attributes:
        trial: The trial.
        tokens: Tokens generated; those taken over from a trial of the same effect are not.
        saved: Tokens that its pruning saved, at its own tokens per completion.
    """

    trial: TrialRecord
    tokens: int
    saved: float


class Cost(NamedTuple):
    """What the search cost.

    Attributes:
        trials: Trial by trial.
        tokens: Tokens generated on the search split.
        saved: Tokens that pruning saved.
        reused: Tokens taken over from trials of the same effect.
        held_out: Tokens generated for the verdict.
        replayed: The share of the tokens that needed no forward pass, of those trials for which that is known; ``None``
            if it is for none.
    """

    trials: tuple[TrialCost, ...]
    tokens: int
    saved: float
    reused: int
    held_out: int
    replayed: float | None


def standings(record: StudyRecord) -> tuple[Standing, ...]:
    """The finalists, the best first, the baselines last."""
    by_number = {trial.number: trial for trial in record.complete}
    held_out = {} if record.verdict is None else {one.trial: one for one in record.verdict.finalists}
    found = []
    for number, name in record.names.items():
        trial = by_number[number]
        error = trial.standard_error
        own = held_out.get(number)
        if trial.value is not None:
            found.append(
                Standing(
                    name=name,
                    trial=trial,
                    searched=trial.value,
                    error=None if error is None else NORMAL_95 * error,
                    held_out=None if own is None else own.score,
                    is_best=trial is record.best,
                    is_reference=record.verdict is not None and name == record.verdict.reference,
                )
            )
    sign = -1.0 if record.maximize else 1.0
    return tuple(sorted(found, key=lambda one: (one.trial.baseline is not None, sign * one.searched, one.trial.number)))


def quality_by_tokens(record: StudyRecord) -> tuple[Quality, ...]:
    """The fully evaluated trials by their tokens per completion, fewest first."""
    known = [
        (float(trial.token_counts.mean()), trial.value, trial)
        for trial in record.complete
        if trial.value is not None and trial.seen
    ]
    sign = -1.0 if record.maximize else 1.0
    found: list[Quality] = []
    leading: float | None = None
    for tokens, value, trial in sorted(known, key=lambda one: (one[0], sign * one[1], one[2].number)):
        is_efficient = leading is None or record.is_better(value, leading)
        leading = value if is_efficient else leading
        found.append(Quality(trial, tokens, value, is_efficient))
    return tuple(found)


def seed_scores(record: StudyRecord) -> SeedScores:
    """How much the metric varies from seed to seed."""
    order = [one.name for one in standings(record)]
    known = sorted(record.held_out, key=lambda one: order.index(one.name) if one.name in order else len(order))
    held_out = {one.name: one.by_seed for one in known if len(one.by_seed)}
    if any(len(scores) > 1 for scores in held_out.values()):
        return SeedScores(held_out, held_out=True)
    by_seed: dict[int, list[float]] = {}
    for trial in record.complete:
        if trial.value is not None and trial.params is not None and not trial.params.greedy:
            by_seed.setdefault(trial.params.generation_seed, []).append(trial.value)
    return SeedScores({f"seed {seed}": np.array(by_seed[seed]) for seed in sorted(by_seed)}, held_out=False)


def cost(record: StudyRecord) -> Cost:
    """Tokens generated, saved and replayed."""
    rows = []
    for trial in record.trials:
        left = len(record.samples) - trial.seen if trial.is_pruned else 0
        saved = left * float(trial.token_counts.mean()) if trial.seen else 0.0
        rows.append(TrialCost(trial, int(trial.token_counts.sum()) - trial.reused, saved))
    known = [(row.tokens, row.trial.replayed) for row in rows if row.trial.replayed is not None and row.tokens]
    total = sum(tokens for tokens, _ in known)
    return Cost(
        trials=tuple(rows),
        tokens=sum(row.tokens for row in rows),
        saved=sum(row.saved for row in rows),
        reused=sum(trial.reused for trial in record.trials),
        held_out=sum(one.tokens for one in record.held_out),
        replayed=sum(tokens * share for tokens, share in known) / total if total else None,
    )
