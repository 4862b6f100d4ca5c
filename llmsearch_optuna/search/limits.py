"""When no further trial begins, and how a search ended."""

import math
from collections.abc import Collection, Sequence

from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.race import Choice
from llmsearch_optuna.study.attributes import BASELINE, ERROR, REPEATS
from llmsearch_optuna.study.constraints import is_feasible, violation
from llmsearch_optuna.study.trials import FINISHED, without_repeated

__all__ = ["all_begun", "all_failed", "describe_end", "reason_to_stop", "trials_without_improvement"]

_FEWEST_FAILURES = 5
"""Fewer trials that failed could have failed for their parameters."""


def reason_to_stop(
    trials: Sequence[FrozenTrial],
    *,
    maximize: bool,
    patience: int | None = None,
    margin: float = 0.0,
    score_range: ScoreRange | None = None,
) -> str | None:
    """Return why no further trial is proposed; None if there is no reason to stop.

    There are two reasons. Either no possible score can beat the best trial by the margin, or the last `patience`
    proposals did not. If each proposal beats the best trial with an independent chance p, `patience` proposals in a row
    fail with a chance of (1 - p) ^ patience, so p is below 3 / patience with 95 % confidence (the "rule of three";
    J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983)). A sampler's proposals improve over time, so this is approximate.

    Args:
        trials: All trials, in the order of their numbers. They must have one objective if `patience` or `score_range`
            is given.
        maximize: Whether larger values are better.
        patience: The number of proposals in a row without an improvement that ends the search; None for no such limit.
        margin: An improvement exceeds the best score so far by more than this, in units of the score.
        score_range: The minimum and the maximum score; None to leave out the first reason.
    """
    by_margin = f" by {margin:g}" if margin else ""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if complete and score_range is not None:
        values = [trial.value for trial in complete if trial.value is not None and is_feasible(trial)]
        best = (max if maximize else min)(values, default=math.nan)
        room = score_range[1] - best if maximize else best - score_range[0]
        if room <= margin:  # not so if no trial is feasible
            return f"no trial can beat {best:.4g}{by_margin}"
    if patience is None:
        return None
    count = trials_without_improvement(trials, maximize=maximize, margin=margin)
    if count >= patience:
        return f"the last {count} trials did not beat the best one{by_margin}"
    return None


def trials_without_improvement(trials: Sequence[FrozenTrial], *, maximize: bool, margin: float = 0.0) -> int:
    """Return the number of complete and pruned trials since the last improvement, without baselines.

    A trial that breaks a constraint is an improvement only as long as none was feasible, by less violation.

    Args:
        trials: All trials, in the order of their numbers. A baseline may be an improvement.
        maximize: Whether larger values are better.
        margin: An improvement exceeds the best value so far by more than this.
    """
    best: float | None = None
    least = math.inf
    count = 0
    for trial in trials:
        value = trial.value if trial.state == TrialState.COMPLETE else None
        gain = None if value is None or best is None else (value - best if maximize else best - value)
        excess = violation(trial)
        is_better = excess < least or (excess == least == 0.0 and (gain is None or gain > margin))
        if value is not None and is_better:
            best, least, count = value, excess, 0
        elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and BASELINE not in trial.user_attrs:
            count += 1
    return count


def all_begun(trials: Sequence[FrozenTrial], n_trials: int) -> bool:
    """Return whether no further trial is to begin, because `n_trials` have begun.

    A baseline that is next in the queue begins in any case: it was added to a study whose trials had begun.

    Args:
        trials: All trials, in the order of their numbers, in which queued ones begin.
        n_trials: The number of trials of the search.
    """
    queued = [trial for trial in trials if trial.state == TrialState.WAITING]
    if queued and BASELINE in queued[0].user_attrs:
        return False
    return len(without_repeated(trials)) - len(queued) >= n_trials


def all_failed(trials: Sequence[FrozenTrial], ended_before: Collection[int]) -> str | None:
    """Return why no further trial is proposed if no trial of the study has been scored and at least five have failed.

    Trials that failed in an earlier call do not count, because their cause may have been mended. Nor do repeated ones.

    Args:
        trials: All trials.
        ended_before: The numbers of the trials that had ended before this call of the search.
    """
    ended = [trial for trial in trials if trial.state in FINISHED and REPEATS not in trial.user_attrs]
    failed = [trial for trial in ended if trial.number not in ended_before]
    if len(failed) < _FEWEST_FAILURES or any(trial.state != TrialState.FAIL for trial in ended):
        return None
    return f"the first {len(failed)} trials failed, the last with: {failed[-1].user_attrs.get(ERROR)}"


def describe_end(reason: str | None, trials: Sequence[FrozenTrial], n_trials: int, choice: Choice) -> str | None:
    """Return how a search ended, in one sentence, if it ended before `n_trials` or with unfinished trials; else None.

    Args:
        reason: Why no further trial was proposed; None if all have begun.
        trials: All trials.
        n_trials: The number of trials of the search.
        choice: The last choice of a race.
    """
    parts = []
    if reason is not None:
        parts.append(f"stopped after {len(without_repeated(trials))} of {n_trials} trials: {reason}")
    if choice.unfinished:
        parts.append(
            f"left {choice.unfinished} trials unfinished, which might still have gained about {choice.missed:.2g} in "
            "all (an estimate, no guarantee)"
        )
    return f"the search {'; it '.join(parts)}" if parts else None
