"""Drafts of study files for miniatures of public datasets, with the prompts of the dry run, and for other data."""

import datetime as dt
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pytest

from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.data.nested import read_column
from llmsearch_optuna.data.rendering import render_dataset
from llmsearch_optuna.errors import StudyFileError
from llmsearch_optuna.metrics import check_references, make_metric
from llmsearch_optuna.study_file.drafting import draft
from llmsearch_optuna.study_file.file import StudyFile

ROWS = 24
LETTERS = "ABCDEFGHIJ"
ENGLISH = "The council of the town has decided on Monday to build a new bridge over the river"
ARABIC = (
    "\u0642\u0631\u0631 \u0645\u062c\u0644\u0633 \u0627\u0644\u0645\u062f\u064a\u0646\u0629 \u064a\u0648\u0645 "
    "\u0627\u0644\u0627\u062b\u0646\u064a\u0646 \u0628\u0646\u0627\u0621 \u062c\u0633\u0631 \u062c\u062f\u064a\u062f "
    "\u0641\u0648\u0642 \u0627\u0644\u0646\u0647\u0631 \u0628\u0639\u062f \u0639\u0627\u0645 \u0645\u0646 "
    "\u0627\u0644\u0646\u0642\u0627\u0634"
)
CHINESE = "\u5e02\u8bae\u4f1a\u5468\u4e00\u51b3\u5b9a\u5728\u6cb3\u4e0a\u4fee\u5efa\u4e00\u5ea7\u65b0\u6865" * 4
LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
CHOICES = {"column": "answer", "choices_column": "choices"}


class Miniature(NamedTuple):
    """Rows of the form of a dataset, and the draft for them: also the prompt of row 2, and its right answer."""

    row: Callable[[int], dict[str, Any]]
    inputs: tuple[str, ...]
    references: tuple[str, ...]
    metric: str
    arguments: dict[str, Any]
    prompt: str
    right: str


def words(n: int, count: int) -> list[str]:
    return [f"{letter.lower()}x{n}" for letter in LETTERS[:count]]


def listed(n: int, count: int) -> str:
    return "".join(f"\n{letter}. {text}" for letter, text in zip(LETTERS, words(n, count), strict=False))


def arc(n: int) -> dict[str, Any]:
    labels = "1234" if n == 2 else "ABCD"
    choices = {"text": words(n, 4), "label": list(labels)}
    return {"id": f"Mercury_{n}", "question": f"Q{n}?", "choices": choices, "answerKey": labels[n % 4]}


