"""Comparing files of outputs."""

import json
from pathlib import Path
from typing import Any

import hand_made_studies
import numpy as np
import pytest

from llmsearch_optuna.errors import MetricError, ScorerError, TaskError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.statistics.intervals import adjusted_alpha, difference_intervals
from llmsearch_optuna.verdict.outputs import compare_outputs, compare_scores

IDS = 30
RANDOM = np.random.default_rng(0)
FIRST = RANDOM.uniform(0, 1, (IDS, 1))
BETTER = np.clip(FIRST + RANDOM.normal(0.1, 0.05, (IDS, 1)), 0, 1)


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def score_lines(scores: Any) -> list[dict[str, Any]]:
    return [{"id": index, "score": score} for index, by_seed in enumerate(scores) for score in by_seed]


def output_lines(change: int) -> list[dict[str, Any]]:
    """Every `change`-th prediction is wrong."""
    return [
        {"id": f"q{i}", "prediction": "the" if i % change == 0 else f"answer {i}", "reference": f"answer {i}"}
        for i in range(IDS)
    ]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "a.jsonl", score_lines(FIRST)), write(tmp_path / "b.jsonl", score_lines(BETTER))


def test_scores_are_compared(files: tuple[Path, Path]) -> None:
    verdict = compare_scores(*files)
    exact = difference_intervals(BETTER - FIRST)
    (comparison,) = verdict.comparisons
    assert comparison.gain == pytest.approx(float(exact.estimate))
    assert (comparison.low, comparison.high) == pytest.approx((float(exact.low), float(exact.high)))
    assert verdict.improved
    assert verdict.sentence.startswith("improved by 0.")
    assert verdict.sentence.endswith(f" over `{files[0]}` on 30 samples x 1 seed")
    assert [finalist.name for finalist in verdict.finalists] == list(map(str, files))
    assert not compare_scores(*files[::-1]).improved
    assert compare_scores(*files[::-1], greater_is_better=False).improved


def test_lines_pair_by_id_in_any_order(files: tuple[Path, Path], tmp_path: Path) -> None:
    shuffled = [json.dumps({**line, "id": str(line["id"]), "more": [1]}) for line in reversed(score_lines(BETTER))]
    other = write(tmp_path / "c.jsonl", ["", *shuffled, "", ""])
    assert compare_scores(files[0], other).comparisons[0].low == compare_scores(*files).comparisons[0].low


def test_several_lines_of_one_id_are_its_seeds(tmp_path: Path) -> None:
    single, three = FIRST, BETTER + RANDOM.normal(0, 0.2, (IDS, 3))
    verdict = compare_scores(write(tmp_path / "a", score_lines(single)), write(tmp_path / "b", score_lines(three)))
    exact = difference_intervals(three - single, max_difference=2.0)
    assert verdict.comparisons[0].low == pytest.approx(float(exact.low))
    assert verdict.sentence.endswith("on 30 samples x 3 seeds") or "on 30 samples x 3 seeds;" in verdict.sentence
    assert verdict.comparisons[0].seed_share is not None
    assert [finalist.seeds for finalist in verdict.finalists] == [1, 3]


def test_true_and_false_are_scores(tmp_path: Path) -> None:
    right = [[bool(i % 3)] for i in range(IDS)]
    verdict = compare_scores(
        write(tmp_path / "a", score_lines(right)), write(tmp_path / "b", score_lines([[True]] * IDS))
    )
    assert verdict.comparisons[0].gain == pytest.approx(1 / 3)


def test_predictions_are_scored_by_every_metric(tmp_path: Path) -> None:
    files = write(tmp_path / "a", output_lines(2)), write(tmp_path / "b", output_lines(9))
    exact, f1, bleu = compare_outputs(*files, [make_metric(name) for name in ("exact_match", "token_f1", "bleu")])
    assert [verdict.metric for verdict in (exact, f1, bleu)] == ["exact_match", "token_f1", "bleu"]
    assert exact.comparisons[0].gain == pytest.approx(11 / 30)
    intervals = difference_intervals(
        np.array([[float(i % 9 > 0) - float(i % 2 > 0)] for i in range(IDS)]),
        alpha=adjusted_alpha(0.05, 3),
        max_difference=1.0,
    )
    assert exact.comparisons[0].low == pytest.approx(float(intervals.low))
    assert exact.improved
    assert bleu.comparisons[0].low < bleu.comparisons[0].gain < bleu.comparisons[0].high
    assert [finalist.score for finalist in f1.finalists] == pytest.approx([0.5, 0.87], abs=0.05)


