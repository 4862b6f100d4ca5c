"""References that a metric cannot see, or that silence would match."""

import logging
import math
from typing import Any

import pytest

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import check_references, make_metric
from llmsearch_optuna.metrics.built_in import SAMPLE_FUNCTIONS

CHINESE = ["\u5317\u4eac\u662f\u4e2d\u56fd\u7684\u9996\u90fd", "\u6211\u67093\u4e2a\u82f9\u679c"]
RUSSIAN = "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"
GERMAN = ["Die Katze sitzt auf der Matte und schaut dem Hund zu", "Der H\u00fcgel ist gr\u00fcn"]


def check(spec: str, references: list[Any], **arguments: Any) -> None:
    check_references(make_metric(spec, **arguments), [{"answer": reference} for reference in references])


@pytest.mark.parametrize(
    ("spec", "references", "message"),
    [
        (
            "contains",
            ["", " "],
            r"gives 1 to every completion.*, or leave such rows out \(2 of 2 references: row 0 has ''\)",
        ),
        ("contains", [["a", ""]], "gives 1 to every completion"),
        ("exact_match", ["", ""], "gives 1 to an empty completion"),
        ("token_f1", [""], "gives 1 to an empty completion"),
        ("numeric", ["five", "none"], "gives 0 to every completion, as the reference has no number.*row 0 has 'five'"),
        ("numeric", ["2024-05-01", "10:30", "3:4"], "is a date, a time, a ratio or a range: use exact_match"),
        ("rouge1", CHINESE, 'words of a-z and 0-9 only.* set tokenize = "unicode"'),
        ("rougeL", [RUSSIAN, RUSSIAN, "English"], "2 of 3 references: row 0"),
        ("rouge2", ["yes", "no"], "the reference has fewer than two words"),
        ("bleu", CHINESE, 'set tokenize = "zh"'),
        ("chrf", ["", ""], "can match nothing of an empty reference"),
        ("choice", ["A", "Paris"], "the answer of sample 1 must be a letter of 'ABCD', an index from 0 or the text"),
    ],
)
def test_references_that_mean_nothing_are_refused(spec: str, references: list[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        check(spec, references)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SAMPLE_FUNCTIONS)
def test_references_that_are_all_empty_are_refused(name: str) -> None:
    with pytest.raises(MetricError, match=r"the reference (is empty|has no|has fewer than).*\(2 of 2 references"):
        check(name, ["", " "])


def test_a_reference_of_which_the_expression_matches_a_part_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    solutions = ["3 + 4 = 7\n#### 7", "#### 8"]
    with pytest.raises(MetricError, match=r"compares its match with the whole reference.* row 0 has '3 \+ 4"):
        check("regex", solutions, pattern="#### ([0-9]+)")
    check("regex", [*solutions, "9"], pattern="#### ([0-9]+)")
    assert "2 of 3 references: row 0" in caplog.messages[0]
    caplog.clear()
    check("regex", ["B", "C"], pattern="answer is ([A-D])")
    check("regex", ["7", ["8", "eight"]], pattern="[0-9]+")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("spec", "references", "message"),
    [
        ("contains", ["", "4"], "1 of 2 references: row 0 has ''"),
        ("exact_match", ["4", ""], "1 of 2 references: row 1 has ''"),
        ("numeric", ["5", "five", "6"], "1 of 3 references: row 1 has 'five'"),
        ("numeric", ["2024", "10-20"], "1 of 2 references: row 1 has '10-20'"),
        ("rouge1", ["English words", RUSSIAN], "1 of 2 references: row 1 has"),
        ("rouge1", GERMAN, "words of a-z and 0-9 only"),
        ("rougeL", ["words", ""], "as the reference is empty: check the column, or leave such rows out (1 of 2"),
        ("bleu", ["four words are here", CHINESE[0]], "1 of 2 references: row 1 has"),
        ("bleu", ["yes", "no"], "BLEU needs four words"),
        ("chrf", ["abc", ""], "1 of 2 references: row 1 has ''"),
    ],
)
def test_some_references_that_mean_nothing_are_warned_of_once(
    spec: str, references: list[Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check(spec, references)
    assert len(caplog.messages) == 1
    assert message in caplog.messages[0]


@pytest.mark.parametrize(
    ("spec", "references", "arguments"),
    [
        ("numeric", ["3/4", 5, ["five", "5"], "#### 1,234"], {}),
        ("token_f1", ["A", "+", CHINESE[0], ["", "unanswerable"]], {}),
        ("exact_match", [["", "unknown"], RUSSIAN], {}),
        ("rouge1", ["caf\u00e9 " + "plain words " * 20], {}),
        ("rouge2", [*CHINESE, RUSSIAN], {"tokenize": "unicode"}),
        ("bleu", CHINESE, {"tokenize": "zh"}),
        ("bleu", [" ".join(text) for text in CHINESE], {}),
        ("bleu", [RUSSIAN * 4], {"lowercase": True}),
        ("chrf", CHINESE, {}),
    ],
)
def test_what_the_metric_sees_passes_in_silence(
    spec: str, references: list[Any], arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    check(spec, references, **arguments)
    assert not caplog.messages


def test_missing_values_are_reported_before_a_scorer_of_the_user_sees_them(caplog: pytest.LogCaptureFixture) -> None:
    def score(references: list[dict[str, Any]], completions: list[str]) -> list[float]:
        raise AssertionError("a scorer is not called by the check")

    references: list[dict[str, Any]] = [
        {"label": "a", "note": "n"},
        {"label": None, "note": " "},
        {"label": math.nan, "note": "n"},
    ]
    check_references(make_metric(score), references)
    assert [message.partition(", and the scorer")[0] for message in caplog.messages] == [
        "`label` is empty in 2 of 3 rows (row 1 has None)",
        "`note` is empty in 1 of 3 rows (row 1 has ' ')",
    ]
    assert "test_missing_values" in caplog.messages[0]
    caplog.clear()
    check_references(make_metric(score), [{"label": 0, "note": []}, {"label": False, "note": {}}])
    assert not caplog.messages
