"""A declarative, immutable search space over the generation parameters."""

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import optuna
from optuna.distributions import CategoricalChoiceType

from llmsearch_optuna.errors import ParameterError, unknown_name
from llmsearch_optuna.space.dimensions import (
    Categorical,
    Condition,
    Dimension,
    Float,
    Int,
    Scalar,
    check_dimension,
    contains,
    dimension_from_table,
    grid_values,
    same_value,
)
from llmsearch_optuna.space.params import GenerationParams, check_parameter, names_in
from llmsearch_optuna.space.rules import CLASHES, Clash
from llmsearch_optuna.space.settings import flat_names

__all__ = ["SearchSpace"]

_MAX_GRID_POINTS = 100_000


class SearchSpace:
    """The parameters that a search chooses, and those that are fixed.

    ``SearchSpace(temperature=Float(0.1, 1.5), top_k=Int(1, 100, log=True), max_new_tokens=64)``: dimensions are
    searched, plain values are fixed, everything else is unset. A dimension may also be a table as in a study file; see
    `from_dict`. All values are validated immediately, before any model is loaded. The space keeps copies of them,
    converted to the type of their parameter.

    Raises:
        ParameterError: A name is unknown, a value breaks its rule, a condition cannot be met, or the space allows two
            parameters that cannot be combined.
    """

    __slots__ = ("_dimensions", "_fixed", "_order")

    def __init__(self, **parameters: Dimension | Scalar | Sequence[str] | Mapping[str, Any]) -> None:
        dimensions: dict[str, Dimension] = {}
        fixed: dict[str, Any] = {}
        for name, value in flat_names(parameters):
            given = dimension_from_table(name, value)
            if isinstance(given, Float | Int | Categorical):
                dimensions[name] = check_dimension(name, given)
            else:
                fixed[name] = given
        self._fixed: Mapping[str, Any] = MappingProxyType(fixed)
        self._dimensions: Mapping[str, Dimension] = MappingProxyType(
            {
                name: dataclasses.replace(value, when=_checked_condition(name, value.when, dimensions, fixed))
                for name, value in dimensions.items()
            }
        )
        self._order = self._condition_order()
        for clash in CLASHES:
            if self.allows(clash):
                raise ParameterError(f"{clash.reason}; set it only when = {{{clash.other} = 1}}")

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """The parameters that are searched, by name."""
        return self._dimensions

    @property
    def fixed(self) -> Mapping[str, Any]:
        """The parameters that are held fixed, by name."""
        return self._fixed

    @classmethod
    def default(cls, *, max_new_tokens: int = 128, generation_seeds: Sequence[int] = (0, 1, 2, 3)) -> Self:
        """Return a space of temperature, top_p, top_k, tfs, top_a and the seed. Each cut can be (nearly) off.

        The seed is categorical with few choices, so that many trials share their noise, which makes their scores easier
        to compare.
        """
        return cls(
            do_sample=True,
            temperature=Float(0.1, 1.5),
            top_p=Float(0.3, 1.0),
            top_k=Int(1, 200, log=True),
            tfs=Float(0.5, 1.0),
            top_a=Float(0.0, 0.5),
            generation_seed=Categorical(generation_seeds),
            max_new_tokens=max_new_tokens,
        )

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """Build a space from a TOML or JSON table.

        ``temperature = {low = 0.1, high = 1.5}``, ``top_k = {low = 1, high = 100, log = true}``,
        ``generation_seed = {choices = [0, 1]}``, ``top_p = {low = 0.5, high = 1.0, when = {do_sample = true}}``;
        a plain value is fixed. In Python, dimensions (`Float`, `Int`, `Categorical`) may be values, too.

        Raises:
            ParameterError: A name, key or value is wrong.
        """
        for name in table:
            if not isinstance(name, str):
                raise ParameterError(f"a space must name its parameters, got {name!r}")
        return cls(**table)

    @classmethod
    def of(cls, space: "SearchSpace | Mapping[str, Any]") -> "SearchSpace":
        """Return a space unchanged, and build one from a mapping; see `from_dict`.

        Raises:
            ParameterError: It is neither, or a name, key or value is wrong.
        """
        if isinstance(space, SearchSpace):
            return space
        if not isinstance(space, Mapping):
            raise ParameterError(
                f"`space` must be a SearchSpace or a dict of parameters, got {type(space).__name__}: write "
                "SearchSpace(temperature=Float(0.1, 1.2), max_new_tokens=64)"
            )
        return cls.from_dict(space)

    def to_dict(self) -> dict[str, Any]:
        """Return the table that `from_dict` reads. Keys with default values are included, except `when`."""
        table: dict[str, Any] = dict(self._fixed)
        for name, dimension in self._dimensions.items():
            entry = dataclasses.asdict(dimension)
            when = entry.pop("when")
            if isinstance(dimension, Categorical):
                entry["choices"] = list(dimension.choices)
            if when is not None:
                entry["when"] = {parent: list(values) for parent, values in when.items()}
            table[name] = entry
        return table

    def suggest(self, trial: optuna.trial.BaseTrial) -> GenerationParams:
        """Sample the parameters of one trial, parents before the dimensions that depend on them."""
        values: dict[str, Any] = dict(self._fixed)
        for name in self._order:
            dimension = self._dimensions[name]
            if not _active(dimension, values):
                continue
            match dimension:
                case Float(low, high):
                    values[name] = trial.suggest_float(name, low, high, log=dimension.log, step=dimension.step)
                case Int(low, high):
                    values[name] = trial.suggest_int(name, low, high, log=dimension.log, step=dimension.step)
                case Categorical(choices):
                    values[name] = trial.suggest_categorical(name, choices)
        return GenerationParams.from_dict(values)

    def trial_params(self, params: GenerationParams) -> dict[str, Any] | None:
        """Return the Optuna parameters for which `suggest` returns `params`; None if `params` is not in the space."""
        requested = params.to_dict()
        values: dict[str, Any] = dict(self._fixed)
        chosen: dict[str, Any] = {}
        for name in self._order:
            dimension = self._dimensions[name]
            if not _active(dimension, values):
                continue
            value = requested.get(name)
            if not contains(dimension, value):
                return None
            values[name] = chosen[name] = value
        return chosen if GenerationParams.from_dict(values) == params else None

    def settings(self, prefix: str) -> dict[str, tuple[Scalar | None, ...]]:
        """Return the values that each setting with a prefix can have; of a range, only the bounds."""
        return {
            name.removeprefix(prefix): self._possible(name) + ((None,) if self._can_be_unset(name) else ())
            for name in (*self._fixed, *self._dimensions)
            if name.startswith(prefix)
        }

    def _can_be_unset(self, name: str) -> bool:
        dimension = self._dimensions.get(name)
        if dimension is None:
            return name not in self._fixed
        return dimension.when is not None or (isinstance(dimension, Categorical) and None in dimension.choices)

    def _counts(self, name: str, *, unset: int) -> list[int]:
        """Return the values that a parameter can have, and `unset` if it can be unset; of a range, only the bounds."""
        return [*map(int, self._possible(name)), *([unset] if self._can_be_unset(name) else [])]

    @property
    def is_always_greedy(self) -> bool:
        """Whether no trial samples, as no parameter that turns sampling on can be set."""
        is_greedy = GenerationParams.from_dict(self._fixed).greedy
        return is_greedy and not {"do_sample", *names_in("temperature", "cut", "exclusion")} & set(self._dimensions)

    def completions_per_sample(self) -> tuple[int, int]:
        """Return the minimum and the maximum `samples_per_prompt` in the space; 1 if it is unset."""
        counts = self._counts("samples_per_prompt", unset=1)
        return min(counts), max(counts)

    def longest_completion(self) -> int:
        """Return the maximum `max_new_tokens` in the space."""
        return max(self._counts("max_new_tokens", unset=GenerationParams().max_new_tokens))

    def first_seed(self) -> int:
        """Return the fixed generation seed, or the first one that can be chosen."""
        seeds = self._possible("generation_seed")
        return int(seeds[0]) if seeds else GenerationParams().generation_seed

    def grid(self) -> dict[str, list[CategoricalChoiceType]]:
        """Return every value of every dimension, for a grid search.

        Raises:
            ParameterError: A dimension is continuous, logarithmic or conditional, or the grid has more than 100,000
                points.
        """
        values = {name: grid_values(name, dimension) for name, dimension in self._dimensions.items()}
        points = math.prod(map(len, values.values()))
        if points > _MAX_GRID_POINTS:
            raise ParameterError(
                f"the grid has {points:,} points, and at most {_MAX_GRID_POINTS:,} can be listed: take larger steps, "
                "fewer choices, or another sampler"
            )
        return {name: list(choices) for name, choices in values.items()}

    def _condition_order(self) -> tuple[str, ...]:
        order: list[str] = []
        waiting = dict(self._dimensions)
        while waiting:
            ready = [name for name, dimension in waiting.items() if not set(dimension.when or ()) & set(waiting)]
            if not ready:
                raise ParameterError(
                    f"the conditions of {', '.join(map(repr, waiting))} depend on each other in a circle"
                )
            order += ready
            for name in ready:
                del waiting[name]
        return tuple(order)

    def allows(self, clash: Clash) -> bool:
        """Return whether the space allows a clash: both parameters may be set, and no condition keeps them apart."""
        if not self._possible(clash.name) or not any(map(clash.matters, self._possible(clash.other))):
            return False
        needed = [*self._requirements(clash.name), *self._requirements(clash.other)]
        for parent, allowed in needed:
            values = [value for value in allowed if value is not None]
            if parent == clash.name and not values:
                return False
            if parent == clash.other and not any(map(clash.matters, values)):
                return False
        return all(
            any(same_value(value, other_value) for value in allowed for other_value in others)
            for (parent, allowed), (other, others) in itertools.combinations(needed, 2)
            if parent == other
        )

    def _possible(self, name: str) -> tuple[Scalar, ...]:
        """Return the values that a parameter can have; of a range, only the bounds. Empty if it is always unset."""
        match self._dimensions.get(name):
            case None:
                return (self._fixed[name],) if name in self._fixed else ()
            case Categorical(choices):
                return tuple(choice for choice in choices if choice is not None)
            case Float(low, high) | Int(low, high):
                return (low, high)

    def _requirements(self, name: str) -> list[tuple[str, tuple[Scalar | None, ...]]]:
        """Return (other parameter, its allowed values) for each condition that must hold for this one to be set."""
        dimension = self._dimensions.get(name)
        when = {} if dimension is None else dimension.when or {}
        further = [self._requirements(parent) for parent, values in when.items() if None not in values]
        return [*when.items(), *itertools.chain.from_iterable(further)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in {**self._dimensions, **self._fixed}.items()]
        return f"SearchSpace({', '.join(parts)})"


