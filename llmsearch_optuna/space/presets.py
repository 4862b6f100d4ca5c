"""Named lists of published generation parameters, used as first trials."""

import itertools
import tomllib
from importlib import resources
from typing import Any

from llmsearch_optuna.errors import ParameterError, unknown_name
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["presets"]


def presets(name: str, *, max_new_tokens: int = 128, generation_seed: int = 0) -> list[GenerationParams]:
    """Return the points of a named list, for use as first trials.

    Args:
        name: ``"strategies"``, a grid per decoding strategy, or ``"arena"``, the winners of the preset arena
            (Oobabooga 2023). Both are those of the package llmsearch 0.1.0; ``presets.toml`` lists the omitted points.
        max_new_tokens: Length limit of every point.
        generation_seed: Seed of every point.

    Raises:
        ParameterError: The name is unknown, or the length limit or the seed is out of range.
    """
    source = resources.files("llmsearch_optuna.space").joinpath("presets.toml").read_text(encoding="utf-8")
    tables: dict[str, list[dict[str, Any]]] = tomllib.loads(source)
    if name not in tables:
        raise ParameterError(unknown_name("preset list", name, tables))
    shared = {"max_new_tokens": max_new_tokens, "generation_seed": generation_seed}
    return [
        GenerationParams.from_dict({**shared, **dict(zip(table, point, strict=True))})
        for table in tables[name]
        for point in itertools.product(*(value if isinstance(value, list) else [value] for value in table.values()))
    ]
