"""What a regular expression finds in a completion."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_texts import hostile_texts, value

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import make_metric, regex_answers


@pytest.mark.parametrize(
    ("arguments", "prediction", "reference", "expected"),
    [
        ({"pattern": "#### (.+)"}, "3 + 4 = 7\n#### 7\n", "7", 1.0),
        ({"pattern": "[0-9]+"}, "first 1, then 2", 2, 1.0),
        ({"pattern": "[0-9]+", "first": True}, "first 1, then 2", 1, 1.0),
        ({"pattern": "(a)(b)", "group": 0}, "ab", "ab", 1.0),
        ({"pattern": "(a)(b)", "group": 2}, "ab", "b", 1.0),
        ({"pattern": "(?P<key>[a-z]+)=(?P<value>[a-z]+)", "group": "value"}, "x=y", "y", 1.0),
        ({"pattern": "is ([a-z]+)"}, "It IS Rome", "rome", 0.0),
        ({"pattern": "is ([a-z]+)", "ignore_case": True}, "It IS Rome", "rome", 1.0),
        ({"pattern": "<a>(.*?)</a>"}, "<a> caf\u00e9 </a>", "cafe\u0301", 1.0),
        ({"pattern": "[0-9]+"}, "none", "", 0.0),
        ({"pattern": "a(b)?"}, "a", "", 0.0),
        ({"pattern": "[0-9]+"}, "7", ["6", "7"], 1.0),
    ],
)
def test_the_match_is_compared(arguments: dict[str, Any], prediction: str, reference: object, expected: float) -> None:
    assert value("regex", prediction, reference, **arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pattern": "(abc"}, r"`pattern` of metric `regex` must be a regular expression: missing \) at position 4"),
        ({"pattern": "a", "group": 1}, "`group` of metric `regex` must be one of 0, got 1"),
        ({"pattern": "(?P<x>a)", "group": "y"}, "must be one of 0, 1, x, got 'y'"),
    ],
)
def test_what_is_no_expression_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        make_metric("regex", **arguments)
    assert "\n" not in str(caught.value)


def test_an_expression_without_end_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_answers, "_LIMIT_S", 0.05)
    with pytest.raises(ScorerError, match=r"takes more than 0.05 s on a completion.* got '\(a\|aa\)\+\$'"):
        value("regex", "a" * 60 + "b", "a", pattern="(a|aa)+$")


@given(text=hostile_texts, number=st.integers(0, 10**9))
def test_the_last_match_wins_whatever_precedes_it(text: str, number: int) -> None:
    metric = make_metric("regex", pattern=r"ANSWER=([0-9]+)\b")
    completion = f"{text} ANSWER=1 ANSWER={number}"
    assert metric([{"a": number}], [completion]).value == 1.0
    assert metric.answer(completion) == str(number)  # type: ignore[attr-defined]
