"""Texts, ordinary and hostile, and their scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st

from llmsearch_optuna.metrics import BUILT_IN_METRICS, Metric, Scores, make_metric

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "regex": {"pattern": "(?s).*"},
    "json_schema": {"schema": {}},
    "judge": {"rubric": "Is it right?", "engine": "study"},
}
"""The arguments of the built-in metrics that need some."""

OF_ANSWERS = ("regex", "math", "choice", "json_schema", "judge")
TEXT_METRICS = tuple(name for name in BUILT_IN_METRICS if name not in OF_ANSWERS)
"""The built-in metrics that compare any two texts; those of `OF_ANSWERS` read certain answers, or ask a judge."""

hostile_texts = st.text(st.characters(exclude_categories=()), max_size=60)
words = ["the", "cat", "runs", "running", "ran", "7", "-7,000.5", "on,", "mats;", "and", "A."]
word_texts = st.lists(st.sampled_from(words), max_size=12).map(" ".join)
texts = hostile_texts | word_texts


def built_in(name: str) -> Metric:
    """Build a built-in metric with the arguments that it needs; skip the test if it needs a package."""
    if name == "math":
        pytest.importorskip("math_verify")
    return make_metric(name, **NEEDED.get(name, {}))


def score(spec: object, predictions: Sequence[str], references: Sequence[Any], **arguments: Any) -> Scores:
    return make_metric(spec, **arguments)([{"answer": reference} for reference in references], predictions)


def value(spec: object, prediction: str, reference: object, **arguments: Any) -> float:
    return score(spec, [prediction], [reference], **arguments).value


def share_of_letters(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> list[float]:
    """Score random completions of tiny models, whose other scores are mostly zero."""
    return [sum(map(str.isalpha, text)) / (len(text) + 1) for text in predictions]


def share_of_all_letters(references: Sequence[dict[str, str]], predictions: Sequence[str]) -> float:
    """Give one score of the whole corpus, without declaring it."""
    return sum(share_of_letters(references, predictions)) / len(predictions)
