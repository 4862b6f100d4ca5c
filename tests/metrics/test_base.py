"""Which texts a prediction is compared with, what is refused, and the range of the scores."""

import math
from datetime import date, datetime, time
from decimal import Decimal

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from scored_texts import built_in, score, value

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import (
    BUILT_IN_METRICS,
    SampleMetric,
    Scores,
    check_score_range,
    exact_match,
    known_range,
    make_metric,
)


def test_value_is_the_mean_of_the_samples() -> None:
    assert score("exact_match", ["a", "b", "c"], ["a", "x", "c"]) == Scores(2 / 3, (1.0, 0.0, 1.0))
    assert score("bleu", ["a b c d e"], ["a b c d e"]) == Scores(1.0, None)


def test_the_best_of_several_references_counts() -> None:
    assert score("exact_match", ["b", "c"], [["a", "b"], "a"]) == Scores(0.5, (1.0, 0.0))
    assert value("exact_match", "7", (3, 7)) == 1.0
    assert value("exact_match", "b", np.array(["a", "b"])) == 1.0
    assert value("exact_match", "7", np.int64(7)) == 1.0
    assert value("exact_match", "true", True) == value("exact_match", "false", False) == 1.0
    assert value("rouge1", "cat dog", ["cat", "cat dog"]) == 1.0


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 10, 30), "2024-05-01T10:30:00"),  # noqa: DTZ001  # as Parquet stores it
        (time(10, 30), "10:30:00"),
        ([Decimal(7), "seven"], "7"),
    ],
)
def test_decimals_and_dates_are_compared_as_they_are_written(reference: object, text: str) -> None:
    assert value("exact_match", text, reference) == value("token_f1", text, reference) == 1.0


@pytest.mark.parametrize("metric", ["exact_match", "token_f1"])
def test_an_empty_list_means_that_there_is_no_answer(metric: str) -> None:
    assert score(metric, ["", "x"], [[], []]).per_sample == (1.0, 0.0)


def test_column_is_inferred_or_chosen() -> None:
    row = {"answer": "a", "other": "b"}
    assert make_metric("exact_match", column="other")([row], ["b"]).value == 1.0
    with pytest.raises(MetricError, match=r"`column` must name .* there are `answer`, `other`"):
        make_metric("exact_match")([row], ["b"])
    with pytest.raises(MetricError, match="there are none"):
        make_metric("exact_match")([{}], ["b"])
    with pytest.raises(MetricError, match="unknown reference column `anwser`: did you mean `answer`"):
        make_metric("bleu", column="anwser")([row], ["b"])
    with pytest.raises(MetricError, match="sample 12 has no reference column `answer`"):
        make_metric("exact_match", column="answer")([row, {"other": "b"}], ["b", "b"], sample_ids=[3, 12])


def test_a_mapping_as_reference_is_refused_with_the_way_to_its_parts() -> None:
    with pytest.raises(MetricError, match=r"got .*: name a part of it in eval_cols, e.g. `answers.text`$"):
        make_metric("exact_match")([{"answers": {"text": ["a"], "answer_start": [0]}}], ["a"])


@pytest.mark.parametrize("bad", [None, pd.NaT, Decimal("NaN"), {"a": 1}, math.nan, ["a", None], [["a"]], b"a", 1j])
def test_a_bad_reference_is_refused_with_its_sample(bad: object) -> None:
    with pytest.raises(MetricError, match="the reference of sample 5 must be a string, a number, a date or a list"):
        make_metric("exact_match")([{"answer": "a"}, {"answer": bad}], ["a", "a"], sample_ids=[2, 5])


@pytest.mark.parametrize("metric", ["exact_match", "choice"])
@pytest.mark.parametrize("gap", [None, math.nan, [None]])
def test_a_missing_reference_is_refused_with_what_to_do(metric: str, gap: object) -> None:
    with pytest.raises(MetricError, match=r"of sample 1 must .* got .*: fill it in, or leave the row out$"):
        make_metric(metric)([{"answer": "A"}, {"answer": gap}], ["A", "A"])


@pytest.mark.parametrize("name", [*BUILT_IN_METRICS, "callable"])
def test_lengths_are_checked(name: str) -> None:
    metric = make_metric(lambda references, predictions: 0.0) if name == "callable" else built_in(name)
    with pytest.raises(MetricError, match="at least one sample"):
        metric([], [])
    with pytest.raises(MetricError, match="got 2 predictions for 1 references"):
        metric([{"answer": "a"}], ["a", "b"])
    with pytest.raises(MetricError, match="got 2 sample ids for 1 references"):
        metric([{"answer": "a"}], ["a"], sample_ids=[1, 2])


def test_metrics_of_others_need_no_range() -> None:
    assert known_range(make_metric(len)) is None
    assert known_range(SampleMetric(name="m", score=exact_match)) is None
    assert known_range(SampleMetric(name="m", score=exact_match, score_range=(-1.0, 1.0))) == (-1.0, 1.0)


@pytest.mark.parametrize("value", [(0, 1), [-2.5, 3], (np.float32(0), np.int64(2))])
def test_a_range_is_two_numbers(value: object) -> None:
    low, high = check_score_range(value)
    assert type(low) is type(high) is float
    assert low < high


@pytest.mark.parametrize(
    "value", [1, "01", (0,), (0, 1, 2), (1, 0), (0, 0), (0, math.nan), (-math.inf, 0), (False, True)]
)
def test_what_is_no_range_is_refused(value: object) -> None:
    with pytest.raises(MetricError, match=r"^`score_range` must be two numbers, the smaller first, got "):
        check_score_range(value)


def test_if_less_is_better_the_minimum_of_several_counts() -> None:
    edits = SampleMetric(name="edits", score=lambda text, other: abs(len(text) - len(other)), greater_is_better=False)
    assert edits([{"answer": ["a", "abc"]}], ["a"]).value == 0.0
