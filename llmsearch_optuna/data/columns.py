"""Columns of loaded datasets, with their values as people wrote them."""

import logging
from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np

from llmsearch_optuna.data.values import are_integers, is_missing

__all__ = ["restore_values"]

_LOG = logging.getLogger(__name__)


def restore_values(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return a dataset with its values as people wrote them.

    Class labels become their names, and numbers of 32 bits the decimal fractions that they stand for. Columns of
    integers with gaps, which pandas stores as floats, become integers.
    """
    plain = dataset.with_format(None)
    changed: dict[str, list[Any]] = {}
    for name, feature in dataset.features.items():
        if _holds(feature, datasets.ClassLabel):
            _LOG.warning("column `%s` holds class labels: their names are used, not their numbers", name)
        if _holds(feature, datasets.ClassLabel) or _is_short(feature):
            changed[name] = [_restored(value, feature) for value in plain[name]]
        if isinstance(feature, datasets.Value) and feature.dtype.startswith("float"):
            values = changed.get(name) or list(plain[name])
            present = [value for value in values if not is_missing(value)]
            if 0 < len(present) < len(values) and are_integers(present):
                changed[name] = [None if is_missing(value) else int(value) for value in values]
    if not changed:
        return dataset
    others = dataset.remove_columns(list(changed))
    restored = datasets.Dataset.from_dict(changed)
    joined = datasets.concatenate_datasets([others, restored], axis=1) if others.column_names else restored
    return joined.select_columns(dataset.column_names)


def _holds(feature: Any, kind: type) -> bool:
    if isinstance(feature, Mapping):
        return any(_holds(part, kind) for part in feature.values())
    return isinstance(feature, kind) or (hasattr(feature, "feature") and _holds(feature.feature, kind))


def _is_short(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return any(map(_is_short, feature.values()))
    if hasattr(feature, "feature"):
        return _is_short(feature.feature)
    return isinstance(feature, datasets.Value) and feature.dtype in ("float16", "float32")


def _restored(value: Any, feature: Any) -> Any:
    if value is None:
        return None
    if isinstance(feature, Mapping):
        return {name: _restored(value[name], part) for name, part in feature.items()}
    if hasattr(feature, "feature"):
        return [_restored(item, feature.feature) for item in value]
    if isinstance(feature, datasets.ClassLabel):
        return feature.int2str(value) if value >= 0 else None  # -1 is a label that is not known
    if isinstance(feature, datasets.Value) and feature.dtype in ("float16", "float32"):
        return float(str(getattr(np, feature.dtype)(value)))
    return value
