"""The pages of the documentation, and the blocks of code in them."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
README = (_ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((_ROOT / "docs").glob("*.md"))}


def blocks(language: str, page: str = README) -> list[str]:
    """The blocks of one language."""
    fenced: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]
