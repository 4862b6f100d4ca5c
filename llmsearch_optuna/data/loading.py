"""Load rows from a file, a saved dataset, the hub, or Python objects."""

import codecs
import contextlib
import csv
import functools
import glob
import itertools
import json
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

from llmsearch_optuna.data.columns import restore_values
from llmsearch_optuna.data.nested import data_column
from llmsearch_optuna.data.streams import column_types, read_stream
from llmsearch_optuna.data.values import WrittenFloat, keep_numbers
from llmsearch_optuna.errors import TaskError, unknown_name

__all__ = ["as_dataset", "from_columns", "load_data"]

_ONE_TYPE = "the dataset must have one type per column, and columns of one length"


def load_data(
    path: str,
    *,
    directory: Path | None = None,
    config: str | None = None,
    split: str | None = None,
    streaming: bool = False,
    take: int | None = None,
) -> datasets.Dataset:
    """Load a JSON, JSONL, CSV, TSV or Parquet file, a directory of ``Dataset.save_to_disk``, or a dataset of the hub.

    Values are not converted: a string is never parsed as a date, a number or a missing value. All cells of CSV and TSV
    files (header line, ``""`` for a quote) are therefore strings. A JSON file contains a list of rows. Its numbers are
    kept as they are written; see `keep_numbers` and `data_column`. Class labels become their names.

    Args:
        path: A file that ends with ``.json``, ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, a directory that
            ``Dataset.save_to_disk`` wrote, or a hub id such as ``openai/gsm8k``.
        directory: The directory that a relative path starts from; the working directory by default.
        config: Configuration of a hub dataset.
        split: Split of a hub dataset, e.g. ``train`` or ``train[:500]``, or the name of a saved dataset's split.
        streaming: Whether to read only the first `take` rows of a hub dataset or a Parquet file. JSONL, CSV and TSV
            files are always read this way, and saved datasets are mapped into memory.
        take: Use only the first `take` rows; required with `streaming`.

    Raises:
        TaskError: The file or dataset cannot be loaded or is empty, the suffix is unknown, or an argument is missing or
            does not apply.
    """
    file = (directory or Path()) / path
    suffix = file.suffix.lower()
    if suffix not in _READERS and not file.exists():
        return _from_hub(path, config, split, streaming=streaming, take=take)
    if not file.exists():
        raise TaskError(f"data file {file} does not exist")
    if file.is_dir():
        return _from_disk(file, config, split, take)
    if suffix not in _READERS:
        raise TaskError(unknown_name("data file ending", suffix or path, _READERS))
    if config is not None or split is not None:
        raise TaskError(f"config and split belong to hub datasets, and {file} is a file: remove them")
    try:
        if suffix == _PARQUET:
            return as_dataset(_read_parquet(file, streaming=streaming), take=take)
        return as_dataset(list(itertools.islice(_READERS[suffix](file), take)))
    except UnicodeDecodeError as error:
        raise TaskError(
            f"data file {file} cannot be read: {error}; it is {_encoding(file)}: save it as UTF-8"
        ) from error
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise TaskError(f"data file {file} cannot be read: {error}") from error


def _encoding(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(1000)
    is_wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start
    return "UTF-16" if is_wide else "another encoding (perhaps that of Windows, cp1252)"


def _from_disk(directory: Path, config: str | None, split: str | None, take: int | None) -> datasets.Dataset:
    if not ((directory / "state.json").is_file() or (directory / "dataset_dict.json").is_file()):
        raise TaskError(f"data file {directory} is a directory, but not of Dataset.save_to_disk: name a file in it")
    if config is not None:
        raise TaskError(f"config belongs to hub datasets, and {directory} is on disk: remove it")
    try:
        saved = datasets.load_from_disk(str(directory))
    except (OSError, ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError) as error:
        raise TaskError(f"dataset {directory} cannot be read: {error}") from error
    if isinstance(saved, datasets.DatasetDict):
        if split is None:
            raise TaskError(f"dataset {directory} has several splits: add split, one of {', '.join(saved)}")
        if split not in saved:
            raise TaskError(unknown_name("split", split, map(str, saved)))
        saved = saved[split]
    elif split is not None:
        raise TaskError(f"dataset {directory} has no splits: remove split")
    return as_dataset(saved, take=take)


def _from_hub(
    name: str, config: str | None, split: str | None, *, streaming: bool, take: int | None
) -> datasets.Dataset:
    if split is None:
        raise TaskError(
            f"hub dataset {name} needs a split, e.g. split = 'train' (or is it a file that does not exist?)"
        )
    if streaming and "[" in split:
        raise TaskError(f"a stream has no slices, got split = {split!r}: name the split alone, and take rows of it")
    try:
        loaded = datasets.load_dataset(name, config, split=split, streaming=streaming)
    except (OSError, ValueError, RuntimeError, ImportError, datasets.exceptions.DatasetsError) as error:
        raise TaskError(f"dataset {name} cannot be loaded from the hub: {error}") from error
    return as_dataset(loaded, take=take)


def as_dataset(data: object, *, take: int | None = None) -> datasets.Dataset:
    """Return a dataset, a stream, a table, a list of rows or a mapping of columns as a `datasets.Dataset`.

    Args:
        data: The rows. The first `take` rows of a `datasets.IterableDataset` are read once, in its order. A table is a
            DataFrame of pandas or polars, or a `pyarrow.Table`.
        take: Use only the first `take` rows; required for a stream.

    Raises:
        TaskError: The data are empty or of another type, a column has several types, columns differ in length, a stream
            fails, or `take` is None for a stream.
    """
    if isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        raise TaskError(
            f"the dataset has several splits: pass one of them, e.g. dataset[{next(iter(data), 'train')!r}]"
        )
    if isinstance(data, datasets.Dataset):
        dataset = data
    elif hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "to_arrow")):
        dataset = _from_frame(data)
    elif hasattr(data, "schema") and hasattr(data, "to_pylist"):
        dataset = _from_arrow(data)
    elif isinstance(data, datasets.IterableDataset):
        dataset = _from_stream(data, take)
    elif isinstance(data, Mapping):
        dataset = _from_values({name: _checked_column(name, values) for name, values in data.items()})
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        dataset = _from_values(_columns(data[:take]))
    else:
        raise TaskError(f"dataset must be a datasets.Dataset or a list of rows, got {type(data).__name__}")
    if len(dataset) == 0:
        raise TaskError("the dataset is empty: it needs at least one row")
    return restore_values(dataset, take)


