"""The two stages of a verdict: the two finalists that matter first, and the rest only if it can change the answer.

How it works. The first stage compares the best trial with the reference, with half of the seeds. The verdict ends there
if the interval of the gain excludes 0, or if the second stage would hardly show a gain. It does not end there if the
best trial is shown to break a constraint, because a runner-up may keep it. The second stage has all seeds, the
runners-up and the other baselines.

The intervals of the first stage miss with a chance of at most 2 %, those of the second with 3 % in all. So the
intervals of a verdict are simultaneous 95 % confidence intervals, regardless of the rule that decides whether there is
a second stage. These are repeated confidence intervals (C. Jennison and B. W. Turnbull, Journal of the Royal
Statistical Society B 51 (1989)), whose levels are simply added up.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from llmsearch_optuna.statistics.intervals import adjusted_alpha
from llmsearch_optuna.verdict.finalists import Finalist, Finalists
from llmsearch_optuna.verdict.judging import ALPHA
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["Stage", "in_stages", "plan_stages"]

_FIRST_ALPHA = 0.02
_HOPELESS = 0.02
_UNKNOWN_SHARE = 0.5  # the seeds' share of the variance, before several seeds tell it


class Stage(NamedTuple):
    """A stage of a verdict.

    Attributes:
        finalists: The finalists that it compares.
        seeds: The number of seeds of each that is not greedy.
        alpha: The nominal chance that any interval of the stage misses.
    """

    finalists: tuple[Finalist, ...]
    seeds: int
    alpha: float

    @property
    def passes(self) -> int:
        """The number of passes over the held-out samples, from the beginning."""
        return sum(1 if finalist.params.greedy else self.seeds for finalist in self.finalists)


def plan_stages(finalists: Finalists, seeds: int, *, has_several: bool) -> tuple[Stage, ...]:
    """Return the stages of a verdict: two, or one where a first stage would not be cheaper.

    Args:
        finalists: The finalists.
        seeds: The number of seeds.
        has_several: Whether the study has several objectives. Then each trial of the front matters.
    """
    whole = Stage(finalists.selected, seeds, ALPHA)
    compared = {finalists.best, finalists.reference}
    if finalists.best == finalists.reference:
        compared.add("runner-up 1")  # nothing beats the reference on the search split: the next one might
    first = Stage(
        tuple(finalist for finalist in finalists.selected if finalist.name in compared), seeds // 2, _FIRST_ALPHA
    )
    if has_several or seeds < 2 or len(first.finalists) < 2 or first.passes >= whole.passes:
        return (whole,)
    return first, whole._replace(alpha=ALPHA - _FIRST_ALPHA)


def in_stages(stages: Sequence[Stage], judge: Callable[[Stage], Verdict]) -> Verdict:
    """Judge the stages one by one, until the answer is clear or cannot become clear, and return the last verdict.

    Args:
        stages: The stages of `plan_stages`.
        judge: Returns the verdict of a stage.
    """
    first, *rest = stages
    verdict = judge(first)
    if rest:
        reason = _reason_to_end(verdict, first, rest[0])
        verdict = judge(rest[0]) if reason is None else dataclasses.replace(verdict, ended=reason)
    return verdict


def _reason_to_end(verdict: Verdict, stage: Stage, following: Stage) -> str | None:
    """Return why a verdict ends after this stage, its first one, in one sentence; None if it goes on."""
    ended = f"the verdict took {stage.passes} of {following.passes} passes over the held-out samples"
    if verdict.constant is not None:
        return f"{ended}: scores do not differ"
    (comparison,) = verdict.comparisons
    if verdict.standing_of(verdict.best) == "breaks":
        return None  # a runner-up may keep the constraints
    if comparison.low > 0.0 or comparison.high < 0.0:
        return f"{ended}: the answer is clear"
    half_width = (comparison.high - comparison.low) / 2.0
    variance = (half_width / _quantile(stage.alpha)) ** 2
    share = _UNKNOWN_SHARE if comparison.seed_share is None else comparison.seed_share
    by_seeds = share * variance
    # With more seeds, their part of the variance shrinks; by as much, the estimate can still move.
    moves = by_seeds * (1.0 - stage.seeds / following.seeds)
    alpha = adjusted_alpha(following.alpha, len(following.finalists) - 1)
    needed = _quantile(alpha) * math.sqrt(variance - moves)
    chance = NormalDist().cdf((comparison.gain - needed) / math.sqrt(moves)) if moves > 0.0 else 0.0
    if chance >= _HOPELESS:
        return None
    return f"{ended}: the others would hardly show a gain"


def _quantile(alpha: float) -> float:
    """Return the two-sided critical value of the normal distribution."""
    return -NormalDist().inv_cdf(alpha / 2.0)
