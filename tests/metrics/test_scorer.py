"""The user's own scorers: what they may return, what is said where they fail, and how they are named."""

import functools
import math
from typing import Any

import numpy as np
import pytest
import torch

from llmsearch_optuna.errors import ScorerError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics import Scores, make_metric


def run(result: object, n: int = 3, **keywords: Any) -> Scores:
    metric = make_metric(lambda references, predictions: result)
    return metric([{"answer": "a"}] * n, ["a"] * n, **keywords)


@pytest.mark.parametrize(
    "result",
    [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True)],
)
def test_one_number_is_the_value(result: object) -> None:
    assert run(result) == Scores(0.5, None)
    assert type(run(result).value) is float


@pytest.mark.parametrize(
    "result",
    [
        [1, 0, 0.5],
        (True, False, 0.5),
        np.array([1.0, 0.0, 0.5], dtype=np.float16),
        torch.tensor([1.0, 0.0, 0.5]),
        [torch.tensor(1.0), np.int64(0), np.float64(0.5)],
    ],
)
def test_one_number_per_sample(result: object) -> None:
    scores = run(result)
    assert scores == Scores(0.5, (1.0, 0.0, 0.5))
    assert all(type(score) is float for score in (scores.value, *(scores.per_sample or ())))


def test_a_scorer_gets_its_own_dicts_and_list() -> None:
    def greedy(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        assert type(y_true) is list
        assert type(y_pred) is list
        y_pred.clear()
        return float(y_true.pop().pop("answer") == "b")

    references, predictions = ({"answer": "a"}, {"answer": "b"}), ("x", "y")
    metric = make_metric(greedy)
    assert metric(references, predictions) == metric(references, predictions) == Scores(1.0, None)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "must return a number or one per sample, got NoneType"),
        ("0.5", "must return a number or one per sample, got str"),
        ({"score": 1.0}, "must return a number or one per sample, got dict"),
        (1j, "must return a number or one per sample, got complex"),
        ([0.5, 0.5, "0.5"], "must return numbers, got str for sample 30"),
        (np.ones((3, 1)), "must return numbers, got list for sample 10"),
        ([1.0, 2.0], "returned 2 scores for 3 samples"),
        ([], "returned 0 scores for 3 samples"),
        ([0.0, math.nan, 0.0], "returned nan for sample 20; scores must be finite"),
        (np.array([0.0, 0.0, -np.inf]), "returned -inf for sample 30"),
        ([0.0, 10**400, 0.0], "returned inf for sample 20"),
        ([1e308] * 3, "returned scores too large to average"),
        (math.inf, "returned inf on sample 10; scores must be finite"),
        (10**400, "returned inf on sample 10; scores must be finite"),
    ],
)
def test_what_is_no_score_is_refused(result: object, message: str) -> None:
    with pytest.raises(ScorerError) as caught:
        run(result, sample_ids=[10, 20, 30])
    assert message in str(caught.value)
    assert str(caught.value).startswith("scorer `")
    assert "\n" not in str(caught.value)


def words_per_letter(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
    return sum(len(text.split()) / len(text) for text in y_pred) / len(y_pred)


def test_an_exception_names_the_scorer_and_the_sample() -> None:
    metric = make_metric(words_per_letter)
    predictions = ["a b"] * 7 + [""] + ["c"]
    with pytest.raises(ScorerError, match=r"words_per_letter` raised ZeroDivisionError: .* on sample 7$") as caught:
        metric([{}] * 9, predictions)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(ScorerError, match=r"on sample 107$"):
        metric([{}] * 9, predictions, sample_ids=range(100, 109))


def test_an_exception_of_no_single_sample_names_none() -> None:
    def picky(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        if len(y_pred) == 1:
            raise KeyError("one")
        raise RuntimeError("several\nlines\0\ud800 " + "long " * 100)

    with pytest.raises(ScorerError) as caught:
        make_metric(picky)([{}] * 2, ["a", "b"])
    assert "raised RuntimeError: several lines long long" in str(caught.value)
    assert str(caught.value).endswith("...")
    assert str(caught.value).isprintable()


def test_a_nan_names_the_sample_that_makes_it() -> None:
    def mean(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        return sum(map(float, y_pred)) / len(y_pred)

    with pytest.raises(ScorerError, match=r"returned nan on sample 2; scores must be finite"):
        make_metric(mean)([{}] * 3, ["1", "0", "nan"])
    with pytest.raises(ScorerError, match=r"returned inf; scores must be finite"):
        make_metric(mean)([{}] * 3, ["1e308", "1e308", "1e308"])


class Half:
    def __call__(self, y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        return 0.5


def scaled(y_true: list[dict[str, Any]], y_pred: list[str], scale: float) -> float:
    return scale


@pytest.mark.parametrize("function", [words_per_letter, Half(), functools.partial(scaled, scale=0.5)])
def test_a_scorer_is_named_by_its_source(function: Any) -> None:
    metric = make_metric(function)
    assert metric.name == identify(function)
    assert metric([{}], ["ab"]).value == 0.5
