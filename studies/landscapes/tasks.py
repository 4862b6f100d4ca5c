"""Make the data of the landscapes with 400 samples: one JSON-lines file per task, of rows that differ from each other.

Usage: python studies/landscapes/tasks.py  # needs `pip install reasoning-gym` (0.1.25)

- *sums400*: grade-school arithmetic in one step, in words (as in `sums.py`, of which the first rows are the same).
- *orders*: an order in one sentence, to be written as JSON with four fields.
- *subjects*: a short message, to be summarised as a subject line.
- *chains_easy*, *chains_hard*: chains of two numbers, and of three, of up to two digits, by reasoning-gym.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import reasoning_gym

from studies.landscapes import sums

SIZE = 400
Row = Mapping[str, Any]

CITIES = ("Berlin", "Oslo", "Lima", "Cairo", "Osaka", "Turin", "Quito", "Perth", "Dakar", "Leeds")
COLOURS = ("red", "blue", "green", "black", "white", "yellow", "grey", "brown")
ITEMS = ("lamp", "chair", "mug", "jacket", "tent", "radio", "basket", "carpet", "mirror", "kettle")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ORDERS = (
    "{name} from {city} would like {count} {colour} {item}s.",
    "Please send {count} {item}s in {colour} to {name} in {city}.",
    "We have an order for {city}: {name} wants {count} {colour} {item}s, as soon as possible.",
    "Could you deliver {count} {colour} {item}s? My name is {name}, and I live in {city}.",
)
MATTERS = (
    ("the {thing} on the {place} floor is broken again, and nobody can print", "Broken {thing} on the {place} floor"),
    ("we have to move the {day} meeting, as the {thing} will be repaired then", "{day} meeting has to be moved"),
    ("the new {thing} has arrived and can be picked up in the {place} floor office", "New {thing} has arrived"),
    ("all colleagues are invited to a small party for {name} on {day} after lunch", "Party for {name} on {day}"),
    ("somebody has left a {colour} jacket in the kitchen on the {place} floor", "{colour} jacket left in the kitchen"),
    ("{name} will be away until {day} and cannot answer any messages", "{name} is away until {day}"),
    ("the {place} floor will be closed on {day}, because the windows are cleaned", "{place} floor closed on {day}"),
    ("please return the {colour} keys of the {thing} room to {name} before {day}", "Return the {colour} keys"),
)
PLACES = ("first", "second", "third", "fourth", "fifth")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MACHINES = ("printer", "copier", "projector", "coffee machine", "scanner", "shredder")
GREETINGS = (
    "Hello everybody, I am writing to tell you that",
    "Dear all, just a short note:",
    "Hi, you should know that",
)
ENDS = (
    "Thank you for your patience.",
    "If you have questions, call me.",
    "See you soon.",
    "Best wishes from the office.",
)


def sums400() -> Iterator[Row]:
    """As `sums.py` makes them."""
    rng = random.Random(0)  # noqa: S311 - reproducible on purpose
    while True:
        question, answer = sums.sample(rng)
        yield {"question": question, "answer": str(answer)}


def orders() -> Iterator[Row]:
    """Sentences, and the fields that they tell."""
    rng = random.Random(1)  # noqa: S311 - reproducible on purpose
    while True:
        count = rng.randint(2, 12)
        fields = {"name": rng.choice(sums.NAMES), "city": rng.choice(CITIES), "item": rng.choice(ITEMS)}
        colour = rng.choice(COLOURS)
        text = rng.choice(ORDERS).format(**fields, colour=colour, count=rng.choice([count, NUMBERS[count - 1]]))
        yield {"text": text, "answer": json.dumps({**fields, "count": count})}


def subjects() -> Iterator[Row]:
    """Messages and their subjects."""
    rng = random.Random(2)  # noqa: S311 - reproducible on purpose
    while True:
        matter, subject = rng.choice(MATTERS)
        words = {
            "thing": rng.choice(MACHINES),
            "place": rng.choice(PLACES),
            "day": rng.choice(DAYS),
            "name": rng.choice(sums.NAMES),
            "colour": rng.choice(COLOURS),
        }
        text = f"{rng.choice(GREETINGS)} {matter.format(**words)}. {rng.choice(ENDS)}"
        yield {"text": text, "subject": subject.format(**words)}


def chains(terms: int) -> Iterator[Row]:
    """Chains of additions and subtractions."""
    chained = reasoning_gym.create_dataset(
        "chain_sum", size=100_000, seed=3, min_terms=terms, max_terms=terms, min_digits=1, max_digits=2
    )
    for row in chained:
        yield {"chain": row["metadata"]["expression"], "answer": row["answer"]}


def main() -> None:
    """Write the files."""
    tasks: Mapping[str, Callable[[], Iterator[Row]]] = {
        "sums400": sums400,
        "orders": orders,
        "subjects": subjects,
        "chains_easy": lambda: chains(2),
        "chains_hard": lambda: chains(3),
    }
    for name, rows in tasks.items():
        distinct = list(islice(dict.fromkeys(map(json.dumps, islice(rows(), 20 * SIZE))), SIZE))
        path = Path(__file__).with_name(f"{name}.jsonl")
        path.write_text("\n".join(distinct) + "\n", encoding="utf-8")
        print(name, len(distinct))


if __name__ == "__main__":
    main()
