"""What a study optimises: the score alone, or the score and the tokens that it takes; and who is best then."""

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import ConfigurationError, unknown_name

__all__ = [
    "SCORE",
    "TOKENS",
    "best_trial",
    "by_added_area",
    "check_combination",
    "check_objectives",
    "directions_of",
    "has_several",
    "maximizes",
    "pareto_front",
    "ranked",
    "report",
    "score_of",
    "should_prune",
    "tokens_of",
]

SCORE = "score"
"""The metric over all samples; always the first objective."""

TOKENS = "tokens"
"""Generated tokens per sample, the ending one included; minimised."""

_CLOCKS = ("latency", "seconds", "time", "tokens_per_s")

_SAMPLERS_OF_ONE = ("cmaes",)

_Direction = Literal["maximize", "minimize"]


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """The objectives, if there are such.

    Raises:
        ConfigurationError: They are neither ``("score",)`` nor ``("score", "tokens")``.
    """
    for name in [objectives] if isinstance(objectives, str) else objectives:
        if name in _CLOCKS:
            raise ConfigurationError(
                f"`{name}` cannot be an objective: it depends on the machine, the batch and what is replayed, so that "
                f"no study could be resumed to the same end; use `{TOKENS}`, the cost that depends on none of them"
            )
        if name not in (SCORE, TOKENS):
            raise ConfigurationError(unknown_name("objective", str(name), (SCORE, TOKENS)))
    found = tuple(objectives)
    if found not in ((SCORE,), (SCORE, TOKENS)):
        raise ConfigurationError(f'objectives must be ["{SCORE}"] or ["{SCORE}", "{TOKENS}"], got {objectives!r}')
    return found


def check_combination(objectives: Sequence[str], *, sampler: str, pruner: str | None, patience: int | None) -> None:
    """Refuses what only makes sense where there is one objective.

    Raises:
        ConfigurationError: There are several, and the sampler, the pruner or the patience is for one.
    """
    if len(objectives) == 1:
        return
    several = "with several objectives"
    if sampler in _SAMPLERS_OF_ONE:
        raise ConfigurationError(f"the {sampler} sampler does not work {several}: choose another, e.g. tpe")
    if pruner not in (None, "none"):
        raise ConfigurationError(
            f"the {pruner} pruner does not work {several}, as a trial that scores less may take fewer tokens: leave "
            "the pruner out, and every trial is fully evaluated"
        )
    if patience is not None:
        raise ConfigurationError(
            f"`patience` does not work {several}: it counts trials that do not beat the best one, and there is not one "
            "best; leave it out"
        )


def directions_of(objectives: Sequence[str], *, greater_is_better: bool) -> list[_Direction]:
    """Optuna's directions of the objectives."""
    score: _Direction = "maximize" if greater_is_better else "minimize"
    return [score if name == SCORE else "minimize" for name in objectives]


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


def report(trial: optuna.Trial, value: float, step: int) -> None:
    """Tells the study the score so far.

    Optuna's `Trial.report` refuses where there are several objectives, as nothing could be pruned by it; its storages
    keep such values all the same, for learning curves, and to know how far a trial came.
    """
    if not has_several(trial.study):
        trial.report(value, step=step)
        return
    storage = trial.storage
    study_id = storage.get_study_id_from_name(trial.study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
    storage.set_trial_intermediate_value(trial_id, step, value)


def should_prune(trial: optuna.Trial) -> bool:
    """Whether the study's pruner gives the trial up; where there are several objectives, nothing is pruned."""
    return not has_several(trial.study) and trial.should_prune()
