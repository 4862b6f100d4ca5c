"""The demo's task: to continue a list with further members of a category, none of them twice."""

import itertools
import random
from typing import TypedDict

from llmsearch_optuna.demo.words import WORDS
from llmsearch_optuna.errors import TaskError

__all__ = ["DemoSample", "demo_samples"]

_GIVEN = 3
_WANTED = 9


class DemoSample(TypedDict):
    """One row.

    Attributes:
        instruction: The user's message (input column).
        start: How the assistant's answer begins (input column).
        members: What may follow: the category without what `start` names (reference column).
        count: How many are asked for (reference column).
    """

    instruction: str
    start: str
    members: list[str]
    count: int


def demo_samples(size: int, *, seed: int = 0) -> list[DemoSample]:
    """The first rows of a generated dataset; no two of them ask for the same continuation.

    Every row gives three of a category's best-known members. The categories take turns, so any ``len(WORDS)`` rows in
    succession hold each of them once.

    Args:
        size: Number of rows.
        seed: Seed of the order of the categories and of what is given. Rows do not depend on `size`.

    Returns:
        The rows, with the reference columns that the metric ``distinct_items`` takes.

    Raises:
        TaskError: `size` is not positive, or larger than the number of distinct rows.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible on purpose
    categories = list(WORDS)
    rng.shuffle(categories)
    starts = {}
    for category in categories:
        starts[category] = list(itertools.combinations(_split(WORDS[category][0]), _GIVEN))
        rng.shuffle(starts[category])
    available = sum(map(len, starts.values()))
    if not 1 <= size <= available:
        raise TaskError(f"the demo has 1 to {available} samples, got size {size}")
    rounds = zip(*starts.values(), strict=True)
    pairs = itertools.chain.from_iterable(zip(categories, row, strict=True) for row in rounds)
    return [_row(category, given) for category, given in itertools.islice(pairs, size)]


def _row(category: str, given: tuple[str, ...]) -> DemoSample:
    known, further = WORDS[category]
    return {
        "instruction": f"List twelve different {category}, separated by commas.",
        "start": ", ".join(given) + ",",
        "members": [name for name in (*_split(known), *_split(further)) if name not in given],
        "count": _WANTED,
    }


def _split(names: str) -> list[str]:
    return [" ".join(name.split()) for name in names.split(",")]
