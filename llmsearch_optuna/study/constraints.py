"""Constraints on what a trial is measured by: a minimum or a maximum of a metric, or of the tokens per sample.

How it works: after every rung, a trial stores by how much it violates each constraint over its samples so far. The
values are stored where Optuna's samplers, `Study.best_trial` and optuna-dashboard look for them. A trial is feasible if
no value is above 0.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple, Self

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.study.attributes import CONSTRAINTS
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.objectives import SCORE, TOKENS
from llmsearch_optuna.study.trials import find_trial_id

__all__ = [
    "Constraint",
    "check_labels",
    "is_feasible",
    "parse_constraints",
    "store_violations",
    "stored_constraints",
    "violation",
]

_FORM = re.compile(r"\s*(>=|<=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")

_ROUNDING = 1e-9

_QUANTITIES = (SCORE, TOKENS)
"""What a constraint may name beside the further metrics."""


class Constraint(NamedTuple):
    """A minimum or a maximum of what a trial is measured by.

    Attributes:
        label: What is constrained: the label of a further metric, ``"score"`` or ``"tokens"`` (per sample).
        is_minimum: Whether the bound is a minimum.
        bound: The bound, which is allowed itself.
    """

    label: str
    is_minimum: bool
    bound: float

    @classmethod
    def parse(cls, label: str, text: object) -> Self:
        """Return the constraint that is written as ``">= 0.98"`` or ``"<= 200"``.

        Raises:
            ConfigurationError: It is written in another way.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ConfigurationError(
                f'`constraints` must be like {{ {label} = ">= 0.98" }} or {{ {label} = "<= 0.02" }}, '
                f"got {label} = {text!r}"
            )
        return cls(label, match[1] == ">=", float(match[2]))

    @property
    def rule(self) -> str:
        """The constraint without its label, e.g. ``">= 0.98"``."""
        return f"{'>=' if self.is_minimum else '<='} {self.bound:g}"

    def __str__(self) -> str:
        """Return the constraint as text, e.g. ``json_valid >= 0.98``."""
        return f"{self.label} {self.rule}"

    def violation(self, value: float) -> float:
        """Return by how much a value violates the constraint; at most 0 if it does not. Rounding errors do not."""
        excess = self.bound - value if self.is_minimum else value - self.bound
        return 0.0 if abs(excess) <= _ROUNDING * max(1.0, abs(self.bound)) else excess


def parse_constraints(constraints: object) -> tuple[Constraint, ...]:
    """Return the constraints of a table such as ``{"json_valid": ">= 0.98"}``; see `Constraint.parse`.

    Raises:
        ConfigurationError: It is no table, or a constraint cannot be read.
    """
    if not isinstance(constraints, Mapping):
        raise ConfigurationError(f'`constraints` must be a table like {{ label = ">= 0.98" }}, got {constraints!r}')
    return tuple(Constraint.parse(str(label), text) for label, text in constraints.items())


def check_labels(constraints: Collection[Constraint], labels: Collection[str]) -> None:
    """Raise an error if a constraint names neither a further metric nor the score or the tokens.

    Args:
        constraints: The constraints.
        labels: The labels of the further metrics.

    Raises:
        ConfigurationError: The message names the constraint and what there is.
    """
    for constraint in constraints:
        if constraint.label not in (*labels, *_QUANTITIES):
            metrics = f"metrics are {', '.join(labels)}" if labels else "there are no further metrics"
            raise ConfigurationError(
                f"`constraints` must name a further metric, `{SCORE}` or `{TOKENS}`, got `{constraint.label}`: "
                f"{metrics}"
            )


def store_violations(trial: optuna.Trial, violations: list[float]) -> None:
    """Store by how much a trial violates each constraint, in the form that Optuna and optuna-dashboard read.

    Args:
        trial: The trial, which must be running. Earlier values are replaced.
        violations: The values of `Constraint.violation`, in the order of the constraints.
    """
    trial_id = find_trial_id(trial.storage, trial.study, trial.number)
    # `Trial.set_constraint` cannot replace a value, and optuna-dashboard does not read it.
    trial.storage.set_trial_system_attr(trial_id, CONSTRAINTS, violations)


def violation(trial: FrozenTrial) -> float:
    """Return the sum of the amounts by which a trial violates its constraints; 0 for a feasible trial."""
    return sum(value for value in trial.constraints.values() if value > 0.0)


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether a trial violates no constraint over its samples so far."""
    return violation(trial) == 0.0


def stored_constraints(study: optuna.Study) -> tuple[Constraint, ...]:
    """Return the constraints of a study; empty if it has none.

    Raises:
        StorageError: The study is damaged, or a newer version of the package made it.
    """
    return parse_constraints(study_fingerprint(study).get("constraints") or {})
