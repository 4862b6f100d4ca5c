"""The demo's dataset: lists of a category's members to be continued without repetitions."""

import itertools
import random
from typing import TypedDict

from llmsearch_optuna.demo.words import WORDS
from llmsearch_optuna.errors import TaskError

__all__ = ["DemoSample", "demo_samples"]

_GIVEN = 3
_REQUESTED = 9


class DemoSample(TypedDict):
    """One row of the dataset.

    Attributes:
        instruction: The user's message (input column).
        start: The beginning of the assistant's answer (input column).
        members: The category's members without those in `start` (reference column).
        count: The requested number of further members (reference column).
    """

    instruction: str
    start: str
    members: list[str]
    count: int


def demo_samples(size: int, *, seed: int = 0) -> list[DemoSample]:
    """Return the first rows of a generated dataset, all with different starts.

    Every row starts with three of a category's best-known members. The categories alternate, so each group of
    ``len(WORDS)`` consecutive rows holds each category once.

    Args:
        size: The number of rows.
        seed: Seed of the order of the categories and of the starts. Rows do not depend on `size`.

    Returns:
        The rows, with the reference columns of the metric ``distinct_items``.

    Raises:
        TaskError: `size` is not positive, or exceeds the number of distinct rows.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible, not for security
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
    best_known, further = WORDS[category]
    return {
        "instruction": f"List twelve different {category}, separated by commas.",
        "start": ", ".join(given) + ",",
        "members": [name for name in (*_split(best_known), *_split(further)) if name not in given],
        "count": _REQUESTED,
    }


def _split(names: str) -> list[str]:
    return [" ".join(name.split()) for name in names.split(",")]
