import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from word_tokenizer import one_line

from llmsearch_optuna.data.loading import as_dataset, load_data
from llmsearch_optuna.data.nested import read_column
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import render_dataset

ROWS = [{"question": "one plus one", "answer": "two"}, {"question": "two", "answer": "two"}]


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        {"question": ["one plus one", "two"], "answer": ["two", "two"]},
        datasets.Dataset.from_list(ROWS),
    ],
    ids=["list", "tuple", "columns", "dataset"],
)
def test_as_dataset(data: object) -> None:
    assert as_dataset(data).to_list() == ROWS


def test_rows_may_lack_columns() -> None:
    assert as_dataset([{"a": 1}, {"b": "x"}]).to_list() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "^the dataset is empty: it needs at least one row$"),
        ({}, "^the dataset is empty"),
        ({"a": []}, "^the dataset is empty"),
        ("rows", "^dataset must be a datasets.Dataset or a list of rows, got str$"),
        (b"rows", "^dataset must be a datasets.Dataset or a list of rows, got bytes$"),
        (None, "^dataset must be a datasets.Dataset or a list of rows, got NoneType$"),
        (iter(ROWS), "^dataset must be a datasets.Dataset or a list of rows, got list_iterator$"),
        ([*ROWS, "x"], "^row 2 of the dataset must be a mapping of column to value, got 'x'$"),
        ([{"a": 1}, {"a": "x"}], "^the dataset must have one type per column, and columns of one length: "),
        ({"a": [1, 2], "b": [1]}, "^the dataset must have one type per column, and columns of one length: "),
        ({"a": 1}, "^the dataset must have one type per column, and columns of one length: "),
        ([{"a": "\ud800"}], "^the dataset must have one type per column, and columns of one length: "),
        (
            datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)}),
            r"^the dataset has several splits: pass one of them, e.g. dataset\['test'\]$",
        ),
        (datasets.DatasetDict(), r"^the dataset has several splits: pass one of them, e.g. dataset\['train'\]$"),
    ],
)
def test_bad_data_are_refused(data: object, message: str) -> None:
    one_line(lambda: as_dataset(data), message)


# Parts, and streams.


@pytest.mark.parametrize(
    "data", [ROWS, {"question": ["one plus one", "two"], "answer": ["two", "two"]}, datasets.Dataset.from_list(ROWS)]
)
def test_the_first_rows_are_taken(data: object) -> None:
    assert as_dataset(data, take=1).to_list() == ROWS[:1]
    assert as_dataset(data, take=2).to_list() == as_dataset(data, take=9).to_list() == ROWS


def endless(read: list[int], fails_at: int | None = None) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        if number == fails_at:
            raise ConnectionError("no\nway")
        read.append(number)
        yield {"question": str(number), "chat": [{"role": "user", "content": str(number)}]}
        number += 1


class Log:
    """Counts across the pickling of `datasets`, which copies what it is given."""

    read: list[int] = []  # noqa: RUF012


def stream(fails_at: int | None = None) -> datasets.IterableDataset:
    Log.read.clear()
    return datasets.IterableDataset.from_generator(lambda: endless(Log.read, fails_at))


def test_a_stream_is_read_once_in_its_order_and_no_further_than_needed() -> None:
    rows = as_dataset(stream(), take=5)
    assert Log.read == [0, 1, 2, 3, 4]
    assert rows.to_list() == [
        {"question": str(number), "chat": [{"role": "user", "content": str(number)}]} for number in range(5)
    ]
    assert rows.to_list() == as_dataset(stream().with_format("numpy"), take=5).to_list()


def test_a_stream_that_ends_early_gives_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    finite = datasets.Dataset.from_list(ROWS).to_iterable_dataset()
    with caplog.at_level(logging.INFO):
        assert as_dataset(finite, take=9).to_list() == ROWS
    assert caplog.messages == ["the stream ended after 2 of 9 rows"]


def test_a_stream_is_read_with_its_types(tmp_path: Path) -> None:
    chats = [[{"role": "user", "content": "?", "call": {part: 1}}] for part in ("x", "y")]
    label = datasets.ClassLabel(names=["no", "yes"])
    plain = datasets.Dataset.from_dict({"label": [1, None], "share": [0.1, 2.5], "n": [3, 4], "chat": chats})
    whole = plain.cast_column("label", label).cast_column("share", datasets.Value("float32"))
    whole.to_parquet(tmp_path / "x.parquet")
    read = as_dataset(whole)
    assert (read["label"][:], read["share"][:]) == (["yes", None], [0.1, 2.5])
    for streamed in (
        as_dataset(whole.to_iterable_dataset(), take=2),
        load_data(str(tmp_path / "x.parquet"), streaming=True, take=2),
    ):
        assert repr(streamed.to_list()) == repr(read.to_list())
        assert streamed.features == read.features
        prompts = render_dataset(streamed, PromptSource(messages_col="chat", eval_cols=("label",)), None)["_X"]
        assert list(map(json.loads, prompts)) == chats


def test_the_numbers_of_json_in_a_stream_are_not_rounded() -> None:
    texts = ['{"x": 1}', '{"x": "a", "y": 0.123456789012345}']
    features = datasets.Features({"m": datasets.Json(), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = datasets.Dataset.from_dict({"m": pa.array(texts, pa.json_()), "label": [1, 0]}, features=features)
    streamed = as_dataset(rows.to_iterable_dataset(), take=2)
    assert streamed["label"][:] == ["yes", "no"]
    first, second = read_column(streamed, "m")
    assert first == {"x": 1}
    assert second == {"x": "a", "y": pytest.approx(0.123456789012345, abs=1e-14)}


def test_a_stream_without_a_number_of_rows_is_refused_and_not_read() -> None:
    one_line(
        lambda: as_dataset(stream()), "^the dataset is a stream, which may have no end: give `take`, the number of r"
    )
    assert Log.read == []


def test_streams_that_cannot_be_used() -> None:
    one_line(lambda: as_dataset(stream(3), take=5), "^the stream fails after 3 rows: ConnectionError: no way$")
    empty = datasets.Dataset.from_list(ROWS).to_iterable_dataset().skip(5)
    one_line(lambda: as_dataset(empty, take=5), "^the dataset is empty")
    several = datasets.IterableDatasetDict({"test": stream()})
    one_line(lambda: as_dataset(several, take=5), r"has several splits: pass one of them, e.g. dataset\['test'\]$")
