"""Scores of completions that are lists of items."""

import re
import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics.base import (
    Reference,
    ScoreRange,
    Scores,
    mean_scores,
    plain,
    read_column,
    sample_numbers,
    without_column,
)
from llmsearch_optuna.metrics.calls import ONCE, ScorerCalls
from llmsearch_optuna.metrics.words import normal_form

__all__ = ["ItemsMetric", "distinct_items", "split_items"]

_COUNT = "count"

_SEPARATORS = re.compile(r"[\n\r,;\uff0c\u3001\uff1b]")  # the last three are CJK forms
_MARKS = re.compile(
    r"(?:[-*+>#\u00b7\u2013\u2014\u2022]\s*"
    r"|[(\[]?(?:[0-9]{1,3}[.):\]]|[A-Za-z][.)\]](?=\s))(?:\s+(?=\S)|(?=[^\s0-9])))+"
)
_EDGES = (
    string.whitespace
    + string.punctuation.translate({ord("+"): None, ord("#"): None})
    + "\u2018\u2019\u201c\u201d\u2026"
)
_STEM = 3  # leading letters that no plural changes


def distinct_items(prediction: str, members: Collection[str] | None = None, count: int | None = None) -> float:
    """Return how well a completion lists `count` distinct members.

    The score is the number of distinct correct items over the maximum of `count` and the number of listed items.
    Repetitions and items that are not members only lengthen the list. An empty list scores 0. The comparison ignores
    case, compatible writings of Unicode, bullets, numbering, punctuation at the ends (but C++ is not C) and plural
    endings.

    Args:
        prediction: A list in words; see `split_items`.
        members: The correct items; ``None`` accepts every item.
        count: The requested number of items, at least 1; ``None`` for the number of listed items.

    Returns:
        The score, in [0, 1].
    """
    items = split_items(prediction)
    right = set(items)
    if members is not None:
        right &= {_normal_form(member) for member in members}
    return len(right) / max(len(items), count or 1)


def split_items(text: str) -> list[str]:
    """Return the items of a list in normal form, in order and with repetitions.

    The text is split at line ends, commas and semicolons. Parts without letters or digits and headings that end with a
    colon are left out.
    """
    parts = (part.strip() for part in _SEPARATORS.split(text))
    return [item for part in parts if not part.rstrip("*_ ").endswith(":") and (item := _normal_form(part))]


def _normal_form(text: str) -> str:
    text = normal_form(text).strip()
    if mark := _MARKS.match(text):
        text = text[mark.end() :]
    text = " ".join(text.strip(_EDGES).split()).removeprefix("and ")
    # One form for singular and plural, as of "bus" and "buses", "berry" and "berries". The form need not be a word. A
    # few pairs such as "plan" and "plane" have the same form.
    stem = text[:_STEM] + text[_STEM:].rstrip("se")
    return stem[:-1] + "y" if len(stem) >= _STEM and stem.endswith("i") else stem


@dataclass(frozen=True, kw_only=True)
class ItemsMetric:
    """How well a completion lists distinct members of a set, as many as requested.

    The score is the number of distinct correct items, divided by the maximum of the requested number and the number of
    listed items. The reference column ``count``, an integer of at least 1, is the requested number. Without it, the
    number of listed items is used. The completion is split at line ends, commas and semicolons.

    Attributes:
        name: The identity of the metric with its column.
        column: The reference column; by default the only one other than ``count``, if any. If it holds a list, only the
            members of the list are correct, which must have no comma or semicolon inside. Otherwise, every item is.
        greater_is_better: Whether a study maximises the value.
        calls: How the metric is called: retries and time limit.
        score_range: The minimum and the maximum score of a sample: 0 and 1.
    """

    name: str
    column: str | None = None
    greater_is_better: bool = True
    calls: ScorerCalls = ONCE
    score_range: ClassVar[ScoreRange] = (0.0, 1.0)

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        if self.column is None and set(references[0]) <= {_COUNT}:
            columns: list[object] = [None] * len(references)
        else:
            columns = read_column(without_column(references, _COUNT), self.column, samples)
        return mean_scores(
            [
                distinct_items(prediction, _members(plain(values), sample), _count(row, sample))
                for prediction, values, row, sample in zip(predictions, columns, references, samples, strict=True)
            ]
        )


def _members(value: object, sample: int) -> Sequence[str] | None:
    if not isinstance(value, list | tuple):
        return None
    if not value or not all(isinstance(member, str) for member in value):
        raise MetricError(f"the members of sample {sample} must be strings, at least one")
    for member in value:
        if _SEPARATORS.search(_normal_form(member)):
            raise MetricError(
                f"the members of sample {sample} must have no comma or semicolon inside, where a list is split, got "
                f"{member!r:.60}: write it without, or use another metric"
            )
    return value


def _count(reference: Reference, sample: int) -> int | None:
    count = reference.get(_COUNT)
    if count is None:
        return None
    if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
        raise MetricError(f"`{_COUNT}` of sample {sample} must be an integer >= 1, got {count!r}")
    return int(count)
