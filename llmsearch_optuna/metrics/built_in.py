"""The built-in metrics by name, with their arguments."""

import inspect
import json
import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from llmsearch_optuna.errors import MetricError, unknown_name
from llmsearch_optuna.identity import digest
from llmsearch_optuna.metrics.base import Metric, SampleMetric
from llmsearch_optuna.metrics.choice import ChoiceMetric
from llmsearch_optuna.metrics.corpus import CorpusMetric, bleu, chrf, load_bleu
from llmsearch_optuna.metrics.items import ItemsMetric
from llmsearch_optuna.metrics.json_schema import JsonSchemaMetric
from llmsearch_optuna.metrics.judge import JudgeMetric, JudgeServer, read_rubric
from llmsearch_optuna.metrics.math_answers import MathAnswers
from llmsearch_optuna.metrics.numbers import last_number
from llmsearch_optuna.metrics.regex_answers import RegexAnswers
from llmsearch_optuna.metrics.rouge import TOKENIZERS, rouge1, rouge2, rouge_l
from llmsearch_optuna.metrics.schemas import read_schema
from llmsearch_optuna.metrics.text import contains, exact_answer, exact_match, numeric, token_f1

__all__ = [
    "BUILT_IN_METRICS",
    "IMPLEMENTATIONS",
    "MULTI_COLUMN",
    "REPEATED",
    "SAMPLE_FUNCTIONS",
    "arguments_of",
    "kind_names",
    "make_built_in",
    "reads_answers",
    "scores_corpus",
]

SAMPLE_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "exact_match": exact_match,
    "contains": contains,
    "numeric": numeric,
    "token_f1": token_f1,
    "rouge1": rouge1,
    "rouge2": rouge2,
    "rougeL": rouge_l,
}
"""``(prediction, reference) -> score in [0, 1]``, of which 1 is the best, by name."""

_CORPUS: Mapping[str, Callable[..., float]] = {"bleu": bleu, "chrf": chrf}
_READERS: Mapping[str, type[RegexAnswers] | type[MathAnswers]] = {"regex": RegexAnswers, "math": MathAnswers}
MULTI_COLUMN: Mapping[str, type[ItemsMetric] | type[ChoiceMetric] | type[JsonSchemaMetric] | type[JudgeMetric]] = {
    "distinct_items": ItemsMetric,
    "choice": ChoiceMetric,
    "json_schema": JsonSchemaMetric,
    "judge": JudgeMetric,
}
"""The metrics that read several columns, by name."""

REPEATED = ("judge",)
"""The metrics that are no pure functions, so that another call may succeed where one failed."""

_ANSWERS: Mapping[str, Callable[..., Hashable | None]] = {"exact_match": exact_answer, "numeric": last_number}

IMPLEMENTATIONS: Mapping[str, Callable[..., object]] = {**SAMPLE_FUNCTIONS, **_CORPUS, **_READERS, **MULTI_COLUMN}
"""What computes each metric: a function, or a class. Its keyword-only parameters are the metric's arguments."""

BUILT_IN_METRICS = tuple(IMPLEMENTATIONS)
"""The names of the built-in metrics."""

_COMMON = ("name", "column", "greater_is_better", "calls")  # fields that every metric has


