"""The dimensions of a search space: the bounds or choices of one parameter, checked against its rule."""

import dataclasses
import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from llmsearch_optuna.errors import ParameterError, unknown_name
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams, check_parameter, find_parameter
from llmsearch_optuna.space.settings import Setting, is_setting

__all__ = [
    "Categorical",
    "Condition",
    "Dimension",
    "Float",
    "Int",
    "Scalar",
    "check_dimension",
    "contains",
    "dimension_from_table",
    "grid_values",
    "same_value",
]

Condition = Mapping[str, Any]
"""Parameter -> the value, or the list or tuple of values, that it must have for a dimension to be active."""

Scalar = Setting


@dataclass(frozen=True)
class Float:
    """A real parameter between two bounds, both included.

    Attributes:
        low: Lower bound.
        high: Upper bound.
        log: Sample on a logarithmic scale.
        step: Grid from `low` in steps of this size; the last step must hit `high`.
        when: Sample only if other parameters have these values; otherwise the parameter is unset.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    when: Condition | None = field(default=None, kw_only=True)

    def distribution(self) -> BaseDistribution:
        """Return the Optuna distribution."""
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
        """Return the Optuna distribution."""
        return IntDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True)
class Categorical:
    """One of several values; None means unset.

    Attributes:
        choices: The values. None is not allowed for `max_new_tokens` and `generation_seed`, which are never unset.
        when: See `Float`.
    """

    choices: Sequence[Scalar | None]
    when: Condition | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.choices, Iterable) and not isinstance(self.choices, str | bytes):
            object.__setattr__(self, "choices", tuple(self.choices))

    def distribution(self) -> BaseDistribution:
        """Return the Optuna distribution."""
        return CategoricalDistribution(self.choices)


Dimension = Float | Int | Categorical


def same_value(value: Scalar | None, other: Scalar | None) -> bool:
    """Return whether two values of a parameter are equal, up to rounding errors."""
    # A point of a float grid and the same number written in decimals may differ in the last bits.
    if isinstance(value, Real) and isinstance(other, Real):
        return math.isclose(value, other, rel_tol=1e-12)
    return value == other


def contains(dimension: Dimension, value: Scalar | None) -> bool:
    """Return whether a dimension contains this value."""
    match dimension:
        case Categorical(choices):
            return value in choices
        case Int(low, high):
            return isinstance(value, int) and low <= value <= high and (value - low) % dimension.step == 0
        case Float(low, high):
            if not isinstance(value, Real) or not low <= value <= high:
                return False
            steps = (value - low) / dimension.step if dimension.step is not None else 0.0
            return abs(steps - round(steps)) < 1e-8


def check_dimension(name: str, dimension: Dimension) -> Dimension:
    """Return the dimension with bounds, step and choices converted to the parameter's type. `when` is not checked.

    Raises:
        ParameterError: The name is unknown, the class does not suit the parameter, a bound or choice breaks the
            parameter's rule, or bounds, step and `log` do not fit together.
    """
    kind = _type_of(name, dimension)
    checked: Dimension
    if isinstance(dimension, Categorical):
        if not isinstance(dimension.choices, tuple):
            raise ParameterError(f"`{name}`: choices must be a list of values, got {dimension.choices!r}")
        if None in dimension.choices and name in GenerationParams().to_dict():
            raise ParameterError(f"`{name}` is never unset: take None out of its choices")
        choices = tuple(None if choice is None else check_parameter(name, choice) for choice in dimension.choices)
        checked = Categorical(choices, when=dimension.when)
    else:
        required = {int: Int, float: Float, bool: Categorical}[kind]
        if type(dimension) is not required:
            raise ParameterError(f"`{name}` must be searched with {required.__name__}, got {dimension!r}")
        number: Any = Integral if kind is int else Real
        if is_setting(name) and not all(isinstance(bound, number) for bound in (dimension.low, dimension.high)):
            kinds = "integers" if kind is int else "numbers"
            raise ParameterError(
                f"`{name}`: low and high must be {kinds}, got {dimension.low!r} and {dimension.high!r}"
            )
        if not isinstance(dimension.log, bool):
            raise ParameterError(f"`{name}`: log must be true or false, got {dimension.log!r}")
        changes: dict[str, Any] = {key: check_parameter(name, getattr(dimension, key)) for key in ("low", "high")}
        if changes["low"] > changes["high"]:
            raise ParameterError(f"`{name}`: low must not exceed high, got {changes['low']} and {changes['high']}")
        step = dimension.step
        if step is not None or kind is int:
            if not isinstance(step, number) or isinstance(step, bool) or not 0 < step < math.inf:
                raise ParameterError(
                    f"`{name}`: step must be {'an integer' if kind is int else 'a finite number'} > 0, got {step!r}"
                )
            changes["step"] = kind(step)
        checked = dataclasses.replace(dimension, **changes)
    with warnings.catch_warnings():
        # If the steps miss `high`, Optuna only warns and lowers it.
        warnings.simplefilter("error")
        try:
            checked.distribution()
        except (ValueError, UserWarning) as error:
            raise ParameterError(f"`{name}`: {error}") from error
    return checked


def _type_of(name: str, dimension: Dimension) -> type:
    """Return the type of a parameter's values; of a setting, that of the dimension's."""
    if not is_setting(name):
        return find_parameter(name).type
    return {Int: int, Float: float, Categorical: bool}[type(dimension)]


_RANGE_KEYS = {
    **dict.fromkeys(("min", "minimum", "from", "start", "lower", "begin"), "low"),
    **dict.fromkeys(("max", "maximum", "to", "stop", "upper", "end"), "high"),
    **dict.fromkeys(("values", "options", "choice", "categories", "oneof", "one_of"), "choices"),
}
"""What other programs call the keys of a dimension."""


def dimension_from_table(name: str, value: Any) -> Any:
    """Convert a TOML value: a table to a dimension, anything else to a fixed value. Dimensions are returned unchanged.

    The bounds and choices of a table are not checked; see `check_dimension`.

    Raises:
        ParameterError: The name or a key is unknown, a key is missing, or a fixed value breaks its rule.
    """
    if name in PARAMETERS and PARAMETERS[name].type is tuple:
        if isinstance(value, Dimension | Mapping):
            raise ParameterError(f"`{name}` cannot be searched, only fixed: write one list of strings, got {value!r}")
        return check_parameter(name, value)
    if isinstance(value, Dimension):
        return value
    if isinstance(value, list | tuple | range | set | frozenset):
        try:
            return check_parameter(name, value)
        except ParameterError as error:
            if name not in PARAMETERS and not is_setting(name):
                raise
            raise ParameterError(f"{error}: {_hint(name, value)}") from None
    if not isinstance(value, Mapping):
        return check_parameter(name, value)
    has_integers = all(isinstance(value.get(key), int) for key in ("low", "high"))
    is_integer = has_integers if is_setting(name) else find_parameter(name).type is int
    kind: type[Dimension] = Categorical if "choices" in value else Int if is_integer else Float
    keys = [attribute.name for attribute in dataclasses.fields(kind)]
    for key in value:
        if str(key).lower() in _RANGE_KEYS and key not in keys:
            table = {_RANGE_KEYS.get(str(key).lower(), key): entry for key, entry in value.items()}
            values = table["choices"] if "choices" in table else (table.get("low"), table.get("high"))
            raise ParameterError(f"`{name}`: unknown key `{key}`: {_hint(name, values)}")
        if key not in keys:
            raise ParameterError(f"`{name}`: {unknown_name('key', key, (*keys, 'choices'))}")
    missing = [key for key in ("choices", "low", "high") if key in keys and key not in value]
    if missing:
        raise ParameterError(f"`{name}` needs {' and '.join(missing)} (or choices = [...], or one fixed value)")
    return kind(**value)


def _hint(name: str, values: Any) -> str:
    """Return how a range and choices are written, with the values that were given.

    Args:
        name: The name of the parameter.
        values: The choices, one choice, or two bounds. What are no numbers is replaced by an example.
    """
    if isinstance(values, set | frozenset):
        values = sorted(values, key=str)
    given = list(values) if isinstance(values, list | tuple | range) else [values]
    kind = bool if is_setting(name) else find_parameter(name).type
    numbers = [value for value in given if isinstance(value, Real) and not isinstance(value, bool)]
    choices = f"choices are written {{choices = {json.dumps(given, default=str)}}}"
    if kind is bool or (None in given and not numbers):
        return f"{choices} in a study file, Categorical({given!r}) in Python"
    low, high = (min(numbers), max(numbers)) if len(numbers) > 1 else (1, 100) if kind is int else (0.1, 1.2)
    python = f"{'Int' if kind is int else 'Float'}({low}, {high}) or Categorical([...]) in Python"
    return f"a range is written {{low = {low}, high = {high}}}, {choices} in a study file; {python}"


def grid_values(name: str, dimension: Dimension) -> Sequence[CategoricalChoiceType]:
    """Return every value of a dimension.

    Raises:
        ParameterError: The dimension is continuous, logarithmic or conditional.
    """
    if dimension.when is not None:
        raise ParameterError(f"`{name}` has a condition, which a grid search cannot follow: use another sampler")
    match dimension:
        case Categorical(choices):
            return list(choices)
        case Int(low, high) if not dimension.log:
            return range(low, high + 1, dimension.step)
        case Float(low, high) if dimension.step is not None:
            count = round((high - low) / dimension.step)
            return [min(low + index * dimension.step, high) for index in range(count + 1)]
        case Int():
            raise ParameterError(
                f"`{name}` is logarithmic, which a grid search cannot list: give it choices, or no log"
            )
        case _:
            raise ParameterError(f"`{name}` is continuous, which a grid search cannot list: give it a step or choices")
