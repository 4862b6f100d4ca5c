"""The map of packages in CONTRIBUTING.md. `python tests/system/test_contributing.py` updates it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
PACKAGE = ROOT / "llmsearch_optuna"
TABLE = re.compile(r"(?<=## Where things live\n\n).*?(?=\n\n## )", re.DOTALL)


def first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert docstring is not None
    return docstring.splitlines()[0]


def drawn() -> str:
    """One line per package, in the words of its docstring."""
    packages = sorted(path for path in PACKAGE.glob("*/__init__.py"))
    return "\n".join(
        [
            "| Package | |",
            "| --- | --- |",
            *(f"| `{path.parent.name}/` | {first_line(path).replace('|', chr(92) + '|')} |" for path in packages),
        ]
    )


def test_every_package_is_on_the_map_in_its_own_words() -> None:
    table = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert table is not None
    assert table.group() == drawn(), "run python tests/system/test_contributing.py to update it"


def test_every_place_that_is_named_is_there() -> None:
    text = TABLE.sub("", PAGE.read_text(encoding="utf-8"))
    places = re.findall(r"`((?:[\w.]+/)*[\w.]+(?:\.py|\.txt|/))`", text)
    assert len(places) > 15
    for place in places:
        assert (ROOT / place).exists() or (PACKAGE / place).exists(), f"CONTRIBUTING names {place}, which is not there"
    modules = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    for name in re.findall(r"`(_?[A-Z_]{4,}|_top_a)`", text):
        assert re.search(rf"\b{name}\b", code), f"CONTRIBUTING names {name}, which no module has"


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: drawn(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
