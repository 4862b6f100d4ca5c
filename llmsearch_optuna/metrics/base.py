"""The metric protocol, references, and metrics that score one sample at a time."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import partial
from numbers import Integral, Real
from typing import Any, NamedTuple, Protocol, runtime_checkable

from llmsearch_optuna.errors import MetricError, unknown_name
from llmsearch_optuna.metrics.calls import ONCE, ScorerCalls

__all__ = [
    "Metric",
    "Reference",
    "SampleMetric",
    "ScoreRange",
    "Scores",
    "acceptable_texts",
    "bound_arguments",
    "check_score_range",
    "known_range",
    "mean_scores",
    "plain",
    "read_column",
    "remedy_of_gaps",
    "sample_numbers",
    "without_column",
]

Reference = Mapping[str, Any]
"""The evaluation columns of one sample, e.g. ``{"answer": "42"}``."""

ScoreRange = tuple[float, float]
"""The minimum and the maximum score of a single sample."""


class Scores(NamedTuple):
    """The scores of a metric on a set of samples.

    Attributes:
        value: The score over all samples.
        per_sample: One score per sample, in their order; ``None`` if the metric scores only a corpus.
    """

    value: float
    per_sample: tuple[float, ...] | None


@runtime_checkable
class Metric(Protocol):
    """A deterministic function that scores predictions against references.

    A metric may also have an attribute `score_range` (`ScoreRange`). `PairedPruner` then uses this range, and its
    guarantee holds regardless of later scores. Otherwise it uses the range of the scores so far. An attribute `calls`
    (`ScorerCalls`) sets how the metric is called; by default, it is called again after a fault. An attribute `answer`
    makes votes possible; see `make_reducer`.
    """

    @property
    def name(self) -> str:
        """The identity of the metric with its reference column and arguments, for the study's fingerprint."""
        ...

    @property
    def greater_is_better(self) -> bool:
        """Whether a study maximises the value."""
        ...

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """Score ``n >= 1`` samples.

        Args:
            references: The references, length n.
            predictions: The completions, length n.
            sample_ids: The numbers of the samples in error messages, length n; by default their positions.

        Raises:
            MetricError: The references do not fit the metric, regardless of the predictions.
            ScorerError: The user's scorer raised an exception, or returned an invalid score.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SampleMetric:
    """A metric that scores one sample at a time, and averages over the samples.

    If the reference of a sample is a list, the best score against any of its entries counts.

    Attributes:
        name: The identity of the metric with its column and arguments.
        score: ``(prediction, reference) -> float``.
        column: The reference column; by default the only one. It holds a string, a number (compared as its `str`; a
            `Decimal` as its digits), a boolean (compared as ``true`` or ``false``), a date or a time (compared as ISO
            8601 writes it) or a list of these. An empty list, as of SQuAD 2.0, is compared as the empty string.
        greater_is_better: Whether a study maximises the value.
        score_range: The minimum and the maximum of `score`; ``None`` if unknown.
        calls: How the metric is called: retries and time limit.
        answer: ``(prediction) -> hashable``, what `score` reads in a prediction; None for no answer. None if the metric
            reads no answer.
    """

    name: str
    score: Callable[[str, str], float]
    column: str | None = None
    greater_is_better: bool = True
    score_range: ScoreRange | None = None
    calls: ScorerCalls = ONCE
    answer: Callable[[str], Hashable | None] | None = None

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        texts = acceptable_texts(references, self.column, samples)
        best = max if self.greater_is_better else min
        return mean_scores(
            [
                best(self.score(prediction, text) for text in accepted)
                for prediction, accepted in zip(predictions, texts, strict=True)
            ]
        )


def known_range(metric: Metric) -> ScoreRange | None:
    """Return the range that a metric declares for the scores of a sample; ``None`` if it declares none."""
    score_range: ScoreRange | None = getattr(metric, "score_range", None)
    return score_range


def check_score_range(score_range: object) -> ScoreRange:
    """Validate a score range, and return it as two floats.

    Raises:
        MetricError: It is not a pair of finite numbers in increasing order.
    """
    if isinstance(score_range, Sequence) and len(score_range) == 2:
        low, high = score_range
        are_numbers = all(isinstance(end, Real) and not isinstance(end, bool) for end in (low, high))
        if are_numbers and math.isfinite(low) and math.isfinite(high) and low < high:
            return float(low), float(high)
    raise MetricError(f"`score_range` must be two numbers, the smaller first, got {score_range!r}")


def mean_scores(per_sample: Sequence[float]) -> Scores:
    """Return scores whose value is the mean. The sum is rounded only once, so the order of samples has no effect."""
    return Scores(math.fsum(per_sample) / len(per_sample), tuple(per_sample))


def sample_numbers(
    references: Sequence[Reference], predictions: Sequence[str], sample_ids: Sequence[int] | None
) -> Sequence[int]:
    """Validate the lengths of a metric's arguments, and return `sample_ids`; by default the samples' positions.

    Raises:
        MetricError: There are no samples, or the lengths differ.
    """
    if not references:
        raise MetricError("a metric needs at least one sample, got none")
    if len(predictions) != len(references):
        raise MetricError(f"got {len(predictions)} predictions for {len(references)} references")
    if sample_ids is not None and len(sample_ids) != len(references):
        raise MetricError(f"got {len(sample_ids)} sample ids for {len(references)} references")
    return range(len(references)) if sample_ids is None else sample_ids


def plain(value: object) -> object:
    """Convert an array or a scalar of any library, on any device, to Python's types. Return other values unchanged."""
    return value.tolist() if hasattr(value, "tolist") else value


