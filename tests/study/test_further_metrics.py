"""Further metrics: their labels, and what they must be."""

import re
from typing import Any

import optuna
import pytest
from hand_made_studies import refused

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.study.attributes import METRIC
from llmsearch_optuna.study.further_metrics import make_further_metrics, metric_means

REFERENCES = [{"answer": "a b"}, {"answer": "c"}]


def test_what_a_scorer_may_be() -> None:
    exact = make_metric("exact_match")
    metrics = make_further_metrics({"exact": exact, "f1": "token_f1", "mine": lambda r, p: [0.0] * len(p)}, REFERENCES)
    assert list(metrics) == ["exact", "f1", "mine"]
    assert metrics["exact"] is exact
    assert make_further_metrics(None, REFERENCES) == {}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"score": "token_f1"}, "must not be the name of an objective, got `score`"),
        ({"tokens": "token_f1"}, "must not be the name of an objective, got `tokens`"),
        ({"": "token_f1"}, "must be text on one line, got ''"),
        ({"a\nb": "token_f1"}, r"must be text on one line, got 'a\nb'"),
        ({"b": "bleu"}, "the further metric `b` must score single samples, and `bleu"),
        ({"b": "no_such"}, "unknown metric `no_such`"),
        (["token_f1"], "`further_metrics` must be metrics by label, got ['token_f1']"),
        ({"f1": make_metric("token_f1", column="nope")}, "nope"),
    ],
)
def test_what_they_must_not_be(metrics: Any, message: str) -> None:
    assert re.search(re.escape(message), refused(MetricError, lambda: make_further_metrics(metrics, REFERENCES)))


def test_the_means_of_a_trial() -> None:
    trial = optuna.trial.create_trial(value=1.0, user_attrs={f"{METRIC}a.b": 0.5, "tokens": 3})
    assert metric_means(trial) == {"a.b": 0.5}
