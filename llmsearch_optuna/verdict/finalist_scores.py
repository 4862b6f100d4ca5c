"""What a verdict compares: one configuration's completions for the samples that all have in common, scored."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import CorpusMetric, Metric, Reference, Scores
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["CorpusScores", "FinalistScores", "corpus_scores", "held_out_key", "score_groups"]

_Floats = npt.NDArray[np.float64]

CorpusScores = Callable[[npt.NDArray[np.intp]], _Floats]
"""``(indices of samples) -> the score of each seed over these samples``. Shape: (seeds,)."""

_SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class FinalistScores:
    """One configuration, or one set of outputs, with its scores.

    Attributes:
        name: What the verdict calls it.
        scores: The score of each completion. Shape: (samples, seeds). Where the metric scores only a corpus, a function
            that scores selections of the samples.
        tokens: The tokens of each completion, where these are an objective. Shape: (samples, seeds).
        trial: The number of its trial.
        search_score: What it scored on the search split.
        params: What it generates with.
    """

    name: str
    scores: _Floats | CorpusScores
    tokens: _Floats | None = None
    trial: int | None = None
    search_score: float | None = None
    params: GenerationParams | None = None

    def over(self, indices: npt.NDArray[np.intp]) -> _Floats:
        """The score of each seed over a selection of the samples, with repetitions. Shape: (seeds,)."""
        return self.scores[indices].mean(axis=0) if isinstance(self.scores, np.ndarray) else self.scores(indices)


def held_out_key(params: GenerationParams) -> str:
    """What the held-out completions of these parameters are stored under, whatever their seed."""
    return hashlib.sha256(params.unseeded.to_json().encode()).hexdigest()[:16]


def score_groups(
    metric: Metric,
    references: Sequence[Reference],
    groups: Sequence[Sequence[str]],
    *,
    names: Sequence[str],
    sample_ids: Sequence[int] | None = None,
) -> list[Scores]:
    """Scores several sets of completions for the same samples.

    A scorer that gives one number for all of them may still be a mean over samples, as most of llmsearch's are. This is
    found out by scoring samples alone, and makes a much quicker and closer verdict.

    Args:
        metric: Scores them.
        references: The references, length n.
        groups: The completions of each group, length n each.
        names: What messages call the groups.
        sample_ids: How messages number the samples; their positions by default.

    Raises:
        ScorerError: The scorer raised, or returned something that is no score; the message names the group.
        MetricError: The references do not fit the metric.
    """
    found = []
    for name, predictions in zip(names, groups, strict=True):
        try:
            found.append(metric(references, predictions, sample_ids=sample_ids))
        except ScorerError as error:
            raise ScorerError(f"{name} cannot be scored: {error}") from error
    if any(scores.per_sample is None for scores in found) and not isinstance(metric, CorpusMetric):
        singly = []
        for scores, predictions in zip(found, groups, strict=True):
            own = _scores_alone(metric, references, predictions, scores.value)
            if own is None:
                return found
            singly.append(Scores(scores.value, own))
        return singly
    return found


def corpus_scores(metric: Metric, references: Sequence[Reference], groups: Sequence[Sequence[str]]) -> CorpusScores:
    """The metric over selections of the samples, for the completions of each seed.

    Args:
        metric: Scores them.
        references: The references, length n.
        groups: The completions of each seed, length n each.
    """
    if isinstance(metric, CorpusMetric):
        resampled = [metric.resampled(references, predictions) for predictions in groups]
        return lambda indices: np.array([score(indices) for score in resampled])  # type: ignore[arg-type]

    def scores(indices: npt.NDArray[np.intp]) -> _Floats:
        chosen = [references[index] for index in indices]
        return np.array([metric(chosen, [texts[index] for index in indices]).value for texts in groups])

    return scores


def _scores_alone(
    metric: Metric, references: Sequence[Reference], predictions: Sequence[str], value: float
) -> tuple[float, ...] | None:
    """The scores of the samples on their own; ``None`` if `value` is not their mean."""
    try:
        alone = tuple(
            metric([reference], [prediction]).value
            for reference, prediction in zip(references, predictions, strict=True)
        )
    except (ScorerError, MetricError):  # it needs more than one sample
        return None
    mean = math.fsum(alone) / len(alone)
    return alone if abs(mean - value) <= _SAME * max(1.0, abs(value)) else None
