"""The ranking of a study's trials: by score, or by the Pareto front of score and expense."""

import itertools
from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import LlmsearchError
from llmsearch_optuna.study.attributes import BASELINE, FINGERPRINT
from llmsearch_optuna.study.constraints import is_feasible, stored_constraints, violation
from llmsearch_optuna.study.objectives import EXPENSES, TOKENS, Expense
from llmsearch_optuna.study.trials import trial_params

__all__ = [
    "best_trial",
    "by_added_area",
    "expense",
    "expense_of",
    "has_several",
    "infeasibility",
    "maximizes",
    "pareto_front",
    "ranked",
    "score_of",
]


def has_several(study: optuna.Study) -> bool:
    """Return whether the study has several objectives."""
    return len(study.directions) > 1


def expense(study: optuna.Study) -> Expense | None:
    """Return what a study minimises beside the score; None if it has one objective."""
    if not has_several(study):
        return None
    # A study that was renamed in optuna-dashboard has lost the names of its values.
    fingerprint = study.user_attrs.get(FINGERPRINT)
    objectives = fingerprint.get("objectives") if isinstance(fingerprint, dict) else None
    stored = objectives if isinstance(objectives, list) else None  # version 1 stored a string, and only tokens
    return EXPENSES[(study.metric_names or stored or (TOKENS,))[-1]]


def maximizes(study: optuna.Study) -> bool:
    """Return whether a higher score is better."""
    return study.directions[0] == StudyDirection.MAXIMIZE


def score_of(trial: FrozenTrial) -> float | None:
    """Return the metric over all samples; for a pruned trial, over the samples that it was scored on.

    Return None if the trial has no value, e.g. because it failed or is not finished.
    """
    return None if trial.values is None else trial.values[0]


def expense_of(trial: FrozenTrial) -> float | None:
    """Return the value of the second objective. None if there is only one or no value."""
    return None if trial.values is None or len(trial.values) == 1 else trial.values[1]


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """Return the fully evaluated trials, sorted by score (best first), then by the second objective.

    Trials that break a constraint come after all others, the least violation first. Of trials with the same values, the
    simplest comes first: a baseline before other trials, greedy decoding before sampling, then the earlier trial.
    """
    sign, count = -1.0 if maximizes(study) else 1.0, len(study.directions)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    # In a damaged database, trials may have lost their values.
    valued = [trial for trial in complete if trial.values is not None and len(trial.values) == count]

    def by_values(trial: FrozenTrial) -> tuple[float, ...]:
        return violation(trial), sign * trial.values[0], *trial.values[1:]

    order: list[FrozenTrial] = []
    for _, ties in itertools.groupby(sorted(valued, key=by_values), by_values):
        trials = list(ties)
        order += trials if len(trials) == 1 else sorted(trials, key=_complexity)
    return order


def _complexity(trial: FrozenTrial) -> tuple[bool, bool, int]:
    """Return a sort key of trials with the same values, the simplest first."""
    try:
        samples = not trial_params(trial).greedy
    except (LlmsearchError, ValueError, TypeError, AttributeError):  # in a damaged database
        samples = True
    return BASELINE not in trial.user_attrs, samples, trial.number


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the fully evaluated trial with the best score. None if there is none yet.

    If trials have constraints, it is the best feasible one; if none is feasible, that with the least violation.
    """
    return next(iter(ranked(study)), None)


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """Return the fully evaluated trials that no other trial dominates, the best score first.

    Of trials with the same values, the simplest is returned; see `ranked`. With one objective, the front is the best
    trial alone. Trials that break a constraint are not on the front. If all do, it is that with the least violation.
    """
    front: list[FrozenTrial] = []
    order = ranked(study)
    for trial in list(filter(is_feasible, order)) or order[:1]:
        if not front or trial.values[1:] < front[-1].values[1:]:
            front.append(trial)
    return front


def infeasibility(study: optuna.Study) -> str | None:
    """Return, in one sentence, that no fully evaluated trial keeps the constraints; None if one does or there is none.

    Raises:
        StorageError: The study is damaged.
    """
    best = best_trial(study)
    if best is None or is_feasible(best):
        return None
    constraints = " and ".join(map(str, stored_constraints(study)))
    return f"no fully evaluated trial keeps {constraints}: the best is trial {best.number}, which comes closest"


def by_added_area(front: Sequence[FrozenTrial], preselected: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Order a front greedily by the area that each trial adds to the area dominated by the trials before it.

    The area is the hypervolume of two objectives (E. Zitzler and L. Thiele, IEEE Trans. Evol. Comput. 3 (1999)). Its
    reference point is the worst score and the largest expense of the front. Trials that stand out come first,
    regardless of the units. The trial with the lowest expense adds no area and comes last. This is intended, because
    its completions may be empty.

    Args:
        front: The front of two objectives, as returned by `pareto_front`.
        preselected: Trials of the front that are chosen already. They come first.
    """
    chosen = list(preselected)
    left = [trial for trial in front if trial not in preselected]
    worst, most = (front[-1].values[0], front[0].values[1]) if front else (0.0, 0.0)

    def area(trials: Sequence[FrozenTrial]) -> float:
        total, above = 0.0, worst
        for trial in sorted(trials, key=lambda trial: trial.values[1]):
            total += abs(trial.values[0] - above) * (most - trial.values[1])
            above = trial.values[0]
        return total

    while left:
        best = max(left, key=lambda trial: area([*chosen, trial]))
        left.remove(best)
        chosen.append(best)
    return chosen
