"""The messages that ``docs/troubleshooting.md`` explains are those of the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import llmsearch_optuna

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
VARIABLE = "..."
"""Stands for what changes in a message: a placeholder of the source, and dots on the page."""

QUOTED = [text.strip() for text in re.findall(r"^### `+(.*?)`+$", PAGE, re.MULTILINE)]
"""The beginnings of messages: the headings of the third level, without the marks of code."""


def templates() -> Iterator[str]:
    """All strings in the package, with `VARIABLE` for their placeholders; without docstrings."""
    for path in sorted(Path(llmsearch_optuna.__path__[0]).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):  # a docstring
                parts.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts |= set(node.values)
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else VARIABLE for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
                yield re.sub(r"%[sdr]|%\.\d[fg]", VARIABLE, node.value)


MESSAGES = [text for text in templates() if len(text.split()) > 2]


def begins(quoted: str) -> list[str]:
    """Return the messages that begin with `quoted`. Its last dots may stand for anything."""
    return [message for message in MESSAGES if message.startswith(quoted.removesuffix(VARIABLE).rstrip())]


def test_enough_messages_are_explained() -> None:
    assert len(QUOTED) >= 40
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_begins_as_quoted(quoted: str) -> None:
    assert begins(quoted)
    assert len(re.findall("[a-z]", quoted.lower())) >= 6


@pytest.mark.parametrize("quoted", ["`top_p` is not amusing", "study file ... is a poem", "cannot be used: ..."])
def test_an_invented_message_is_found_out(quoted: str) -> None:
    assert not begins(quoted)
