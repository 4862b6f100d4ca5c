"""JSON in completions, by a schema and an expected value."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from laws import scaled
from scored_texts import hostile_texts

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import check_references, make_metric
from llmsearch_optuna.metrics.json_values import MAX_DEPTH, as_json, canonical, first_json

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "email": {"type": "string"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CALL = {
    "type": "object",
    "properties": {
        "name": {"const": "weather"},
        "arguments": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "arguments"],
}
PARIS = {"name": "weather", "arguments": {"city": "Paris", "days": 2}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=8,
)  # fmt: skip
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=4)


def score_of(prediction: object, expected: object = None, schema: object = PERSON) -> float:
    text = prediction if isinstance(prediction, str) else json.dumps(prediction)
    row = {} if expected is None else {"answer": expected}
    return make_metric("json_schema", schema=schema)([row], [text]).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ("42", 42),
        ('"text"', "text"),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here it is [1]:\n```\n{"a": 1}\n```\nDone {"b": 2}', {"a": 1}),
        ('```python\nx = {"b": 2}\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ("```json\n42\n```", 42),
        ('Sure! {"a": {"b": [1]}} is it, or {"c": 2}', {"a": {"b": [1]}}),
        ('<tool_call>{"a": 1}</tool_call>', {"a": 1}),
        ('With {braces} and [brackets]: {"a": 1}', {"a": 1}),
        ('{"a": oops} {"a": 1}', {"a": 1}),
        ('{"a": "```\\n{}\\n```"}', {"a": "```\n{}\n```"}),
        ('{"a": 1}}', {"a": 1}),
        ("{}", {}),
        ('{"a": 1e2}', {"a": 100.0}),
    ],
)
def test_the_value_that_is_read(text: str, value: object) -> None:
    assert first_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON, 42",
        '{"a": [1, 2], "b": ',  # cut off: the list is no value of its own
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": 1, "a": 1}',
        '{"a": 1, "a": 2} {"a": 3}',
        '{"a": NaN}',
        "Infinity",
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "line\nline"}',
        f'{{"a": {"9" * 5000}}}',
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        "[[x" * 30_000,
    ],
)
def test_what_is_no_value_scores_0(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of json, too
        first_json(text)
    assert score_of(text, schema={}) == 0.0
    assert make_metric("json_schema", schema={}).answer(text) is None  # type: ignore[attr-defined]


def test_the_deepest_value() -> None:
    assert score_of("[" * MAX_DEPTH + "]" * MAX_DEPTH, schema={}) == 1.0
    recursive = {"type": "array", "items": {"$ref": "#"}}
    assert score_of("[" * MAX_DEPTH + "]" * MAX_DEPTH, schema=recursive) == 1.0


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ({"name": "Ann", "age": 7}, 1.0),
        ({"age": 7.0, "name": "Ann"}, 1.0),
        ({"name": "Ann"}, 1 / 2),
        ({"name": "Ann", "age": "7"}, 1 / 2),
        ({"name": "Ann", "age": True}, 1 / 2),
        ({"name": "Ann", "age": -1}, 1 / 2),
        ({"name": 1, "age": None}, 0.0),
        ({"name": "Ann", "age": 7, "email": 3}, 2 / 3),  # an optional field is wrong
        ({"name": "Ann", "age": 7, "phone": 3}, 2 / 3),  # the whole has a field too many
        ({}, 0.0),
        ([{"name": "Ann", "age": 7}], 0.0),
        ("Ann, 7", 0.0),
    ],
)
def test_without_an_expected_value_required_fields_count(prediction: object, expected: float) -> None:
    assert score_of(prediction) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (PARIS, 1.0),
        ({"arguments": {"days": 2.0, "city": " Paris "}, "name": "weather"}, 1.0),
        ({"type": "function", "id": "x", "function": {**PARIS, "arguments": json.dumps(PARIS["arguments"])}}, 1.0),
        ({**PARIS, "arguments": '{"city": "Paris", "days": 2}'}, 1.0),
        ({**PARIS, "arguments": '{"city": "Paris"'}, 1 / 3),  # a string is no object
        ({"name": "weather", "arguments": {"city": "Paris"}}, 2 / 3),
        ({"name": "weather", "arguments": {"city": "Paris", "days": True}}, 2 / 3),
        ({"name": "weather", "arguments": {"city": "Paris", "days": 2, "unit": "C"}}, 3 / 4),  # right, but not valid
        ({"name": "news", "arguments": {"city": "Rome", "days": 2}}, 1 / 3),
        ({**PARIS, "thought": "none"}, 1.0),  # the schema allows others
        ("Paris", 0.0),
        ([PARIS], 0.0),
    ],
)
def test_a_tool_call_is_compared_by_its_leaves(prediction: object, expected: float) -> None:
    assert score_of(prediction, PARIS, CALL) == pytest.approx(expected)
    assert score_of(prediction, json.dumps(PARIS), CALL) == pytest.approx(expected)


def test_a_list_is_one_value() -> None:
    assert score_of([PARIS, PARIS], [PARIS, PARIS], {}) == 1.0
    assert score_of([PARIS], [PARIS, PARIS], {}) == 0.0
    assert score_of({"a": [1, 2]}, {"a": [2, 1]}, {}) == 0.0
    assert score_of({"a": {}}, {"a": {}, "b": 1}, {}) == 0.5


def test_one_and_true_are_not_equal_and_null_is_a_value_in_strings_only() -> None:
    assert score_of({"a": 1.0}, {"a": 1}, {}) == 1.0
    assert score_of({"a": True}, {"a": 1}, {}) == score_of({"a": 1}, {"a": True}, {}) == 0.0
    assert score_of({"a": 1}, {"a": 1, "b": None}, {}) == 1.0  # as tables fill in
    assert score_of({"a": 1}, '{"a": 1, "b": null}', {}) == 0.5
    assert score_of({"a": 1, "b": None}, '{"a": 1, "b": null}', {}) == 1.0


def test_each_sample_may_have_its_own_schema() -> None:
    rows: list[dict[str, Any]] = [
        {"form": {"required": ["a"], "type": "object", "items": None}, "answer": {"a": 1}},
        {"form": '{"required": ["b"], "type": "object"}', "answer": '{"b": 1}'},
    ]
    metric = make_metric("json_schema", schema_column="form")
    assert metric(rows, ['{"a": 1}', '{"a": 1}']).per_sample == (1.0, 0.0)
    assert metric([{"form": row["form"]} for row in rows], ['{"a": 2}', '{"a": 2}']).per_sample == (1.0, 0.0)


def test_a_schema_is_a_file_beside_the_study_or_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("person.json").write_text(json.dumps(PERSON), encoding="utf-8")
    by_path = make_metric("json_schema", schema="person.json", directory=tmp_path)
    reordered = dict(reversed(PERSON.items()))
    assert by_path.name == make_metric("json_schema", schema=reordered).name
    assert by_path.name.startswith("json_schema(schema=#")
    assert by_path.name != make_metric("json_schema", schema=CALL).name
    monkeypatch.chdir(tmp_path)
    assert make_metric("json_schema", schema=Path("person.json")).name == by_path.name
    assert by_path([{}], ['{"name": "Ann", "age": 7}']).value == 1.0


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("missing.json", "`schema` must be a JSON file or a table, and missing.json is none: .*No such file"),
        ({"type": "objekt"}, r"`schema` must be a JSON Schema: 'objekt' is not valid under any .*\(at \$.type\)"),
        ({"required": "name"}, r"'name' is not of type 'array' \(at \$.required\)"),
        ({"pattern": "("}, r"'\(' is not a 'regex'"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "the reference '/\\$defs/b' leads out of it or to nothing"),
        ({"$ref": "https://example.com/x.json"}, "'https://example.com/x.json' leads out of it"),
        ({"$ref": "#"}, "it refers to itself without end"),
        ({"$schema": "https://example.com/draft"}, "`\\$schema` names no draft that jsonschema has, got 'https"),
        ({"const": float("nan")}, "Out of range float values"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: object, message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        make_metric("json_schema", schema=schema)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_schema_is_refused(tmp_path: Path) -> None:
    for text, message in (("{", "and .* is none: Expecting"), ("[]", "must be a JSON object, and .* holds another")):
        tmp_path.joinpath("x.json").write_text(text)
        with pytest.raises(MetricError, match=message):
            make_metric("json_schema", schema="x.json", directory=tmp_path)


@pytest.mark.parametrize("arguments", [{}, {"schema": {}, "schema_column": "form"}])
def test_there_is_one_source_of_schemas(arguments: dict[str, Any]) -> None:
    with pytest.raises(MetricError, match=r"^metric `json_schema` needs either `schema` or `schema_column`: `schema"):
        make_metric("json_schema", **arguments)


@pytest.mark.parametrize(
    ("arguments", "row", "message"),
    [
        ({"schema": PERSON}, {"answer": "no JSON"}, r"the reference of sample 0 must be JSON \(.*\), got 'no JSON'"),
        (
            {"schema": PERSON},
            {"answer": {"name": 1, "age": 1}},
            "value of sample 0 breaks the schema: {'name",
        ),
        ({"schema": PERSON}, {"a": {}, "b": {}}, "`column` must name the reference column"),
        ({"schema_column": "form"}, {"form": "{}", "a": {}, "b": {}}, "`column` must name the reference column"),
        ({"schema_column": "form"}, {"answer": {}}, "unknown reference column `form`"),
        (
            {"schema_column": "form"},
            {"form": {"type": 1}},
            "of sample 0 must be a JSON Schema: 1 is not valid",
        ),
        ({"schema_column": "form"}, {"form": None}, "the schema of sample 0 must be a JSON Schema: it must be a table"),
        ({"schema_column": "form"}, {"form": [1]}, "it must be a table, got \\[1\\]"),
        ({"schema": {}}, {"answer": {"a": {1, 2}}}, "Object of type set is not JSON serializable"),
    ],
)
def test_references_are_checked_before_anything_is_generated(
    arguments: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        check_references(make_metric("json_schema", **arguments), [row])


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MetricError, match=r"needs the package jsonschema: pip install 'llmsearch_optuna\[json\]'$"):
        make_metric("json_schema", schema={"title": "never seen before"})


def test_formats_are_not_asserted_and_drafts_are_chosen() -> None:
    assert score_of({"day": "never"}, schema={"properties": {"day": {"format": "date"}}}) == 1.0
    draft_4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    assert (score_of("1", schema=draft_4), score_of("2", schema=draft_4)) == (0.0, 1.0)


@given(value=json_values)
@settings(max_examples=scaled(100))
def test_the_expected_value_scores_1_in_any_writing(value: Any) -> None:
    expected = json.dumps(value)
    for text in (
        expected,
        f"```json\n{expected}\n```",
        json.dumps(value, indent=3, ensure_ascii=False),
        json.dumps(reordered(value), separators=(" ,\t", ":\n")),
    ):
        assert score_of(text, expected, {}) == 1.0
    assert canonical(reordered(value)) == canonical(value)


@example(value={}, prose="NaN")
@example(value={"a": 1}, prose="-Infinity 1e999")
@given(value=objects, prose=st.text(st.characters(exclude_characters="[{`"), max_size=20))
@settings(max_examples=scaled(200))
def test_prose_around_an_object_changes_nothing(value: Any, prose: str) -> None:
    assert score_of(f"{prose} {json.dumps(value)} {prose}", json.dumps(value), {}) == 1.0


@given(value=objects, expected=objects)
@settings(max_examples=scaled(200))
def test_1_means_valid_and_equal(value: Any, expected: Any) -> None:
    schema = {"required": list(expected), "additionalProperties": False, "properties": {name: {} for name in expected}}
    equal = canonical(as_json(value)) == canonical(as_json(expected))
    assert (score_of(value, json.dumps(expected), schema) == 1.0) == equal


@given(text=hostile_texts)
def test_any_text_is_scored(text: str) -> None:
    assert score_of(text, schema=PERSON) == 0.0
    assert 0.0 <= score_of(text, '"x"', {}) <= 1.0


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(part) for name, part in reversed(value.items())}
    return [reordered(part) for part in value] if isinstance(value, list) else value
