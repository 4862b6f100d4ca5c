"""Make ``sums.jsonl``, the data of the landscape *sums*: grade-school arithmetic in one step, in words.

Usage: python studies/landscapes/sums.py
"""

import json
import random
from pathlib import Path

SIZE = 192
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack")
THINGS = ("apples", "books", "coins", "stamps", "pencils", "marbles", "cards", "shells")


def sample(rng: random.Random) -> tuple[str, int]:
    """A question and its answer."""
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    match rng.choice(("more", "fewer", "times")):
        case "more":
            had, more = rng.randint(3, 40), rng.randint(2, 20)
            return (
                f"{name} has {had} {things} and buys {more} more. How many {things} does {name} have now?",
                had + more,
            )
        case "fewer":
            left, given = rng.randint(3, 40), rng.randint(2, 20)
            question = f"{name} has {left + given} {things} and gives {given} away. How many {things} are left?"
            return question, left
        case _:
            boxes, each = rng.randint(2, 9), rng.randint(2, 9)
            question = f"{name} has {boxes} boxes with {each} {things} in each. How many {things} are there in all?"
            return question, boxes * each


def main() -> None:
    """Write the file; no two questions are the same."""
    rng = random.Random(0)  # noqa: S311 - reproducible on purpose
    samples: dict[str, int] = {}
    while len(samples) < SIZE:
        samples |= [sample(rng)]
    lines = [json.dumps({"question": question, "answer": str(answer)}) for question, answer in samples.items()]
    Path(__file__).with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
