"""The objectives of a study: the score alone, or the score and an expense, which is tokens or their cost."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from llmsearch_optuna.errors import ConfigurationError, unknown_name

__all__ = ["COST", "EXPENSES", "SCORE", "TOKENS", "Expense", "check_combination", "check_objectives", "directions_of"]

SCORE = "score"
"""The metric over all samples. It is always the first objective."""

TOKENS = "tokens"
"""The number of generated tokens per sample, including the end token. It is minimised."""

COST = "cost"
"""The cost of 1,000 samples at the price of the search. It is minimised."""


class Expense(NamedTuple):
    """What a study may minimise beside the score, and how it is written.

    Attributes:
        name: ``"tokens"`` or ``"cost"``.
        unit: What a value is of, in words.
        key: Its key in JSON.
        less: How less of it is called.
        more: How more of it is called.
        spec: The format of a value.
    """

    name: str
    unit: str
    key: str
    less: str
    more: str
    spec: str

    def shown(self, value: float | None) -> str:
        """Return a value as a string; ``"-"`` if there is none."""
        return "-" if value is None else f"{value:{self.spec}}"


EXPENSES = {
    TOKENS: Expense(TOKENS, "per sample", "tokens_per_sample", "tokens fewer", "tokens more", ".1f"),
    COST: Expense(COST, "per 1,000 samples", "cost_per_1000_samples", "cheaper", "dearer", ".4g"),
}
"""The possible expenses by name."""

_CLOCKS = ("latency", "seconds", "time", "tokens_per_s")

_Direction = Literal["maximize", "minimize"]


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the objectives as a tuple, after validating them.

    Raises:
        ConfigurationError: The names are not ``("score",)``, ``("score", "tokens")`` or ``("score", "cost")``.
    """
    for name in [objectives] if isinstance(objectives, str) else objectives:
        if name in _CLOCKS:
            raise ConfigurationError(
                f"`{name}` cannot be an objective: it depends on the machine and the batch, so that an interrupted "
                f"study would not end as an uninterrupted one; use `{TOKENS}` or `{COST}`, which depend on neither"
            )
        if name not in (SCORE, *EXPENSES):
            raise ConfigurationError(unknown_name("objective", str(name), (SCORE, *EXPENSES)))
    names = tuple(objectives)
    if names[:1] != (SCORE,) or names[1:] not in ((), *((name,) for name in EXPENSES)):
        raise ConfigurationError(
            f'objectives must be ["{SCORE}"], ["{SCORE}", "{TOKENS}"] or ["{SCORE}", "{COST}"], got {objectives!r}'
        )
    return names


def check_combination(
    objectives: Sequence[str], *, sampler: str, pruner: str | None, patience: int | None, constrained: bool = False
) -> None:
    """Check that the sampler, the pruner and the patience support the number of objectives, and constraints.

    Raises:
        ConfigurationError: There are several objectives or constraints, and one of the three does not support them.
    """
    if constrained and sampler == "cmaes":
        raise ConfigurationError("the cmaes sampler ignores constraints: choose another, e.g. tpe, gp or nsga2")
    if constrained and pruner not in (None, "paired", "race", "none"):
        raise ConfigurationError(
            f"the {pruner} pruner ignores constraints, so that trials which break them would prune others: use paired, "
            "race or none"
        )
    if len(objectives) == 1:
        return
    several = "with several objectives"
    if sampler == "cmaes":
        raise ConfigurationError(f"the {sampler} sampler does not work {several}: choose another, e.g. tpe")
    if pruner not in (None, "none"):
        raise ConfigurationError(
            f"the {pruner} pruner does not work {several}, as a trial with a lower score may need less: "
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