MINIATURES = {
    "SQuAD": Miniature(
        lambda n: {
            "id": f"56{n}",
            "title": "Normans",
            "context": f"{n} is in Paris.",
            "question": f"Where is {n}?",
            "answers": {"text": [f"in Paris {n}", "Paris"], "answer_start": [5, 8]},
        },
        ("title", "context", "question"),
        ("answers.text",),
        "token_f1",
        {},
        "Normans\n2 is in Paris.\nWhere is 2?",
        "Paris",
    ),
    "SQuAD 2.0": Miniature(
        lambda n: {
            "context": f"{n} is in Paris.",
            "question": f"Where is {n}?",
            "answers": {"text": [f"Paris {n}"] if n % 3 else [], "answer_start": [8] if n % 3 else []},
        },
        ("context", "question"),
        ("answers.text",),
        "token_f1",
        {},
        "2 is in Paris.\nWhere is 2?",
        "Paris 2",
    ),
    "ARC": Miniature(
        arc,
        ("question", "choices.text", "choices.label"),
        ("answerKey",),
        "choice",
        {"letters": "ABCD1234"},
        "Q2?\n1. ax2\n2. bx2\n3. cx2\n4. dx2",
        "Answer: 3",
    ),
    "CommonsenseQA": Miniature(
        lambda n: {
            "id": f"{n:x}",
            "question": f"Q{n}?",
            "question_concept": "river",
            "choices": {"label": list("ABCDE"), "text": words(n, 5)},
            "answerKey": LETTERS[n % 5],
        },
        ("question", "question_concept", "choices.text"),
        ("answerKey", "choices.text"),
        "choice",
        {"column": "answerKey", "choices_column": "choices.text", "letters": "ABCDE"},
        "Q2?\nriver" + listed(2, 5),
        "cx2",
    ),
    "MMLU": Miniature(
        lambda n: {"question": f"Q{n}?", "subject": "law", "choices": words(n, 4), "answer": LETTERS[n % 4]},
        ("question", "subject", "choices"),
        ("answer", "choices"),
        "choice",
        CHOICES,
        "Q2?\nlaw" + listed(2, 4),
        "(C)",
    ),
    "MMLU, indices": Miniature(
        lambda n: {"choices": words(n, 4), "question": f"Q{n}?", "answer": n % 4},
        ("question", "choices"),
        ("answer", "choices"),
        "choice",
        CHOICES,
        "Q2?" + listed(2, 4),
        "C",
    ),
    "indices from 1": Miniature(
        lambda n: {"question": f"Q{n}?", "choices": words(n, 3), "answer": str(1 + n % 3)},
        ("question", "choices"),
        ("answer", "choices"),
        "choice",
        {**CHOICES, "index_base": 1},
        "Q2?" + listed(2, 3),
        "C",
    ),
    "texts of choices": Miniature(
        lambda n: {"question": f"Q{n}?", "choices": words(n, 3), "answer": words(n, 3)[n % 3]},
        ("question", "choices"),
        ("answer", "choices"),
        "choice",
        CHOICES,
        "Q2?" + listed(2, 3),
        "The answer is C",
    ),
    "MMLU-Pro": Miniature(
        lambda n: {
            "question_id": n,
            "question": f"Q{n}?",
            "options": words(n, 10),
            "answer": LETTERS[n % 10],
            "answer_index": n % 10,
            "cot_content": "",
            "category": "law",
        },
        ("question", "category", "options"),
        ("answer", "options"),
        "choice",
        {"column": "answer", "choices_column": "options", "letters": LETTERS},
        "Q2?\nlaw" + listed(2, 10),
        "The answer is (C).",
    ),
    "MMLU, a column for each choice": Miniature(
        lambda n: {"question": f"Q{n}?", **dict(zip("ABCD", words(n, 4), strict=True)), "answer": LETTERS[n % 4]},
        ("question", "A", "B", "C", "D"),
        ("answer",),
        "choice",
        {},
        "Q2?" + listed(2, 4),
        "C",
    ),
    "WinoGrande": Miniature(
        lambda n: {"sentence": f"S{n} _.", "option1": f"ax{n}", "option2": f"bx{n}", "answer": str(1 + n % 2)},
        ("sentence", "option1", "option2"),
        ("answer",),
        "choice",
        {"letters": "AB", "index_base": 1},
        "S2 _." + listed(2, 2),
        "A",
    ),
    "AQuA": Miniature(
        lambda n: {
            "question": f"Q{n}?",
            "options": [f"{letter}){n + index}" for index, letter in enumerate("ABCDE")],
            "rationale": f"It is {n}.",
            "correct": LETTERS[n % 5],
        },
        ("question", "options"),
        ("correct", "options"),
        "choice",
        {"column": "correct", "choices_column": "options", "letters": "ABCDE"},
        "Q2?\nA)2\nB)3\nC)4\nD)5\nE)6",
        "C",
    ),
    "HellaSwag": Miniature(
        lambda n: {
            "ind": n,
            "activity_label": "Sailing",
            "ctx": f"A boat {n}",
            "endings": words(n, 4),
            "source_id": f"v_{n}",
            "split": "train",
            "label": str(n % 4),
        },
        ("activity_label", "ctx", "endings"),
        ("label", "endings"),
        "choice",
        {"column": "label", "choices_column": "endings"},
        "Sailing\nA boat 2" + listed(2, 4),
        "C",
    ),
    "TriviaQA": Miniature(
        lambda n: {
            "question": f"Who wrote {n}?",
            "question_id": f"tc_{n}",
            "question_source": "http://www.triviacountry.com/",
            "entity_pages": {"title": [], "filename": []},
            "answer": {
                "aliases": [f"Sinclair Lewis {n}", "Lewis"],
                "normalized_value": "sinclair lewis",
                "type": "WikipediaEntity",
                "value": f"Sinclair Lewis {n}",
            },
        },
        ("question",),
        ("answer.aliases",),
        "token_f1",
        {},
        "Who wrote 2?",
        "Lewis",
    ),
    "XSum": Miniature(
        lambda n: {"document": f"D{n}", "summary": f"{ENGLISH} {n}", "id": str(n)},
        ("document",),
        ("summary",),
        "rougeL",
        {},
        "D2",
        f"{ENGLISH} 2",
    ),
    "XL-Sum, Arabic": Miniature(
        lambda n: {"id": str(n), "url": "x", "title": f"T{n}", "summary": f"{ARABIC} {n}", "text": f"D{n}"},
        ("title", "text"),
        ("summary",),
        "rougeL",
        {"tokenize": "unicode"},
        "T2\nD2",
        f"{ARABIC} 2",
    ),
    "XL-Sum, Chinese": Miniature(
        lambda n: {"id": str(n), "url": "x", "title": f"T{n}", "summary": f"{CHINESE}{n}", "text": f"D{n}"},
        ("title", "text"),
        ("summary",),
        "rougeL",
        {"tokenize": "unicode"},
        "T2\nD2",
        f"{CHINESE}2",
    ),
    "WMT, two columns": Miniature(
        lambda n: {"id": n, "source": f"Ein Haus {n}", "target": f"a house {n}"},
        ("source",),
        ("target",),
        "token_f1",
        {},
        "Ein Haus 2",
        "a house 2",
    ),
    "WMT, one column": Miniature(
        lambda n: {"translation": {"de": f"Ein Haus {n}", "en": f"a house {n}"}},
        ("translation.de",),
        ("translation.en",),
        "token_f1",
        {},
        "Ein Haus 2",
        "a house 2",
    ),
    "GSM8K": Miniature(
        lambda n: {"question": f"{n} + 1?", "answer": f"It is {n} + 1.\n#### {n + 1}"},
        ("question",),
        ("answer",),
        "numeric",
        {},
        "2 + 1?",
        "3",
    ),
    "MATH": Miniature(
        lambda n: {"problem": f"{n} + 1?", "solution": f"It is {n + 1}.", "answer": str(n + 1), "unique_id": str(n)},
        ("problem",),
        ("answer",),
        "numeric",
        {},
        "2 + 1?",
        "3",
    ),
    "SetFit": Miniature(
        lambda n: {"text": f"A film {n}", "label": n % 2, "label_text": ("bad", "good")[n % 2]},
        ("text",),
        ("label",),
        "numeric",
        {},
        "A film 2",
        "0",
    ),
    "a spreadsheet": Miniature(
        lambda n: {"\U0001f4e7 Email": f"E{n}", "Urgent!": "yes", "a[0": 1, "b{c}": 2, "Category": f"c{n % 2}"},
        ("\U0001f4e7 Email", "Urgent!", "a[0", "b{c}"),
        ("Category",),
        "exact_match",
        {},
        "E2\nyes\n1\n2",
        "c0",
    ),
    "labels Y and N": Miniature(
        lambda n: {"text": f"T{n}", "label": "YN"[n % 2]}, ("text",), ("label",), "exact_match", {}, "T2", "Y"
    ),
    "labels of another script": Miniature(
        lambda n: {"text": f"T{n}", "label": "\u0410\u0411"[n % 2]},
        ("text",),
        ("label",),
        "exact_match",
        {},
        "T2",
        "\u0410",
    ),
    "TruthfulQA": Miniature(
        lambda n: {
            "question": f"Q{n}?",
            "best_answer": f"a b {n}",
            "correct_answers": ["x"],
            "incorrect_answers": ["y"],
            "source": "https://example.org",
        },
        ("question",),
        ("best_answer",),
        "token_f1",
        {},
        "Q2?",
        "a b 2",
    ),
    "MedMCQA": Miniature(
        lambda n: {
            "question": f"Q{n}?",
            **{f"op{letter.lower()}": text for letter, text in zip(LETTERS, words(n, 4), strict=False)},
            "cop": n % 4,
            "exp": "It is so.",
        },
        ("question", "opa", "opb", "opc", "opd"),
        ("cop",),
        "choice",
        {},
        "Q2?" + listed(2, 4),
        "C",
    ),
    "letters beyond D": Miniature(
        lambda n: {"text": f"T{n}", "label": "ABCDEF"[n % 6]}, ("text",), ("label",), "choice", {"letters": "ABCDEF"},
        "T2", "C",
    ),
}  # fmt: skip


