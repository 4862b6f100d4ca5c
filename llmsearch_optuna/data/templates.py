"""Templates in the syntax of ``str.format``, filled with the columns of a row."""

import difflib
import re
import reprlib
import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from llmsearch_optuna.data.values import as_text, can_be_written, is_missing
from llmsearch_optuna.errors import TaskError

__all__ = ["FormatTemplate", "Template"]

_BRACES = "(write {{ and }} for braces)"
_FORMATTER = string.Formatter()
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Template(Protocol):
    """A template over the columns of a row."""

    def check(self, columns: Collection[str], others: Collection[str]) -> set[str]:
        """Validate the template, and return the columns that it uses.

        Args:
            columns: The columns that it may use.
            others: Columns of the reference.

        Raises:
            TaskError: The template names something that is not in `columns`.
        """

    def fill(self, columns: Collection[str], row: Mapping[str, Any]) -> str:
        """Return the template with the values of a row.

        Raises:
            TaskError: A value is missing, or would be written as Python code.
            Exception: A format specification or an expression does not fit a value.
        """

    def blanks(self, columns: Collection[str], row: Mapping[str, Any]) -> list[str]:
        """Return what is empty in a row and leaves a hole in the prompt."""

    def advice(self, column: str) -> str:
        """Return how to write a column in the template."""


class _Field(NamedTuple):
    """A piece of a template.

    Attributes:
        literal: The text before the field.
        column: The column of the field; None after the last field.
        expression: The column, with the attributes and indices after it.
        conversion: ``"r"``, ``"s"`` or ``"a"``, if there is one.
        spec: The format specification.
    """

    literal: str
    column: str | None
    expression: str
    conversion: str | None
    spec: str


@dataclass(frozen=True)
class FormatTemplate:
    """A `Template` in the syntax of ``str.format``. A name such as ``a.b`` is a column if it is among the columns."""

    text: str

    def check(self, columns: Collection[str], others: Collection[str]) -> set[str]:
        """See `Template`. The error is also raised if the template cannot be read."""
        used = set()
        for field in self._fields(columns):
            if field.column is not None:
                if field.column not in columns:
                    raise TaskError(_unknown(field.column, columns, others))
                used |= {field.column, *FormatTemplate(field.spec).check(columns, others)}
        return used

    def fill(self, columns: Collection[str], row: Mapping[str, Any]) -> str:
        """See `Template`. With a conversion such as ``{x!r}``, any value may be written."""
        texts = []
        for field in self._fields(columns):
            texts.append(field.literal)
            if field.column is not None:
                value = _value(field, row)
                _check_value(field, value)
                converted = _FORMATTER.convert_field(value, field.conversion)
                texts.append(_formatted(converted, FormatTemplate(field.spec).fill(columns, row)))
        return "".join(texts)

    def blanks(self, columns: Collection[str], row: Mapping[str, Any]) -> list[str]:
        """Return the columns, or parts of columns, that are strings without a visible character."""
        values = {field.expression: _value(field, row) for field in self._fields(columns) if field.column is not None}
        return [expression for expression, value in values.items() if isinstance(value, str) and not value.strip()]

    def advice(self, column: str) -> str:
        """See `Template`."""
        is_doubled = re.search(rf"{{{{\s*{re.escape(column)}\s*}}}}", self.text)
        return f"{{{column}}} in single braces (double ones are for Jinja)" if is_doubled else f"{{{column}}}"

    def _fields(self, columns: Collection[str]) -> Iterator[_Field]:
        try:
            parsed = list(_FORMATTER.parse(self.text))
        except ValueError as error:
            raise TaskError(f"the template cannot be read: {error} {_BRACES}") from error
        for literal, name, spec, conversion in parsed:
            if name is None:
                yield _Field(literal, None, "", None, "")
                continue
            whole = "".join((name, f"!{conversion}" if conversion else "", f":{spec}" if spec else ""))
            if whole in columns:
                yield _Field(literal, whole, whole, None, "")
            else:
                column = name if name in columns else name.split(".")[0].split("[")[0]
                yield _Field(literal, column, name, conversion, spec or "")


def _value(field: _Field, row: Mapping[str, Any]) -> Any:
    value = row[str(field.column)]
    if field.expression == field.column or is_missing(value):
        return value
    try:
        return _FORMATTER.get_field(field.expression, (), row)[0]
    except AttributeError as error:
        part = re.sub(r"\.(\w+)", r"[\1]", field.expression)
        raise TaskError(f"`{field.expression}` cannot be read ({error}): a part of a mapping is {{{part}}}") from error


def _formatted(value: Any, spec: str) -> str:
    """Format a value. A string that is a number, as of a CSV file, also takes the formats of numbers."""
    if not spec:
        return format(as_text(value), "")
    try:
        return format(value, spec)
    except ValueError:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise
        return format(float(value) if set(value) & set(".eE") else int(value), spec)


def _check_value(field: _Field, value: object) -> None:
    name = f"`{field.expression}`"
    if is_missing(value):
        raise TaskError(f"{name} has no value, but the prompt needs one: fill it in, or leave the row out")
    if field.conversion is None and not can_be_written(value):
        kind = {"dict": "mapping"}.get(type(value).__name__, type(value).__name__)
        raise TaskError(
            f"{name} is a {kind} ({reprlib.repr(value)}), which would be written as Python code: name a part of it, "
            "e.g. {x[0]} or {x[key]}, or make it a string"
        )


def _unknown(name: str, columns: Collection[str], others: Collection[str]) -> str:
    message = f"the template names `{{{name}}}`, which is not among input_cols ({', '.join(columns)})"
    if name in others:
        return message
    alike = [column for column in columns if column.strip().casefold() == name.strip().casefold()]
    near = alike or difflib.get_close_matches(name, columns, n=1)
    return f"{message}: did you mean {{{near[0]}}}?" if near else f"{message} {_BRACES}"