def test_a_number_and_its_string_are_the_same_reference(tmp_path: Path) -> None:
    def lines(reference: Any) -> list[dict[str, Any]]:
        return [{"id": index, "prediction": "4", "reference": reference} for index in range(4)]

    first = write(tmp_path / "first", lines({"answer": [4, 2.5]}))
    second = write(tmp_path / "second", lines({"answer": ["4", "2.5"]}))
    (verdict,) = compare_outputs(first, second, [make_metric("exact_match")])
    assert [finalist.score for finalist in verdict.finalists] == [1.0, 1.0]
    third = write(tmp_path / "third", lines({"answer": ["4", 3]}))
    assert "must be the same" in refused(first, third, outputs=True)


def test_an_interval_stays_within_what_scores_can_differ(tmp_path: Path) -> None:
    def lines(predictions: list[str]) -> list[dict[str, Any]]:
        references = ["abcdefgh", "zyxwvuts", "mnopqrst"]
        rows = zip(references, predictions, strict=True)
        return [{"id": text, "prediction": prediction, "reference": text} for text, prediction in rows]

    first = write(tmp_path / "first", lines(["abcd", "1", "2"]))
    second = write(tmp_path / "second", lines(["abcdefgh", "zyxwvuts", "mnopqrst"]))
    for metrics in ([make_metric("chrf")], [make_metric("chrf"), make_metric("bleu", tokenize="char")]):
        for verdict in compare_outputs(first, second, metrics):
            assert 0.0 < verdict.comparisons[0].gain <= verdict.comparisons[0].high <= 1.0
            assert verdict.comparisons[0].low >= -1.0


def test_references_are_checked_when_files_are_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def lines(references: list[str]) -> list[dict[str, Any]]:
        return [{"id": f"q{i}", "prediction": "", "reference": text} for i, text in enumerate(references)]

    first, second = (write(tmp_path / name, lines(["", "4", ""])) for name in ("first", "second"))
    compare_outputs(first, second, [make_metric("contains")])
    assert "gives 1 to every completion" in caplog.text
    assert "2 of 3 references: id q0" in caplog.text
    first, second = (write(tmp_path / name, lines(["北京", "上海"])) for name in ("first", "second"))
    with pytest.raises(MetricError, match=r"words of a-z and 0-9 only.*id q0 has"):
        compare_outputs(first, second, [make_metric("rouge1")])


@pytest.mark.parametrize("reducer", ["majority", "best", "pass@2"])
def test_a_reducer_is_refused(reducer: str, tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, output_lines(change)) for name, change in (("first", 2), ("second", 9)))
    with pytest.raises(MetricError, match=f'^`reducer` = "{reducer}" needs several completions per sample') as error:
        compare_outputs(
            first, second, [make_metric("numeric", reducer="mean"), make_metric("numeric", reducer=reducer)]
        )
    assert "\n" not in str(error.value)


def test_references_may_have_columns(tmp_path: Path) -> None:
    lines = [
        [{**line, "reference": {"answer": line["reference"], "other": 1}} for line in output_lines(change)]
        for change in (2, 9)
    ]
    files = write(tmp_path / "a", lines[0]), write(tmp_path / "b", lines[1])
    (verdict,) = compare_outputs(*files, [make_metric("exact_match", column="answer")])
    assert verdict.comparisons[0].gain == pytest.approx(11 / 30)
    with pytest.raises(MetricError, match="`column` must name the reference column"):
        compare_outputs(*files, [make_metric("exact_match")])


# Errors.


