import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from word_tokenizer import one_line, word_tokenizer

from llmsearch_optuna.data.loading import as_dataset, load_data
from llmsearch_optuna.data.nested import read_column
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import check_rows, read_strata, render_dataset
from llmsearch_optuna.data.values import is_missing

# Numbers.


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["18", "2.5"], ["18", "2.5"]),
        (["7", "7.0", "null"], ["7", "7.0", None]),
        (["1.50", "2.25"], ["1.50", "2.25"]),
        (["1e3", "0.5"], ["1e3", "0.5"]),
        (["1000000000000000000000", "2"], ["1000000000000000000000", "2"]),
        (["[1, 2.50]", "[]", "null", "[3]"], [["1", "2.50"], [], None, ["3"]]),
        # One type holds these as they are.
        (["18", "25", "null"], [18, 25, None]),
        (["1.5", "2.0", "null"], [1.5, 2.0, None]),
        (["true", "false"], [True, False]),
    ],
)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_numbers_of_json_are_kept_as_written(
    name: str, texts: list[str], expected: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f'{{"a": {text}}}' for text in texts]
    (tmp_path / name).write_text("\n".join(rows) if name == "x.jsonl" else f"[{','.join(rows)}]", encoding="utf-8")
    kept = load_data(str(tmp_path / name))["a"][:]
    assert (kept, list(map(type, kept))) == (expected, list(map(type, expected)))
    assert len(caplog.messages) == ('"' in json.dumps(list(expected)))
    again = as_dataset(kept and [{"a": value} for value in kept])
    assert again["a"][:] == expected


def test_a_warning_names_what_becomes_a_string(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 3}\n{"a": 1.50}\n', encoding="utf-8")
    load_data(str(tmp_path / "x.jsonl"))
    assert len(caplog.messages) == 1
    assert re.search(r"^column `a`: its numbers are kept as strings, .* \(row 1: 1.50\)$", caplog.messages[0])


def test_numbers_of_python_are_kept() -> None:
    rows = as_dataset([{"a": 18, "f": np.float32(0.1), "n": 3}, {"a": 2.5, "f": 2.0, "n": float("nan")}])
    assert rows.to_list() == [{"a": "18", "f": 0.1, "n": 3}, {"a": "2.5", "f": 2.0, "n": None}]
    assert as_dataset([{"a": "x"}, {"a": float("nan")}])["a"][:] == ["x", None]
    assert as_dataset({"a": [10**30, 1]})["a"][:] == [str(10**30), "1"]
    # Arguments of tool calls stay numbers.
    chat = [[{"role": "user", "n": 1}], [{"role": "user", "n": 2.5}]]
    assert as_dataset({"chat": chat})["chat"][:] == chat


def test_the_parts_of_mappings_keep_their_numbers_and_types(caplog: pytest.LogCaptureFixture) -> None:
    nan = float("nan")
    rows = [{"a": {"x": 1, "l": [1, nan], "u": "m"}}, {"a": {"x": np.float32(0.1), "l": [2.5]}}, {"a": {"x": pd.NA}}]
    expected = [{"x": 1, "l": [1, None], "u": "m"}, {"x": 0.1, "l": [2.5]}, {"x": None}]
    assert repr(read_column(as_dataset(rows), "a")) == repr(expected)
    calls = [{"name": "f", "arguments": {"x": 1}}, {"name": "f", "arguments": {"x": "1"}}, None]
    assert repr(read_column(as_dataset({"a": calls}), "a")) == repr(calls)
    assert as_dataset({"a": [{"x": 0.5, "t": (1, 2)}, {"x": nan, "t": None}]})["a"][:] == [
        {"x": 0.5, "t": [1, 2]},
        {"x": None, "t": None},
    ]
    assert not caplog.messages
    one_line(lambda: as_dataset([{"a": {"x": 1}}, {"a": "x"}]), "column `a` holds a mapping in row 0 .* a string in ")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([Decimal("1.50"), None, Decimal("2.25")], [Decimal("1.50"), None, Decimal("2.25")]),
        ([Decimal("1.5"), Decimal("NaN")], [Decimal("1.5"), None]),
        ([Decimal("1.50"), Decimal("2.5"), Decimal("1e2")], ["1.50", "2.5", "100"]),
        ([Decimal("1.50"), 2, None], ["1.50", "2", None]),
        ([[Decimal("1.50")], [Decimal("2.5")]], [["1.50"], ["2.5"]]),
    ],
)
def test_decimals_keep_their_digits(values: list[Any], expected: list[Any]) -> None:
    assert repr(as_dataset({"a": values})["a"][:]) == repr(expected)


