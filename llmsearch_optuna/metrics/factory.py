"""Construction of a metric from the user's specification."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics.base import Metric
from llmsearch_optuna.metrics.built_in import REPEATED, make_built_in
from llmsearch_optuna.metrics.calls import ONCE, ScorerCalls
from llmsearch_optuna.metrics.corpus import CorpusMetric
from llmsearch_optuna.metrics.evaluate_module import EvaluateMetric, load_module
from llmsearch_optuna.metrics.imports import import_object
from llmsearch_optuna.metrics.reducers import MEAN, ReducedMetric, make_reducer
from llmsearch_optuna.metrics.scorer import CallableMetric, Scorer

__all__ = ["make_metric"]

_EVALUATE = "evaluate:"


def make_metric(
    spec: str | Scorer | Metric | object,
    /,
    *,
    column: str | None = None,
    greater_is_better: bool = True,
    reducer: str | None = None,
    retries: int | None = None,
    timeout_s: float | None = None,
    directory: Path | None = None,
    **arguments: Any,
) -> Metric:
    """Build a metric from its specification.

    Args:
        spec: One of

            - the name of a built-in metric (`BUILT_IN_METRICS`);
            - ``"package.module:function"``, the import path of an evaluation module, a callable or a `Metric`; it is
              looked for in `directory`, in the working directory and where Python looks;
            - ``"evaluate:NAME_OR_PATH"``, loaded by ``evaluate.load``, or an ``evaluate.EvaluationModule``;
            - a callable, ``(references, predictions) -> score or one score per sample``; see `Scorer`;
            - a `Metric`, which is returned unchanged.
        column: The reference column to compare with; by default the only one. Not for callables, which receive all
            columns.
        greater_is_better: Whether a study maximises the value. A `Metric` keeps its own direction.
        reducer: How the scores of several completions of a sample become one, by default their mean; see
            `make_reducer`.
        retries: The number of further calls after one that failed, with pauses between them; by default 0 for built-in
            metrics, which are pure functions, and 2 for ``"judge"`` and others.
        timeout_s: The time limit of a call in seconds; no limit by default.
        directory: Where a module is looked for first, and where paths begin, e.g. the directory of the study file.
        **arguments: Arguments of a built-in metric (``llmsearch-optuna metrics NAME`` shows them), or the ``key`` of an
            ``evaluate`` result and arguments of its ``compute``. Callables take none: use `functools.partial`.

    Raises:
        MetricError: The name, an argument or the type of `spec` is unknown, `spec` cannot be imported or loaded, or an
            option contradicts a `Metric`.
    """
    if not isinstance(greater_is_better, bool):
        raise MetricError(f"`greater_is_better` must be true or false, got {greater_is_better!r}")
    if column is not None and not isinstance(column, str):
        raise MetricError(f"`column` must be the name of a reference column, got {column!r}")
    if reducer is not None:
        single = make_metric(
            spec,
            column=column,
            greater_is_better=greater_is_better,
            retries=retries,
            timeout_s=timeout_s,
            directory=directory,
            **arguments,
        )
        return _reduced(single, reducer)
    built_in = spec if isinstance(spec, str) and ":" not in spec else None
    default = ScorerCalls() if built_in is None or built_in in REPEATED else ONCE
    calls = ScorerCalls(retries=default.retries if retries is None else retries, timeout_s=timeout_s)
    fields: dict[str, Any] = {"column": column, "greater_is_better": greater_is_better, "calls": calls}
    if built_in is not None:
        return make_built_in(built_in, arguments, directory, **fields)
    if isinstance(spec, str):
        is_path = spec.startswith(_EVALUATE)
        spec = load_module(spec.removeprefix(_EVALUATE)) if is_path else import_object(spec, directory)
    if _is_evaluation_module(spec):
        return EvaluateMetric(module=spec, key=arguments.pop("key", None), arguments=arguments, **fields)
    if isinstance(spec, Metric):
        is_changed = retries is not None or timeout_s is not None or (spec.greater_is_better and not greater_is_better)
        if column is not None or arguments or is_changed:
            raise MetricError(
                f"metric `{spec.name}` is already built: it takes no `column`, direction, `retries`, `timeout_s` or "
                "argument"
            )
        return spec
    return _from_callable(spec, column, greater_is_better, calls, arguments)


def _reduced(metric: Metric, name: str) -> Metric:
    if isinstance(metric, CorpusMetric):
        raise MetricError(f"`reducer` needs a metric that scores single samples, and `{metric.name}` scores a corpus")
    reducer = make_reducer(name, metric)
    return metric if reducer is MEAN else ReducedMetric(metric=metric, reducer=reducer)


def _from_callable(
    spec: object, column: str | None, greater_is_better: bool, calls: ScorerCalls, arguments: Mapping[str, Any]
) -> Metric:
    if not callable(spec):
        raise MetricError(f"a metric must be a name, a callable or an `evaluate` module, got {spec!r}")
    if column is not None:
        raise MetricError("a scorer function takes no `column`: it receives all reference columns")
    if arguments:
        raise MetricError(f"a scorer function takes no arguments, got `{next(iter(arguments))}`: use functools.partial")
    return CallableMetric(function=spec, greater_is_better=greater_is_better, calls=calls)


def _is_evaluation_module(spec: object) -> TypeGuard[Any]:
    evaluate = sys.modules.get("evaluate")  # without the import there is no instance
    return evaluate is not None and isinstance(spec, evaluate.EvaluationModule)
