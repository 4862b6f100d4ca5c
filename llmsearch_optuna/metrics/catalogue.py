"""The catalogue of the built-in metrics, made from their signatures and docstrings."""

import inspect
import json
import re
from typing import NamedTuple

from llmsearch_optuna.errors import MetricError, unknown_name
from llmsearch_optuna.metrics.base import SampleMetric
from llmsearch_optuna.metrics.built_in import (
    IMPLEMENTATIONS,
    MULTI_COLUMN,
    arguments_of,
    kind_names,
    reads_answers,
    scores_corpus,
)

__all__ = ["Argument", "MetricDescription", "describe_metric", "metric_text"]

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n((?:    .*\n?|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n     .*)*)", re.MULTILINE)


class Argument(NamedTuple):
    """An argument of a metric.

    Attributes:
        name: Its name in ``[metric]`` and in `make_metric`.
        kinds: Its types, e.g. ``int or str``.
        default: ``required``, ``optional``, or its default as a study file writes it.
        meaning: Its docstring.
    """

    name: str
    kinds: str
    default: str
    meaning: str

    def __str__(self) -> str:
        """Return one line."""
        return f"`{self.name}` ({self.kinds}, {self.default}): {self.meaning}"


class MetricDescription(NamedTuple):
    """What users need to know of a metric.

    Attributes:
        name: The name in ``[metric]``.
        summary: One sentence.
        details: Further sentences, in paragraphs.
        arguments: The arguments.
        reference: What the reference column may hold.
        scores: What is scored, and the range of the scores.
    """

    name: str
    summary: str
    details: str
    arguments: tuple[Argument, ...]
    reference: str
    scores: str


def describe_metric(name: str) -> MetricDescription:
    """Describe a built-in metric.

    Raises:
        MetricError: There is none of this name.
    """
    if name not in IMPLEMENTATIONS:
        raise MetricError(unknown_name("metric", name, IMPLEMENTATIONS))
    text = inspect.getdoc(IMPLEMENTATIONS[name]) or ""
    summary, _, details = text[: match.start() if (match := _SECTION.search(text)) else None].partition("\n")
    summary = summary.removeprefix("Return ")
    meanings = _entries(text)
    columns = _entries(inspect.getdoc(MULTI_COLUMN.get(name, SampleMetric)) or "")
    votes = "; completions can vote (`majority`)" if reads_answers(name) else ""
    return MetricDescription(
        name=name,
        summary=_markdown(summary[0].upper() + summary[1:]),
        details=_markdown(details.strip()),
        arguments=tuple(
            Argument(
                key,
                " or ".join(kind_names(parameter.annotation)),
                _default(parameter.default),
                _markdown(meanings[key]),
            )
            for key, parameter in arguments_of(name).items()
        ),
        reference=_markdown(columns["column"]),
        scores=getattr(
            IMPLEMENTATIONS[name],
            "score_text",
            "all samples together, from 0 to 1" if scores_corpus(name) else f"each sample, from 0 to 1{votes}",
        ),
    )


def metric_text(name: str, *, with_reference: bool = True) -> str:
    """Return the description of a built-in metric as Markdown.

    Args:
        name: The name.
        with_reference: Whether to describe the reference column.

    Raises:
        MetricError: There is none of this name.
    """
    metric = describe_metric(name)
    facts = [f"- {argument}" for argument in metric.arguments] or ["- no arguments"]
    if with_reference:
        facts.append(f"- reference (`column`): {metric.reference}")
    facts.append(f"- scores {metric.scores}")
    return "\n\n".join(part for part in (metric.summary, metric.details, "\n".join(facts)) if part)


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    return "optional" if value is None else f"default: {json.dumps(value)}"


def _entries(docstring: str) -> dict[str, str]:
    """Return the descriptions of arguments or attributes by their names."""
    return {
        name: " ".join(meaning.split())
        for section in _SECTION.finditer(docstring)
        for name, meaning in _ENTRY.findall(section[2])
    }


def _markdown(text: str) -> str:
    return text.replace("``", "`")
