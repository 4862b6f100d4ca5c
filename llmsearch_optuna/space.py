"""What a search may choose: a declarative, immutable space over the generation parameters."""

import dataclasses
import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
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

__all__ = ["Categorical", "Condition", "Dimension", "Float", "Int", "SearchSpace"]

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
        choices: The values; `max_new_tokens` and `generation_seed` are never unset.
        when: Sample only where other parameters have these values; unset otherwise.
    """

    choices: Sequence[Scalar | None]
    when: Condition | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.choices, Iterable) and not isinstance(self.choices, str | bytes):
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
    searched, plain values are fixed, everything else is unset. Every bound and choice is checked at once, so a bad
    space is refused before any model is loaded. The space keeps its own copy of them, each in its parameter's type.

    Raises:
        ParameterError: A name is unknown, a bound breaks a rule, or a condition cannot be met.
    """

    __slots__ = ("_dimensions", "_fixed", "_order")

    def __init__(self, **parameters: Dimension | Scalar) -> None:
        dimensions: dict[str, Dimension] = {}
        fixed: dict[str, Scalar] = {}
        for name, value in parameters.items():
            if isinstance(value, Float | Int | Categorical):
                dimensions[name] = _checked_dimension(name, value)
            else:
                fixed[name] = check_parameter(name, value)
        self._fixed: Mapping[str, Scalar] = MappingProxyType(fixed)
        self._dimensions: Mapping[str, Dimension] = MappingProxyType(
            {
                name: dataclasses.replace(value, when=_checked_condition(name, value.when, dimensions, fixed))
                for name, value in dimensions.items()
            }
        )
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
                entry["when"] = {parent: list(values) for parent, values in entry["when"].items()}
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
        unset = GenerationParams.from_dict(self._fixed).max_new_tokens
        dimension = self._dimensions.get("max_new_tokens")
        if dimension is None:
            return unset
        values = dimension.choices if isinstance(dimension, Categorical) else (dimension.high,)
        longest = max(int(value) for value in values if value is not None)
        return longest if dimension.when is None else max(longest, unset)

    def first_seed(self) -> int:
        """The generation seed that is fixed, or the first that can be chosen."""
        dimension = self._dimensions.get("generation_seed")
        if dimension is None:
            return GenerationParams.from_dict(self._fixed).generation_seed
        return int((dimension.choices[0] or 0) if isinstance(dimension, Categorical) else dimension.low)

    def grid(self) -> dict[str, list[CategoricalChoiceType]]:
        """Every value of every dimension, for a grid search.

        Raises:
            ParameterError: A dimension is continuous or conditional.
        """
        return {name: _grid_values(name, dimension) for name, dimension in self._dimensions.items()}

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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in {**self._dimensions, **self._fixed}.items()]
        return f"SearchSpace({', '.join(parts)})"


def _active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    return all(
        any(_same(values.get(parent), value) for value in allowed) for parent, allowed in (dimension.when or {}).items()
    )


def _same(value: Scalar | None, other: Scalar | None) -> bool:
    # A step of a float grid and the same number written in decimals differ in the last bits.
    return value == other or (value is not None and other is not None and math.isclose(value, other, rel_tol=1e-12))


def _contains(dimension: Dimension, value: Scalar | None) -> bool:
    match dimension:
        case Categorical(choices):
            return value in choices
        case Int(low, high):
            return isinstance(value, int) and low <= value <= high and (value - low) % dimension.step == 0
        case Float(low, high):
            if value is None or not low <= value <= high:
                return False
            steps = (value - low) / dimension.step if dimension.step is not None else 0.0
            return abs(steps - round(steps)) < 1e-8


def _checked_dimension(name: str, dimension: Dimension) -> Dimension:
    """The dimension with every value in the parameter's own type."""
    if name not in PARAMETER_TYPES:
        raise ParameterError(unknown_name("generation parameter", name, PARAMETER_TYPES))
    kind = PARAMETER_TYPES[name]
    checked: Dimension
    if isinstance(dimension, Categorical):
        if not isinstance(dimension.choices, tuple):
            raise ParameterError(f"`{name}`: choices must be a list of values, got {dimension.choices!r}")
        if None in dimension.choices and name in GenerationParams().to_dict():
            raise ParameterError(f"`{name}` is never unset: take None out of its choices")
        choices = tuple(None if choice is None else check_parameter(name, choice) for choice in dimension.choices)
        checked = Categorical(choices, when=dimension.when)
    else:
        wanted = {int: Int, float: Float, bool: Categorical}[kind]
        if type(dimension) is not wanted:
            raise ParameterError(f"`{name}` must be searched with {wanted.__name__}, got {dimension!r}")
        if not isinstance(dimension.log, bool):
            raise ParameterError(f"`{name}`: log must be true or false, got {dimension.log!r}")
        bounds: dict[str, Any] = {key: check_parameter(name, getattr(dimension, key)) for key in ("low", "high")}
        if bounds["low"] > bounds["high"]:
            raise ParameterError(f"`{name}`: low must not exceed high, got {bounds['low']} and {bounds['high']}")
        checked = dataclasses.replace(dimension, **bounds, step=_checked_step(name, dimension))
    with warnings.catch_warnings():
        # Optuna warns and lowers `high` when the steps miss it.
        warnings.simplefilter("error")
        try:
            checked.distribution()
        except (ValueError, UserWarning) as error:
            raise ParameterError(f"`{name}`: {error}") from error
    return checked


def _checked_step(name: str, dimension: Int | Float) -> Any:
    number: Any = Integral if isinstance(dimension, Int) else Real
    step = dimension.step
    if step is None and isinstance(dimension, Float):
        return None
    if not isinstance(step, number) or isinstance(step, bool) or not 0 < step < math.inf:
        kind = "an integer" if isinstance(dimension, Int) else "a finite number"
        raise ParameterError(f"`{name}`: step must be {kind} > 0, got {step!r}")
    return int(step) if isinstance(dimension, Int) else float(step)


def _checked_condition(
    name: str, when: Condition | None, dimensions: Mapping[str, Dimension], fixed: Mapping[str, Scalar]
) -> Condition | None:
    """The condition with a tuple of values per parent; refuses one that can never be met."""
    if when is None:
        return None
    if not isinstance(when, Mapping):
        raise ParameterError(f"`{name}`: when must name parameters and their values, got {when!r}")
    known = [other for other in (*dimensions, *fixed) if other != name]
    checked: dict[str, tuple[Scalar | None, ...]] = {}
    for parent, given in when.items():
        if parent not in known:
            raise ParameterError(f"`{name}.when`: {unknown_name('parameter of this space', parent, known)}")
        values = tuple(given) if isinstance(given, list | tuple) else (given,)
        if not values:
            raise ParameterError(f"`{name}.when`: `{parent}` needs at least one value, got {given!r}")
        try:
            checked[parent] = tuple(None if value is None else check_parameter(parent, value) for value in values)
        except ParameterError as error:
            raise ParameterError(f"`{name}.when`: {error}") from error
        searched = dimensions.get(parent)
        if isinstance(searched, Float) and searched.step is None:
            raise ParameterError(f"`{name}.when`: `{parent}` is continuous: give it a step or choices")
        for value in checked[parent]:
            if not (_same(fixed[parent], value) if searched is None else _contains(searched, value)):
                raise ParameterError(f"`{name}.when`: `{parent}` can never be {value!r} in this space")
    return checked


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
            return [min(low + index * dimension.step, high) for index in range(count + 1)]
        case _:
            raise ParameterError(f"`{name}` is continuous, which a grid search cannot list: give it a step or choices")