def test_decimals_and_dates_are_references() -> None:
    rows = as_dataset({"a": [{"d": Decimal("0.0000001"), "l": [dt.date(2024, 1, 2)], "t": dt.datetime(2024, 1, 2, 3)}]})  # noqa: DTZ001
    source = PromptSource(eval_cols=("a", "a.d", "a.l"), prompt_template="x")
    parts = {"d": "0.0000001", "l": ["2024-01-02"], "t": "2024-01-02 03:00:00"}
    assert check_rows(rows, source) == [{"a": parts, "a.d": parts["d"], "a.l": parts["l"]}]


def test_mixed_types_are_named_with_column_and_rows(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a": null}\n{"a": "2b"}\n', encoding="utf-8")
    message = (
        r"column `a` holds a number in row 0 \(1\) and a string in row 2 \('2b'\): give all of its values one type$"
    )
    one_line(lambda: load_data(str(tmp_path / "x.jsonl")), message)
    one_line(lambda: as_dataset([{"a": [1]}, {"a": ["x"]}]), "column `a` holds a number in row 0 .* a string in row 1 ")
    one_line(lambda: as_dataset({"a": ["x"], "b": ["\ud800"]}), "one length: column `b`: ")


# Tables.


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "q": ["1+1?", "2+2?"],
            "n": [3, None],
            "f": np.array([0.1, 0.25], dtype="float32"),
            "whole": pd.array([1, None], dtype="Int64"),
            "when": pd.to_datetime(["2024-01-02", None]),
            "kind": pd.Categorical(["a", "b"]),
            "note": pd.array(["x", None], dtype="string"),
            "object": np.array(["x", float("nan")], dtype=object),
            5: [True, False],
        },
        index=[7, 3],
    )


FIRST = {
    "q": "1+1?",
    "n": 3,
    "f": 0.1,
    "whole": 1,
    "when": dt.datetime(2024, 1, 2),  # noqa: DTZ001
    "kind": "a",
    "note": "x",
    "object": "x",
    "5": True,
}
SECOND = {
    "q": "2+2?",
    "n": None,
    "f": 0.25,
    "whole": None,
    "when": None,
    "kind": "b",
    "note": None,
    "object": None,
    "5": False,
}


def test_a_data_frame_is_a_dataset(tmp_path: Path) -> None:
    assert as_dataset(frame()).to_list() == [FIRST, SECOND]
    assert repr(as_dataset(frame(), take=1).to_list()) == repr([FIRST])
    one_line(
        lambda: as_dataset(pd.DataFrame([[1, 2]], columns=["a", "a"])), "^several columns have the same name: a, a$"
    )
    one_line(lambda: as_dataset(frame().iloc[:0]), "^the dataset is empty")
    one_line(lambda: as_dataset(frame()["q"]), "^dataset must be a datasets.Dataset or a list of rows, got Series$")
    plain = frame().drop(columns=[5, "kind"])
    plain.to_parquet(tmp_path / "x.parquet", index=False)
    expected = [{name: row[name] for name in plain.columns} for row in (FIRST, SECOND)]
    assert load_data(str(tmp_path / "x.parquet")).to_list() == expected
    assert repr(load_data(str(tmp_path / "x.parquet"), take=1).to_list()) == repr(expected[:1])


