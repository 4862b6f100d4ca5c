"""The settings of a judge, and what they say that is wrong."""

from pathlib import Path
from typing import Any

import pytest
from judges import read_parts

from llmsearch_optuna import OpenAIServer
from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import check_references, make_metric, metric_text
from llmsearch_optuna.metrics.judge import JudgeMetric

SERVER = OpenAIServer(base_url="http://127.0.0.1:1/v1", model="tiny")


def judge(**arguments: Any) -> JudgeMetric:
    metric = make_metric("judge", **{"rubric": "Is it right?", "server": SERVER, **arguments})
    assert isinstance(metric, JudgeMetric)
    return metric


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rubric": None}, "`rubric` of metric `judge` must say what to judge by, got None"),
        ({"rubric": "  "}, "`rubric` of metric `judge` must say what to judge by, got '  '"),
        ({"server": None}, 'needs to know where the judge is: a table `server`, or engine = "study"'),
        ({"engine": "study"}, 'needs either a table `server`, or engine = "study" .*, not both'),
        ({"server": None, "engine": "mine"}, "`engine` of metric `judge` must be \"study\", got 'mine'"),
        ({"scale": [5, 1]}, r"`scale` must be two numbers, the smaller first, or words, got \[5, 1\]"),
        ({"scale": [1, 2, 3]}, r"`scale` must be two numbers, the smaller first, or words, got \[1, 2, 3\]"),
        ({"scale": ["yes"]}, r"`scale` must hold two or more different words, got \['yes'\]"),
        ({"scale": ["yes", "YES"]}, "two or more different words"),
        ({"scale": "yes"}, "`scale` .*got 'yes'"),
        ({"pairwise": True, "scale": [0, 1]}, "`scale` has no effect with `pairwise`"),
        ({"repeats": 0}, "`repeats` must be >= 1, got 0"),
        ({"max_new_tokens": 2}, "`max_new_tokens` must be >= 8, got 2"),
        ({"unreadable": 0}, r"`unreadable` must be a score within \[1, 5\], got 0"),
        ({"timeout_s": 3}, "`timeout_s` has no effect on metric `judge`: set `timeout_s` of its `server`"),
        ({"rubric_file": "no.md"}, "give `rubric` or `rubric_file` to metric `judge`, not both"),
        ({"rubrics": "x"}, "unknown `judge` argument `rubrics`: did you mean `rubric`?"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        judge(**arguments)


def test_a_rubric_in_a_file_is_that_rubric(tmp_path: Path) -> None:
    (tmp_path / "rubric.md").write_text("Is it right?\n", encoding="utf-8")
    from_file = make_metric("judge", rubric_file="rubric.md", directory=tmp_path, server=SERVER)
    assert from_file.name == judge().name
    with pytest.raises(MetricError, match=r"`rubric_file` must be a text file, and .*no\.md is none"):
        make_metric("judge", rubric_file="no.md", directory=tmp_path, server=SERVER)


def test_the_name_has_what_scores_depend_on() -> None:
    names = [judge(**changes).name for changes in ({}, {"rubric": "Is it short?"}, {"scale": [1, 4]}, {"repeats": 2})]
    assert len(set(names)) == 4
    assert judge(price={"input": 1.0, "output": 1.0}).name == judge(retries=5).name == names[0]


@pytest.mark.parametrize(
    ("scale", "score_range"), [([1, 5], (1.0, 5.0)), ([0, 10], (0.0, 10.0)), (["bad", "fair", "good"], (0.0, 1.0))]
)
def test_the_scale_is_the_range(scale: list[Any], score_range: tuple[float, float]) -> None:
    assert judge(scale=scale).score_range == score_range


def test_a_judge_sees_all_columns_and_the_completion_last() -> None:
    (question,) = judge(column="answer").questions({"q": "2 + 2?", "answer": 4, "n": {"a": [1]}}, "four", 0)
    assert list(read_parts(question.prompt).items()) == [
        ("q", "2 + 2?"),
        ("reference answer", "4"),
        ("n", '{"a": [1]}'),
        ("completion", "four"),
    ]


def test_a_pair_is_asked_in_both_orders() -> None:
    questions = judge(pairwise=True, column="answer").questions({"q": "2 + 2?", "answer": "4"}, "four", 0)
    parts = [read_parts(question.prompt) for question in questions]
    assert parts == [
        {"q": "2 + 2?", "answer A": "four", "answer B": "4"},
        {"q": "2 + 2?", "answer A": "4", "answer B": "four"},
    ]
    assert [[form.read(f"Better: {word}") for word in ("A", "tie", "B")] for _, form in questions] == [
        [1.0, 0.5, 0.0],
        [0.0, 0.5, 1.0],
    ]


def test_references_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(MetricError, match="`column` must name the reference column"):
        check_references(judge(pairwise=True), [{"q": "?", "answer": "4"}])
    with pytest.raises(MetricError, match="`pairwise` needs one reference for each sample, and sample 0 has several"):
        check_references(judge(pairwise=True), [{"answer": ["4", "four"]}])
    with pytest.raises(MetricError, match="unknown reference column `answer`"):
        check_references(judge(column="answer"), [{"q": "?"}])
    check_references(judge(), [{"q": "?", "answer": ["4", "four"]}])


def test_a_judge_outside_a_study_says_so() -> None:
    with pytest.raises(MetricError, match="metric `judge` works in a study only"):
        judge()([{"q": "?"}], ["4"])


def test_the_catalogue_has_it() -> None:
    text = metric_text("judge")
    assert "`server` (table, optional)" in text
    assert "scores each sample, within `scale`" in text
