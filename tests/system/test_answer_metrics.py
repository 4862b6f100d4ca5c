"""Metrics that read answers, from the study file to the score."""

import json
from pathlib import Path

import pytest
from study_files import STUDY, write_model_and_rows

from llmsearch_optuna import GenerationParams, Tuner, make_metric
from llmsearch_optuna.cli import main
from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.study.study import open_study

FORM = {"type": "object", "properties": {"even": {"type": "boolean"}}, "required": ["even"]}


def study(metric: str) -> str:
    return STUDY.format(trials=2).replace('name = "token_f1"', metric)


def test_a_study_file_names_a_schema_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"question": f"Is {number} even?", "answer": json.dumps({"even": number % 2 == 0})} for number in range(9)]
    folder = tmp_path / "studies"
    folder.mkdir()
    write_model_and_rows(folder, rows)
    (folder / "form.json").write_text(json.dumps(FORM), encoding="utf-8")
    by_file = folder / "file.toml"
    text = study('name = "json_schema"\nschema = "form.json"\nreducer = "majority"') + "samples_per_prompt = 2\n"
    by_file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(by_file), "--quiet"]) == 0
    searched, _ = open_study(f"sqlite:///{folder / 'file.db'}")
    assert searched.best_value == 0.0


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ('name = "json_schema"\nschema = "none.json"', "`schema` must be a JSON file or a table, and "),
        ('name = "json_schema"\n[metric.schema]\ntype = "objekt"', "`schema` must be a JSON Schema: 'objekt' is not"),
        ('name = "json_schema"', "metric `json_schema` needs either `schema` or `schema_column`"),
        ('name = "regex"\npattern = "("', "`pattern` of metric `regex` must be a regular expression: missing )"),
        ('name = "choice"\nletters = "abc"', "`letters` must be two or more different capitals or digits, got 'abc'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_loaded(
    metric: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the model nor the rows exist."""
    (tmp_path / "x.toml").write_text(study(metric), encoding="utf-8")
    assert main(["run", str(tmp_path / "x.toml"), "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"llmsearch-optuna: {message}")


def test_fields_that_a_table_fills_in_are_no_expectations() -> None:
    """Rows of a dataset have all fields of any row."""
    rows = [
        {"task": "a", "expected": {"name": "open", "arguments": {"path": "x"}}, "form": {"required": ["name"]}},
        {"task": "b", "expected": {"name": "stop", "arguments": {"code": 1}}, "form": {"minProperties": 2}},
    ]
    calls = {row["task"]: json.dumps(row["expected"]) for row in rows}
    tuner = Tuner(
        custom_pred_function=lambda prompts, parameters: [f"I call {calls[prompt]}." for prompt in prompts],
        dataset=rows,
        column_mapping={"input_cols": ["task"], "eval_cols": ["expected", "form"]},
        prompt_template="{task}",
        scorer=make_metric("json_schema", schema_column="form"),
    )
    assert tuner.get_score(GenerationParams()).value == 1.0


def test_objects_of_a_file_are_expected_and_describe_as_they_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        ('{"item": "tea", "price": 19.90}', '{"properties": {"price": {"type": "number", "minimum": 0}}}'),
        ('{"item": "salt", "price": 18}', '{"properties": {"price": {"type": ["integer", "null"], "minimum": 0.5}}}'),
        ('{"name": "f", "arguments": {"x": 1}}', '{"properties": {"name": {"type": ["string", "null"]}}}'),
        ('{"name": "f", "arguments": {"x": "1"}}', '{"additionalProperties": true}'),
    ]
    lines = (f'{{"task": "{n}", "call": {call}, "form": {form}}}' for n, (call, form) in enumerate(rows))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    tuner = Tuner(
        custom_pred_function=lambda prompts, parameters: [rows[int(prompt)][0] for prompt in prompts],
        dataset=load_data(str(tmp_path / "rows.jsonl")),
        column_mapping={"input_cols": ["task"], "eval_cols": ["call", "form"]},
        prompt_template="{task}",
        scorer=make_metric("json_schema", schema_column="form"),
    )
    assert tuner.get_score(GenerationParams()).value == 1.0
    assert "kept as strings" not in caplog.text


def test_parts_of_a_column_are_the_choices() -> None:
    rows = [
        {"task": f"{number}", "key": "B", "choices": {"text": ["Rome", "Paris"], "label": ["A", "B"]}}
        for number in range(3)
    ]
    tuner = Tuner(
        custom_pred_function=lambda prompts, parameters: ["It is Paris."] * len(prompts),
        dataset=rows,
        column_mapping={"input_cols": ["task"], "eval_cols": ["key", "choices.text"]},
        prompt_template="{task}",
        scorer=make_metric("choice", choices_column="choices.text"),
    )
    assert tuner.get_score(GenerationParams()).value == 1.0
