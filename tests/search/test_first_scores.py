"""Whether the first scores of a search measure anything, and the likely cause if they do not."""

from typing import Any

import pytest
import tiny_studies
from tiny_studies import ROWS

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.search.first_scores import ScoredExample, describe_example, likely_cause

SPACE: dict[str, Any] = {"temperature": {"low": 0.1, "high": 1.2}, "max_new_tokens": 4}


def example(text: str, reference: Any, reason: str = "eos", row: int = 0) -> ScoredExample:
    sample = Sample(row=row, prompt="Q?", token_ids=(), reference={"answer": reference})
    return ScoredExample(sample, text, reason, 0.0)


@pytest.mark.parametrize(
    ("text", "reference", "reason", "cause"),
    [
        ("Paris", "paris", "eos", "case: "),
        ("It is PARIS.", ["Lyon", "Paris"], "length", "case: "),
        ("The answer is Paris.", "Paris", "length", "extraction: "),
        ("答案是苹果。", "苹果", "eos", "extraction: "),
        ("The answer is 18.", 18, "eos", "extraction: "),
        ("$1,800", "1800.0", "eos", "form: "),
        ("don't", "dont", "eos", "form: "),
        ("\uff21\uff22 1", "AB\u200b 1", "eos", "form: "),
        ("q1", "a1", "eos", "completions and references have nothing in common"),
        ("Let me think about", "Paris", "length", "length limit reached: 3 of 3"),
        ("no", "Paris", "stop", "stop string: 3 of 3"),
        ("a banana", "A", "eos", "case: "),
        ("banana", "A", "eos", "completions and references have nothing in common"),
        (" \n", "Paris", "stop", "empty text: a stop string ends"),
        ("", "", "eos", "empty text: the model ends its turn at once"),
        ("", "x", "length", "empty text: only special tokens"),
        ("", "x", "refused", "empty text: the completion ended by refused"),
    ],
)
def test_the_likely_cause_is_named(text: str, reference: Any, reason: str, cause: str) -> None:
    likely = likely_cause([example(text, reference, reason, row) for row in range(3)])
    assert likely.text.startswith(cause)
    assert likely.example.sample.row == 0


def test_the_example_is_one_that_shows_the_cause() -> None:
    examples = [example("no idea", "Paris"), example("paris", "Paris", row=1)]
    assert likely_cause(examples).example.sample.row == 1
    # One coincidence among many completions that are cut off is not the cause.
    cut = [example("Let me think", "Paris", "length") for _ in range(20)]
    assert likely_cause([*cut, example("paris", "Paris")]).text.startswith("length limit")
    assert "task is too easy" in likely_cause(examples, rank="best").text
    assert "look at what it reads" in likely_cause(examples, rank="other").text


def make_tuner(answer: str, scorer: object = "exact_match", **changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "model": None,
        "custom_pred_function": lambda prompts, _: [answer] * len(prompts),
        "dataset": [{**row, "answer": "Yes"} for row in ROWS],
        "scorer": scorer,
    }
    return tiny_studies.make_tuner(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("answer", "scorer", "first", "cause"),
    [
        ("yes", "exact_match", "nothing is measured so far: every score is 0 (16 completions of greedy)", "case"),
        ("", "exact_match", "nothing is measured so far: every score is 0", "empty text"),
        ("yes", "bleu", "nothing is measured so far: every score is 0", "case"),
        ("Yes", "exact_match", "nothing is measured so far: every score is 1", "every completion is right"),
        (
            "",
            lambda refs, texts: [i / 16 for i, _ in enumerate(texts)],
            "16 of 16 completions of greedy are empty",
            "empty text",
        ),
        ("x", lambda refs, texts: [i / 16 for i, _ in enumerate(texts)], None, None),
    ],
)
def test_a_search_warns_once_after_its_baselines(
    answer: str, scorer: object, first: str | None, cause: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    make_tuner(answer, scorer).search(SPACE, n_trials=3, rungs=[16], concurrency=1, show_progress=False)
    warned = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and record.name == "llmsearch_optuna.search.first_scores"
    ]
    if first is None:
        assert warned == []
        return
    assert cause is not None
    (warning,) = warned
    lines = warning.split("\n    ")
    assert lines[0].startswith(first)
    assert [line.partition(":")[0] for line in lines[2:]] == ["reference", "completion", "score", "likely cause"]
    assert lines[1].startswith("prompt of row ")
    assert lines[2] == 'reference: "Yes"'
    assert lines[-1].startswith(f"likely cause: {cause}")


