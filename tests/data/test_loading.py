import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import pandas as pd  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.errors import TaskError

ROWS: list[dict[str, Any]] = [
    # What readers like to guess: dates, numbers, missing values, quotes, line ends of Unicode.
    {"question": "2020-01-01", "answer": "NA"},
    {"question": "007", "answer": "None"},
    {"question": 'she said, "no"', "answer": ""},
    {"question": "one\nline\u2028more", "answer": "tab\there"},
    {"question": "true", "answer": "1e5"},
]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(rows, indent=2), encoding="utf-8")


def write_cells(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    datasets.Dataset.from_list(rows).to_parquet(path)


Writer = Callable[[Path, list[dict[str, Any]]], None]
WRITERS: dict[str, Writer] = {
    "data.jsonl": write_jsonl,
    "lines.json": write_jsonl,
    "list.json": write_json,
    "data.csv": write_cells,
    "data.tsv": write_cells,
    "DATA.PARQUET": write_parquet,
}


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_values_are_taken_as_they_are_written(name: str, write: Writer, tmp_path: Path) -> None:
    write(tmp_path / name, ROWS)
    loaded = load_data(str(tmp_path / name))
    assert loaded.to_list() == ROWS


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_a_changed_file_is_read_again(name: str, write: Writer, tmp_path: Path) -> None:
    for answer in ("a", "b"):
        write(tmp_path / name, [{"question": "q", "answer": answer}])
        assert load_data(str(tmp_path / name)).to_list() == [{"question": "q", "answer": answer}]


@pytest.mark.parametrize("name", ["data.jsonl", "list.json", "data.parquet"])
def test_types_and_missing_values_are_kept(name: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"n": 1, "x": 0.5, "items": ["a", "b"], "yes": True},
        {"n": None, "x": 2.0, "items": [], "yes": False},
    ]
    {**WRITERS, "data.parquet": write_parquet}[name](tmp_path / name, rows)
    assert load_data(str(tmp_path / name)).to_list() == rows


texts = st.text(st.characters(codec="utf-8"))


@settings(max_examples=scaled(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"question": texts, "answer": texts}), min_size=1, max_size=4))
@pytest.mark.parametrize("name", ["data.jsonl", "list.json", "data.csv", "data.tsv"])
def test_any_text_survives(name: str, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    WRITERS[name](tmp_path / name, rows)
    assert load_data(str(tmp_path / name)).to_list() == rows


@pytest.mark.parametrize("name", ["data.jsonl", "data.csv"])
def test_byte_order_marks_and_blank_lines_are_skipped(name: str, tmp_path: Path) -> None:
    text = {"data.jsonl": '\ufeff{"a": "x"}\r\n\r\n  \n{"a": "y"}\n\n', "data.csv": "\ufeffa\r\nx\r\n\r\ny\r\n"}[name]
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert load_data(str(tmp_path / name)).to_list() == [{"a": "x"}, {"a": "y"}]


FRAME = pd.DataFrame([{"q": "a", "n": 1}, {"q": "b", "n": 2}])


@pytest.mark.parametrize("indent", [0, 2])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (FRAME.to_json(orient=form), "one object .* in place of a list of rows: write ")
            for form in ("split", "index")
        ),
        (
            FRAME.to_json(orient="columns"),
            r"one object \(with q, n\) in place of a list of rows: write \[{column: value",
        ),
        (FRAME.to_json(orient="table"), "one object, with rows under 'data': write these rows as a list$"),
        (
            json.dumps(FRAME.to_dict("list")),
            r"one object \(with q, n\) in place of a list of rows: write .*records'\)`$",
        ),
        (json.dumps({"version": 1, "data": ROWS}), "one object, with rows under 'data': write these rows as a list$"),
        (json.dumps({"data": [{"role": "x", "q": "y"}], "v": 1}), "one object, with rows under 'data'"),
        (json.dumps({"data": {"train": ROWS}}), r"one object \(with data\) in place of a list of rows"),
    ],
)
def test_one_object_with_all_rows_is_refused(text: str, message: str, indent: int, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(json.loads(text), indent=indent or None), encoding="utf-8")
    with pytest.raises(TaskError, match=rf"x.json cannot be read: it holds {message}"):
        load_data(str(tmp_path / "x.json"))