def _from_frame(frame: Any) -> datasets.Dataset:
    """Return a DataFrame of pandas or polars as a dataset."""
    if len(set(frame.columns)) < len(frame.columns):
        raise TaskError(f"several columns have the same name: {', '.join(map(str, frame.columns))}")
    if not hasattr(frame, "iloc"):
        return _from_arrow(frame.to_arrow())
    columns = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        gap = math.nan if column.dtype.kind == "f" else None  # pandas keeps integers with gaps as floats
        columns[str(name)] = [
            gap if is_gap else value for value, is_gap in zip(column.array, column.isna(), strict=True)
        ]
    return _from_values(columns)


def _from_arrow(table: Any) -> datasets.Dataset:
    for index, field in enumerate(table.schema):
        if str(field.type).startswith("dictionary"):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
    try:
        return datasets.Dataset(datasets.table.InMemoryTable(table))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TaskError(f"the table cannot be read: {error}") from error


def _checked_column(name: str, values: Any) -> Any:
    """Return the values of a column.

    Raises:
        TaskError: They have no order, or are no sequence.
    """
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return values
    if hasattr(values, "to_pylist"):
        return values.to_pylist()
    if hasattr(values, "__array__") and hasattr(values, "__len__"):
        return list(getattr(values, "array", values))
    hint = {"dict": ": pass the DataFrame itself, or its `to_dict('list')`", "set": ", as sets have no order"}
    kind = type(values).__name__
    raise TaskError(
        f"{_ONE_TYPE}: column `{name}` must be a list with one value per row, got {reprlib.repr(values)} ({kind})"
        f"{hint.get(kind, '')}"
    )


def _from_values(columns: Mapping[str, Sequence[object]]) -> datasets.Dataset:
    try:
        kept = keep_numbers(columns)
    except TaskError as error:
        raise TaskError(f"{_ONE_TYPE}: {error}") from error
    return from_columns({name: data_column(values) for name, values in kept.items()})


def _from_stream(stream: datasets.IterableDataset, take: int | None) -> datasets.Dataset:
    columns = _columns(read_stream(stream, take))
    types = {name: feature for name, feature in column_types(stream).items() if name in columns}
    others = {name: values for name, values in columns.items() if name not in types}
    if not types:
        return _from_values(others)
    typed = from_columns({name: columns[name] for name in types}, datasets.Features(types))
    return datasets.concatenate_datasets([typed, _from_values(others)], axis=1) if others else typed


def _columns(rows: Sequence[object]) -> dict[str, list[object]]:
    names: dict[str, None] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TaskError(f"row {index} of the dataset must be a mapping of column to value, got {row!r}")
        names |= dict.fromkeys(row)
    return {name: [row.get(name) for row in rows if isinstance(row, Mapping)] for name in names}


def from_columns(columns: Mapping[str, Any], features: datasets.Features | None = None) -> datasets.Dataset:
    """Return a dataset with these columns.

    Args:
        columns: The values of each column.
        features: The types of the columns; by default those of the values.

    Raises:
        TaskError: A column has several types, or the columns differ in length.
    """
    try:
        return datasets.Dataset.from_dict(dict(columns), features)
    except (TypeError, ValueError, OverflowError) as error:  # includes the errors of Arrow
        raise TaskError(f"{_ONE_TYPE}: {_faulty_column(columns)}{error}") from error


def _faulty_column(columns: Mapping[str, Any]) -> str:
    for name, values in columns.items():
        try:
            datasets.Dataset.from_dict({name: values})
        except (TypeError, ValueError, OverflowError):
            return f"column `{name}`: "
    return ""


