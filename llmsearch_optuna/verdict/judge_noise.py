"""The noise of a judge that judges every completion several times: its share of the variance of a gain."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from llmsearch_optuna.metrics import Metric, Reference
from llmsearch_optuna.metrics.judging import JudgedMetric
from llmsearch_optuna.metrics.reducers import MEAN, for_each_completion, reducer_of, unreduced

__all__ = ["JudgedText", "judge_noise", "noise_share"]


class JudgedText(NamedTuple):
    """A completion that was judged several times.

    Attributes:
        weight: The weight of its score in the finalist's mean.
        variance: The variance of its score, the mean of the repeats.
    """

    weight: float
    variance: float


def judge_noise(
    metric: Metric, references: Sequence[Reference], runs: Sequence[Sequence[Sequence[str]]]
) -> dict[str, JudgedText]:
    """Return the completions of a finalist by the keys of their judgements; empty if none was judged several times.

    Args:
        metric: The metric.
        references: The references, length n.
        runs: The completions of each sample with each seed. Shape: (seeds, n, any).
    """
    judged = unreduced(metric)
    if not isinstance(judged, JudgedMetric) or judged.settings.repeats < 2 or reducer_of(metric) is not MEAN:
        return {}
    noise: dict[str, JudgedText] = {}
    for texts in runs:
        predictions = list(itertools.chain.from_iterable(texts))
        scores = judged.repeated_scores(for_each_completion(references, texts), predictions)
        weights = for_each_completion([1.0 / (len(runs) * len(texts) * len(of_sample)) for of_sample in texts], texts)
        for (key, of_text), weight in zip(scores, weights, strict=True):
            variance = float(np.var(of_text, ddof=1)) / len(of_text) if len(of_text) > 1 else 0.0
            earlier = noise.get(key, JudgedText(0.0, variance))
            noise[key] = JudgedText(earlier.weight + weight, variance)
    return noise


def noise_share(
    best: Mapping[str, JudgedText], reference: Mapping[str, JudgedText], standard_error: float
) -> float | None:
    """Return the judge's share of the variance of a gain, in [0, 1]; None if no completion was judged several times.

    Of a completion that both finalists have, or one has with several seeds, there is one judgement: its noise counts
    by the sum of its weights.

    Args:
        best: The completions of one finalist.
        reference: Those of the other.
        standard_error: The standard error of the gain.
    """
    if not best and not reference:
        return None
    nothing = JudgedText(0.0, 0.0)
    variance = 0.0
    for key in {**best, **reference}:
        first, second = best.get(key, nothing), reference.get(key, nothing)
        variance += (first.weight - second.weight) ** 2 * max(first.variance, second.variance)
    return min(1.0, variance / standard_error**2) if standard_error > 0.0 else 0.0
