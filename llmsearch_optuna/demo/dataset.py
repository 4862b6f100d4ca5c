"""The demo's dataset: the model continues a list of a category's members, and must not repeat any."""

import itertools
import random
import tomllib
from importlib import resources
from typing import TypedDict

from llmsearch_optuna.errors import TaskError

__all__ = ["DemoSample", "demo_categories", "demo_samples"]

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


def demo_categories() -> dict[str, tuple[list[str], list[str]]]:
    """Return the best-known members and the further members of each category, from ``words.toml``."""
    text = resources.files("llmsearch_optuna.demo").joinpath("words.toml").read_text(encoding="utf-8")
    return {
        category: (_split(members["best_known"]), _split(members["further"]))
        for category, members in tomllib.loads(text).items()
    }


def _split(names: str) -> list[str]:
    return [" ".join(name.split()) for name in names.split(",")]


def demo_samples(size: int, *, seed: int = 0) -> list[DemoSample]:
    """Return the first rows of a generated dataset, all with different starts.

    Every row starts with three of a category's best-known members. The categories take turns in a fixed order: with n
    categories, any n consecutive rows contain each category once.

    Args:
        size: The number of rows.
        seed: Seed of the order of the categories and of the starts. Rows do not depend on `size`.

    Returns:
        The rows, with the reference columns of the metric ``distinct_items``.

    Raises:
        TaskError: `size` is not positive, or exceeds the number of distinct rows.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible, not for security
    members = demo_categories()
    categories = list(members)
    rng.shuffle(categories)
    starts = []
    for category in categories:
        best_known, _ = members[category]
        starts.append(list(itertools.combinations(best_known, _GIVEN)))
        rng.shuffle(starts[-1])
    available = sum(map(len, starts))
    if not 1 <= size <= available:
        raise TaskError(f"the demo has 1 to {available} samples, got size {size}")
    rounds = zip(*starts, strict=True)
    pairs = itertools.chain.from_iterable(zip(categories, start, strict=True) for start in rounds)
    return [
        {
            "instruction": f"List twelve different {category}, separated by commas.",
            "start": ", ".join(given) + ",",
            "members": [name for name in itertools.chain(*members[category]) if name not in given],
            "count": _REQUESTED,
        }
        for category, given in itertools.islice(pairs, size)
    ]
