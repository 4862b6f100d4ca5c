"""Make ``records.jsonl``, the data of *records* and *cities*: a sentence about a person, and its facts as JSON.

Usage: python -m studies.landscapes.records
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIZE = 448
NAMES = ("Anna Berg", "Ben Carter", "Clara Novak", "David Kim", "Emma Rossi", "Farid Aziz", "Grace Obi", "Hugo Lind")
CITIES = ("Oslo", "Lyon", "Porto", "Leeds", "Graz", "Turin", "Bergen", "Malmo", "Ghent", "Basel")
JOBS = ("nurse", "baker", "pilot", "teacher", "plumber", "lawyer", "farmer", "welder", "chemist", "tailor")
SENTENCES = (
    "{name}, {age}, works as a {job} in {city}.",
    "At the age of {age}, {name} moved to {city} to become a {job}.",
    "The {job} {name} from {city} turned {age} last week.",
    "{city} has a new {job}: {name} is {age} years old.",
)


def share_of_fields(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
    """The share of the facts that a completion has right; 0 if it is not one JSON object."""
    return [_share(json.loads(row["facts"]), text) for row, text in zip(references, predictions, strict=True)]


def city(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
    """1 if a completion is the city."""
    return [
        float(text.strip() == json.loads(row["facts"])["city"])
        for row, text in zip(references, predictions, strict=True)
    ]


def _share(facts: dict[str, Any], text: str) -> float:
    try:
        answer = json.loads(text)
    except ValueError:
        return 0.0
    if not isinstance(answer, dict):
        return 0.0
    right = [name for name, value in facts.items() if answer.get(name) == value]
    return len(right) / len(facts)


def main() -> None:
    """Write the file; no two sentences are the same."""
    rng = random.Random(0)  # noqa: S311 - reproducible on purpose
    samples: dict[str, str] = {}
    while len(samples) < SIZE:
        facts = {
            "name": rng.choice(NAMES),
            "age": rng.randint(19, 80),
            "city": rng.choice(CITIES),
            "job": rng.choice(JOBS),
        }
        samples[rng.choice(SENTENCES).format(**facts)] = json.dumps(facts)
    lines = [json.dumps({"sentence": sentence, "facts": facts}) for sentence, facts in samples.items()]
    Path(__file__).with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
