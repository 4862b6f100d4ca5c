"""Metrics that score completions against references.

`make_metric` builds a `Metric` from a name, ``"package.module:function"``, ``"evaluate:NAME"`` or a callable. Importing
this package is fast: ``evaluate`` (which imports torch), ``rouge_score`` and ``sacrebleu`` are only imported when a
metric needs them.
"""

from llmsearch_optuna.metrics.base import (
    Metric,
    Reference,
    SampleMetric,
    ScoreRange,
    Scores,
    check_score_range,
    known_range,
)
from llmsearch_optuna.metrics.built_in import BUILT_IN_METRICS
from llmsearch_optuna.metrics.calls import ScorerCalls, ScoringGivenUpError
from llmsearch_optuna.metrics.catalogue import describe_metric, metric_text
from llmsearch_optuna.metrics.corpus import CorpusMetric, bleu, choose_score_range, chrf, max_difference
from llmsearch_optuna.metrics.evaluate_module import EvaluateMetric
from llmsearch_optuna.metrics.factory import make_metric
from llmsearch_optuna.metrics.items import ItemsMetric, distinct_items
from llmsearch_optuna.metrics.reference_checks import check_references
from llmsearch_optuna.metrics.rouge import rouge1, rouge2, rouge_l
from llmsearch_optuna.metrics.scorer import CallableMetric, Scorer
from llmsearch_optuna.metrics.scoring import call_metric
from llmsearch_optuna.metrics.text import contains, exact_match, numeric, token_f1

__all__ = [
    "BUILT_IN_METRICS",
    "CallableMetric",
    "CorpusMetric",
    "EvaluateMetric",
    "ItemsMetric",
    "Metric",
    "Reference",
    "SampleMetric",
    "ScoreRange",
    "Scorer",
    "ScorerCalls",
    "Scores",
    "ScoringGivenUpError",
    "bleu",
    "call_metric",
    "check_references",
    "check_score_range",
    "choose_score_range",
    "chrf",
    "contains",
    "describe_metric",
    "distinct_items",
    "exact_match",
    "known_range",
    "make_metric",
    "max_difference",
    "metric_text",
    "numeric",
    "rouge1",
    "rouge2",
    "rouge_l",
    "token_f1",
]
