"""The results of finalists under further metrics, and what they show of the constraints; see `judging_metrics`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.verdict.comparison import Comparison, interval_text

__all__ = ["MetricResult", "Standing", "constraint_clause"]

Standing = Literal["keeps", "breaks", "undecided"]
"""What the held-out samples show of a constraint: the interval of the mean keeps it, breaks it, or holds its bound."""


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """The result of one finalist under one further metric, or in what is constrained.

    Attributes:
        name: The finalist's name.
        label: The label of the metric; ``"score"`` or ``"tokens"`` (per sample) if they are constrained.
        value: The mean over the samples and the seeds.
        low: The lower end of its interval.
        high: The upper end of its interval.
        comparison: The comparison with the reference; a positive gain is better. None for the reference itself, or
            without one.
        constraint: The constraint without its label, e.g. ``">= 0.98"``; None if there is none.
    """

    name: str
    label: str
    value: float
    low: float
    high: float
    comparison: Comparison | None = None
    constraint: str | None = None

    @property
    def standing(self) -> Standing | None:
        """What the samples show of the constraint; None without one."""
        if self.constraint is None:
            return None
        rule = Constraint.parse(self.label, self.constraint)
        excesses = rule.violation(self.low), rule.violation(self.high)
        if min(excesses) > 0.0:
            return "breaks"
        return "keeps" if max(excesses) <= 0.0 else "undecided"

    def __str__(self) -> str:
        """Return the value with its interval, e.g. ``0.93 [0.90, 0.95]``."""
        return interval_text(self.value, self.low, self.high)


def constraint_clause(results: Sequence[MetricResult], standing: Standing) -> str:
    """Return in words which constraints have a standing, e.g. ``breaks json_valid >= 0.98 (0.93 [0.90, 0.95])``.

    Return an empty string if none has it.

    Args:
        results: The results of one finalist.
        standing: The standing.
    """
    listed = [f"{result.label} {result.constraint} ({result})" for result in results if result.standing == standing]
    verb = "not shown to keep" if standing == "undecided" else standing
    return f"{verb} {' and '.join(listed)}" if listed else ""
