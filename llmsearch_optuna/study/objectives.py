"""What a study optimises: the score alone, or the score and the tokens that it takes; and who is best then."""

from collections.abc import Sequence
from typing import Literal

import optuna

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.study.ranking import has_several

__all__ = [
    "SCORE",
    "TOKENS",
    "check_combination",
    "check_objectives",
    "directions_of",
    "report",
    "should_prune",
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
