import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_tokenizer import one_line, word_tokenizer

from llmsearch_optuna.data.loading import as_dataset, load_data
from llmsearch_optuna.data.nested import exact_column, read_column
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import encode_prompts, render_dataset
from llmsearch_optuna.data.values import WrittenFloat

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text("ab\u00e9", max_size=2),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from("xyz"), parts, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.none() | st.lists(st.fixed_dictionaries({"part": values}), max_size=3), min_size=1, max_size=4))
def test_lists_of_mappings_are_read_as_they_are_written(rows: list[Any]) -> None:
    # `repr` tells 1 from 1.0 and True, and shows the order of the keys.
    assert repr(read_column(as_dataset({"m": rows}).select(range(len(rows))), "m")) == repr(rows)


def without_nulls(value: Any) -> Any:
    """Drop the keys without a value, which Arrow adds, from mappings outside of lists, and sort the others."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(value[key]) for key in sorted(value) if value[key] is not None}


@given(st.lists(st.none() | st.fixed_dictionaries({"part": values}), min_size=1, max_size=4))
def test_mappings_are_read_as_they_are_written_but_for_added_nulls(rows: list[Any]) -> None:
    copies = read_column(as_dataset({"m": rows}).select(range(len(rows))), "m")
    assert repr(list(map(without_nulls, copies))) == repr(list(map(without_nulls, rows)))


def test_nulls_of_mappings_that_arrow_keeps_are_as_in_earlier_studies() -> None:
    rows = as_dataset({"q": ["d", "e"], "m": [{"a": {"x": 1, "l": [1]}}, {"a": {"y": 2.5}, "b": "c"}]})
    assert not isinstance(rows.features["m"], datasets.Json)
    source = DataOptions(input_cols=("q",), eval_cols=("m",), prompt_template="{q}")
    samples = encode_prompts(render_dataset(rows, source, None), None, source)
    assert [sample.reference["m"] for sample in samples] == [
        {"a": {"x": 1, "l": [1], "y": None}, "b": None},
        {"a": {"x": None, "l": None, "y": 2.5}, "b": "c"},
    ]


def test_a_column_that_arrow_keeps_stays_in_arrow() -> None:
    chat = [[{"role": "user", "content": "x"}, {"role": "tool", "content": "y", "name": "f"}], None]
    assert exact_column(chat) is chat
    assert not isinstance(as_dataset({"m": chat}).features["m"], datasets.Json)
    for rows in ([[{"a": {"x": 1}}], [{"a": {"y": 1}}]], [[{"a": 1}], [{"a": 2.5}]], [[{"a": {"x": None}}]]):
        assert isinstance(as_dataset({"m": rows}).features["m"], datasets.Json)


def test_scalars_of_other_libraries_are_written_as_pythons() -> None:
    rows = [[{"a": np.float32(0.1), "b": Decimal("1.50")}], [{"a": np.int64(1), "b": dt.date(2024, 1, 2)}]]
    expected = [[{"a": 0.1, "b": "1.50"}], [{"a": 1, "b": "2024-01-02"}]]
    assert repr(read_column(as_dataset({"m": rows}), "m")) == repr(expected)
    one_line(lambda: as_dataset({"m": [[{"a": b"x"}], [{"a": 1}]]}), "one length: column `m`: ")


def calls(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    call = {"function": {"name": "f", "arguments": arguments}}
    return [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "user", "content": "?"}]


ARGUMENTS: list[dict[str, Any]] = [{"n": 1}, {"n": 2.5, "unit": None}, {"city": "x", "n": 10**30}, {}]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "python"])
def test_tool_calls_are_rendered_as_they_are_written(name: str, tmp_path: Path) -> None:
    rows = [{"chat": calls(arguments), "a": "x"} for arguments in ARGUMENTS]
    if name == "python":
        data = as_dataset(rows)
    else:
        text = json.dumps(rows) if name == "x.json" else "\n".join(map(json.dumps, rows))
        (tmp_path / name).write_text(text, encoding="utf-8")
        data = load_data(str(tmp_path / name))
    source = PromptSource(messages_col="chat", eval_cols=("a",))
    assert list(map(json.loads, render_dataset(data, source, None)["_X"])) == [row["chat"] for row in rows]
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{{ messages[0].tool_calls[0].function.arguments | tojson }}"
    assert render_dataset(data, source, tokenizer)["_X"][:] == list(map(json.dumps, ARGUMENTS))
    again = render_dataset(render_dataset(data, source, tokenizer), source, None)
    assert list(map(json.loads, again["_X"])) == [row["chat"] for row in rows]


def test_nulls_of_arrow_are_no_part_of_messages() -> None:
    rows = datasets.Dataset.from_list([{"chat": calls({"n": 1})}, {"chat": calls({"unit": "m"})}])
    source = PromptSource(messages_col="chat", eval_cols=())
    assert rows[0]["chat"][0]["tool_calls"][0]["function"]["arguments"] == {"n": 1, "unit": None}
    assert list(map(json.loads, render_dataset(as_dataset(rows), source, None)["_X"])) == [
        calls({"n": 1}),
        calls({"unit": "m"}),
    ]


def test_numbers_in_lists_of_mappings_are_written_as_they_are_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(
        '{"m": [{"v": 1, "w": {"n": 7}}]}\n{"m": [{"v": 2.50, "w": {"n": 1e3}}, {"w": {}}]}\n', encoding="utf-8"
    )
    source = DataOptions(input_cols=("m",), eval_cols=("m.w.n",), prompt_template="{m[0][v]} {m[0][v]:.3f}")
    rendered = render_dataset(load_data(str(tmp_path / "x.jsonl")), source, None)
    assert rendered["_X"][:] == ["1 1.000", "2.50 2.500"]
    references = [sample.reference["m.w.n"] for sample in encode_prompts(rendered, None, source)]
    assert [[str(value) for value in values] for values in references] == [["7"], ["1e3", "None"]]
    assert isinstance(references[1][0], WrittenFloat)


@pytest.mark.parametrize(
    ("form", "prompts"),
    [
        ({"prompt_template": "{m[item]}: {m[price]} {m[price]:.1f}"}, ["tea: 19.90 19.9", "salt: 18 18.0"]),
        (
            {"prompt_jinja": "{{ m.price }} {{ m | tojson }}"},
            ['19.90 {"item": "tea", "price": 19.9}', '18 {"item": "salt", "price": 18}'],
        ),
    ],
)
def test_numbers_in_mappings_are_written_as_they_are_in_the_file(
    form: dict[str, Any], prompts: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = ['{"item": "tea", "price": 19.90}', '{"item": "salt", "price": 18}']
    (tmp_path / "x.jsonl").write_text("\n".join(f'{{"m": {item}}}' for item in items), encoding="utf-8")
    data = load_data(str(tmp_path / "x.jsonl"))
    assert not caplog.messages
    source = DataOptions(input_cols=("m",), eval_cols=("m", "m.price"), **form)
    rendered = render_dataset(data, source, None)
    assert rendered["_X"][:] == prompts
    references = [sample.reference for sample in encode_prompts(rendered, None, source)]
    assert [reference["m"] for reference in references] == list(map(json.loads, items))
    assert [repr(reference["m.price"]) for reference in references] == ["19.9", "18"]
    assert [str(reference["m.price"]) for reference in references] == ["19.90", "18"]
    whole = PromptSource(input_cols=("m",), eval_cols=(), prompt_template="{m}")
    one_line(lambda: render_dataset(data, whole, None), "^row 0: `m` is a mapping .*, which would be written as Python")


def test_a_part_of_another_type_is_named_with_its_row() -> None:
    rows = as_dataset({"m": [[{"w": {"n": 1}}], [{"w": {"n": 2}}, {"w": "x"}]]})
    source = PromptSource(eval_cols=("m.w.n",), prompt_template="x")
    one_line(lambda: render_dataset(rows, source, None), "in `m`, there is no part 'n' in row 1: it is 'x'$")


def test_rendering_keeps_the_other_columns() -> None:
    table = pa.table({"q": ["x", "y"], "n": pa.array([2**63, 1], pa.uint64()), "t": pa.array([1, 2], pa.int8())})
    source = DataOptions(input_cols=("q", "n"), eval_cols=("n",), prompt_template="{q} {n}")
    rendered = render_dataset(as_dataset(table).select([1, 0]), source, None)
    assert {name: rendered.features[name] for name in table.column_names} == as_dataset(table).features
    assert [sample.reference for sample in encode_prompts(rendered, None, source)] == [{"n": 1}, {"n": 2**63}]
    assert rendered["_X"][:] == ["y 1", f"x {2**63}"]
