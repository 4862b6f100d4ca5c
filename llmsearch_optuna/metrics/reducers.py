"""Reducers: the score of a sample from those of its several completions."""

import functools
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from llmsearch_optuna.errors import MetricError, ScorerError, describe_error
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics.base import Metric, Reference, Scores, bound_arguments, known_range, mean_scores
from llmsearch_optuna.metrics.scorer import CallableMetric

__all__ = [
    "MEAN",
    "ReducedMetric",
    "Reducer",
    "for_each_completion",
    "make_reducer",
    "reduce_scores",
    "reducer_of",
    "unreduced",
]

_Value = TypeVar("_Value")

_PASS = re.compile(r"pass@([1-9][0-9]*)")


@dataclass(frozen=True, kw_only=True)
class Reducer:
    """Computes the score of a sample from those of its completions.

    Attributes:
        name: The name in study files.
        reduce: ``(completions, scores) -> score``; at least one completion, and one score for each.
        is_tied: ``(completions) -> bool``, whether several answers have the most votes.
        min_completions: The minimum number of completions of a sample that is not decoded greedily.
        answer: The name and a hash of the source of an `answer` of the user's, which decides votes. Empty for those of
            the package, which follow from the metric's name.
    """

    name: str
    reduce: Callable[[Sequence[str], Sequence[float]], float]
    is_tied: Callable[[Sequence[str]], bool] = lambda _completions: False
    min_completions: int = 1
    answer: str = ""


MEAN = Reducer(name="mean", reduce=lambda _completions, scores: math.fsum(scores) / len(scores))
"""The default: what one completion scores on average."""


@dataclass(frozen=True, kw_only=True)
class ReducedMetric:
    """A metric with a reducer for samples with several completions.

    Attributes:
        metric: Scores single completions.
        reducer: Reduces the scores of a sample's completions.
    """

    metric: Metric
    reducer: Reducer

    @property
    def name(self) -> str:
        """See `Metric`."""
        by = f" by {self.reducer.answer}" if self.reducer.answer else ""
        return f"{self.reducer.name} of {self.metric.name}{by}"

    @property
    def greater_is_better(self) -> bool:
        """See `Metric`."""
        return self.metric.greater_is_better

    @property
    def score_range(self) -> tuple[float, float] | None:
        """See `Metric`. A reduced score lies between those of single completions."""
        return known_range(self.metric)

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """Score single completions; see `Metric`."""
        return self.metric(references, predictions, sample_ids=sample_ids)


def make_reducer(name: object, metric: Metric) -> Reducer:
    """Build a reducer for a metric.

    Args:
        name: One of

            - ``"mean"``: the mean score;
            - ``"best"``: the best score. It is an upper bound for any choice among the completions;
            - ``"majority"``: the score of the most frequent answer (self-consistency, Wang et al. 2022, arXiv
              2203.11171). Completions have the same answer if the metric reads the same answer in both. A completion
              without an answer has no vote. If several answers are equally frequent, the mean of their scores counts,
              which is the expected score of a random choice among them;
            - ``"pass@K"``: the probability that at least one of K completions passes, estimated without bias from
              n >= K completions of which c score 1: ``1 - C(n - c, K) / C(n, K)`` (Chen et al. 2021, arXiv 2107.03374).
        metric: The metric that scores single completions. For ``"majority"``, it needs an attribute `answer`,
            ``(completion) -> hashable``, with None for no answer: built-in metrics that read an answer have one, and a
            function or a `Metric` may have one.

    Raises:
        MetricError: The name is unknown, or does not fit the metric.
    """
    if name == "mean":
        return MEAN
    if name == "best":
        best = max if metric.greater_is_better else min
        return Reducer(name="best", reduce=lambda _completions, scores: best(scores))
    if name == "majority":
        answer = getattr(getattr(metric, "function", metric), "answer", None)
        if not callable(answer):
            raise MetricError(
                f'`reducer` = "majority" counts the answers that a metric reads, and `{metric.name}` reads none: use '
                "exact_match, numeric, choice, regex, math or json_schema, or give your metric an attribute `answer`, "
                "(completion) -> answer"
            )
        votes = _Votes(answer, metric.name)
        source = identify(answer) if isinstance(metric, CallableMetric) or not _is_of_package(answer) else ""
        return Reducer(name="majority", reduce=votes.score, is_tied=votes.is_tied, answer=source)
    match = _PASS.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise MetricError(f'`reducer` must be "mean", "best", "majority" or "pass@K", as in "pass@4", got {name!r}')
    if not metric.greater_is_better:
        raise MetricError(f'`reducer` = "{name}" needs a metric of which 1 is better than 0')
    size = int(match.group(1))
    return Reducer(name=str(name), reduce=functools.partial(_pass_rate, size), min_completions=size)


