"""Make ``summaries.jsonl``, the data of the landscape *summaries*: documentation of numpy, and its one-line summary.

Usage: python -m studies.landscapes.summaries

The rows depend on the version of numpy, which `constraints.txt` pins. They are not in the repository, as they are
numpy's texts.
"""

import json
import random
from pathlib import Path

from studies.docstrings import MODULES, summaries

SIZE = 420
CHARACTERS = 500


def main() -> None:
    """Write the file; no two summaries are the same."""
    bodies = {summary: body for module in MODULES for summary, body in summaries(module)}
    rows = sorted((summary, body[:CHARACTERS]) for summary, body in bodies.items() if len(body) >= CHARACTERS)
    lines = [
        json.dumps({"documentation": body, "summary": summary})
        for summary, body in random.Random(0).sample(rows, SIZE)  # noqa: S311 - reproducible on purpose
    ]
    Path(__file__).with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