def test_gaps_in_floats_are_none(tmp_path: Path) -> None:
    table = pd.DataFrame({"rate": [0.5, None, 2.0], "empty": np.full(3, np.nan)})
    expected = [{"rate": 0.5, "empty": None}, {"rate": None, "empty": None}, {"rate": 2.0, "empty": None}]
    assert as_dataset(table).to_list() == as_dataset(table.to_dict("records")).to_list() == expected
    assert as_dataset({"l": [[0.5, float("nan")], [float("nan")]]})["l"][:] == [[0.5, None], [None]]
    (tmp_path / "x.jsonl").write_text('{"rate": 0.5}\n{"rate": NaN}\n{"rate": 2.0}\n', encoding="utf-8")
    jinja = "{% if rate is none %}unknown{% else %}{{ rate }}{% endif %}"
    source = PromptSource(input_cols=("rate",), eval_cols=("rate",), prompt_jinja=jinja)
    for rows in (as_dataset(table), load_data(str(tmp_path / "x.jsonl"))):
        rendered = render_dataset(rows, source, word_tokenizer())
        assert rendered["_X"][:] == ["0.5", "unknown", "2.0"]
        assert rendered["_y"][:] == [{"rate": 0.5}, {"rate": None}, {"rate": 2.0}]


def test_an_arrow_table_is_a_dataset() -> None:
    table = pa.table(
        {
            "f": pa.array([0.1, None], pa.float32()),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "n": pa.array([3.0, None]),
            "l": pa.array([[0.1], None], pa.list_(pa.float32())),
        }
    )
    rows = [{"f": 0.1, "kind": "x", "n": 3, "l": [0.1]}, {"f": None, "kind": "y", "n": None, "l": None}]
    assert repr(as_dataset(table).to_list()) == repr(rows)

    class Frame:  # as polars has it
        columns = ("f",)

        def to_arrow(self) -> pa.Table:
            return table

    assert repr(as_dataset(Frame()).to_list()) == repr(rows)


def test_columns_may_be_arrays() -> None:
    columns = {
        "a": np.array([0.1, 2], dtype="float32"),
        "b": pd.Series(["x", None]),
        "c": pa.array([1, None]),
        "d": (1, 2),
    }
    assert as_dataset(columns).to_list() == [
        {"a": 0.1, "b": "x", "c": 1, "d": 1},
        {"a": 2.0, "b": None, "c": None, "d": 2},
    ]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({0: "x", 1: "y"}, r"got \{0: 'x', 1: 'y'\} \(dict\): pass the DataFrame itself, or its `to_dict\('list'\)`$"),
        ("two", r"got 'two' \(str\)$"),
        ({"x"}, r"got \{'x'\} \(set\), as sets have no order$"),
        ((value for value in "xy"), r".*\(generator\)$"),
        (3, r"got 3 \(int\)$"),
    ],
)
def test_a_column_must_be_a_sequence(column: object, message: str) -> None:
    one_line(lambda: as_dataset({"q": column}), f"column `q` must be a list with one value per row, {message}")


def test_class_labels_are_their_names(caplog: pytest.LogCaptureFixture) -> None:
    label = datasets.ClassLabel(names=["negative", "positive"])
    features = datasets.Features({"a": label, "q": datasets.Value("string"), "l": datasets.List(label)})
    columns = {"a": [1, -1, None], "q": ["x", "y", "z"], "l": [[0], [], None]}
    rows = as_dataset(datasets.Dataset.from_dict(columns, features=features))
    assert rows.to_list() == [
        {"a": "positive", "q": "x", "l": ["negative"]},
        {"a": None, "q": "y", "l": []},
        {"a": None, "q": "z", "l": None},
    ]
    assert caplog.messages[0] == "column `a` holds class labels: their names are used, not their numbers"


