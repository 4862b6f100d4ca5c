"""Values as they are written: numbers that no column type rewrites, missing values, parts of nested values."""

import datetime as dt
import logging
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Number
from typing import Any, Self

import numpy as np

from llmsearch_optuna.errors import TaskError

__all__ = [
    "WrittenFloat",
    "are_integers",
    "as_text",
    "can_be_written",
    "find_parts",
    "is_missing",
    "keep_numbers",
    "python_value",
]

_LOG = logging.getLogger(__name__)

_KINDS: Sequence[tuple[str, type | tuple[type, ...]]] = (
    ("a boolean", bool),
    ("a number", (int, float, Decimal)),
    ("a string", str),
    ("a list", (list, tuple)),
    ("a mapping", Mapping),
)


class WrittenFloat(float):
    """A float with its text in the JSON file, which is written wherever the number is."""

    def __new__(cls, text: str) -> Self:
        """Convert the text of a number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        return self.text


def is_missing(value: object) -> bool:
    """Return whether a value is None, NaN, or pandas' NaT or NA."""
    if isinstance(value, Number):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NaTType", "NAType")


def can_be_written(value: object) -> bool:
    """Return whether a value can be written in a prompt as it is: a string, a number, a date, a time or a duration."""
    return isinstance(value, str | Number | dt.date | dt.time | dt.timedelta)


def find_parts(values: Sequence[Any], path: Sequence[str], rows: Sequence[int] | None = None) -> list[Any]:
    """Return the parts of nested values, e.g. ``["Anna"]`` at ``["text"]`` of SQuAD's ``{"text": ["Anna"], ...}``.

    A list gives the list of the parts of its items. A part that only other values have is None.

    Args:
        values: The values.
        path: The names of the parts, from the outermost to the innermost.
        rows: The rows of the values in error messages; by default their positions.

    Raises:
        TaskError: No value has such a part, or a value can have no parts.
    """
    given = zip(range(len(values)) if rows is None else rows, values, strict=True)
    present = [(row, value) for row, value in given if value is not None]
    if not path or not present:
        return list(values)
    if all(isinstance(value, list) for _, value in present):
        items = [(row, item) for row, value in present for item in value]
        parts = iter(find_parts([item for _, item in items], path, [row for row, _ in items]))
        return [None if value is None else [next(parts) for _ in value] for value in values]
    name, *rest = path
    if odd := [(row, value) for row, value in present if not isinstance(value, Mapping)]:
        where = f" in row {odd[0][0]}" if len(odd) < len(present) else ""
        raise TaskError(f"there is no part {name!r}{where}: it is {reprlib.repr(odd[0][1])}")
    if not any(name in value for _, value in present):
        names = dict.fromkeys(key for _, value in present for key in value)
        raise TaskError(f"there is no part {name!r}: it has {', '.join(names)}")
    return find_parts([None if value is None else value.get(name) for value in values], rest, rows)


