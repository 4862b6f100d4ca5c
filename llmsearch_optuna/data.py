"""Where the rows come from: a file, or a dataset of the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets

from llmsearch_optuna.errors import TaskError, unknown_name

__all__ = ["load_data"]

_FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


def load_data(path: str, *, config: str | None = None, split: str | None = None) -> datasets.Dataset:
    """Loads a JSONL, CSV or Parquet file, or a dataset of the hub.

    Args:
        path: A file with one of these endings, or a hub id such as ``openai/gsm8k``.
        config: The hub dataset's configuration.
        split: The hub dataset's split, e.g. ``train`` or ``train[:500]``.

    Raises:
        TaskError: The file or dataset cannot be had, or the ending is unknown.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS and not Path(path).exists():
        return _from_hub(path, config, split)
    if not Path(path).is_file():
        raise TaskError(f"data file {path} does not exist")
    if suffix not in _FORMATS:
        raise TaskError(unknown_name("data file ending", suffix or path, _FORMATS))
    if config is not None or split is not None:
        raise TaskError(f"config and split belong to hub datasets, and {path} is a file: remove them")
    arguments: Mapping[str, Any] = {"delimiter": "\t"} if suffix == ".tsv" else {}
    try:
        return datasets.load_dataset(_FORMATS[suffix], data_files=path, split="train", **arguments)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise TaskError(f"data file {path} cannot be read: {reason}") from error


def _from_hub(name: str, config: str | None, split: str | None) -> datasets.Dataset:
    if split is None:
        raise TaskError(
            f"hub dataset {name} needs a split, e.g. split = 'train' (or is it a file that does not exist?)"
        )
    try:
        return datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise TaskError(f"dataset {name} cannot be loaded from the hub: {reason}") from error
