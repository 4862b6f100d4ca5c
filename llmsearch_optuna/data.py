"""Where the rows come from: a file, or a dataset of the hub."""

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import datasets

from llmsearch_optuna.errors import TaskError, unknown_name
from llmsearch_optuna.task import as_dataset

__all__ = ["load_data"]


def load_data(
    path: str, *, directory: Path | None = None, config: str | None = None, split: str | None = None
) -> datasets.Dataset:
    """Loads a JSON, JSONL, CSV, TSV or Parquet file, or a dataset of the hub.

    Values are taken as they are written: a text is never guessed to be a date, a number or a missing value, so that the
    cells of CSV and TSV files (header line, ``""`` for a quote) are all texts. JSON files hold a list of rows.

    Args:
        path: A file with one of these endings, or a hub id such as ``openai/gsm8k``.
        directory: What a relative path starts from; the working directory by default.
        config: The hub dataset's configuration.
        split: The hub dataset's split, e.g. ``train`` or ``train[:500]``.

    Raises:
        TaskError: The file or dataset cannot be had, or the ending is unknown.
    """
    file = (directory or Path()) / path
    suffix = file.suffix.lower()
    if suffix not in _READERS and not file.exists():
        return _from_hub(path, config, split)
    if not file.exists():
        raise TaskError(f"data file {file} does not exist")
    if not file.is_file():
        raise TaskError(f"data file {file} is a directory: name a file in it")
    if suffix not in _READERS:
        raise TaskError(unknown_name("data file ending", suffix or path, _READERS))
    if config is not None or split is not None:
        raise TaskError(f"config and split belong to hub datasets, and {file} is a file: remove them")
    try:
        return as_dataset(_READERS[suffix](file))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise TaskError(f"data file {file} cannot be read: {error}") from error


def _read_json(file: Path) -> object:
    text = file.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        return json.loads(text)
    return _json_rows(text.split("\n"))  # str.splitlines would also split within texts


def _json_rows(lines: Iterable[str]) -> list[object]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:  # the latter where it is nested a thousand times
                raise TaskError(f"line {number} is not JSON: {error}") from error
    return rows


def _read_csv(file: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream, _long_cells():
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise TaskError(f"two columns have one name: {', '.join(header)}")
        rows = []
        for cells in reader:
            if cells and len(cells) != len(header):
                raise TaskError(f"line {reader.line_num} has {len(cells)} cells, but the header has {len(header)}")
            if cells:
                rows.append(dict(zip(header, cells, strict=True)))
        return rows


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """While cells of any length are read: the module's own limit is 128 kB."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _read_tsv(file: Path) -> list[dict[str, str]]:
    return _read_csv(file, delimiter="\t")


def _read_parquet(file: Path) -> datasets.Dataset:
    try:
        return datasets.load_dataset("parquet", data_files=str(file), split="train")
    except datasets.exceptions.DatasetsError as error:
        raise TaskError(str(error.__cause__ or error)) from error


_READERS: Mapping[str, Callable[[Path], object]] = {
    ".jsonl": _read_json,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
}


def _from_hub(name: str, config: str | None, split: str | None) -> datasets.Dataset:
    if split is None:
        raise TaskError(
            f"hub dataset {name} needs a split, e.g. split = 'train' (or is it a file that does not exist?)"
        )
    try:
        return datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, RuntimeError, ImportError, datasets.exceptions.DatasetsError) as error:
        raise TaskError(f"dataset {name} cannot be loaded from the hub: {error}") from error
