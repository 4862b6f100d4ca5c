"""Make ``addition.jsonl`` and ``reordering.jsonl``: tasks of the package `reasoning-gym`.

Usage: python -m studies.landscapes.reasoning (with reasoning-gym 0.1.25)
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import reasoning_gym

SIZE = 448
TASKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "addition": ("chain_sum", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}),
    "reordering": ("sentence_reordering", {"min_words_in_sentence": 5, "max_words_in_sentence": 9}),
}


def main() -> None:
    """Write the files; no two questions of a file are the same."""
    for name, (task, arguments) in TASKS.items():
        rows = reasoning_gym.create_dataset(task, size=2 * SIZE, seed=1, **arguments)
        samples = {row["question"]: row["answer"] for row in rows}
        lines = [json.dumps({"question": question, "answer": samples[question]}) for question in list(samples)[:SIZE]]
        Path(__file__).with_name(f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
