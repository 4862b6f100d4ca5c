"""Settings of prompts and requests that a search may choose beside the generation parameters.

``template.NAME`` is an argument of the chat template, such as ``template.enable_thinking``. ``body.NAME`` is a field of
a server's request, such as ``body.reasoning_effort``. Their values are known to the template or the server only.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from llmsearch_optuna.errors import ParameterError

__all__ = ["BODY", "TEMPLATE", "Setting", "check_setting", "flat_names", "is_setting", "settings_in"]

TEMPLATE = "template."
"""What the name of an argument of the chat template begins with."""

BODY = "body."
"""What the name of a field of a server's request begins with."""

Setting = bool | int | float | str
"""The value of a setting."""

# What the package itself writes to requests. `model` is not among them: it may be searched.
_RESERVED = ("messages", "prompt", "stream", "n", "seed", "stop", "max_tokens", "max_completion_tokens")


def is_setting(name: str) -> bool:
    """Return whether a name is that of a setting."""
    return name.startswith((TEMPLATE, BODY))


def check_setting(name: str, value: object) -> Setting:
    """Check the value of a setting, and return it.

    Raises:
        ParameterError: The name is empty or reserved, or the value is no string, finite number or bool.
    """
    bare = name.partition(".")[2]
    if not bare or (name.startswith(BODY) and bare in _RESERVED):
        raise ParameterError(f"`{name}` cannot be set in the space: the package sets it, or it has no name")
    if not isinstance(value, Setting) or (isinstance(value, float) and not math.isfinite(value)):
        raise ParameterError(f"`{name}` must be a string, a finite number, true or false, got {value!r}")
    return value


def flat_names(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values, with the entries of the tables ``template`` and ``body`` under their full names.

    Raises:
        ParameterError: One of the two is no table.
    """
    for name, value in parameters.items():
        if f"{name}." not in (TEMPLATE, BODY):
            yield name, value
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{key}", entry) for key, entry in value.items())
        else:
            raise ParameterError(
                f"`{name}` must be a table, as in `{name}.NAME = {{ choices = [...] }}`, got {value!r}"
            )


def settings_in(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the settings with a prefix, under their bare names."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
