"""Columns of loaded datasets, with their values as people wrote them."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import datasets
import numpy as np

from llmsearch_optuna.data.values import are_integers, is_missing

__all__ = ["holds", "restore_values"]

_LOG = logging.getLogger(__name__)


def restore_values(dataset: datasets.Dataset, take: int | None = None) -> datasets.Dataset:
    """Return the first rows of a dataset with their values as people wrote them.

    Class labels become their names, and numbers of 32 bits the decimal fractions that they stand for. Columns of
    integers with gaps, which pandas stores as floats, become integers. A gap may be in a row that is not taken.

    Args:
        dataset: The dataset.
        take: The number of rows; all by default.
    """
    taken = dataset if take is None or len(dataset) <= take else dataset.select(range(take))
    plain = taken.with_format(None)
    changed: dict[str, list[Any]] = {}
    for name, feature in dataset.features.items():
        if holds(feature, _is_label):
            _LOG.warning("column `%s` holds class labels: their names are used, not their numbers", name)
        if holds(feature, _is_label) or holds(feature, _is_short):
            changed[name] = [_restored(value, feature) for value in plain[name]]
        if isinstance(feature, datasets.Value) and feature.dtype.startswith("float") and _has_gaps(dataset, name):
            changed[name] = [None if is_missing(value) else int(value) for value in plain[name]]
    if not changed:
        return taken
    others = taken.remove_columns(list(changed))
    restored = datasets.Dataset.from_dict(changed)
    joined = datasets.concatenate_datasets([others, restored], axis=1) if others.column_names else restored
    return joined.select_columns(dataset.column_names)


def _has_gaps(dataset: datasets.Dataset, name: str) -> bool:
    """Return whether a column of floats holds integers and at least one missing value."""
    numbers = np.asarray(dataset.data.column(name), dtype=np.float64)  # null becomes NaN
    present = numbers[~np.isnan(numbers)]
    return 0 < len(present) < len(numbers) and are_integers(present)


def holds(feature: Any, fits: Callable[[Any], bool]) -> bool:
    """Return whether a feature, or a part of it at any depth, fits."""
    if isinstance(feature, Mapping):
        return any(holds(part, fits) for part in feature.values())
    return holds(feature.feature, fits) if hasattr(feature, "feature") else fits(feature)


def _is_label(feature: Any) -> bool:
    return isinstance(feature, datasets.ClassLabel)


def _is_short(feature: Any) -> bool:
    """Return whether a feature is a float of fewer than 64 bits."""
    return isinstance(feature, datasets.Value) and feature.dtype in ("float16", "float32")


def _restored(value: Any, feature: Any) -> Any:
    if value is None:
        return None
    if isinstance(feature, Mapping):
        return {name: _restored(value[name], part) for name, part in feature.items()}
    if hasattr(feature, "feature"):
        return [_restored(item, feature.feature) for item in value]
    if _is_label(feature):
        return feature.int2str(value) if value >= 0 else None  # -1 is a label that is not known
    if _is_short(feature):
        return float(str(getattr(np, feature.dtype)(value)))
    return value
