"""Google-style docstrings, in parts and as Markdown."""

import inspect
import re
import textwrap
from typing import NamedTuple

__all__ = ["Docstring", "as_markdown", "field_meanings", "item", "one_line", "parse"]

_WIDTH = 120

_HEADINGS = ("Args", "Attributes", "Returns", "Yields", "Raises")
_HEADING = re.compile(rf"^({'|'.join(_HEADINGS)}):\n", re.MULTILINE)
_ENTRY = re.compile(r"(\*{0,2}\w[\w,. *\n]*): (.*)", re.DOTALL)


class Docstring(NamedTuple):
    """A docstring in parts.

    Attributes:
        summary: The first sentence or paragraph.
        details: The paragraphs after it.
        entries: Heading -> names -> meaning, for ``Args``, ``Attributes`` and ``Raises``.
        sections: Heading -> text, of all sections.
    """

    summary: str
    details: str
    entries: dict[str, dict[str, str]]
    sections: dict[str, str]


def parse(thing: object) -> Docstring:
    """Return the docstring of a class, a function or a property, in parts."""
    head, *rest = _HEADING.split(inspect.getdoc(thing) or "")
    summary, _, details = head.strip().partition("\n\n")
    sections = {name: textwrap.dedent(text).strip() for name, text in zip(rest[::2], rest[1::2], strict=True)}
    entries = {name: _entries(text) for name, text in sections.items() if name in ("Args", "Attributes", "Raises")}
    return Docstring(" ".join(summary.split()), details, entries, sections)


def field_meanings(kind: type) -> dict[str, str]:
    """Return the meanings of a dataclass's fields, those of its base classes included."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is not object:
            meanings |= parse(base).entries.get("Attributes", {})
    return {name: one_line(meaning) for name, meaning in meanings.items()}


def as_markdown(text: str) -> str:
    """Return a text of a docstring as Markdown."""
    return text.replace("``", "`")


def one_line(text: str) -> str:
    """Return a text of a docstring as Markdown in one line."""
    return as_markdown(" ".join(text.split()))


def item(text: str, depth: int = 0) -> str:
    """Return a list item. A text with paragraphs or lists in it keeps its lines."""
    indent = "  " * depth
    if "\n\n" in text:
        return textwrap.indent(f"- {textwrap.indent(text, '  ').strip()}", indent)
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=f"{indent}- ",
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _entries(text: str) -> dict[str, str]:
    """Return the entries of a section. The lines of an entry after the first are indented."""
    entries = {}
    for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
        names, meaning = _ENTRY.fullmatch(entry).groups()  # type: ignore[union-attr]
        entries[" ".join(names.split())] = inspect.cleandoc(meaning)
    return entries