def _is_of_package(answer: Callable[..., Any]) -> bool:
    """Return whether a function, a method or a `functools.partial` of one is defined in this package."""
    function, _ = bound_arguments(answer)
    return str(getattr(function, "__module__", "")).split(".")[0] == __name__.split(".")[0]


def reducer_of(metric: Metric) -> Reducer:
    """Return the reducer of a metric, by default the mean."""
    return metric.reducer if isinstance(metric, ReducedMetric) else MEAN


def for_each_completion(values: Sequence[_Value], completions: Sequence[Sequence[object]]) -> list[_Value]:
    """Return, for each completion, the value of its sample.

    Args:
        values: The value of each sample.
        completions: The completions of each sample.
    """
    return [value for value, of_sample in zip(values, completions, strict=True) for _ in of_sample]


def reduce_scores(metric: Metric, scores: Scores, completions: Sequence[Sequence[str]]) -> Scores:
    """Reduce the scores of completions to one per sample.

    Args:
        metric: The metric that scored them.
        scores: The scores of all completions, those of one sample after another.
        completions: The completions of each sample.

    Raises:
        MetricError: The metric scores only a corpus and a sample has several completions, or the scores do not fit the
            reducer.
        ScorerError: `answer` of the metric raised an exception.
    """
    if all(len(texts) == 1 for texts in completions):
        return scores
    if scores.per_sample is None:
        raise MetricError(
            f"`samples_per_prompt` > 1 needs a metric that scores single samples, and `{metric.name}` returned one "
            "number for all"
        )
    remaining, reduce = iter(scores.per_sample), reducer_of(metric).reduce
    return mean_scores([reduce(texts, list(itertools.islice(remaining, len(texts)))) for texts in completions])


def unreduced(metric: Metric) -> Metric:
    """Return the metric that scores single completions."""
    return metric.metric if isinstance(metric, ReducedMetric) else metric


@dataclass(frozen=True)
class _Votes:
    """Counts the answers of completions.

    Attributes:
        answer: The attribute `answer` of the metric.
        label: The name of the metric.
    """

    answer: Callable[[str], object]
    label: str

    def score(self, completions: Sequence[str], scores: Sequence[float]) -> float:
        """Return the mean score of the completions that have the most frequent answer, or one of several of them."""
        # Without any vote, all completions stand for the sample.
        winners = [index for indices in self._winners(completions) for index in indices] or range(len(completions))
        return math.fsum(scores[index] for index in winners) / len(winners)

    def is_tied(self, completions: Sequence[str]) -> bool:
        """Return whether several answers have the most votes."""
        return len(self._winners(completions)) > 1

    def _winners(self, completions: Sequence[str]) -> list[list[int]]:
        """Return the indices of the completions that have each of the most frequent answers."""
        voters: dict[Hashable, list[int]] = defaultdict(list)
        for index, completion in enumerate(completions):
            if (vote := self._vote(completion)) is not None:
                voters[vote].append(index)
        most = max(map(len, voters.values()), default=0)
        return [indices for indices in voters.values() if len(indices) == most]

    def _vote(self, completion: str) -> Hashable | None:
        try:
            vote = self.answer(completion)
            hash(vote)
        except Exception as error:  # the user's code may raise anything
            raise ScorerError(
                f"`answer` of metric `{self.label}` must return something hashable, it raised {describe_error(error)}"
            ) from error
        return vote


def _pass_rate(size: int, completions: Sequence[str], scores: Sequence[float]) -> float:  # noqa: ARG001
    others = [score for score in scores if score not in (0.0, 1.0)]
    if others:
        raise MetricError(f'`reducer` = "pass@{size}" needs scores of 0 or 1, got {others[0]}: use "mean" or "best"')
    if len(scores) < size:  # greedy decoding, of which further completions would be the same
        return scores[0]
    return 1.0 - math.comb(len(scores) - scores.count(1.0), size) / math.comb(len(scores), size)