def as_text(value: Any) -> Any:
    """Return decimal numbers as their digits and dates in ISO format, also in lists and mappings; others unchanged."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date | dt.time):
        return str(value)
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, Mapping):
        return {key: as_text(part) for key, part in value.items()}
    return value


def keep_numbers(columns: Mapping[str, Sequence[object]]) -> dict[str, list[Any]]:
    """Return columns whose numbers Arrow does not rewrite.

    Arrow has one type per column: 18 next to 2.5 would become 18.0, and 1.50 would become 1.5. The numbers of such a
    column become strings, as they are written, and a warning says so. The same applies to integers of more than 64
    bits and to decimals of several precisions. Columns of integers and other columns of floats keep their type. NaN
    becomes None. Lists are treated in the same way. Mappings, and lists of mappings, keep their numbers; see
    `data_column`.

    Raises:
        TaskError: A column has values of several types; the message names two rows.
    """
    return {name: _keep(f"column `{name}`", list(values), range(len(values))) for name, values in columns.items()}


def _keep(column: str, values: list[Any], rows: Sequence[int]) -> list[Any]:
    values = [python_value(value) for value in values]
    kinds: dict[str, tuple[int, object]] = {}
    for row, value in zip(rows, values, strict=True):
        if not is_missing(value):
            kinds.setdefault(_kind(value), (row, value))
    if len(kinds) > 1 and "" not in kinds:
        examples = " and ".join(f"{kind} in row {row} ({reprlib.repr(value)})" for kind, (row, value) in kinds.items())
        raise TaskError(f"{column} holds {examples}: give all of its values one type")
    kind = next(iter(kinds)) if len(kinds) == 1 else ""
    if kind == "a number":
        return _numbers(column, values, rows)
    if kind == "a mapping":
        return [_without_gaps(value) for value in values]
    values = [None if is_missing(value) else value for value in values]  # NaN, as pandas marks missing strings
    if kind == "a list":
        items = [(row, item) for row, value in zip(rows, values, strict=True) for item in value or ()]
        if not any(isinstance(item, Mapping) for _, item in items):  # chat messages, for example, stay as they are
            kept = iter(_keep(column, [item for _, item in items], [row for row, _ in items]))
            return [None if value is None else [next(kept) for _ in value] for value in values]
    return values


def _without_gaps(value: Any) -> Any:
    """Return a value with None for the missing parts of its mappings, and with scalars of Python."""
    if isinstance(value, Mapping):
        return {key: _without_gaps(part) for key, part in value.items()}
    if isinstance(value, list | tuple) and not any(isinstance(item, Mapping) for item in value):
        return [_without_gaps(item) for item in value]
    value = python_value(value)
    return None if is_missing(value) else value


def python_value(value: object) -> object:
    """Return a scalar of numpy or pandas as Python's own."""
    if isinstance(value, np.float16 | np.float32):
        return float(str(value))  # the shortest decimal fraction: 0.1, not 0.10000000149011612
    if isinstance(value, np.number | np.bool_ | np.str_):
        return value.item()
    return None if type(value).__name__ in ("NaTType", "NAType") else value


def _kind(value: object) -> str:
    return next((kind for kind, types in _KINDS if isinstance(value, types)), "")


def _numbers(column: str, values: list[Any], rows: Sequence[int]) -> list[Any]:
    present = [value for value in values if not is_missing(value)]
    floats = [value for value in present if isinstance(value, float)]
    decimals = [value for value in present if isinstance(value, Decimal)]
    has_nan = any(value is not None and is_missing(value) for value in values)
    as_written = decimals or any(isinstance(value, WrittenFloat) for value in floats)
    if has_nan and present and not as_written and are_integers(present):
        return [None if is_missing(value) else int(value) for value in values]
    if not floats and not decimals and all(-(2**63) <= value < 2**63 for value in present):
        return values
    if len(decimals) == len(present) and len({value.as_tuple().exponent for value in decimals}) <= 1:
        return [None if is_missing(value) else value for value in values]
    changed = [
        (row, value)
        for row, value in zip(rows, values, strict=True)
        if isinstance(value, WrittenFloat) and value.text != repr(float(value))
    ]
    if len(floats) == len(present) and not changed:
        return [None if is_missing(value) else float(value) for value in values]
    row, value = changed[0] if changed else next(pair for pair in zip(rows, values, strict=True) if pair[1] in present)
    _LOG.warning(
        "%s: its numbers are kept as strings, as they are written, because one type for all would change them (row %d: "
        "%s)",
        column,
        row,
        as_text(value),
    )
    return [None if is_missing(value) else str(as_text(value)) for value in values]


def are_integers(numbers: Iterable[float]) -> bool:
    """Return whether numbers are integers that a float can hold, as pandas stores integers with gaps."""
    return all(abs(number) <= 2**53 and number == int(number) for number in numbers)
