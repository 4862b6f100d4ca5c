"""One output of a file, in the form that all formats are brought into."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.errors import TaskError, unknown_name

__all__ = ["OutputLine", "Selection", "choose", "cluster_of", "parse_json", "shown"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of the files of outputs is compared.

    Attributes:
        score: The name of the score; None if a file has only one.
        filter_name: The filter of lm-evaluation-harness; None if a file has only one.
        cluster: The column with the cluster of each sample; None if samples are independent.
        by_metric: Whether a metric scores the predictions, so that scores of the files are not read.
    """

    score: str | None = None
    filter_name: str | None = None
    cluster: str | None = None
    by_metric: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputLine:
    """One output.

    Attributes:
        place: Its place in error messages.
        id: The id of its sample.
        values: ``score``, or ``prediction`` and ``reference``, as far as they are there.
        score_name: The name of its score.
        cluster: The cluster of its sample, as JSON; None if samples are independent.
        data: What must be the same in all outputs of a sample; None if that is not known.
    """

    place: str
    id: str
    values: Mapping[str, Any]
    score_name: str
    cluster: str | None
    data: str | None = None

    @property
    def score(self) -> float:
        """The score.

        Raises:
            TaskError: There is none, or it is not a finite number.
        """
        if "score" not in self.values:
            raise TaskError(f"{self.place} has no `{self.score_name}`; to score its `prediction`, name a metric")
        score = self.values["score"]
        try:
            value = float(score) if isinstance(score, int | float) else math.nan
        except OverflowError:  # an integer too large for a float
            value = math.inf
        if not math.isfinite(value):
            raise TaskError(f"{self.place}: `{self.score_name}` must be a finite number, got {shown(score)}")
        return value

    @property
    def prediction(self) -> str:
        """The prediction.

        Raises:
            TaskError: It is not a string.
        """
        prediction = self.values.get("prediction")
        if not isinstance(prediction, str):
            raise TaskError(f"{self.place}: `prediction` must be a string, got {shown(prediction)}")
        return prediction


def choose(kind: str, option: str, name: str | None, names: Iterable[str], path: object) -> str:
    """Return the chosen one of several names in a file.

    Args:
        kind: What the names are, in error messages.
        option: The option that chooses one.
        name: The chosen name; None if there is only one.
        names: The names in the file.
        path: The file.

    Raises:
        TaskError: Nothing is chosen of several names, or the file does not have the chosen one.
    """
    present = list(dict.fromkeys(names))
    if name is not None and name not in present:
        raise TaskError(f"{path}: {unknown_name(kind, name, present)}")
    if name is None and len(present) != 1:
        listed = f"the {kind}s {', '.join(present)}: choose one with `{option}`" if present else f"no {kind}"
        raise TaskError(f"{path} has {listed}")
    return present[0] if name is None else name


def cluster_of(column: str | None, tables: Sequence[object], place: str) -> str | None:
    """Return the cluster of a sample as JSON; None if no column is named.

    Args:
        column: The column, or the path of a nested one, as in ``passage.id``.
        tables: Where to look for it, in this order.
        place: The sample's place in error messages.

    Raises:
        TaskError: The sample has no such column, or its value is not a string or a number.
    """
    if column is None:
        return None
    values = [_value(table, column) for table in tables]
    value = next((value for value in values if value is not None), None)
    if value is None:
        raise TaskError(f"{place} has no cluster: `{column}` must be a string or a number, in every sample")
    if not isinstance(value, str | int | float):
        raise TaskError(f"{place}: the cluster `{column}` must be a string or a number, got {shown(value)}")
    return json.dumps(value)


def parse_json(text: str | bytes, place: str) -> Any:
    """Parse JSON.

    Raises:
        TaskError: It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand levels deep
        raise TaskError(f"{place} is not JSON: {error}") from error


def shown(value: object) -> str:
    """Return a value as JSON for an error message, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "..."


def _value(table: object, column: str) -> object:
    """Return the value of a column, or of a path of keys; None if there is none."""
    if not isinstance(table, Mapping):
        return None
    if column in table:
        return table[column]
    key, _, rest = column.partition(".")
    return _value(table.get(key), rest) if rest else None