def bound_arguments(score: Callable[..., float]) -> tuple[Callable[..., float], Mapping[str, Any]]:
    """Return the function behind a `functools.partial`, and the keyword arguments that it has there."""
    return (score.func, score.keywords) if isinstance(score, partial) else (score, {})


def without_column(references: Sequence[Reference], column: str | None) -> list[Reference]:
    """Return the references without one of their columns."""
    return [{name: value for name, value in row.items() if name != column} for row in references]


def read_column(references: Sequence[Reference], column: str | None, samples: Sequence[int]) -> list[Any]:
    """Return the values of one reference column.

    Args:
        references: The references, at least one.
        column: The column; ``None`` for the only one of the first sample.
        samples: The numbers of the samples in error messages.

    Raises:
        MetricError: A sample has no such column, or `column` is ``None`` and there is not exactly one.
    """
    names = list(references[0])
    if column is None and len(names) != 1:
        available = ", ".join(f"`{name}`" for name in names) or "none"
        raise MetricError(f"`column` must name the reference column to compare with: there are {available}")
    chosen = names[0] if column is None else column
    if chosen not in names:
        raise MetricError(unknown_name("reference column", chosen, names))
    for sample, reference in zip(samples, references, strict=True):
        if chosen not in reference:
            raise MetricError(f"sample {sample} has no reference column `{chosen}`")
    return [reference[chosen] for reference in references]


def acceptable_texts(
    references: Sequence[Reference], column: str | None, samples: Sequence[int]
) -> list[tuple[str, ...]]:
    """Return the strings that each sample's prediction is compared with, at least one per sample.

    Raises:
        MetricError: The column is missing or ambiguous (see `read_column`), or a value is not a string, a finite
            number, a boolean, a date, a time or a list of these.
    """
    values = read_column(references, column, samples)
    name = next(iter(references[0])) if column is None else column
    return [_texts(plain(value), name, sample) for value, sample in zip(values, samples, strict=True)]


def remedy_of_gaps(reference: object) -> str:
    """Return the end of a message that refuses a reference: what to do about a missing value; empty if there is none.

    Args:
        reference: A value, or a list of values that are all right.
    """
    parts = reference if isinstance(reference, list | tuple) else [reference]
    has_gap = any(
        part is None or type(part).__name__ == "NaTType" or (isinstance(part, float) and math.isnan(part))
        for part in parts
    )
    return ": fill it in, or leave the row out" if has_gap else ""


def _texts(value: object, column: str, sample: int) -> tuple[str, ...]:
    parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    texts = tuple(text for part in parts if (text := _text(part)) is not None)
    if len(texts) < len(parts):
        shown = repr(value)
        part = next(iter(value), None) if isinstance(value, Mapping) else None
        hint = remedy_of_gaps(value) if part is None else f": name a part of it in eval_cols, e.g. `{column}.{part}`"
        raise MetricError(
            f"the reference of sample {sample} must be a string, a number, a date or a list of these, "
            f"got {shown if len(shown) <= 60 else shown[:60] + '...'}{hint}"
        )
    return texts or ("",)  # there is no answer


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    if isinstance(value, date | time):
        return None if type(value).__name__ == "NaTType" else value.isoformat()
    is_number = isinstance(value, Integral) or (isinstance(value, Real) and math.isfinite(value))
    return str(value) if is_number else None