def arguments_of(name: str) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a built-in metric by their names, with defaults and types."""
    function = IMPLEMENTATIONS[name]
    parameters = inspect.signature(function).parameters.values()
    constructor = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints = typing.get_type_hints(constructor)
    return {
        parameter.name: parameter.replace(annotation=hints[parameter.name])
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in _COMMON
    }


def reads_answers(name: str) -> bool:
    """Return whether a built-in metric reads an answer, so that completions can vote."""
    return name in _ANSWERS or hasattr(IMPLEMENTATIONS[name], "answer")


def scores_corpus(name: str) -> bool:
    """Return whether a built-in metric scores all samples together."""
    return name in _CORPUS


def make_built_in(name: str, arguments: Mapping[str, Any], directory: Path | None, **fields: Any) -> Metric:
    """Build a built-in metric.

    Args:
        name: The name.
        arguments: The arguments of the metric.
        directory: Where paths begin.
        **fields: The fields that every metric has, except the name.

    Raises:
        MetricError: The name or an argument is unknown, or an argument is missing or invalid.
    """
    if name not in IMPLEMENTATIONS:
        raise MetricError(unknown_name("metric", name, IMPLEMENTATIONS))
    changed = _changed_arguments(name, arguments)
    if "schema" in changed:
        changed["schema"] = read_schema(changed["schema"], directory)
    if "rubric_file" in changed:
        if "rubric" in changed:
            raise MetricError("give `rubric` or `rubric_file` to metric `judge`, not both")
        changed["rubric"] = read_rubric(changed["rubric_file"], directory)
    if "tokenize" in changed:
        _check_tokenizer(name, changed["tokenize"])
    named = _named(name, {"column": fields["column"], **changed})
    parts = [f"{key}={_shown(value)}" for key, value in named.items() if value is not None]
    full_name = f"{name}({', '.join(parts)})" if parts else name
    if name in MULTI_COLUMN:
        return MULTI_COLUMN[name](name=full_name, **changed, **fields)
    if name in _READERS:
        reader = _READERS[name](**changed)
        return SampleMetric(name=full_name, score=reader.score, score_range=(0.0, 1.0), answer=reader.answer, **fields)
    function = IMPLEMENTATIONS[name]
    score: Any = partial(function, **changed) if changed else function
    if name in _CORPUS:
        return CorpusMetric(name=full_name, score=score, **fields)
    answer = partial(_ANSWERS[name], **changed) if name in _ANSWERS else None
    return SampleMetric(name=full_name, score=score, score_range=(0.0, 1.0), answer=answer, **fields)


def _named(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the name of a metric has. A rubric is too long for it."""
    unnamed: Sequence[str] = getattr(IMPLEMENTATIONS[name], "unnamed", ())
    rubric = {"rubric": {"text": arguments["rubric"]}} if "rubric" in arguments else {}
    return {key: value for key, value in arguments.items() if key not in unnamed} | rubric


def _changed_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the arguments, and return those that differ from their defaults, sorted by name."""
    parameters = arguments_of(name)
    for key, value in arguments.items():
        if not parameters:
            raise MetricError(f"metric `{name}` takes no arguments, got `{key}`")
        if key not in parameters:
            raise MetricError(unknown_name(f"`{name}` argument", key, parameters))
        if not _is_of(value, parameters[key].annotation):
            kinds = " or ".join(kind_names(parameters[key].annotation))
            raise MetricError(f"`{key}` of metric `{name}` must be of type {kinds}, got {value!r}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in arguments:
            raise MetricError(f"metric `{name}` needs `{key}`")
    # A list of a study file may equal a default, which cannot be one.
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    return {key: arguments[key] for key in sorted(arguments) if given[key] != parameters[key].default}


def kind_names(annotation: Any) -> list[str]:
    """Return the names of the types that an annotation allows, in the words of a study file."""
    words: Mapping[type, str] = {Mapping: "table", JudgeServer: "table", Sequence: "list"}
    names = dict.fromkeys(words.get(kind, kind.__name__) for kind in _kinds(annotation))
    return [name for name in names if name not in ("NoneType", "Path")]


def _kinds(annotation: Any) -> list[type]:
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return [typing.get_origin(kind) or kind for kind in kinds]


def _is_of(value: object, annotation: Any) -> bool:
    """Return whether a value is of one of the types that an annotation allows. A boolean is not an integer."""
    return any(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for kind in _kinds(annotation))


def _shown(value: object) -> str:
    """Return a value for a metric's name. A table is too long for it."""
    return f"#{digest(json.dumps(value, sort_keys=True, default=str))}" if isinstance(value, Mapping) else repr(value)


def _check_tokenizer(name: str, tokenizer: str) -> None:
    if name in _CORPUS:
        load_bleu(tokenize=tokenizer)
    elif tokenizer not in TOKENIZERS:
        raise MetricError(unknown_name(f"tokenizer of `{name}`", tokenizer, TOKENIZERS))
