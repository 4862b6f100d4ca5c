"""The pages of the documentation, and the blocks of code in them."""

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
README = (_ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((_ROOT / "docs").glob("*.md"))}


def blocks(language: str, page: str = README) -> list[str]:
    """The blocks of one language."""
    fenced: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def names_of_tests(module: Path) -> set[str]:
    """The tests of a module, as pytest names them."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return names


def proofs(page: str) -> list[str]:
    """The tests that a page names as proofs, as ``path::name``."""
    return [f"{module}::{name}" for module, name in re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", page)]


def missing_proofs(page: str) -> list[str]:
    """Those that there are not."""
    named = [proof.partition("::") for proof in proofs(page)]
    return [f"{module}::{name}" for module, _, name in named if name not in names_of_tests(_ROOT / module)]