def write_rows(rows: list[dict[str, Any]], directory: Path) -> None:
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (directory / "rows.jsonl").write_text(text, encoding="utf-8")


def parsed(data: str, directory: Path, model: str = "demo") -> StudyFile:
    """Return the draft for some data."""
    text = draft(data, model, directory=directory)
    assert len(text.splitlines()) <= (30 if "content_jinja" in text else 20)
    return StudyFile.parse(text, name="x", directory=directory)


def drafted(rows: list[dict[str, Any]], directory: Path, model: str = "demo") -> StudyFile:
    write_rows(rows, directory)
    return parsed("rows.jsonl", directory, model)


def rendered(file: StudyFile) -> datasets.Dataset:
    """Return the rows as `run` makes them."""
    return render_dataset(load_data(str(file.data.path), directory=file.directory), file.data, None)


def contents(file: StudyFile) -> list[str]:
    return [json.loads(prompt)[0]["content"] for prompt in rendered(file)["_X"]]


@pytest.mark.parametrize("name", MINIATURES)
def test_a_draft_for_a_public_dataset_measures_its_task(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mini = MINIATURES[name]
    file = drafted([mini.row(n) for n in range(ROWS)], tmp_path)
    assert caplog.text.count("\n") == caplog.text.count("the last one, is taken") == (name == "WMT, one column")
    assert file.data.input_cols == mini.inputs
    assert file.data.eval_cols == mini.references
    assert (file.metric.name, file.metric.arguments) == (mini.metric, mini.arguments)
    # What the dry run checks.
    references = read_column(rendered(file), "_y")
    metric = make_metric(file.metric.name, **file.metric.arguments)
    check_references(metric, references)
    assert contents(file)[2] == mini.prompt
    assert metric([references[2]], [mini.right]).value == 1.0
    assert metric([references[3]], [mini.right]).value < 1.0 or mini.metric not in ("choice", "numeric")


def test_the_index_of_a_data_frame_is_left_out(tmp_path: Path) -> None:
    for name in ("", "Unnamed: 0", "__index_level_0__"):
        lines = [f"{name},question,answer", *(f"{n},{n % 3}?,{n % 2}" for n in range(ROWS))]
        (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
        text = draft("rows.csv", "demo", directory=tmp_path)
        assert f'input_cols = ["question"]    # without "{name}"\n' in text
        assert "of 3 different prompts" in text


@pytest.mark.parametrize("gap", [None, ["1", None]])
def test_references_without_a_value_are_counted(gap: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[dict[str, Any]] = [{"question": f"{n}?", "answer": [str(n)] if gap else str(n)} for n in range(600)]
    rows[7]["answer"] = rows[550]["answer"] = gap
    write_rows(rows, tmp_path)
    draft("rows.jsonl", "demo", directory=tmp_path)
    (message,) = caplog.messages
    assert message.startswith("`answer`, the reference, has no value in 2 of 600 rows, which a search refuses: fill it")


def test_empty_cells_of_the_reference_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["question,answer", *(f"{n}?,{'' if n % 4 == 0 else f'word {n}'}" for n in range(40))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    draft("rows.csv", "demo", directory=tmp_path)
    (message,) = caplog.messages
    assert message.startswith("`answer`, the reference, is empty in 10 of 40 rows: fill it in, or leave the rows out")


def test_the_length_limit_counts_bytes_of_the_longest_reference(tmp_path: Path) -> None:
    rows = [{"text": f"T{n}", "summary": f"{CHINESE}{n}" if n == 600 else "short"} for n in range(601)]
    write_rows(rows, tmp_path)
    text = draft("rows.jsonl", "demo", directory=tmp_path)
    assert len(CHINESE) == 64
    assert "max_new_tokens = 80    # the longest reference has 67 characters" in text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"story": "S", "answers": {"starts": [[1]], "texts": [["a"]]}},  # older versions of datasets sort the keys
            "^rows.jsonl may have its reference in answers.starts or answers.texts: name it and the columns of the",
        ),
        (
            {"question": "Q?", "answers": [["a"], ["b"]]},
            "may have its reference in answers: name it and the columns of the prompt in a study file by hand$",
        ),
        (
            {"passage": "P", "question": "Q?", "answers_spans": {"spans": ["a"], "types": ["span"]}},
            "may have its reference in answers_spans.spans or answers_spans.types: name it",
        ),
        (
            {"question": "Q?", "answer": {"x": "a", "y": "b"}},
            "reference in answer.x or answer.y: name it .*; if the answer is JSON, name `answer` and the metric `json",
        ),
    ],
)
def test_a_reference_in_an_object_is_not_guessed(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_rows([row] * 4, tmp_path)
    with pytest.raises(StudyFileError, match=message):
        draft("rows.jsonl", "demo", directory=tmp_path)


def test_words_are_no_choices_of_a_class(tmp_path: Path) -> None:
    write_rows([{"tokens": ["a", f"b{n}"], "label": n % 2} for n in range(8)], tmp_path)
    text = draft("rows.jsonl", "demo", directory=tmp_path)
    assert 'name = "numeric"' in text
    assert '{{ tokens | join(", ") }}' in text


def test_nan_and_gaps_in_lists_are_left_out_of_the_prompt(tmp_path: Path) -> None:
    x = [None, math.nan, *(n / 3 for n in range(6))]
    tags = [["a", None, "b"], *([["c"]] * 7)]
    data = {"x": x, "tags": tags, "question": [f"{n}?" for n in range(8)], "answer": ["yes"] * 8}
    datasets.Dataset.from_dict(data).to_parquet(str(tmp_path / "rows.parquet"))
    assert contents(parsed("rows.parquet", tmp_path))[:3] == ["a, b\n0?", "c\n1?", "0.0\nc\n2?"]


def test_durations_are_part_of_the_prompt(tmp_path: Path) -> None:
    data = {"took": [dt.timedelta(minutes=n) for n in range(8)], "answer": ["yes"] * 8}
    datasets.Dataset.from_dict(data).save_to_disk(tmp_path / "saved")
    assert contents(parsed("saved", tmp_path))[:2] == ["0:00:00", "0:01:00"]


def test_columns_that_are_no_text_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = {"title": ["a", "b"], "sentences": [["x"], ["y", "z"]]}
    write_rows([{"question": f"{n}?", "context": context, "answer": "Delhi"} for n in range(8)], tmp_path)
    text = draft("rows.jsonl", "demo", directory=tmp_path)
    assert 'input_cols = ["question", "context.title"]    # without "context.sentences"' in text
    assert "`context.sentences`: no text, and left out of the prompt; if the model needs it" in caplog.text


def test_what_a_search_would_refuse_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chat = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    write_rows([{"conversations": chat}] * 4, tmp_path)
    assert 'messages_col = "conversations"' in draft("rows.jsonl", "demo", directory=tmp_path)
    assert "a search will refuse this draft: row 0: `conversations`: message 0 has the keys from and" in caplog.text


def test_missing_choices_and_choices_at_the_end_leave_no_gap(tmp_path: Path) -> None:
    rows = [
        {"A": "x", "B": "y", "C": None if n % 2 else "z", "question": f"{n}?", "answer": "AB"[n % 2]} for n in range(9)
    ]
    assert contents(drafted(rows, tmp_path))[:2] == ["0?\nA. x\nB. y\nC. z", "1?\nA. x\nB. y\n"]


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
