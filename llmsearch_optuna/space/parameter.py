"""One generation parameter: its type, rule, meaning and place in decoding."""

import dataclasses
import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.rules import Rule

__all__ = ["Parameter", "Stage", "Value", "parameter"]

Stage = Literal["temperature", "cut", "exclusion", "penalty", "noise", "beams"]
"""A part of decoding. A cut removes the least probable tokens, as `top_p` does; an exclusion the most probable ones."""
Value = bool | int | float | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One generation parameter: a row of `PARAMETERS`.

    Attributes:
        name: The name, also in study files.
        type: The Python type of a value.
        rule: The valid values.
        description: The meaning.
        default: The default of a parameter that is always set; None for the others, which are unset by default.
        off: The value that has no effect; None if every value has an effect.
        stage: The part of decoding that it belongs to; None if it belongs to none of them. Setting a parameter of the
            stages "temperature", "cut" and "exclusion" turns sampling on.
        requires: The name of another parameter without which this one has no effect; None if there is none.
        in_transformers: Whether ``transformers`` has it under the same name and with the same meaning.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[tuple[str, ...]]
    rule: Rule
    description: str
    default: Value | None
    off: Any = None
    stage: Stage | None = None
    requires: str | None = None
    in_transformers: bool = True

    def check(self, value: object) -> Value:
        """Check a value and convert it to the parameter's Python type.

        Args:
            value: Any number (also of NumPy), bool, or list of strings. A list becomes a sorted tuple.

        Raises:
            ParameterError: The value is of the wrong type, not finite or out of range.
        """
        name, rule = self.name, self.rule
        checked: Any = value
        if self.type is int:
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise ParameterError(f"`{name}` must be an integer {rule.text}, got {value!r}")
            checked = int(value)
        elif self.type is float:
            if not isinstance(value, Real) or isinstance(value, bool):
                raise ParameterError(f"`{name}` must be a number {rule.text}, got {value!r}")
            try:
                checked = float(value)
            except OverflowError:  # an integer beyond the range of floats
                checked = math.inf
            if not math.isfinite(checked):
                raise ParameterError(f"`{name}` must be a finite number {rule.text}, got {value!r}")
        elif self.type is tuple:
            if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
                raise ParameterError(f"`{name}` must be {rule.text}, got {value!r}")
            checked = tuple(sorted(set(value)))
        if not rule.holds(checked):
            raise ParameterError(f"`{name}` must be {rule.text}, got {value!r}")
        return checked  # type: ignore[no-any-return]


def parameter(rule: Rule, description: str, *, default: Value | None = None, **attributes: Any) -> Any:
    """Return a dataclass field with this default and, as its metadata, the attributes of a `Parameter`."""
    return dataclasses.field(default=default, metadata={"rule": rule, "description": description, **attributes})
