"""Make ``docstrings.jsonl``, the data of `docstrings.toml`: what numpy's documentation says, and its one-line summary.

Usage: python studies/docstrings.py

The rows depend on the version of numpy, which `constraints.txt` pins. They are not in the repository, as they are
numpy's texts.
"""

import inspect
import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

SUMMARY_CHARACTERS = 120
MODULES = (np, np.linalg, np.fft, np.random, np.ma, np.polynomial.polynomial)


def summaries(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The summaries of a module's functions, and the documentation that follows them."""
    for name in sorted(dir(module)):
        documented = getattr(module, name)
        text = inspect.getdoc(documented) if callable(documented) and not name.startswith("_") else None
        paragraphs = (text or "").split("\n\n")
        if paragraphs[0].startswith(f"{name}("):  # a signature
            del paragraphs[0]
        if len(paragraphs) > 1 and paragraphs[0].endswith(".") and len(paragraphs[0]) <= SUMMARY_CHARACTERS:
            yield " ".join(paragraphs[0].split()), "\n\n".join(paragraphs[1:])


def write_rows(path: Path, size: int, characters: int) -> None:
    """Write rows with so many characters of documentation each. No two summaries are the same."""
    bodies = {summary: body for module in MODULES for summary, body in summaries(module)}
    long = sorted((summary, body[:characters]) for summary, body in bodies.items() if len(body) >= characters)
    rows = random.Random(0).sample(long, size)  # noqa: S311 - reproducible on purpose
    lines = [json.dumps({"documentation": body, "summary": summary}) for summary, body in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_rows(Path(__file__).with_suffix(".jsonl"), size=192, characters=2000)
