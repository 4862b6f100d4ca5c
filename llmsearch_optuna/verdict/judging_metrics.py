"""The intervals of further metrics on held-out samples.

Every interval has a level of 95 % by itself. It is not adjusted for the number of metrics and finalists, nor for the
two stages of a verdict; the level of the verdict's own comparisons does not depend on it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.metrics import ScoreRange, known_range
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.statistics.intervals import difference_intervals
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.study.objectives import SCORE, TOKENS
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.judging import ALPHA, compare_by_sample
from llmsearch_optuna.verdict.metric_results import MetricResult

__all__ = ["Measure", "judge_metrics", "mean_interval", "measures_of"]

_Floats = npt.NDArray[np.float64]


class Measure(NamedTuple):
    """What finalists are measured by beside the score.

    Attributes:
        label: See `MetricResult`.
        greater_is_better: Whether a higher value is better.
        score_range: The minimum and the maximum of a sample; None if they are not known.
        values: The values of each finalist, by name. Shape: (samples, seeds).
    """

    label: str
    greater_is_better: bool
    score_range: ScoreRange | None
    values: Mapping[str, _Floats]


def measures_of(
    finalists: Sequence[FinalistScores], evaluator: Evaluator, constraints: Sequence[Constraint]
) -> list[Measure]:
    """Return what finalists are measured by beside the score: the further metrics, and what is constrained.

    Args:
        finalists: The finalists, with their scores under the further metrics.
        evaluator: Has the metrics.
        constraints: The constraints of the study.
    """
    measures = []
    labels = dict.fromkeys([*evaluator.further_metrics, *(constraint.label for constraint in constraints)])
    for label in labels:
        greater_is_better, score_range = False, None  # as is right for tokens
        values = {finalist.name: finalist.metrics.get(label, finalist.scores) for finalist in finalists}
        if label == SCORE:
            greater_is_better, score_range = evaluator.metric.greater_is_better, evaluator.score_range
        elif label != TOKENS:
            metric = evaluator.further_metrics[label]
            greater_is_better, score_range = metric.greater_is_better, known_range(metric)
        arrays = {name: scores for name, scores in values.items() if isinstance(scores, np.ndarray)}
        measures.append(Measure(label, greater_is_better, score_range, arrays))
    return measures


def judge_metrics(
    measures: Sequence[Measure], *, reference: str | None, constraints: Sequence[Constraint]
) -> tuple[MetricResult, ...]:
    """Return the results of all finalists under all measures, with intervals of 95 % each.

    Args:
        measures: The measures.
        reference: The name of the finalist with which the others are compared; None for no comparisons.
        constraints: The constraints of the study.
    """
    rules = {constraint.label: constraint.rule for constraint in constraints}
    results = []
    for label, greater_is_better, score_range, values in measures:
        sign = 1.0 if greater_is_better else -1.0
        limit = None if score_range is None else score_range[1] - score_range[0]
        for name, scores in values.items():
            comparison = None
            if reference is not None and name != reference:
                comparison = compare_by_sample(
                    name, sign * scores, sign * values[reference], alpha=ALPHA, max_difference=limit
                )
            low, high = mean_interval(scores, score_range)
            results.append(
                MetricResult(
                    name=name,
                    label=label,
                    value=float(scores.mean()),
                    low=low,
                    high=high,
                    comparison=comparison,
                    constraint=rules.get(label),
                )
            )
    return tuple(results)


def mean_interval(scores: _Floats, score_range: ScoreRange | None) -> tuple[float, float]:
    """Return the ends of a 95 % interval of the mean score.

    It is that of `difference_intervals` for the differences from the end of the range that is nearer to the mean. So a
    score that nearly always is the best possible one is treated as a difference that nearly always is 0, and the
    interval allows for rare samples that were not met.

    Args:
        scores: The scores. Shape: (samples, seeds), at least two samples.
        score_range: The minimum and the maximum score, to which the interval is clipped; if None, the end is that of
            the scores, and nothing is clipped.
    """
    low, high = (float(scores.min()), float(scores.max())) if score_range is None else score_range
    end = high if scores.mean() > (low + high) / 2.0 else low
    interval = difference_intervals(
        scores - end, alpha=ALPHA, max_difference=None if score_range is None else high - low
    )
    ends = float(interval.low) + end, float(interval.high) + end
    return ends if score_range is None else (max(low, ends[0]), min(high, ends[1]))