def test_one_object_may_be_a_row(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    for row in ({"chat": chat}, {"q": "x", "a": ["y", "z"]}, {"q": {"text": "x"}, "a": "y"}, {"q": ["x"]}):
        (tmp_path / "x.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
        assert load_data(str(tmp_path / "x.json")).to_list() == [row]
    (tmp_path / "x.json").write_text('{"a": 1}\n{\n"a": 2}', encoding="utf-8")
    with pytest.raises(TaskError, match="line 2 is not JSON"):
        load_data(str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.jsonl", b"", "the dataset is empty: it needs at least one row"),
        ("data.jsonl", b'{"a": 1}\n{"a": 1', "line 2 is not JSON: Expecting ',' delimiter"),
        ("data.jsonl", b'{"a": 1}\n\n3\n', "row 1 of the dataset must be a mapping of column to value, got 3"),
        ("data.jsonl", b'{"a": 1}\n{"a": "x"}\n', "the dataset must have one type per column"),
        ("data.jsonl", b'{"a": "\\ud800"}\n', "the dataset must have one type per column, .*surrogates not allowed"),
        ("data.jsonl", b'{"a": "\xff"}\n', "'utf-8' codec can't decode byte 0xff"),
        ("data.json", b"[]", "the dataset is empty"),
        ("data.json", b'[{"a": 1}', "Expecting ',' delimiter"),
        ("data.json", b'["a"]', "row 0 of the dataset must be a mapping of column to value, got 'a'"),
        ("data.csv", b"", "the dataset is empty"),
        ("data.csv", b"a,b\n", "the dataset is empty"),
        ("data.csv", b"a,b\n1,2\n1,2,3,4\n", "line 3 has 4 cells, but the header has 2"),
        ("data.csv", b"a,b\n1\n", "line 2 has 1 cells, but the header has 2"),
        (
            "data.csv",
            b"\xef\xbb\xbfa;b\n1,5;2\n",
            r"its columns are separated by ';', and \.csv means ',': write it .*sep=';'",
        ),
        ("data.csv", b'"a, b";"c"\n"1,5";"2"\n', "its columns are separated by ';'"),
        ("data.csv", b"a\tb\n1\t2\n", r"its columns are separated by '\\t', and \.csv means ',': rename it to \.tsv$"),
        ("data.tsv", b"a,b\n1,2\n", r"its columns are separated by ',', and \.tsv means '\\t': rename it to \.csv$"),
        ("data.csv", b"a,a\n1,2\n", "several columns have the same name: a, a"),
        ("data.csv", b'a,b\n"1,2\n', "unexpected end of data"),
        ("data.tsv", b"a\n\xff\n", "'utf-8' codec can't decode byte 0xff"),
        ("data.parquet", b"not parquet", ".*[Pp]arquet"),
    ],
)
def test_a_corrupt_file_is_refused_in_one_line(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TaskError) as refusal:
        load_data(str(path))
    text = str(refusal.value)
    assert re.match(re.escape(f"data file {path} cannot be read: ") + message, text), text
    assert len(text.splitlines()) == 1


def test_a_parquet_file_that_is_damaged_or_empty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_parquet(path, [{"a": f"text {index}" * 10} for index in range(1000)])
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)
    empty = tmp_path / "empty.parquet"
    datasets.Dataset.from_list([{"a": 1}]).select([]).to_parquet(empty)
    for file in (path, empty):
        with pytest.raises(TaskError) as refusal:
            load_data(str(file))
        assert str(refusal.value).startswith(f"data file {file} cannot be read: ")
        assert len(str(refusal.value).splitlines()) == 1
        assert "generating the dataset" not in str(refusal.value)  # which would not say what is wrong


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("missing.csv", {}, "^data file .*missing.csv does not exist$"),
        ("folder", {}, "^data file .*folder is a directory, but not of Dataset.save_to_disk: name a file in it$"),
        (
            "folder.csv",
            {},
            "^data file .*folder.csv is a directory, but not of Dataset.save_to_disk: name a file in it$",
        ),
        (
            "data.xlsx",
            {},
            "^unknown data file ending `.xlsx`: known are .csv, .json, .jsonl, .parquet, .tsv$",
        ),
        ("data.jsonll", {}, r"^unknown data file ending `.jsonll`: did you mean `.jsonl`\?$"),
        ("data", {}, "^unknown data file ending `.*data`: "),
        (
            "data.csv",
            {"split": "train"},
            "^config and split belong to hub datasets, and .*data.csv is a file: remove them$",
        ),
        ("data.csv", {"config": "main"}, "^config and split belong to hub datasets"),
        (
            "missing",
            {},
            r"^hub dataset .*missing needs a split, e.g. split = 'train' \(or is it a file that does not exist\?\)$",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(name: str, arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    for folder in ("folder", "folder.csv"):
        (tmp_path / folder).mkdir()
    for file in ("data.xlsx", "data.jsonll", "data", "data.csv"):
        (tmp_path / file).write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(TaskError, match=message):
        load_data(str(tmp_path / name), **arguments)


# Parts, streams, and what is saved on disk.


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("streaming", [True, False])
def test_the_first_rows_are_taken(name: str, streaming: bool, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, ROWS)
    for take in (1, 3, 9):
        assert load_data(str(tmp_path / name), streaming=streaming, take=take).to_list() == ROWS[:take]


@pytest.mark.parametrize(
    ("name", "content"), [("data.jsonl", '\n{"a": "x"}\n\n{"a": "y"}\nbroken'), ("data.csv", "a\nx\ny\n1,2\n")]
)
def test_lines_after_the_last_row_that_is_taken_are_not_read(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert load_data(str(tmp_path / name), take=2).to_list() == [{"a": "x"}, {"a": "y"}]
    with pytest.raises(TaskError, match=r"line (4|5) "):
        load_data(str(tmp_path / name), take=3)


def test_a_parquet_file_that_is_damaged_is_refused_as_a_stream_too(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(TaskError, match=r"^data file .*x.parquet cannot be read: ") as refusal:
        load_data(str(tmp_path / "x.parquet"), streaming=True, take=3)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["run[1]/rows.parquet", "rows[1].parquet", "rows?.parquet", "ro*.parquet"])
@pytest.mark.parametrize("streaming", [True, False])
def test_the_path_of_a_parquet_file_is_no_pattern(name: str, streaming: bool, tmp_path: Path) -> None:
    for other in ("run1/rows.parquet", "rows1.parquet", name):
        write_parquet(tmp_path / "new.parquet", [{"name": other}])
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / "new.parquet").rename(tmp_path / other)
    assert load_data(str(tmp_path / name), streaming=streaming, take=1).to_list() == [{"name": name}]


def test_conversations_survive_every_file_that_can_hold_them(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "é\u2028{x}"}, {"role": "assistant", "content": "\n"}]
    for name in ("data.jsonl", "list.json", "DATA.PARQUET"):
        WRITERS[name](tmp_path / name, [{"chat": chat}] * 2)
        assert load_data(str(tmp_path / name)).to_list() == [{"chat": chat}] * 2


def test_a_saved_dataset_is_read_from_disk(tmp_path: Path) -> None:
    saved = datasets.Dataset.from_list(ROWS)
    saved.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": saved, "test": saved.select([3, 4])}).save_to_disk(tmp_path / "two")
    assert load_data("one", directory=tmp_path).to_list() == ROWS
    assert load_data("one", directory=tmp_path, take=2, streaming=True).to_list() == ROWS[:2]
    assert load_data("two", directory=tmp_path, split="test").to_list() == ROWS[3:]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("two", {}, "two has several splits: add split, one of train, test$"),
        ("two", {"split": "tests"}, "^unknown split `tests`: did you mean `test`"),
        ("one", {"split": "train"}, "one has no splits: remove split$"),
        ("one", {"config": "main"}, "^config belongs to hub datasets, and .*one is on disk: remove it$"),
    ]
    for path, arguments, message in wrong:
        with pytest.raises(TaskError, match=message):
            load_data(path, directory=tmp_path, **arguments)
    (tmp_path / "one" / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TaskError, match=r"^dataset .*one cannot be read: ") as refusal:
        load_data("one", directory=tmp_path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_stream_has_no_slices() -> None:
    with pytest.raises(TaskError, match=r"^a stream has no slices, got split = 'train\[:5\]': name the split alone"):
        load_data("nobody/nothing", split="train[:5]", streaming=True, take=5)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_hub_dataset_out_of_reach_is_refused_in_one_line(streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(TaskError) as refusal:
        load_data("nobody/nothing", config="main", split="train", streaming=streaming, take=10)
    text = str(refusal.value)
    assert text.startswith("dataset nobody/nothing cannot be loaded from the hub: ")
    assert len(text.splitlines()) == 1
