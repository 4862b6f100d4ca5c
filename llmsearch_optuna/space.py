"""What a search may choose: a declarative, immutable space over the generation parameters, and presets."""

import itertools
import json
import math
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any, Self

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from llmsearch_optuna.errors import ParameterError, unknown_name
from llmsearch_optuna.params import PARAMETER_TYPES, GenerationParams, check_parameter

__all__ = ["Categorical", "Condition", "Dimension", "Float", "Int", "SearchSpace", "preset_names", "presets"]

Condition = Mapping[str, Any]
"""Parameter -> the value, or the tuple of values, that it must have for a dimension to be active."""

Scalar = bool | int | float


@dataclass(frozen=True)
class Float:
    """A real parameter between two bounds, both included.

    Attributes:
        low: Lower bound.
        high: Upper bound.
        log: Sample on a logarithmic scale.
        step: Grid from `low` in steps of this size; the last step must hit `high`.
        when: Sample only where other parameters have these values; unset otherwise.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    when: Condition | None = field(default=None, kw_only=True)

    def distribution(self) -> BaseDistribution:
        """The Optuna distribution."""
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True)
class Int:
    """An integer parameter between two bounds, both included; see `Float` for the attributes."""

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)
    when: Condition | None = field(default=None, kw_only=True)

    def distribution(self) -> BaseDistribution:
        """The Optuna distribution."""
        return IntDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True)
class Categorical:
    """One of several values; ``None`` among them stands for unset.

    Attributes:
        choices: The values.
        when: Sample only where other parameters have these values; unset otherwise.
    """

    choices: Sequence[Scalar | None]
    when: Condition | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))

    def distribution(self) -> BaseDistribution:
        """The Optuna distribution."""
        return CategoricalDistribution(self.choices)


Dimension = Float | Int | Categorical

_KEYS = {
    Float: ("low", "high", "log", "step", "when"),
    Int: ("low", "high", "log", "step", "when"),
    Categorical: ("choices", "when"),
}


class SearchSpace:
    """The parameters that a search chooses, and those it holds fixed.

    ``SearchSpace(temperature=Float(0.1, 1.5), top_k=Int(1, 100, log=True), max_new_tokens=64)``: dimensions are
    searched, plain values are fixed, everything else is unset. Every bound and choice is checked against the parameter's
    rule at once, so a bad space is refused before any model is loaded.

    Raises:
        ParameterError: A name is unknown, a bound breaks a rule, or a condition cannot be met.
    """

    __slots__ = ("_dimensions", "_fixed", "_order")

    def __init__(self, **parameters: Dimension | Scalar) -> None:
        self._dimensions: Mapping[str, Dimension] = MappingProxyType(
            {name: value for name, value in parameters.items() if isinstance(value, Float | Int | Categorical)}
        )
        self._fixed: Mapping[str, Scalar] = MappingProxyType(
            {
                name: check_parameter(name, value)
                for name, value in parameters.items()
                if not isinstance(value, Float | Int | Categorical)
            }
        )
        for name, dimension in self._dimensions.items():
            _check_dimension(name, dimension)
        self._order = self._condition_order()

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """The parameters that are searched, by name."""
        return self._dimensions

    @property
    def fixed(self) -> Mapping[str, Scalar]:
        """The parameters that are held fixed, by name."""
        return self._fixed

    @classmethod
    def default(cls, *, max_new_tokens: int = 128, generation_seeds: Sequence[int] = (0, 1, 2, 3)) -> Self:
        """Temperature, top_p, top_k, tfs, top_a and the seed. Every cut's range includes (nearly) no cut.

        The seed is categorical with few choices, so that trials share noise and compare well.
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
        """Builds a space from a TOML or JSON table.

        ``temperature = {low = 0.1, high = 1.5}``, ``top_k = {low = 1, high = 100, log = true}``,
        ``generation_seed = {choices = [0, 1]}``, ``top_p = {low = 0.5, high = 1.0, when = {do_sample = true}}``;
        a plain value is fixed.

        Raises:
            ParameterError: A name, key or value is wrong.
        """
        return cls(**{name: _dimension_from_table(name, value) for name, value in table.items()})

    def to_dict(self) -> dict[str, Any]:
        """The inverse of `from_dict`, with every key given."""
        table: dict[str, Any] = dict(self._fixed)
        for name, dimension in self._dimensions.items():
            entry = {key: getattr(dimension, key) for key in _KEYS[type(dimension)]}
            entry = {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}
            if entry["when"] is None:
                del entry["when"]
            else:
                entry["when"] = {parent: list(_allowed(value)) for parent, value in entry["when"].items()}
            table[name] = entry
        return table

    def suggest(self, trial: optuna.trial.BaseTrial) -> GenerationParams:
        """Samples the parameters of one trial; parents before the dimensions that depend on them."""
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
        """The Optuna parameters for which `suggest` gives exactly `params`; ``None`` where the space lacks them."""
        wanted = params.to_dict()
        values: dict[str, Any] = dict(self._fixed)
        chosen: dict[str, Any] = {}
        for name in self._order:
            dimension = self._dimensions[name]
            if not _active(dimension, values):
                continue
            value = wanted.get(name)
            if not _contains(dimension, value):
                return None
            values[name] = chosen[name] = value
        return chosen if GenerationParams.from_dict(values) == params else None

    def longest_completion(self) -> int:
        """The greatest `max_new_tokens` that the space can give."""
        dimension = self._dimensions.get("max_new_tokens")
        if dimension is None:
            return GenerationParams.from_dict(self._fixed).max_new_tokens
        if isinstance(dimension, Categorical):
            default = GenerationParams().max_new_tokens
            return max(int(default if choice is None else choice) for choice in dimension.choices)
        return int(dimension.high)

    def grid(self) -> dict[str, list[CategoricalChoiceType]]:
        """Every value of every dimension, for a grid search.

        Raises:
            ParameterError: A dimension is continuous or conditional.
        """
        return {name: _grid_values(name, dimension) for name, dimension in self._dimensions.items()}

    def _condition_order(self) -> tuple[str, ...]:
        order: list[str] = []
        waiting = dict(self._dimensions)
        for name, dimension in waiting.items():
            for parent, values in (dimension.when or {}).items():
                self._check_condition(name, parent, values)
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

    def _check_condition(self, name: str, parent: str, values: Any) -> None:
        known = [other for other in (*self._dimensions, *self._fixed) if other != name]
        if parent not in known:
            raise ParameterError(f"`{name}.when`: {unknown_name('parameter of this space', parent, known)}")
        for value in _allowed(values):
            if parent in self._fixed:
                possible = self._fixed[parent] == value
            else:
                possible = _contains(self._dimensions[parent], value)
            if not possible:
                raise ParameterError(f"`{name}.when`: `{parent}` can never be {value!r} in this space")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in {**self._dimensions, **self._fixed}.items()]
        return f"SearchSpace({', '.join(parts)})"


