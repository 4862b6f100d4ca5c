"""The objectives of a study: the score alone, or the score and the number of generated tokens."""

from collections.abc import Sequence
from typing import Literal

from llmsearch_optuna.errors import ConfigurationError, unknown_name

__all__ = [
    "SCORE",
    "TOKENS",
    "check_combination",
    "check_objectives",
    "directions_of",
]


SCORE = "score"
"""The metric over all samples. It is always the first objective."""

TOKENS = "tokens"
"""The number of generated tokens per sample, including the end token. It is minimised."""

_CLOCKS = ("latency", "seconds", "time", "tokens_per_s")

_Direction = Literal["maximize", "minimize"]


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the objectives as a tuple, after validating them.

    Raises:
        ConfigurationError: The names are neither ``("score",)`` nor ``("score", "tokens")``.
    """
    for name in [objectives] if isinstance(objectives, str) else objectives:
        if name in _CLOCKS:
            raise ConfigurationError(
                f"`{name}` cannot be an objective: it depends on the machine and the batch, so that an interrupted "
                f"study would not end as an uninterrupted one; use `{TOKENS}`, the cost that depends on neither"
            )
        if name not in (SCORE, TOKENS):
            raise ConfigurationError(unknown_name("objective", str(name), (SCORE, TOKENS)))
    names = tuple(objectives)
    if names not in ((SCORE,), (SCORE, TOKENS)):
        raise ConfigurationError(f'objectives must be ["{SCORE}"] or ["{SCORE}", "{TOKENS}"], got {objectives!r}')
    return names


def check_combination(objectives: Sequence[str], *, sampler: str, pruner: str | None, patience: int | None) -> None:
    """Check that the sampler, the pruner and the patience support the number of objectives.

    Raises:
        ConfigurationError: There are several objectives, and one of the three supports only one.
    """
    if len(objectives) == 1:
        return
    several = "with several objectives"
    if sampler == "cmaes":
        raise ConfigurationError(f"the {sampler} sampler does not work {several}: choose another, e.g. tpe")
    if pruner not in (None, "none"):
        raise ConfigurationError(
            f"the {pruner} pruner does not work {several}, as a trial with a lower score may need fewer tokens: "
            "leave the pruner out, so that every trial is fully evaluated"
        )
    if patience is not None:
        raise ConfigurationError(
            f"`patience` does not work {several}: it counts trials that do not beat the best one, and there is no "
            "single best trial; leave it out"
        )


def directions_of(objectives: Sequence[str], *, greater_is_better: bool) -> list[_Direction]:
    """Return the direction of each objective as Optuna names it."""
    score: _Direction = "maximize" if greater_is_better else "minimize"
    return [score if name == SCORE else "minimize" for name in objectives]
