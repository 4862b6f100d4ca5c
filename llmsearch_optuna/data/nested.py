"""Columns of nested values that Arrow would rewrite, kept as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import datasets
import pyarrow as pa

from llmsearch_optuna.data.values import WrittenFloat, as_text, is_missing, python_value

__all__ = ["data_column", "drop_nulls", "exact_column", "read_column"]

# What Arrow raises for mixed types, for integers of more than 64 bits, and for keys that are no strings.
_NOT_IN_ARROW = (TypeError, ValueError, OverflowError, NotImplementedError, KeyError)


def data_column(values: Sequence[Any]) -> Sequence[Any] | pa.Array:
    """Return the values of a column of data in a form that a dataset keeps; see `exact_column`.

    Mappings that hold no list of mappings may get nulls at every level for the keys of others, as the data of earlier
    studies have them. Of tool calls and other lists of mappings, only the outermost mappings may.
    """
    if any(map(_lists_mappings, values)):
        return exact_column(values)
    if any(isinstance(value, Mapping) for value in values):
        return exact_column(values, filled_levels=math.inf)
    return values


def _lists_mappings(value: object) -> bool:
    """Return whether a value contains a list with a mapping in it, as chat messages and tool calls are."""
    if isinstance(value, Mapping):
        return any(map(_lists_mappings, value.values()))
    if isinstance(value, list | tuple):
        return any(isinstance(item, Mapping) or _lists_mappings(item) for item in value)
    return False


def exact_column(values: Sequence[Any], *, filled_levels: float = 1) -> Sequence[Any] | pa.Array:
    """Return the values of a column in a form that a dataset keeps as they are written.

    Arrow has one type per key at every level: it adds nulls for the keys of other mappings, and turns 1 next to 2.5
    into 1.0. Values that it would change become Arrow's JSON. Values that JSON cannot hold are left to Arrow.

    Args:
        values: The values.
        filled_levels: The number of levels of mappings that may get nulls: those of the outermost are easy to tell.
    """
    try:
        stored = pa.array(values).to_pylist()
        if all(_is_kept(value, copy, filled_levels) for value, copy in zip(values, stored, strict=True)):
            return values
    except _NOT_IN_ARROW:
        pass  # JSON holds them
    try:
        return pa.array([None if value is None else _to_json(value) for value in values], pa.json_())
    except (TypeError, ValueError):
        return values


def read_column(dataset: datasets.Dataset, name: str) -> list[Any]:
    """Return the values of a column as Python's own, regardless of the format of the dataset."""
    if not isinstance(dataset.features[name], datasets.Json):
        return list(dataset.with_format(None)[name])
    # The decoder of `datasets` refuses integers of more than 64 bits.
    texts = dataset.select_columns([name]).with_format("arrow")[:][name].cast(pa.string()).to_pylist()
    return [None if text is None else json.loads(text, parse_float=WrittenFloat) for text in texts]


def drop_nulls(value: Any, feature: Any, *, is_outermost: bool = True) -> Any:
    """Remove keys without a value from mappings within mappings in Arrow, where they may be keys of other mappings.

    In columns of JSON, a null is one that was written.
    """
    if value is None:
        return None
    if isinstance(feature, Mapping):
        keys = [key for key in feature if is_outermost or value[key] is not None]
        return {key: drop_nulls(value[key], feature[key], is_outermost=False) for key in keys}
    if hasattr(feature, "feature"):
        return [drop_nulls(item, feature.feature, is_outermost=is_outermost) for item in value]
    return value


def _is_kept(written: Any, stored: Any, filled_levels: float) -> bool:
    written = python_value(written)
    if isinstance(written, Mapping):
        if filled_levels > 0:
            present = [key for key, value in written.items() if value is not None]
        elif list(written) == list(stored) and None not in written.values():
            present = list(written)
        else:
            return False
        return all(_is_kept(written[key], stored[key], filled_levels - 1) for key in present)
    if isinstance(written, list | tuple):
        return all(_is_kept(item, copy, filled_levels) for item, copy in zip(written, stored, strict=True))
    if isinstance(written, bool | int | float | Decimal):
        text = written.text if isinstance(written, WrittenFloat) else str(written)
        return text == str(stored) and isinstance(written, float) == isinstance(stored, float)
    return bool(written == stored) or (is_missing(written) and is_missing(stored))


def _to_json(value: Any) -> str:
    value = python_value(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("JSON has strings as keys")
        return f"{{{', '.join(f'{json.dumps(key)}: {_to_json(part)}' for key, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_to_json, value))}]"
    return value.text if isinstance(value, WrittenFloat) else json.dumps(as_text(value))
