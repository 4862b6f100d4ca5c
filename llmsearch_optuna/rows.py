"""Rows of any kind become one dataset in memory; of a stream, as many as are wanted."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import datasets

from llmsearch_optuna.errors import TaskError

__all__ = ["as_dataset", "from_columns"]

_LOG = logging.getLogger(__name__)


def as_dataset(data: object, *, take: int | None = None) -> datasets.Dataset:
    """A `datasets.Dataset` of a dataset, a stream, a list of rows or a mapping of columns.

    Args:
        data: The rows. Those of a `datasets.IterableDataset` are read once, in its order, and no more than are taken.
        take: Only the first so many rows; needed for a stream.

    Raises:
        TaskError: The data are empty, of another kind, not of one type per column, or a stream that fails, or of which
            nobody says how many rows to read.
    """
    if take is not None and (not isinstance(take, int) or isinstance(take, bool) or take < 1):
        raise TaskError(f"take must be an integer >= 1, got {take!r}")
    if isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        raise TaskError(
            f"the dataset has several splits: pass one of them, e.g. dataset[{next(iter(data), 'train')!r}]"
        )
    if isinstance(data, datasets.Dataset):
        dataset = data
    elif isinstance(data, datasets.IterableDataset):
        dataset = from_columns(_columns(_read(data, take)))
    elif isinstance(data, Mapping):
        dataset = from_columns(data)
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        dataset = from_columns(_columns(data[:take]))
    else:
        raise TaskError(f"dataset must be a datasets.Dataset or a list of rows, got {type(data).__name__}")
    if len(dataset) == 0:
        raise TaskError("the dataset is empty: it needs at least one row")
    return dataset if take is None or len(dataset) <= take else dataset.select(range(take))


def from_columns(columns: Mapping[str, Any]) -> datasets.Dataset:
    """A dataset of columns.

    Raises:
        TaskError: They have no one type each, or differ in length.
    """
    try:
        return datasets.Dataset.from_dict(dict(columns))
    except (TypeError, ValueError, OverflowError) as error:  # Arrow's errors are among them
        raise TaskError(f"the dataset must have one type per column, and columns of one length: {error}") from error


def _columns(rows: Sequence[object]) -> dict[str, list[object]]:
    names: dict[str, None] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TaskError(f"row {index} of the dataset must be a mapping of column to value, got {row!r}")
        names |= dict.fromkeys(row)
    return {name: [row.get(name) for row in rows if isinstance(row, Mapping)] for name in names}


def _read(stream: datasets.IterableDataset, take: int | None) -> list[object]:
    if take is None:
        raise TaskError(
            "the dataset is a stream, which may have no end: give `take`, the number of rows to read, or a list of "
            "rows, e.g. list(dataset.take(500))"
        )
    rows: list[object] = []
    try:
        rows.extend(itertools.islice(stream.with_format(None), take))
    except Exception as error:  # there may be user code and a network behind it
        raise TaskError(f"the stream fails after {len(rows)} rows: {type(error).__name__}: {error}") from error
    if len(rows) < take:
        _LOG.info("the stream ended after %d of %d rows", len(rows), take)
    return rows
