"""The metric protocol, what a reference is, and metrics that score one sample at a time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple, Protocol, runtime_checkable

from llmsearch_optuna.errors import MetricError, unknown_name

__all__ = [
    "Metric",
    "Reference",
    "SampleMetric",
    "ScoreRange",
    "Scores",
    "acceptable_texts",
    "check_lengths",
    "check_score_range",
    "known_range",
    "mean_scores",
    "name_samples",
    "pick_column",
    "read_column",
]

Reference = Mapping[str, Any]
"""The evaluation columns of one sample, e.g. ``{"answer": "42"}``."""

ScoreRange = tuple[float, float]
"""The least and the largest score that a single sample can have."""


class Scores(NamedTuple):
    """What a metric says about some samples.

    Attributes:
        value: The score over all samples.
        per_sample: One score per sample, in their order; ``None`` if the metric exists only for the corpus.
    """

    value: float
    per_sample: tuple[float, ...] | None


@runtime_checkable
class Metric(Protocol):
    """Scores predictions against references: a deterministic function of both.

    A metric may also have a `score_range` (`ScoreRange`), which makes the guarantee of `PairedPruner` unconditional.
    """

    @property
    def name(self) -> str:
        """Identifies the metric, its reference column and arguments, for the study's fingerprint."""
        ...

    @property
    def greater_is_better(self) -> bool:
        """Whether the study maximises the value."""
        ...

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """Scores ``n >= 1`` samples.

        Args:
            references: The references, length n.
            predictions: The completions, length n.
            sample_ids: How error messages number the samples, length n; their positions by default.

        Raises:
            MetricError: The references do not fit the metric, whatever the predictions.
            ScorerError: The user's scorer raised, or returned something that is no score.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SampleMetric:
    """Scores each prediction against its acceptable texts, of which the best counts; the value is the mean.

    Attributes:
        name: Identifies the metric, its column and arguments.
        score: ``(prediction, reference) -> float``.
        column: The reference column; ``None`` takes the only one. It holds a text, a number (compared as Python
            writes it) or a list of them.
        greater_is_better: Whether the study maximises the value.
        score_range: What `score` gives at least and at most; ``None`` if that is not known.
    """

    name: str
    score: Callable[[str, str], float]
    column: str | None = None
    greater_is_better: bool = True
    score_range: ScoreRange | None = None

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        check_lengths(references, predictions, sample_ids)
        texts = acceptable_texts(references, self.column, sample_ids)
        best = max if self.greater_is_better else min
        return mean_scores(
            [
                best(self.score(prediction, text) for text in accepted)
                for prediction, accepted in zip(predictions, texts, strict=True)
            ]
        )


def known_range(metric: Metric) -> ScoreRange | None:
    """The range of a metric's scores, if it tells one."""
    found: ScoreRange | None = getattr(metric, "score_range", None)
    return found


def check_score_range(score_range: object) -> ScoreRange:
    """Refuses what is no range.

    Raises:
        MetricError: It is not two finite numbers, of which the first is smaller.
    """
    if isinstance(score_range, Sequence) and len(score_range) == 2:
        low, high = score_range
        numbers = [one for one in (low, high) if isinstance(one, Real) and not isinstance(one, bool)]
        if len(numbers) == 2 and all(map(math.isfinite, numbers)) and low < high:
            return float(low), float(high)
    raise MetricError(f"`score_range` must be two numbers, the smaller first, got {score_range!r}")


def mean_scores(per_sample: Sequence[float]) -> Scores:
    """Scores whose value is the mean; summed exactly, so that the order of the samples does not matter."""
    return Scores(math.fsum(per_sample) / len(per_sample), tuple(per_sample))


def name_samples(n: int, sample_ids: Sequence[int] | None) -> Sequence[int]:
    """How messages number n samples."""
    return range(n) if sample_ids is None else sample_ids


def check_lengths(
    references: Sequence[Reference], predictions: Sequence[str], sample_ids: Sequence[int] | None
) -> None:
    """Refuses no samples at all, and sequences of different lengths.

    Raises:
        MetricError: As above.
    """
    if not references:
        raise MetricError("a metric needs at least one sample, got none")
    if len(predictions) != len(references):
        raise MetricError(f"got {len(predictions)} predictions for {len(references)} references")
    if sample_ids is not None and len(sample_ids) != len(references):
        raise MetricError(f"got {len(sample_ids)} sample ids for {len(references)} references")


def pick_column(names: Sequence[str], column: str | None) -> str:
    """The reference column to compare.

    Args:
        names: The columns there are.
        column: The one asked for; ``None`` stands for the only one.

    Raises:
        MetricError: There is no such column, or none was asked for and there is not exactly one.
    """
    if column is None:
        if len(names) != 1:
            known = ", ".join(f"`{name}`" for name in names) or "none"
            raise MetricError(f"`column` must say which reference column is compared: there are {known}")
        return names[0]
    if column not in names:
        raise MetricError(unknown_name("reference column", column, names))
    return column


def read_column(
    references: Sequence[Reference], column: str | None, sample_ids: Sequence[int] | None = None
) -> list[Any]:
    """The values of one reference column, chosen by `pick_column` on the first sample.

    Raises:
        MetricError: The column cannot be chosen, or a sample lacks it.
    """
    name = pick_column(list(references[0]), column)
    for sample, reference in zip(name_samples(len(references), sample_ids), references, strict=True):
        if name not in reference:
            raise MetricError(f"sample {sample} has no reference column `{name}`")
    return [reference[name] for reference in references]


def acceptable_texts(
    references: Sequence[Reference], column: str | None, sample_ids: Sequence[int] | None = None
) -> list[tuple[str, ...]]:
    """The texts that each sample's prediction may be compared with: at least one per sample.

    Raises:
        MetricError: As `read_column`, or a value is no text, number or non-empty list of them.
    """
    values = read_column(references, column, sample_ids)
    samples = name_samples(len(references), sample_ids)
    return [_texts(value, sample) for value, sample in zip(values, samples, strict=True)]


def _texts(value: object, sample: int) -> tuple[str, ...]:
    if hasattr(value, "tolist"):  # arrays and scalars of any library
        value = value.tolist()
    parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    texts = [_text(part) for part in parts]
    known = tuple(text for text in texts if text is not None)
    if not known or len(known) < len(texts):
        shown = repr(value)
        raise MetricError(
            f"the reference of sample {sample} must be a text, a number or a non-empty list of them, "
            f"got {shown if len(shown) <= 60 else shown[:60] + '...'}"
        )
    return known


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, Integral) or (isinstance(value, Real) and math.isfinite(value))
    return str(value) if is_number and not isinstance(value, bool) else None
