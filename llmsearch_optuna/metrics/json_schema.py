"""Scores of completions that are JSON, by a schema and an expected value."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
from llmsearch_optuna.metrics.json_fields import share_of_fields, top_faults
from llmsearch_optuna.metrics.json_values import as_json, canonical, first_json, parse_json
from llmsearch_optuna.metrics.schemas import make_validator, read_schema

__all__ = ["JsonSchemaMetric"]


@dataclass(frozen=True, kw_only=True)
class JsonSchemaMetric:
    """The share of right fields in JSON that a schema describes; tool calls, too.

    The JSON is the whole completion, a fenced block in it, or its first complete object or array. Without any, the
    score is 0. If there is an expected value, its leaves are the fields, also those in nested objects (a list is one
    field). A field is right if it equals the expected one. Without an expected value, the fields are those that the
    schema requires at the top level, and a field is right if it is present and valid. Any other violation of the schema
    counts as a further wrong field. So a score of 1 means that the JSON is valid and as expected. The order of names is
    ignored. 1 and 1.0 are equal, 1 and true are not. A tool call is ``{"name": ..., "arguments": {...}}``, also in
    OpenAI's form, with arguments as a string. ``format`` in a schema is not checked, and ``$ref`` must point into the
    schema itself.

    Attributes:
        name: The identity of the metric with its columns and schema.
        column: The reference column with the expected value: JSON in a string, or a value, whose null fields are left
            out. Null means no expected value. By default the only column other than `schema_column`, if any.
        schema: The JSON Schema of all samples: a table, or the path of a JSON file relative to the study file. Required
            without `schema_column`. ``{}`` allows every value: then only the expected values count.
        schema_column: The reference column with each sample's own schema: a table, or JSON in a string.
        greater_is_better: Whether a study maximises the value.
        calls: How the metric is called: retries and time limit.
        score_range: The minimum and the maximum score of a sample: 0 and 1.

    Raises:
        MetricError: There is not exactly one of `schema` and `schema_column`, or `schema` is no JSON Schema.
    """

    name: str
    column: str | None = None
    schema: str | Path | Mapping[str, Any] | None = None
    schema_column: str | None = None
    greater_is_better: bool = True
    calls: ScorerCalls = ONCE
    score_range: ClassVar[ScoreRange] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if (self.schema is None) == (self.schema_column is None):
            raise MetricError(
                "metric `json_schema` needs either `schema` or `schema_column`: `schema = {}` if only expected values "
                "count"
            )
        if self.schema is not None:
            schema = read_schema(self.schema)
            make_validator(schema)
            object.__setattr__(self, "schema", schema)

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        schemas: list[Any] = [self.schema] * len(samples)
        if self.schema_column is not None:
            schemas = _values(references, self.schema_column, samples)
        others = without_column(references, self.schema_column)
        expected = _values(others, self.column, samples) if others[0] or self.column else [None] * len(samples)
        scores = []
        for prediction, sample, schema, value in zip(predictions, samples, schemas, expected, strict=True):
            validator = make_validator(schema, f"the schema of sample {sample}")
            if value is not None and top_faults(validator, value):
                raise MetricError(f"the expected value of sample {sample} breaks the schema: {value!r:.60}")
            scores.append(_score(prediction, validator, value))
        return mean_scores(scores)

    def answer(self, prediction: str) -> Hashable | None:
        """Return the JSON of a completion, in one form for equal values; None if there is none."""
        try:
            return canonical(first_json(prediction))
        except ValueError:
            return None


def _score(prediction: str, validator: Any, expected: Any) -> float:
    try:
        return share_of_fields(validator, first_json(prediction), expected)
    except ValueError:
        return 0.0


def _values(references: Sequence[Reference], column: str | None, samples: Sequence[int]) -> list[Any]:
    """Return the JSON values of a column."""
    values = []
    for value, sample in zip(read_column(references, column, samples), samples, strict=True):
        try:
            values.append(parse_json(value) if isinstance(value, str) else as_json(_without_nulls(plain(value))))
        except ValueError as error:
            raise MetricError(f"the reference of sample {sample} must be JSON ({error}), got {value!r:.60}") from error
    return values


def _without_nulls(value: Any) -> Any:
    """Return a value without the fields that tables fill in where a row has none."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list | tuple) else value
