"""Reducers: oracles for the estimators, votes, and what does not fit a metric."""

import functools
import itertools
import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.metrics.base import SampleMetric, Scores
from llmsearch_optuna.metrics.numbers import last_number
from llmsearch_optuna.metrics.reducers import MEAN, ReducedMetric, make_reducer, reduce_scores, reducer_of

NUMERIC = make_metric("numeric")


def is_short(references: Any, predictions: list[str]) -> list[float]:
    return [float(len(prediction)) for prediction in predictions]


@given(passed=st.lists(st.booleans(), min_size=1, max_size=8), data=st.data())
def test_pass_at_k_is_the_share_of_selections_with_a_pass(passed: list[bool], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(passed)))
    selections = list(itertools.combinations(passed, size))
    expected = sum(map(any, selections)) / len(selections)
    reducer = make_reducer(f"pass@{size}", NUMERIC)
    assert reducer.reduce([""] * len(passed), [float(each) for each in passed]) == pytest.approx(expected)
    assert reducer.min_completions == size


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_mean_and_best(scores: list[float]) -> None:
    texts = [""] * len(scores)
    assert MEAN.reduce(texts, scores) == math.fsum(scores) / len(scores)
    assert make_reducer("best", NUMERIC).reduce(texts, scores) == max(scores)
    smaller = make_metric("numeric", greater_is_better=False)
    assert make_reducer("best", smaller).reduce(texts, scores) == min(scores)


@given(votes=st.lists(st.sampled_from(["1", "2", "3", "none"]), min_size=1, max_size=9))
def test_a_majority_is_what_chance_would_choose_on_average(votes: list[str]) -> None:
    reducer = make_reducer("majority", NUMERIC)
    scores = [float(vote == "2") for vote in votes]
    counts = {vote: votes.count(vote) for vote in votes if vote != "none"}
    winners = [vote for vote, count in counts.items() if count == max(counts.values())]
    expected = sum(vote == "2" for vote in winners) / len(winners) if winners else 0.0
    texts = [f"It is {vote}." for vote in votes]
    assert reducer.reduce(texts, scores) == pytest.approx(expected)
    assert reducer.is_tied(texts) == (len(winners) > 1)


def test_a_majority_counts_what_the_metric_reads() -> None:
    numbers = make_reducer("majority", NUMERIC)
    assert numbers.reduce(["It is 1,000.", "1000.0", "7"], [1.0, 1.0, 0.0]) == 1.0
    exact = make_reducer("majority", make_metric("exact_match", ignore_case=True))
    assert exact.reduce(["Yes ", "yes", "no", "NO", "no"], [1.0, 1.0, 0.0, 0.0, 0.0]) == 0.0
    assert exact.reduce(["", "", "yes"], [0.0, 0.0, 1.0]) == 1.0  # an empty text is no vote


def test_a_function_may_say_what_it_reads() -> None:
    def scorer(references: Any, predictions: list[str]) -> list[float]:
        return [1.0] * len(predictions)

    scorer.answer = len  # type: ignore[attr-defined]
    metric = make_metric(scorer, reducer="majority")
    assert reducer_of(metric).is_tied(["aa", "bb", "c", "d"])
    assert not reducer_of(metric).is_tied(["aa", "bb", "c"])
    scorer.answer = lambda text: [text]  # type: ignore[attr-defined]
    with pytest.raises(ScorerError, match=r"`answer` of metric `.*scorer.*` must return something hashable"):
        reducer_of(make_metric(scorer, reducer="majority")).is_tied(["aa", "bb"])


def first_word(prediction: str) -> str:
    return prediction.partition(" ")[0]


def test_an_answer_of_the_user_is_a_part_of_the_name() -> None:
    def scorer(references: Any, predictions: list[str]) -> list[float]:
        return [1.0] * len(predictions)

    names = []
    for answer in (first_word, last_number, functools.partial(last_number), lambda text: text[:1]):
        scorer.answer = answer  # type: ignore[attr-defined]
        names.append(make_metric(scorer, reducer="majority").name)
    assert len(set(names)) == 4
    assert names[0] == f"majority of {make_metric(scorer).name} by {identify(first_word)}"
    assert make_metric(scorer, reducer="best").name == f"best of {make_metric(scorer).name}"
    metric = SampleMetric(name="mine", score=lambda prediction, reference: 1.0, answer=first_word)
    assert make_metric(metric, reducer="majority").name == f"majority of mine by {identify(first_word)}"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("exact_match", {"ignore_case": True}),
        ("numeric", {}),
        ("choice", {}),
        ("regex", {"pattern": "[0-9]"}),
        ("json_schema", {"schema": {"type": "object"}}),
    ],
)
def test_the_name_of_a_built_in_metric_implies_its_answer(name: str, arguments: dict[str, Any]) -> None:
    assert (
        make_metric(name, reducer="majority", **arguments).name == f"majority of {make_metric(name, **arguments).name}"
    )


def test_a_reduced_metric_is_the_metric_with_another_name() -> None:
    metric = make_metric("numeric", reducer="pass@2", column="answer")
    assert isinstance(metric, ReducedMetric)
    assert metric.name == "pass@2 of numeric(column='answer')"
    assert (metric.score_range, metric.greater_is_better) == ((0.0, 1.0), True)
    assert metric([{"answer": "1"}], ["It is 1"]) == Scores(1.0, (1.0,))
    assert make_metric("numeric", reducer="mean").name == "numeric"


def test_scores_are_reduced_by_sample() -> None:
    metric = make_metric("numeric", reducer="best")
    scores = Scores(0.5, (0.0, 1.0, 0.0, 0.0))
    assert reduce_scores(metric, scores, [("0", "1"), ("2", "3")]) == Scores(0.5, (1.0, 0.0))
    assert reduce_scores(metric, scores, [("0",), ("1",), ("2",), ("3",)]) is scores


@pytest.mark.parametrize(
    ("metric", "name", "message"),
    [
        (
            "numeric",
            "median",
            '`reducer` must be "mean", "best", "majority" or "pass@K", as in "pass@4", got \'median\'',
        ),
        ("numeric", "pass@0", "`reducer` must be "),
        (
            "rouge1",
            "majority",
            '`reducer` = "majority" counts the answers that a metric reads, and `rouge1` reads none',
        ),
        ("bleu", "best", "`reducer` needs a metric that scores single samples, and `bleu` scores a corpus"),
    ],
)
def test_what_does_not_fit_is_refused(metric: str, name: str, message: str) -> None:
    with pytest.raises(MetricError) as error:
        make_metric(metric, reducer=name)
    assert str(error.value).startswith(message)


def test_scores_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MetricError, match=r'^`reducer` = "pass@2" needs scores of 0 or 1, got 3.0: use'):
        reduce_scores(make_metric(is_short, reducer="pass@2"), Scores(3.0, (3.0, 1.0)), [("abc", "a")])
    with pytest.raises(MetricError, match="needs a metric of which 1 is better than 0"):
        make_metric("numeric", greater_is_better=False, reducer="pass@2")
    with pytest.raises(MetricError, match="returned one number for all"):
        reduce_scores(make_metric(is_short), Scores(3.0, None), [("abc", "a")])