def _read_json_or_lines(file: Path) -> Iterator[object]:
    """Read a ``.json`` file, which may hold one object per line.

    Raises:
        TaskError: It holds a single object with all rows in it, as pandas' ``to_json()`` writes it.
    """
    rows = _read_json(file)
    try:
        first = list(itertools.islice(rows, 2))
    except TaskError as error:  # a line is not JSON: it may be part of one object on several lines
        try:
            first = [json.loads(file.read_text(encoding="utf-8-sig"), parse_float=WrittenFloat)]
        except (ValueError, RecursionError):
            raise error from None
    if len(first) == 1 and isinstance(first[0], Mapping):
        _check_single_object(first[0])
    yield from itertools.chain(first, rows)


def _check_single_object(content: Mapping[str, Any]) -> None:
    """Refuse a single object unless it is a row.

    Raises:
        TaskError: It holds several rows, or columns.
    """
    for key, value in content.items():
        items = value if isinstance(value, list) else []
        is_conversation = any(
            isinstance(item, Mapping) and ({"role", "content"} <= set(item) or {"from", "value"} <= set(item))
            for item in items
        )
        if items and not is_conversation and all(isinstance(item, Mapping) for item in items):
            raise TaskError(f"it holds one object, with rows under {key!r}: write these rows as a list")
    values = list(content.values())
    lists = [
        value for value in values if isinstance(value, list) and not any(isinstance(item, Mapping) for item in value)
    ]
    has_columns = len(lists) == len(values) and len(set(map(len, lists))) == 1 and len(lists[0]) > 1
    is_split = {"columns", "data"} <= set(content)  # as pandas names this form
    if content and (has_columns or is_split or all(isinstance(value, Mapping) and value for value in values)):
        raise TaskError(
            f"it holds one object (with {', '.join(itertools.islice(content, 3))}) in place of a list of rows: write "
            "[{column: value, ...}, ...], e.g. with pandas' `to_json(orient='records')`"
        )


def _read_json(file: Path) -> Iterator[object]:
    with file.open(encoding="utf-8-sig", newline="\n") as stream:  # strings may contain other line ends
        begins = True
        for number, line in enumerate(stream, start=1):
            if begins and line.lstrip().startswith("["):
                yield from json.loads("".join(("\n" * (number - 1), line, *stream)), parse_float=WrittenFloat)
            elif line.strip():
                begins = False
                try:
                    yield json.loads(line, parse_float=WrittenFloat)
                except (ValueError, RecursionError) as error:  # RecursionError for a thousand nested lists
                    hint = ": the file is UTF-16, save it as UTF-8" if "\0" in line else ""
                    raise TaskError(f"line {number} is not JSON: {error}{hint}") from error


def _read_csv(file: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream, _long_cells():
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            _check_separator(stream.readline(), delimiter)
            stream.seek(0)
            header = next(reader, [])
            if len(set(header)) < len(header):
                raise TaskError(f"several columns have the same name: {', '.join(header)}")
            for cells in reader:
                if cells and len(cells) != len(header):
                    spaced = any(cell.startswith(' "') for cell in cells)
                    hint = ": remove the spaces before the quotes, which make them part of the cells" if spaced else ""
                    raise TaskError(
                        f"line {reader.line_num} has {len(cells)} cells, but the header has {len(header)}{hint}"
                    )
                if cells:
                    yield dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise TaskError(f"{error}, in line {reader.line_num}, with the delimiter {delimiter!r}") from error


def _check_separator(header: str, delimiter: str) -> None:
    """Validate the header line of a CSV or TSV file.

    Raises:
        TaskError: It has another separator than the delimiter.
    """
    columns = {sign: len(next(csv.reader([header], delimiter=sign), [])) for sign in _SEPARATORS}  # heeds quotes
    separator = next((sign for sign, count in columns.items() if count > 1), None)
    if separator is None or columns[delimiter] > 1:
        return
    suffix = {",": ".csv", "\t": ".tsv"}
    advice = (
        f"rename it to {suffix[separator]}"
        if separator in suffix
        else f"write it with commas, e.g. `pandas.read_csv(FILE, sep={separator!r}).to_csv(NEW_FILE, index=False)`"
    )
    raise TaskError(
        f"its columns are separated by {separator!r}, and {suffix[delimiter]} means {delimiter!r}: {advice}"
    )


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Accept cells of any length; the default limit of the csv module is 128 kB."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _read_parquet(file: Path, *, streaming: bool = False) -> datasets.Dataset | datasets.IterableDataset:
    try:
        data_files = glob.escape(str(file))  # `datasets` takes a path for a pattern
        return datasets.load_dataset("parquet", data_files=data_files, split="train", streaming=streaming)
    except datasets.exceptions.DatasetsError as error:
        raise TaskError(str(error.__cause__ or error)) from error


_PARQUET = ".parquet"

_SEPARATORS = ("\t", ";", ",", "|")

_READERS: Mapping[str, Callable[[Path], Iterable[object]]] = {
    ".jsonl": _read_json,
    ".json": _read_json_or_lines,
    ".csv": _read_csv,
    ".tsv": functools.partial(_read_csv, delimiter="\t"),
    _PARQUET: _read_parquet,
}