def _active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    conditions = (dimension.when or {}).items()
    return all(any(same_value(values.get(parent), value) for value in allowed) for parent, allowed in conditions)


def _checked_condition(
    name: str, when: Condition | None, dimensions: Mapping[str, Dimension], fixed: Mapping[str, Any]
) -> Condition | None:
    """Return the condition with a tuple of values per parent. Raise if it can never be met."""
    if when is None:
        return None
    if not isinstance(when, Mapping):
        raise ParameterError(f"`{name}`: when must name parameters and their values, got {when!r}")
    parents = [other for other in (*dimensions, *fixed) if other != name]
    checked: dict[str, tuple[Scalar | None, ...]] = {}
    for parent, given in when.items():
        if parent not in parents:
            raise ParameterError(f"`{name}.when`: {unknown_name('parameter of this space', parent, parents)}")
        values = tuple(given) if isinstance(given, list | tuple) else (given,)
        if not values:
            raise ParameterError(f"`{name}.when`: `{parent}` needs at least one value, got {given!r}")
        try:
            checked[parent] = tuple(None if value is None else check_parameter(parent, value) for value in values)
        except ParameterError as error:
            raise ParameterError(f"`{name}.when`: {error}") from error
        searched = dimensions.get(parent)
        if isinstance(searched, Float) and searched.step is None and set(checked[parent]) != {None}:
            raise ParameterError(f"`{name}.when`: `{parent}` is continuous: give it a step or choices")
        is_conditional = searched is not None and searched.when is not None
        for value in checked[parent]:
            if value is None and is_conditional:
                continue  # unset if its own condition does not hold
            if not (same_value(fixed[parent], value) if searched is None else contains(searched, value)):
                raise ParameterError(f"`{name}.when`: `{parent}` can never be {value!r} in this space")
    return checked
