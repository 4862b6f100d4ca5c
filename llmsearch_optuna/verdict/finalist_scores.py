"""The scores of a finalist on the samples of a verdict."""

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import CorpusMetric, Metric, Reference, Scores, call_metric
from llmsearch_optuna.metrics.reducers import for_each_completion, reduce_scores
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.verdict.expenses import Expenses
from llmsearch_optuna.verdict.judge_noise import JudgedText

__all__ = ["CorpusScores", "FinalistScores", "corpus_scores", "held_out_key", "score_groups"]

_Floats = npt.NDArray[np.float64]

CorpusScores = Callable[[npt.NDArray[np.intp]], _Floats]
"""``(indices of samples) -> the score of each seed over these samples``. Shape: (seeds,)."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class FinalistScores:
    """The scores of one finalist: a configuration, or a file of outputs.

    Attributes:
        name: The finalist's name in the verdict.
        scores: The score of each completion. Shape: (samples, seeds). If the metric scores only a corpus, a function
            that scores selections of the samples.
        expenses: The second objective of each completion; None without one.
        cost: The mean cost of the completions of 1,000 samples; None if it is unknown or there is no price.
        trial: The number of the finalist's trial; None for a file.
        search_score: The score on the search split; None for a file.
        params: The generation parameters; None for a file.
        irregular: The rows of answers of a server that are no ordinary text, by finish reason; see `IRREGULAR`.
        tied_votes: The number of tied votes on the answer to a sample, over all seeds.
        judge_noise: The completions that a judge judged several times; see `verdict.judge_noise`.
        metrics: The scores under the further metrics by label, and the tokens. Shape of each: (samples, seeds).
    """

    name: str
    scores: _Floats | CorpusScores
    expenses: Expenses | None = None
    cost: float | None = None
    trial: int | None = None
    search_score: float | None = None
    params: GenerationParams | None = None
    irregular: Mapping[str, Sequence[int]] = field(default_factory=dict)
    tied_votes: int = 0
    judge_noise: Mapping[str, JudgedText] = field(default_factory=dict)
    metrics: Mapping[str, _Floats] = field(default_factory=dict)

    def over(self, indices: npt.NDArray[np.intp]) -> _Floats:
        """Return the score of each seed over a selection of the samples. Shape: (seeds,).

        Args:
            indices: The indices of the selected samples, which may be repeated.
        """
        return self.scores[indices].mean(axis=0) if isinstance(self.scores, np.ndarray) else self.scores(indices)


def held_out_key(params: GenerationParams) -> str:
    """Return the key under which the held-out completions of these parameters are stored. It ignores the seed."""
    return hashlib.sha256(params.unseeded.to_json().encode()).hexdigest()[:16]


def score_groups(
    metric: Metric,
    references: Sequence[Reference],
    groups: Sequence[Sequence[Sequence[str]]],
    *,
    names: Sequence[str],
    sample_ids: Sequence[int] | None = None,
) -> list[Scores]:
    """Score several sets of completions of the same samples, and reduce the scores of each sample to one.

    A scorer that returns a single number may still compute a mean over samples, as most scorers of llmsearch do. The
    samples are then also scored one by one. If the number of each set is the mean of these scores, they are returned as
    per-sample scores, which make the verdict much faster and its intervals narrower.

    Args:
        metric: Scores the completions.
        references: The references, length n.
        groups: The completions of each sample in each group. Shape: (groups, n, any).
        names: The names of the groups in error messages.
        sample_ids: The numbers of the samples in error messages; their positions by default.

    Returns:
        The scores of each group.

    Raises:
        ScorerError: The scorer raised an exception or returned an invalid score. The message names the group.
        MetricError: The references do not fit the metric.
    """
    samples = range(len(references)) if sample_ids is None else sample_ids
    pairs = [(for_each_completion(references, group), list(itertools.chain.from_iterable(group))) for group in groups]
    scores = []
    for name, group, pair in zip(names, groups, pairs, strict=True):
        try:
            scores.append(call_metric(metric, *pair, sample_ids=for_each_completion(samples, group)))
        except ScorerError as error:
            raise ScorerError(f"{name} cannot be scored: {error}") from error
    if any(group.per_sample is None for group in scores) and not isinstance(metric, CorpusMetric):
        by_completion = []
        for (value, _), pair in zip(scores, pairs, strict=True):
            per_sample = _scores_one_by_one(metric, *pair, value)
            if per_sample is None:
                return scores
            by_completion.append(Scores(value, per_sample))
        scores = by_completion
    return [reduce_scores(metric, of_group, group) for of_group, group in zip(scores, groups, strict=True)]


def corpus_scores(metric: Metric, references: Sequence[Reference], groups: Sequence[Sequence[str]]) -> CorpusScores:
    """Return a function that scores selections of the samples for each seed.

    Args:
        metric: Scores the completions.
        references: The references, length n.
        groups: The completions of each seed, length n each.
    """
    if isinstance(metric, CorpusMetric):
        resampled = [metric.resampled(references, predictions) for predictions in groups]
        return lambda indices: np.array([score(indices) for score in resampled])  # type: ignore[arg-type]

    def scores(indices: npt.NDArray[np.intp]) -> _Floats:
        selected = [references[index] for index in indices]
        return np.array([call_metric(metric, selected, [texts[index] for index in indices]).value for texts in groups])

    return scores


def _scores_one_by_one(
    metric: Metric, references: Sequence[Reference], predictions: Sequence[str], value: float
) -> tuple[float, ...] | None:
    """Return the scores of the single samples; None if `value` is not their mean."""
    try:
        # The first call finds out whether the scorer can score one sample: if not, a retry would not help.
        scores = tuple(
            call_metric(metric, [reference], [prediction], retries=None if index else 0).value
            for index, (reference, prediction) in enumerate(zip(references, predictions, strict=True))
        )
    except (ScorerError, MetricError):  # the scorer needs more than one sample
        return None
    mean = math.fsum(scores) / len(scores)
    return scores if abs(mean - value) <= _TOLERANCE * max(1.0, abs(value)) else None
