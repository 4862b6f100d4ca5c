"""The outcome of the search as numbers: baselines against best, quality against tokens or cost, seeds, cost."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.report.record import StudyRecord, TrialRecord
from llmsearch_optuna.study.objectives import COST
from llmsearch_optuna.study.price import COST_SAMPLES
from llmsearch_optuna.verdict.table import VerdictRow, verdict_rows

__all__ = [
    "Cost",
    "FinalistSummary",
    "Quality",
    "SeedScores",
    "TrialCost",
    "cost",
    "quality_by_expense",
    "seed_scores",
    "summarize_finalists",
]

_Floats = npt.NDArray[np.float64]


class FinalistSummary(NamedTuple):
    """The scores of a finalist on both splits.

    Attributes:
        name: ``"best"``, ``"runner-up 1"``, ``"front 1"``, or a baseline's name.
        trial: Its trial.
        search_score: The metric on the search split.
        held_out: Its row of the verdict's table; ``None`` if the verdict does not include its trial.
    """

    name: str
    trial: TrialRecord
    search_score: float
    held_out: VerdictRow | None


class Quality(NamedTuple):
    """The metric and the expense of one fully evaluated trial.

    Attributes:
        trial: The trial.
        expense: The mean number of tokens per sample, or the cost of 1,000; see `StudyRecord.expense`.
        value: The metric.
        is_efficient: Whether the trial is on the Pareto front: no other trial is at least as good in the metric and the
            expense, and better in one of them. A trial that breaks a constraint is not on it. Of trials with the same
            values, only the first is on the front.
    """

    trial: TrialRecord
    expense: float
    value: float
    is_efficient: bool


class SeedScores(NamedTuple):
    """The metric by seed.

    Attributes:
        groups: If `held_out`, the score of each fresh seed on the hold-out split, by finalist. Otherwise the values of
            the fully evaluated trials with a seed, by seed; greedy trials are left out. Shape: (seeds,) or (trials,).
        held_out: Whether the scores are from the hold-out split.
    """

    groups: Mapping[str, _Floats]
    held_out: bool


class TrialCost(NamedTuple):
    """The tokens of one trial.

    Attributes:
        trial: The trial.
        tokens: Tokens generated, without those reused from a trial whose parameters have the same effect.
        saved: Estimate of the tokens saved by pruning, from the trial's mean tokens per sample.
    """

    trial: TrialRecord
    tokens: int
    saved: float


class Cost(NamedTuple):
    """The tokens of a study.

    Attributes:
        trials: The cost of each trial.
        tokens: Tokens generated on the search split.
        saved: Estimate of the tokens saved by pruning.
        reused: Tokens reused from trials whose parameters have the same effect.
        held_out: Tokens generated for the verdict.
        replayed: Share of the generated tokens that needed no forward pass, over the trials that record it; ``None`` if
            no trial records it.
        spent: Cost of the search, in the currency of its price; ``None`` if it is unknown.
        held_out_spent: Cost of the verdict; ``None`` if it is unknown.
    """

    trials: tuple[TrialCost, ...]
    tokens: int
    saved: float
    reused: int
    held_out: int
    replayed: float | None
    spent: float | None
    held_out_spent: float | None


def summarize_finalists(record: StudyRecord) -> tuple[FinalistSummary, ...]:
    """Return the finalists: first those that are no baselines, then the baselines, each by search score, best first."""
    by_number = {trial.number: trial for trial in record.complete}
    # Match by trial number: a name may have passed to another trial since the verdict.
    held_out = {} if record.verdict is None else {row.trial: row for row in verdict_rows(record.verdict)}
    summaries = []
    for number, name in record.names.items():
        trial = by_number[number]
        if trial.value is not None:
            summaries.append(FinalistSummary(name, trial, trial.value, held_out.get(number)))
    sign = -1.0 if record.maximize else 1.0
    return tuple(sorted(summaries, key=lambda s: (s.trial.baseline is not None, sign * s.search_score, s.trial.number)))


def quality_by_expense(record: StudyRecord) -> tuple[Quality, ...]:
    """Return the fully evaluated trials, ordered by tokens or cost, lowest first; see `StudyRecord.expense`."""
    measured = [
        (_expense(trial, record.expense.name), trial.value, trial)
        for trial in record.complete
        if trial.value is not None and trial.seen
    ]
    sign = -1.0 if record.maximize else 1.0
    qualities: list[Quality] = []
    leading: float | None = None
    for expense, value, trial in sorted(measured, key=lambda entry: (entry[0], sign * entry[1], entry[2].number)):
        is_efficient = trial.is_feasible and (leading is None or record.is_better(value, leading))
        leading = value if is_efficient else leading
        qualities.append(Quality(trial, expense, value, is_efficient))
    return tuple(qualities)


def _expense(trial: TrialRecord, name: str) -> float:
    if name == COST and trial.cost is not None:
        return trial.cost * COST_SAMPLES / trial.seen
    return float(trial.token_counts.mean())


def seed_scores(record: StudyRecord) -> SeedScores:
    """Return how the metric varies with the seed.

    The scores are those of the hold-out split if a finalist has scores with several seeds there. Otherwise they are the
    values of trials.
    """
    order = [summary.name for summary in summarize_finalists(record)]
    finalists = sorted(record.held_out, key=lambda f: order.index(f.name) if f.name in order else len(order))
    held_out = {finalist.name: finalist.by_seed for finalist in finalists if len(finalist.by_seed)}
    if any(len(scores) > 1 for scores in held_out.values()):
        return SeedScores(held_out, held_out=True)
    by_seed: dict[int, list[float]] = {}
    for trial in record.complete:
        if trial.value is not None and trial.params is not None and not trial.params.greedy:
            by_seed.setdefault(trial.params.generation_seed, []).append(trial.value)
    return SeedScores({f"seed {seed}": np.array(by_seed[seed]) for seed in sorted(by_seed)}, held_out=False)


def cost(record: StudyRecord) -> Cost:
    """Count the tokens generated, saved by pruning, reused and replayed, on the search split and for the verdict."""
    trials = []
    for trial in record.trials:
        skipped = len(record.samples) - trial.seen if trial.is_pruned else 0
        saved = skipped * float(trial.token_counts.mean()) if trial.seen else 0.0
        trials.append(TrialCost(trial, int(trial.token_counts.sum()) - trial.reused, saved))
    shares = [(row.tokens, row.trial.replayed) for row in trials if row.trial.replayed is not None and row.tokens]
    total = sum(tokens for tokens, _ in shares)
    return Cost(
        trials=tuple(trials),
        tokens=sum(row.tokens for row in trials),
        saved=sum(row.saved for row in trials),
        reused=sum(trial.reused for trial in record.trials),
        held_out=sum(finalist.tokens for finalist in record.held_out),
        replayed=sum(tokens * share for tokens, share in shares) / total if total else None,
        spent=_sum(
            [None if trial.cost is None else trial.cost - trial.reused_cost for trial in record.trials if trial.seen]
        ),
        held_out_spent=_sum([finalist.cost for finalist in record.held_out]),
    )


def _sum(costs: Sequence[float | None]) -> float | None:
    """Return the sum; ``None`` if a cost is unknown or there is none."""
    numbers = [cost for cost in costs if cost is not None]
    return sum(numbers) if costs and len(numbers) == len(costs) else None
