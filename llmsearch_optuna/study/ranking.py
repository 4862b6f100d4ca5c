"""Which trial of a study is best: by score, or on the Pareto front of score and tokens."""

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = [
    "best_trial",
    "by_added_area",
    "has_several",
    "maximizes",
    "pareto_front",
    "ranked",
    "score_of",
    "tokens_of",
]


def has_several(study: optuna.Study) -> bool:
    """Whether the study has several objectives."""
    return len(study.directions) > 1


def maximizes(study: optuna.Study) -> bool:
    """Whether a higher score is better."""
    return study.directions[0] == StudyDirection.MAXIMIZE


def score_of(trial: FrozenTrial) -> float | None:
    """The metric over all samples; of a pruned trial, over those it was scored on."""
    return None if trial.values is None else trial.values[0]


def tokens_of(trial: FrozenTrial) -> float | None:
    """Generated tokens per sample, where these are an objective."""
    return None if trial.values is None or len(trial.values) == 1 else trial.values[1]


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The fully evaluated trials: the better score first, then the fewer tokens where these count, then the earlier."""
    sign, count = -1.0 if maximizes(study) else 1.0, len(study.directions)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    # In a damaged database, some have lost theirs.
    valued = [trial for trial in complete if trial.values is not None and len(trial.values) == count]
    return sorted(valued, key=lambda trial: (sign * trial.values[0], *trial.values[1:], trial.number))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The fully evaluated trial with the best score; ``None`` as long as there is none."""
    return next(iter(ranked(study)), None)


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """The fully evaluated trials that no other is at least as good as in all objectives, the best score first.

    Of trials with the same values, the earliest. So it is the best trial alone where there is one objective.
    """
    front: list[FrozenTrial] = []
    for trial in ranked(study):
        if not front or trial.values[1:] < front[-1].values[1:]:
            front.append(trial)
    return front


def by_added_area(front: Sequence[FrozenTrial], known: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """A front in the order in which its trials add most to what those before them dominate.

    That is the area of what is worse than them in both objectives and better than the front's ends, the hypervolume of
    two objectives (E. Zitzler and L. Thiele, IEEE Trans. Evol. Comput. 3 (1999)), by greedy choice. What stands out of
    the front comes first, whatever the units; the shortest trial, which may well say nothing, comes late.

    Args:
        front: As `pareto_front` gives it, of two objectives.
        known: Those of them that are chosen already; they come first.
    """
    chosen = list(known)
    left = [trial for trial in front if trial not in known]
    worst, most = (front[-1].values[0], front[0].values[1]) if front else (0.0, 0.0)

    def area(trials: Sequence[FrozenTrial]) -> float:
        total, above = 0.0, worst
        for trial in sorted(trials, key=lambda one: one.values[1]):
            total += abs(trial.values[0] - above) * (most - trial.values[1])
            above = trial.values[0]
        return total

    while left:
        best = max(left, key=lambda trial: area([*chosen, trial]))
        left.remove(best)
        chosen.append(best)
    return chosen