@pytest.mark.parametrize(
    ("near", "of", "warns"), [("yes", 3, True), ("Yes.", 8, True), ("YES", 16, False), ("no", 2, False)]
)
def test_a_search_warns_of_completions_that_miss_by_their_form(
    near: str, of: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Every `of`-th completion is the reference but for its form; some of the others are right."""

    numbers = {row["question"]: number for number, row in enumerate(ROWS)}

    def answer(prompts: list[str], _: object) -> list[str]:
        places = [numbers[prompt] for prompt in prompts]
        return [near if place % of == 0 else "Yes" if place % 2 else "perhaps" for place in places]

    tuner = make_tuner("", custom_pred_function=answer)
    tuner.search(SPACE, n_trials=2, show_progress=False)
    warnings = [record.getMessage() for record in caplog.records if "differ only in form" in record.getMessage()]
    assert len(warnings) == warns
    if warns:
        assert "of 16 completions of greedy differ only in form from the reference, and score 0" in warnings[0]
        assert f'completion: "{near}"' in warnings[0]
        assert "likely cause: case" in warnings[0] or "likely cause: form" in warnings[0] or "extraction" in warnings[0]


def test_a_diagnosis_names_the_likely_cause_of_the_worst_score() -> None:
    assert make_tuner("yes").diagnosis(SearchSpace(**SPACE))["likely cause"].startswith("case: ")
    assert "likely cause" not in make_tuner("Yes").diagnosis(SearchSpace(**SPACE))
    assert "likely cause" not in make_tuner("no", scorer=lambda *_: 0.5).diagnosis(SearchSpace(**SPACE))


def test_without_baselines_the_first_trials_tell(caplog: pytest.LogCaptureFixture) -> None:
    tuner = make_tuner("yes")
    tuner.search(SPACE, n_trials=1, baselines=False, show_progress=False)
    assert "every score is 0 (16 completions of trial 0)" in caplog.text


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ('[{"role": "user", "content": "Say\\n\\"yes\\""}]', '[{"role": "user", "content": "Say\\n\\"yes\\""}]'),
        ('Say\n"yes"', '"Say\\n\\"yes\\""'),
    ],
)
def test_the_messages_of_a_prompt_are_quoted_once(prompt: str, shown: str) -> None:
    sample = Sample(row=0, prompt=prompt, token_ids=(), reference={"answer": "yes"})
    assert ScoredExample(sample, "yes", "eos", 1.0).topics()["prompt of row 0"] == shown


def test_a_diagnosis_shows_one_prompt_its_reference_a_completion_and_its_score() -> None:
    diagnosis = make_tuner("yes\x1b[31m", "token_f1").diagnosis(SPACE)
    row = next(name for name in diagnosis if name.startswith("prompt of row "))
    assert diagnosis[row] == f'"How many apples are {row.rpartition(" ")[2]}?"'
    assert diagnosis["reference"] == '"Yes"'
    assert diagnosis["completion"].startswith('"yes\\u001b[31m" (ended by: ')
    assert diagnosis["score"] == "0"

    def fails(references: object, predictions: object) -> float:
        raise ZeroDivisionError("no")

    diagnosis = make_tuner("x" * 1000, fails).diagnosis(SPACE)
    assert diagnosis["score"].startswith("none: scorer `")
    assert "characters) ... xxx" in diagnosis["completion"]
    tuner = make_tuner("x")
    with pytest.raises(TaskError, match="exceed"):
        describe_example(tuner._evaluator, tuner.task.search[0], SearchSpace.of(SPACE), window=InputLimits(together=5))