# Parts of nested values.


def test_a_reference_may_be_part_of_a_column() -> None:
    rows = as_dataset(
        [
            {"q": "Who?", "answers": {"text": ["Anna"], "start": [0]}, "many": [{"x": {"y": 1}}], "a.b": "whole"},
            {"q": "And?", "answers": None, "many": [], "a.b": "z"},
        ]
    )
    source = PromptSource(input_cols=("q",), eval_cols=("answers.text", "many.x.y", "a.b"), prompt_template="{q}")
    expected = [
        {"answers.text": ["Anna"], "many.x.y": [1], "a.b": "whole"},
        {"answers.text": None, "many.x.y": [], "a.b": "z"},
    ]
    assert check_rows(rows, source) == expected
    assert render_dataset(rows, source, word_tokenizer())["_y"][:] == expected
    assert read_strata(rows, "answers.text") == ['["Anna"]', "null"]
    for column, message in {
        "answers.txt": "no column 'answers.txt': in `answers`, there is no part 'txt': it has text, start$",
        "q.x": "^the dataset has no column 'q.x': in `q`, there is no part 'x': it is 'Who\\?'$",
        "b.x": "^the dataset has no column 'b.x': it has q, answers, many, a.b$",
    }.items():
        wrong = PromptSource(input_cols=(), eval_cols=(column,), prompt_template="x")
        one_line(lambda wrong=wrong: check_rows(rows, wrong), message)  # type: ignore[misc]


# Missing values.


@pytest.mark.parametrize("gap", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
@pytest.mark.parametrize(
    "way",
    [
        {"prompt_template": "Context: {context!s:>5}"},
        {"messages": ({"role": "user", "content": "Context: {context[0]}"},)},
    ],
)
def test_a_prompt_without_a_value_is_refused(gap: object, way: dict[str, Any]) -> None:
    source = PromptSource(input_cols=("context",), eval_cols=(), **way)
    rows = as_dataset([{"context": 1.5 if isinstance(gap, float) else None}, {"context": gap}][1:] * 2)
    one_line(
        lambda: check_rows(rows, source), r"^row 0: `context.*` has no value, but the prompt needs one: fill it in"
    )
    one_line(lambda: render_dataset(rows, source, word_tokenizer()), "^row 0: `context")


def test_what_is_missing() -> None:
    assert all(map(is_missing, (None, float("nan"), pd.NA, pd.NaT, np.float32("nan"))))
    assert not any(map(is_missing, (0, "", "None", [], False, float("inf"), 10**400)))


@pytest.mark.parametrize(
    ("value", "template", "expected"),
    [
        (["a", "b"], "{x}", r"^row 0: `x` is a list \(\['a', 'b'\]\), which would be written as Python code"),
        ({"a": 1}, "{x}", "^row 0: `x` is a mapping "),
        ([["a"]], "{x[0]}", r"^row 0: `x\[0\]` is a list"),
        (b"a", "{x}", "^row 0: `x` is a bytes "),
        ({"a": None}, "{x[a]}", r"^row 0: `x\[a\]` has no value"),
        (["a", "b"], "{x[1]}", "b"),
        (["a", "b"], "{x!r}", "['a', 'b']"),
        ({"a": {"b": 2}}, "{x[a][b]:03d}", "002"),
        (dt.date(2024, 1, 2), "{x:%d.%m.}", "02.01."),
        (True, "{x}", "True"),
    ],
)
def test_what_is_no_text_in_a_template(value: object, template: str, expected: str) -> None:
    source = PromptSource(input_cols=("x",), eval_cols=(), prompt_template=template)
    rows = as_dataset([{"x": value}])
    if expected.startswith("^"):
        one_line(lambda: check_rows(rows, source), expected)
    else:
        assert render_dataset(rows, source, word_tokenizer())["_X"][:] == [expected]
