"""The pages of the documentation, and the blocks of code, links and headings in them.

A comment before a block changes what its test does:

- ``<!-- test: compile, REASON -->``: Python that is compiled, but not executed.
- ``<!-- test: skip, REASON -->``: a block that no test reads.
"""

import ast
import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

__all__ = [
    "DOCS",
    "PAGES",
    "README",
    "ROOT",
    "Block",
    "anchors",
    "blocks",
    "code",
    "defined",
    "first_sentence",
    "links",
    "of_all_pages",
    "prose",
    "title",
]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
}
"""The README and the pages in ``docs/``, by their paths."""

_BLOCK = re.compile(
    r"^(?:<!-- test: (?P<test>compile|skip), [^\n]+ -->\n+)? *```(?P<language>[\w-]*)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")


class Block(NamedTuple):
    """A block of code.

    Attributes:
        language: The language after the fence; empty if there is none.
        text: The code, without the indentation of the block.
        test: ``"compile"``, ``"skip"`` or empty, as the comment before it says.
    """

    language: str
    text: str
    test: str = ""


def code(page: str) -> list[Block]:
    """Return the blocks of a page."""
    return [
        Block(match["language"], textwrap.dedent(match["text"]), match["test"] or "") for match in _BLOCK.finditer(page)
    ]


def blocks(language: str, page: str = README) -> list[str]:
    """Return the blocks of one language, without those that no test reads."""
    return [block.text for block in code(page) if block.language == language and block.test != "skip"]


def of_all_pages(*languages: str) -> list[Any]:
    """Return the blocks of some languages on all pages, as parameters of a test."""
    return [
        pytest.param(text, id=f"{name}-{language or 'commands'}-{number}")
        for name, page in PAGES.items()
        for language in languages
        for number, text in enumerate(blocks(language, page))
    ]


def title(page: str) -> str:
    """Return the title of a page, without markup."""
    return _plain(prose(page).partition("# ")[2].partition("\n")[0])


def first_sentence(page: str) -> str:
    """Return the first sentence under the title of a page, without links."""
    paragraph = prose(page).partition("# ")[2].split("\n\n")[1]
    return re.split(r"(?<=\.)\s", re.sub(r"\[(.+?)\]\(.+?\)", r"\1", " ".join(paragraph.split())))[0]


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    counts = Counter(
        re.sub(r"[^\w\- ]", "", _plain(heading).lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))
    )
    return {f"{name}-{n}" if n else name for name, count in counts.items() for n in range(count)}


def links(page: str) -> list[str]:
    """Return the targets of the relative links and pictures of a page."""
    text = re.sub(r"`[^`\n]+`", "", prose(page))
    return [target for target in _LINK.findall(text) if not re.match(r"\w+:", target)]


def defined(module: Path) -> set[str]:
    """Return the tests of a module, as pytest names them."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return names


def prose(page: str) -> str:
    """Return a page without comments and blocks of code."""
    return re.sub(r"<!--.*?-->\n*", "", _BLOCK.sub("", page), flags=re.DOTALL)


def _plain(text: str) -> str:
    return re.sub(r"\[(.+?)\]\(.+?\)", r"\1", text).replace("`", "")