def _allowed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    return all(values.get(parent) in _allowed(allowed) for parent, allowed in (dimension.when or {}).items())


def _contains(dimension: Dimension, value: Any) -> bool:
    if isinstance(dimension, Categorical):
        return value in dimension.choices
    if value is None or not dimension.low <= value <= dimension.high:
        return False
    steps = (value - dimension.low) / dimension.step if dimension.step and not dimension.log else 0.0
    return math.isclose(steps, round(steps), abs_tol=1e-9)


def _check_dimension(name: str, dimension: Dimension) -> None:
    values = dimension.choices if isinstance(dimension, Categorical) else (dimension.low, dimension.high)
    for value in values:
        if value is not None:
            check_parameter(name, value)
    kind = PARAMETER_TYPES[name]
    if (isinstance(dimension, Int) and kind is not int) or (isinstance(dimension, Float) and kind is not float):
        wanted = {int: "Int", float: "Float", bool: "Categorical"}[kind]
        raise ParameterError(f"`{name}` must be searched with {wanted}, got {dimension!r}")
    if isinstance(dimension, Int | Float) and dimension.low > dimension.high:
        raise ParameterError(f"`{name}`: low must not exceed high, got {dimension.low} and {dimension.high}")
    with warnings.catch_warnings():
        # Optuna warns and lowers `high` when the steps miss it.
        warnings.simplefilter("error")
        try:
            dimension.distribution()
        except (ValueError, UserWarning) as error:
            raise ParameterError(f"`{name}`: {' '.join(str(error).split())}") from error


def _dimension_from_table(name: str, value: Any) -> Dimension | Scalar:
    if not isinstance(value, Mapping):
        return check_parameter(name, value)
    if name not in PARAMETER_TYPES:
        raise ParameterError(unknown_name("generation parameter", name, PARAMETER_TYPES))
    number: type[Dimension] = Int if PARAMETER_TYPES[name] is int else Float
    kind: type[Dimension] = Categorical if "choices" in value else number
    for key in value:
        if key not in _KEYS[kind]:
            raise ParameterError(f"`{name}`: {unknown_name('key', key, (*_KEYS[kind], 'choices'))}")
    missing = [key for key in _KEYS[kind][:2] if key not in value and key != "when"]
    if missing:
        raise ParameterError(f"`{name}` needs {' and '.join(missing)} (or choices = [...], or one fixed value)")
    return kind(**value)


def _grid_values(name: str, dimension: Dimension) -> list[CategoricalChoiceType]:
    if dimension.when is not None:
        raise ParameterError(f"`{name}` has a condition, which a grid search cannot follow: use another sampler")
    match dimension:
        case Categorical(choices):
            return list(choices)
        case Int(low, high) if not dimension.log:
            return list(range(low, high + 1, dimension.step))
        case Float(low, high) if dimension.step is not None:
            count = round((high - low) / dimension.step)
            return [low + index * dimension.step for index in range(count + 1)]
        case _:
            raise ParameterError(f"`{name}` is continuous, which a grid search cannot list: give it a step or choices")


def preset_names() -> tuple[str, ...]:
    """The names that `presets` knows."""
    return tuple(_preset_tables())


def presets(name: str, *, max_new_tokens: int = 128, generation_seed: int = 0) -> list[GenerationParams]:
    """The points of a named list, to be tried as first trials.

    Args:
        name: ``"strategies"``, a grid per decoding strategy, or ``"arena"``, the winners of the preset arena
            (Oobabooga 2023); both as llmsearch 0.1.0 ships them, see ``presets.toml`` for what is left out.
        max_new_tokens: Length limit of every point.
        generation_seed: Seed of every point.

    Raises:
        ParameterError: The name is unknown.
    """
    tables = _preset_tables()
    if name not in tables:
        raise ParameterError(unknown_name("preset list", name, tables))
    shared = {"max_new_tokens": max_new_tokens, "generation_seed": generation_seed}
    return [
        GenerationParams.from_dict({**shared, **dict(zip(table, point, strict=True))})
        for table in tables[name]
        for point in itertools.product(*(_allowed(values) for values in table.values()))
    ]


def _preset_tables() -> dict[str, list[dict[str, Any]]]:
    text = resources.files("llmsearch_optuna").joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
