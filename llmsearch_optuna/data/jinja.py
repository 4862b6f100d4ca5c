"""Templates in the syntax of Jinja2, filled with the columns of a row."""

import difflib
import json
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llmsearch_optuna.data.values import as_text, can_be_written, is_missing
from llmsearch_optuna.errors import TaskError

__all__ = ["JinjaTemplate"]

_ROW = "row"


@dataclass(frozen=True)
class JinjaTemplate:
    """A Jinja2 template over the columns of a row.

    Columns are variables. ``row`` is the mapping of all columns, for names that are no variables: ``row['a b']``. The
    template is rendered in a sandbox. As in chat templates, a block tag takes the white space before it and the line
    end after it (`lstrip_blocks`, `trim_blocks`). The line end at the end of the template is kept. Undefined names are
    errors. There is no randomness, so that a row always gives the same prompt. ``tojson`` escapes nothing for HTML.

    Attributes:
        text: The template.

    Raises:
        TaskError: The template has a syntax error; the message has the line.
    """

    text: str
    tree: nodes.Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "tree", _ENVIRONMENT.parse(self.text))
            _ENVIRONMENT.from_string(self.text)  # finds filters and tests that do not exist
        except TemplateSyntaxError as error:
            raise TaskError(f"the Jinja template cannot be read: line {error.lineno}: {error.message}") from error

    def check(self, columns: Collection[str], others: Collection[str]) -> set[str]:
        """Return the columns that the template uses; see `Template`."""
        functions = {variable.name for variable in self.tree.find_all(nodes.Name)} & set(_ENVIRONMENT.globals)
        names = meta.find_undeclared_variables(self.tree) | (functions & set(columns))
        if _ROW in names and _ROW not in columns:
            items = [name for item in self.tree.find_all(nodes.Getitem) if (name := _item_of_row(item)) is not None]
            uses = sum(variable.name == _ROW for variable in self.tree.find_all(nodes.Name))
            names = names - {_ROW} | {*items, *(columns if uses > len(items) else ())}
        for name in sorted(names):
            if name not in columns:
                raise TaskError(_unknown(name, columns, others))
        return names

    def fill(self, columns: Collection[str], row: Mapping[str, Any]) -> str:
        """Return the template with the values of a row; see `Template`."""
        values = {column: row[column] for column in columns}
        return _ENVIRONMENT.from_string(self.text).render({_ROW: values, **values})

    def blanks(self, columns: Collection[str], row: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return no columns, as a template may test for empty values itself."""
        return []

    def advice(self, column: str) -> str:
        """Return how to write a column; see `Template`."""
        return f"{{{{ {column if column.isidentifier() else f'{_ROW}[{column!r}]'} }}}}"


def _item_of_row(item: nodes.Getitem) -> str | None:
    """Return the column that ``row[...]`` names, if it is a constant."""
    is_row = isinstance(item.node, nodes.Name) and item.node.name == _ROW
    return item.arg.value if is_row and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str) else None


def _printed(value: object) -> object:
    """Return what is written for the value of an expression.

    Raises:
        TaskError: The value is missing, or would be written as Python code.
    """
    if isinstance(value, StrictUndefined):
        return value  # raises its own error when it is written
    if is_missing(value):
        raise TaskError("a value of the Jinja template is missing, but the prompt needs one: test it with {% if %}")
    if not can_be_written(value):
        raise TaskError(
            f"the Jinja template writes a {type(value).__name__} ({reprlib.repr(value)}), which would be Python code: "
            "loop over it, name a part of it, or add a filter, e.g. | join(', ') or | tojson"
        )
    return as_text(value)


def _unknown(name: str, columns: Collection[str], others: Collection[str]) -> str:
    message = f"the Jinja template names `{name}`, which is not among input_cols ({', '.join(columns)})"
    near = difflib.get_close_matches(name, columns, n=1)
    return f"{message}: did you mean `{near[0]}`?" if near and name not in others else message


def _to_json(value: object, indent: int | None = None) -> str:
    """Return JSON without the escapes for HTML that Jinja's own filter adds."""
    return json.dumps(as_text(value), ensure_ascii=False, indent=indent)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printed,
        extensions=["jinja2.ext.loopcontrols"],
    )
    del environment.filters["random"], environment.globals["lipsum"]
    environment.filters["tojson"] = _to_json
    return environment


_ENVIRONMENT = _environment()
