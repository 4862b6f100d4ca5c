"""The first rows of a stream, and the types of its columns."""

import itertools
import logging
from typing import Any

import datasets

from llmsearch_optuna.data.columns import holds
from llmsearch_optuna.errors import TaskError

__all__ = ["column_types", "read_stream"]

_LOG = logging.getLogger(__name__)


def read_stream(stream: datasets.IterableDataset, take: int | None) -> list[object]:
    """Return the first rows of a stream, read once and in its order.

    Args:
        stream: The stream.
        take: The number of rows.

    Raises:
        TaskError: The stream fails, or `take` is None.
    """
    if take is None:
        raise TaskError(
            "the dataset is a stream, which may have no end: give `take`, the number of rows to read, or a list of "
            "rows, e.g. list(dataset.take(500))"
        )
    rows: list[object] = []
    try:
        rows.extend(itertools.islice(stream.with_format(None), take))
    except Exception as error:  # user code and the network may raise anything
        raise TaskError(f"the stream fails after {len(rows)} rows: {type(error).__name__}: {error}") from error
    if len(rows) < take:
        _LOG.info("the stream ended after %d of %d rows", len(rows), take)
    return rows


def column_types(stream: datasets.IterableDataset) -> dict[str, Any]:
    """Return the types of the columns that a stream states, which its rows do not show, e.g. class labels.

    Columns with JSON in them are left out, because `datasets` rounds numbers when it writes JSON.
    """
    return {
        name: feature
        for name, feature in (stream.features or {}).items()
        if not holds(feature, lambda part: isinstance(part, datasets.Json))
    }
