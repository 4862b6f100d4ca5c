"""The fields of a JSON value: which break a schema, and which are as expected."""

from collections.abc import Iterator
from typing import Any

from llmsearch_optuna.metrics.json_values import canonical

__all__ = ["share_of_fields", "top_faults"]

_WHOLE = None
"""The field that stands for what breaks a schema, but is not within a field at the top."""

_MISSING = object()

_Path = tuple[str, ...]


def share_of_fields(validator: Any, value: Any, expected: Any | None = None) -> float:
    """Return the share of a JSON value's fields that are right; 1 if and only if it is valid and as expected.

    Args:
        validator: The schema's validator; see `make_validator`.
        value: The JSON value.
        expected: The expected value; None to count the fields that the schema requires at its top.
    """
    faults = top_faults(validator, value)
    if expected is None:
        required = validator.schema.get("required", ())
        names = required if isinstance(required, list) else ()
        faults |= {name for name in names if not isinstance(value, dict) or name not in value}
        fields = {*names, *faults}
        return 1.0 - len(faults) / len(fields) if fields else 1.0
    is_right = {path: _is_at(value, path, part) for path, part in _leaves(expected)}
    # A field that breaks the schema, although what is expected of it is right, has something else that is wrong.
    others = [name for name in faults if all(is_right[path] for path in is_right if path[:1] in ((), (name,)))]
    return sum(is_right.values()) / (len(is_right) + len(others))


def top_faults(validator: Any, value: Any) -> set[str | int | None]:
    """Return the fields at the top of a JSON value that are missing or break a schema, and `_WHOLE` for the rest."""
    faults: set[str | int | None] = set()
    for error in validator.iter_errors(value):
        if error.absolute_path:
            faults.add(error.absolute_path[0])
        elif error.validator == "required" and isinstance(error.validator_value, list):
            faults.update(name for name in error.validator_value if name not in value)
        else:
            faults.add(_WHOLE)
    return faults


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Yield the ends of nested objects with their paths. An empty object is an end."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for name, part in value.items():
        yield from _leaves(part, (*path, name))


def _is_at(value: Any, path: _Path, expected: Any) -> bool:
    for name in path:
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value is not _MISSING and canonical(value) == canonical(expected)