def refused(first: Path, second: Path, *, outputs: bool = False) -> str:
    def compare() -> object:
        return (
            compare_outputs(first, second, [make_metric("exact_match")]) if outputs else compare_scores(first, second)
        )

    return hand_made_studies.refused(TaskError, compare)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 of {path} is not JSON: Expecting property name"),
        ("[1]", "line 2 of {path} must be an object with an `id`, got [1]"),
        ({"score": 1}, "line 2 of {path} has no `id`"),
        ({"id": None, "score": 1}, "line 2 of {path}: `id` must be a string or an integer, got null"),
        ({"id": True, "score": 1}, "line 2 of {path}: `id` must be a string or an integer, got true"),
        ({"id": 1}, "line 2 of {path} has no `score`; to score its `prediction`, name a metric"),
        ('{"id": 1, "score": NaN}', "line 2 of {path}: `score` must be a finite number, got NaN"),
        ('{"id": 1, "score": -Infinity}', "line 2 of {path}: `score` must be a finite number, got -Infinity"),
        ('{"id": 1, "score": 1' + "0" * 400 + "}", "line 2 of {path}: `score` must be a finite number, got 1000"),
        ({"id": 1, "score": "0.5"}, 'line 2 of {path}: `score` must be a finite number, got "0.5"'),
        ({"id": 1, "score": None}, "line 2 of {path}: `score` must be a finite number, got null"),
    ],
)
def test_a_wrong_line_is_named(line: Any, message: str, files: tuple[Path, Path]) -> None:
    first, second = files
    lines: list[Any] = score_lines(BETTER)
    lines[1] = line
    write(second, lines)
    assert refused(first, second).startswith(message.format(path=second))
    assert refused(second, first).startswith(message.format(path=second))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "q1", "reference": "answer 1"}, "line 2 of {path}: `prediction` must be a string, got null"),
        (
            {"id": "q1", "prediction": 1, "reference": "answer 1"},
            "line 2 of {path}: `prediction` must be a string, got 1",
        ),
        ({"id": "q1", "prediction": "?"}, "line 2 of {path} has no `reference`"),
        (
            {"id": "q1", "prediction": "?", "reference": "!"},
            "`reference` of id q1 must be the same in line 2 of {first} and line 2 of {path}",
        ),
    ],
)
def test_a_wrong_output_is_named(line: Any, message: str, tmp_path: Path) -> None:
    first = write(tmp_path / "a", output_lines(2))
    lines: list[Any] = output_lines(5)
    lines[1] = line
    second = write(tmp_path / "b", lines)
    assert refused(first, second, outputs=True) == message.format(path=second, first=first)


def test_ids_must_be_the_same(files: tuple[Path, Path]) -> None:
    first, second = files
    write(second, [*score_lines(BETTER)[:-2], {"id": "x", "score": 1}])
    expected = f"{first} and {second} must have the same ids: 2 are only in {first}, the first is 28"
    assert refused(first, second) == expected
    write(second, [*score_lines(BETTER), {"id": "x", "score": 1}])
    expected = f"{second} and {first} must have the same ids: 1 are only in {second}, the first is x"
    assert refused(first, second) == expected


def test_an_id_must_not_be_there_more_often_than_others(files: tuple[Path, Path]) -> None:
    first, second = files
    write(second, [*score_lines(BETTER), {"id": 3, "score": 1}])
    assert refused(first, second) == (
        f"every id of {second} must have the same number of lines, one per seed: 0 has 1, 3 has 2 (the last is line 31 "
        f"of {second})"
    )


def test_a_file_is_not_compared_with_itself(files: tuple[Path, Path]) -> None:
    first, _ = files
    same = first.parent / "." / ".." / first.parent.name / first.name
    assert refused(first, same) == f"{first} and {same} are the same file: name two files"


def test_files_that_hold_too_little(files: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = files
    assert "b.jsonl is empty" in refused(first, write(second, [""]))
    assert "nowhere cannot be read" in refused(first, tmp_path / "nowhere")
    second.write_bytes(b"\xff\xfe\x00")
    assert "b.jsonl cannot be read" in refused(first, second)
    for path in files:
        write(path, [{"id": 1, "score": 1}])
    assert refused(first, second) == f"{first} has only one id: a comparison needs at least 2"


def test_a_scorer_that_fails_names_the_file(tmp_path: Path) -> None:
    def fragile(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        return [1.0 / predictions.count("answer 3")] * len(predictions)

    files = write(tmp_path / "a", output_lines(2)), write(tmp_path / "b", output_lines(3))
    with pytest.raises(ScorerError, match=rf"^{tmp_path}/b cannot be scored: scorer .* raised ZeroDivisionError"):
        compare_outputs(*files, [make_metric(fragile)])
