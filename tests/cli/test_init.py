"""``init``: study files of data files that nobody has described."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from study_files import write_model_and_rows

from llmsearch_optuna.cli import main
from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.data.rendering import render_dataset
from llmsearch_optuna.errors import StudyFileError
from llmsearch_optuna.study_file.drafting import draft
from llmsearch_optuna.study_file.file import StudyFile

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def drafted(rows: list[dict[str, Any]], directory: Path, model: str = "demo") -> StudyFile:
    (directory / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = draft("rows.jsonl", model, directory=directory)
    assert len(text.splitlines()) <= (30 if "content_jinja" in text else 20)
    return StudyFile.parse(text, name="x", directory=directory)


def contents(file: StudyFile) -> list[str]:
    """Return the contents of the messages, as `run` makes them."""
    rows = load_data("rows.jsonl", directory=file.directory)
    return [json.loads(prompt)[0]["content"] for prompt in render_dataset(rows, file.data, None)["_X"]]


@pytest.mark.parametrize(
    ("row", "inputs", "reference", "metric"),
    [
        ({"id": 7, "question": "How {many}?", "answer": "12"}, ("question",), "answer", "numeric"),
        ({"question": "Q?", "answer": "First 3 + 4.\n#### 7"}, ("question",), "answer", "numeric"),
        ({"text": "A film.", "label": "positive"}, ("text",), "label", "exact_match"),
        ({"article": LONG, "highlights": LONG, "url": "x"}, ("article",), "highlights", "rougeL"),
        ({"context": "c", "question": "q", "answers": ["a b c d"]}, ("context", "question"), "answers", "token_f1"),
        ({"en": "a house", "uid": 3, "fr": "une maison"}, ("en",), "fr", "exact_match"),
        (
            {"Ticket ID": 1, "text": "T", "category": "b", "agent_note": "n"},
            ("text", "agent_note"),
            "category",
            "choice",
        ),
        (
            {"createdAt": "x", "text": "T", "Expected Label": "up", "note": ""},
            ("text",),
            "Expected Label",
            "exact_match",
        ),
        ({"label_text": "x", "target": "up"}, ("label_text",), "target", "exact_match"),
    ],
)
def test_columns_and_metric_follow_from_names_and_values(
    row: dict[str, Any], inputs: tuple[str, ...], reference: str, metric: str, tmp_path: Path
) -> None:
    count = 40 if metric != "token_f1" else 2
    rows = [{**row, inputs[0]: f"{row[inputs[0]]} {number}"} for number in range(count)]
    if metric == "token_f1":
        rows = [{**rows[number % 2], reference: [f"a b c {number}"]} for number in range(40)]
    file = drafted(rows, tmp_path)
    assert tuple(file.data.input_cols) == inputs
    assert tuple(file.data.eval_cols or ()) == (reference,)
    assert file.metric.name == metric
    assert len(contents(file)) == 40
    assert (file.data.search_size, file.data.holdout_size) == (None, count // 2)


def test_lists_and_missing_values_are_written_or_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {
            "question": f"{number}?",
            "note": None if number == 505 else f"note {number}",
            "tags": ["x", "y", "z"][: 1 + number % 2],
            "hints": None if number == 1 else ["a", "b"],
            "range": number,
            "in {km}": 1.5,
            "parts": [{"x": 1}],
            "matrix": [[1]],
            "answer": "yes",
        }
        for number in range(510)  # more than are looked at for the kinds of values
    ]
    file = drafted(rows, tmp_path)
    assert tuple(file.data.input_cols) == ("question", "note", "tags", "hints", "range", "in {km}", "parts.x")
    prompts = contents(file)
    assert prompts[0] == "0?\nnote 0\nx\na, b\n0\n1.5\n1"
    assert prompts[1] == "1?\nnote 1\nx, y\n1\n1.5\n1"
    assert prompts[505] == "505?\nx, y\na, b\n505\n1.5\n1"
    text = draft("rows.jsonl", "demo", directory=tmp_path)
    assert '\n{% if note is not none %}\n{{ note }}\n{% endif %}\n{{ tags | join(", ") }}\n' in text
    assert '"parts.x"]    # without "matrix"\n' in text
    assert "`matrix`: no text, and left out of the prompt" in caplog.text


def test_a_prompt_ends_with_the_last_value(tmp_path: Path) -> None:
    rows = [{"question": f"{number}?", "answer": "B", "note": "n" if number else None} for number in range(20)]
    assert contents(drafted(rows, tmp_path))[:2] == ["0?\n", "1?\nn"]


def test_the_splits_of_many_rows_are_limited(tmp_path: Path) -> None:
    data = drafted([{"question": f"{number % 700}?", "answer": "1"} for number in range(900)], tmp_path).data
    assert (data.search_size, data.holdout_size) == (200, 400)


def test_conversations_have_their_last_message_as_the_reference(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    file = drafted([*([{"chat": "number 7", "messages": chat}] * 10), {"chat": "", "messages": []}], tmp_path)
    assert (file.data.messages_col, file.data.eval_cols) == ("messages", None)
    assert file.metric.name == "numeric"


def test_objects_and_conversations_with_long_integers_are_what_they_are(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "2 + 2?", "id": 10**30}, {"role": "assistant", "content": "4"}]
    assert drafted([{"note": "x", "messages": chat}] * 10, tmp_path).data.messages_col == "messages"
    data = drafted(
        [{"q": f"{number}?", "meta_of": {"id": 10**30}, "answer": "4"} for number in range(9)], tmp_path
    ).data
    assert (tuple(data.input_cols), tuple(data.eval_cols or ())) == (("q",), ("answer",))


def test_an_address_is_a_server(tmp_path: Path) -> None:
    file = drafted([{"q": "x", "answer": "1"}] * 10, tmp_path, model="http://localhost:8000/v1")
    assert file.server is not None
    assert file.server.base_url == "http://localhost:8000/v1"


def test_a_guessed_reference_is_not_a_sparse_column_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"text": f"T {number}", "art": "a b", "note": "x" if number % 2 else ""} for number in range(40)]
    file = drafted(rows, tmp_path)
    assert (tuple(file.data.input_cols), tuple(file.data.eval_cols or ())) == (("text", "note"), ("art",))
    assert "# the reference, a guess" in draft("rows.jsonl", "demo", directory=tmp_path)
    assert "`art`, the last one, is taken; if it is another, change `eval_cols`" in caplog.text
    caplog.clear()
    drafted([{"text": f"T {number}", "intent": "a b"} for number in range(40)], tmp_path)
    assert not caplog.text


def test_data_without_a_prompt_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="needs a column for the prompt and one for the reference"):
        drafted([{"id": 1, "answer": "1"}] * 4, tmp_path)


def test_from_a_data_file_to_an_export_in_five_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a tiny model, and a file with spaces, quotes and braces in its columns."""
    write_model_and_rows(tmp_path)
    with (tmp_path / "my data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["nr_id", "instruction", "output"])
        rows = [[n, f'Say "{n}" {{twice}}, {"again " * (n % 3)}', f"{n} {n} of them"] for n in range(24)]
        writer.writerows([*rows, rows[0], rows[1]])
    study = tmp_path / "x.toml"
    model = str(tmp_path / "model")
    assert main(["init", str(tmp_path / "my data.csv"), model, "-o", str(study)]) == 0
    assert capsys.readouterr().out == (
        f"{study} is written: read it, say in `messages` how to answer, and go on with\n"
        f"  llmsearch-optuna run {study} --dry-run\n"
    )
    assert main(["init", str(tmp_path / "my data.csv"), model, "-o", str(study)]) == 1
    assert f"{study} exists: move it away" in capsys.readouterr().err
    tiny = ["--set", "space.max_new_tokens=4"]
    assert main(["run", str(study), "--dry-run", *tiny]) == 0
    assert main(["run", str(study), "--trials", "4", "--quiet", *tiny]) == 0
    assert main(["report", str(tmp_path / "x.db"), "-o", str(tmp_path / "x.html")]) == 0
    capsys.readouterr()
    assert main(["export", str(tmp_path / "x.db"), "--to", "vllm"]) == 0
    assert json.loads(capsys.readouterr().out)["sampling_params"]["max_tokens"] == 4


def test_paths_are_those_that_the_study_file_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n' * 3)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "studies").mkdir()
    assert main(["init", "rows.jsonl", "models/tiny", "-o", "studies/x.toml"]) == 0
    file = StudyFile.load(tmp_path / "studies" / "x.toml")
    assert file.data.path == "../rows.jsonl"
    assert file.model is not None
    assert file.model.name == "../models/tiny"
