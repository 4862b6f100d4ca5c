"""The one way in which searches and verdicts call a metric, whatever its code raises."""

import dataclasses
from collections.abc import Callable, Sequence

from llmsearch_optuna.errors import ScorerError, describe_error
from llmsearch_optuna.metrics.base import Metric, Reference, Scores, plain, sample_numbers
from llmsearch_optuna.metrics.calls import ScorerCalls, never
from llmsearch_optuna.metrics.evaluate_module import EvaluateMetric
from llmsearch_optuna.metrics.judging import JudgedMetric
from llmsearch_optuna.metrics.reducers import unreduced
from llmsearch_optuna.metrics.scorer import CallableMetric, finite_score

__all__ = ["call_metric"]


def call_metric(
    metric: Metric,
    references: Sequence[Reference],
    predictions: Sequence[str],
    *,
    sample_ids: Sequence[int] | None = None,
    is_to_end: Callable[[], bool] = never,
    retries: int | None = None,
) -> Scores:
    """Score one or more completions with a metric, whose code may raise anything or hang.

    Args:
        metric: The metric.
        references: The references, length n.
        predictions: The completions, length n.
        sample_ids: The numbers of the samples in error messages, length n; by default their positions.
        is_to_end: Whether the search is to end; see `ScorerCalls`.
        retries: The number of further attempts after a fault; by default that of the metric, or 2 if it has none.

    Raises:
        MetricError: The references do not fit the metric.
        ScorerError: The metric raised an exception, did not return in time, or returned an invalid score.
        ScoringGivenUpError: The search is to end, and the metric has not returned.
    """
    metric = unreduced(metric)
    declared = getattr(metric, "calls", None)
    calls = declared if isinstance(declared, ScorerCalls) else ScorerCalls()
    retries = calls.retries if retries is None else retries
    calls = dataclasses.replace(calls, retries=retries, is_to_end=is_to_end)
    if isinstance(metric, CallableMetric | EvaluateMetric | JudgedMetric):  # they know the sample that is to blame
        return metric(references, predictions, sample_ids=sample_ids, calls=calls)

    def score(_is_last: bool) -> Scores:
        scores, error = calls.attempt(metric.name, lambda: metric(references, predictions, sample_ids=sample_ids))
        if error is not None:
            raise ScorerError(f"metric `{metric.name}` raised {describe_error(error)}") from error
        return _checked(f"metric `{metric.name}`", scores, sample_numbers(references, predictions, sample_ids))

    return calls.repeated(metric.name, score)


def _checked(source: str, scores: object, samples: Sequence[int]) -> Scores:
    """Return what a metric returned as floats, after validating it.

    Raises:
        ScorerError: It is something else than `Scores`, or has a wrong number of scores or one that is not finite.
    """
    if not isinstance(scores, Scores):
        raise ScorerError(f"{source} must return Scores(value, per_sample), got {type(scores).__name__}")
    per_sample = plain(scores.per_sample)
    if per_sample is None:
        return Scores(finite_score(source, scores.value), None)
    if not isinstance(per_sample, Sequence) or len(per_sample) != len(samples):
        count = len(per_sample) if isinstance(per_sample, Sequence) else type(per_sample).__name__
        raise ScorerError(f"{source} must return one score per sample, or None, got {count} for {len(samples)} samples")
    checked = [
        finite_score(source, score, f" for sample {sample}") for score, sample in zip(per_sample, samples, strict=True)
    ]
    return Scores(finite_score(source, scores.value), tuple(checked))
