"""When a search ends: enough trials, time or tokens, or nothing better to be expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.study.attributes import BASELINE

__all__ = ["Limits", "reason_to_stop", "trials_in_vain"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a search may use, and when it gives up.

    Attributes:
        n_trials: Finished trials wanted in total, those of earlier runs included.
        timeout: Seconds of this run.
        max_tokens_total: Generated tokens in total, those of earlier runs included.
        patience: Proposals in a row that do not beat the best trial by `margin`.
        margin: By how much a better trial must be better.
        score_range: The least and the largest score there can be: give up when none can beat the best trial. As
            `patience`, for studies of one objective.
    """

    n_trials: int
    timeout: float | None = None
    max_tokens_total: int | None = None
    patience: int | None = None
    margin: float = 0.0
    score_range: ScoreRange | None = None


def reason_to_stop(trials: Sequence[FrozenTrial], limits: Limits, *, maximize: bool) -> str | None:
    """Why no further proposal is worth its tokens; ``None`` if it may be.

    Either no score at all could beat the best trial by the margin, which is certain; or the last `patience` proposals
    did not. Of proposals that are alike, each beating the best with chance p, so many fail in a row with chance
    (1 - p) ^ patience, so that p is below 3 / patience with 95 % confidence (the "rule of three"; J. A. Hanley and
    A. Lippman-Hand, JAMA 249 (1983)). A sampler's proposals are not quite alike: they get better while it learns.

    Args:
        trials: All trials, in the order of their numbers.
        limits: The margin, the patience and the range of scores.
        maximize: Whether larger values are better.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if complete and limits.score_range is not None:
        values = [trial.value for trial in complete if trial.value is not None]
        best = max(values) if maximize else min(values)
        room = limits.score_range[1] - best if maximize else best - limits.score_range[0]
        if room <= limits.margin:
            return f"no trial can beat {best:.4g}" + (f" by {limits.margin:g}" if limits.margin else "")
    if limits.patience is None:
        return None
    in_vain = trials_in_vain(trials, maximize=maximize, margin=limits.margin)
    if in_vain >= limits.patience:
        return f"the last {in_vain} trials did not beat the best one" + (
            f" by {limits.margin:g}" if limits.margin else ""
        )
    return None


def trials_in_vain(trials: Sequence[FrozenTrial], *, maximize: bool, margin: float = 0.0) -> int:
    """The number of finished trials, proposed after the last improvement, that are no improvement.

    Args:
        trials: In the order of their numbers. Baselines may improve, but do not count; nor do trials that failed.
        maximize: Whether larger values are better.
        margin: What is an improvement: more than this.
    """
    best: float | None = None
    count = 0
    for trial in trials:
        value = trial.value if trial.state == TrialState.COMPLETE else None
        gain = None if value is None or best is None else (value - best if maximize else best - value)
        if value is not None and (gain is None or gain > margin):
            best, count = value, 0
        elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and BASELINE not in trial.user_attrs:
            count += 1
    return count
