"""Where simulated searches search: recorded landscapes by name, or larger ones that are drawn like them."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from studies.benchmarks.landscape import Landscape
from studies.benchmarks.simulation import Terrain
from studies.benchmarks.terrains import Model, Recorded, Synthetic, fit

__all__ = ["NAMES", "Map", "Place", "model", "recorded"]

LANDSCAPES = Path(__file__).parents[1] / "landscapes"
NAMES = ("lists", "sums", "addition", "reordering", "cities", "records")

Map = Callable[..., Iterator[Any]]
"""``map``, or that of a pool."""


class Place(NamedTuple):
    """Where to search.

    Attributes:
        landscape: The name of a recorded landscape.
        samples: Of a synthetic one that is drawn like it; ``None`` for the recorded one itself.
    """

    landscape: str
    samples: int | None

    def terrain(self, seed: int) -> Terrain:
        """What is searched in the repetition of this number."""
        if self.samples is None:
            return Recorded(recorded(self.landscape), seed=seed)
        return Synthetic(model(self.landscape), samples=self.samples, seed=seed)


@functools.cache
def recorded(name: str) -> Landscape:
    """A recorded landscape."""
    return Landscape.load(LANDSCAPES / f"{name}.parquet")


@functools.cache
def model(name: str) -> Model:
    """What synthetic landscapes like a recorded one are drawn from."""
    return fit(recorded(name))
