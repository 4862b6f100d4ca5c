"""Metrics of Hugging Face's ``evaluate``."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmsearch_optuna.errors import MetricError, describe_error, unknown_name
from llmsearch_optuna.identity import describe, digest, identify
from llmsearch_optuna.metrics.base import Reference, Scores, plain, read_column, sample_numbers
from llmsearch_optuna.metrics.calls import ScorerCalls
from llmsearch_optuna.metrics.scorer import run_scorer

__all__ = ["EvaluateMetric", "load_module"]

_INPUTS = {"predictions", "references"}


@dataclass(frozen=True, kw_only=True)
class EvaluateMetric:
    """An ``evaluate.EvaluationModule`` as a `Metric`.

    Lone surrogates, which Arrow cannot store, are replaced by question marks.

    Attributes:
        module: The ``EvaluationModule``; its inputs must be ``predictions`` and ``references``.
        key: The result that is the score: a number, or a list of one number per sample. ``None`` for the only result.
        column: The reference column, passed to the module unchanged; ``None`` for the only one.
        greater_is_better: Whether a study maximises the value.
        arguments: Further arguments of ``module.compute``.
        calls: How the module is called: retries and time limit.
        name: The name and the hash of the script, the key, the column and the arguments.

    Raises:
        MetricError: The module needs other inputs, or does not take an argument.
    """

    module: Any
    key: str | None = None
    column: str | None = None
    greater_is_better: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    calls: ScorerCalls = field(default_factory=ScorerCalls)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        features = self.module.features
        inputs = set(features[0] if isinstance(features, list) else features)
        if inputs != _INPUTS:
            raise MetricError(
                f"`evaluate:{self.module.name}` needs {sorted(inputs)} as inputs, supported are {sorted(_INPUTS)}"
            )
        compute = self.module._compute  # noqa: SLF001  # modules override it; its signature has the arguments
        parameters = inspect.signature(compute).parameters.values()
        names = {parameter.name for parameter in parameters} - _INPUTS
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        for name in self.arguments:
            if name in _INPUTS or (name not in names and not takes_all):
                raise MetricError(unknown_name(f"`evaluate:{self.module.name}` argument", name, names | {"key"}))
        object.__setattr__(self, "name", _fingerprint(self))

    def __call__(
        self,
        references: Sequence[Reference],
        predictions: Sequence[str],
        *,
        sample_ids: Sequence[int] | None = None,
        calls: ScorerCalls | None = None,
    ) -> Scores:
        """See `Metric`. `calls` replaces the attribute."""
        samples = sample_numbers(references, predictions, sample_ids)
        rows = [{"value": value} for value in read_column(references, self.column, samples)]
        return run_scorer(
            f"evaluate:{self.module.name}", self._compute, rows, predictions, samples, calls or self.calls
        )

    def probe(self, references: Sequence[Reference]) -> None:
        """Score references against themselves, to find faults before anything is generated.

        Raises:
            MetricError: The column is missing, the result has no `key` or needs one, or the module fails.
        """
        values = read_column(references, self.column, range(len(references)))
        texts = [str(value[0]) if isinstance(value, list) and value else str(value) for value in map(plain, values)]
        try:
            self._compute([{"value": value} for value in values], texts)
        except (KeyboardInterrupt, MetricError):
            raise
        except BaseException as error:  # the module's code may raise anything
            raise MetricError(
                f"`evaluate:{self.module.name}` cannot score the references against themselves: {describe_error(error)}"
            ) from error

    def _compute(self, references: list[dict[str, Any]], predictions: list[str]) -> object:
        results: dict[str, object] = self.module.compute(
            predictions=[_storable(prediction) for prediction in predictions],
            references=[_storable(reference["value"]) for reference in references],
            **self.arguments,
        )
        if self.key is None and len(results) == 1:
            return next(iter(results.values()))
        if self.key is None:
            available = ", ".join(f"`{key}`" for key in results)
            raise MetricError(f"`key` must name the result of `evaluate:{self.module.name}` to score: {available}")
        if self.key not in results:
            raise MetricError(unknown_name(f"`evaluate:{self.module.name}` result", self.key, results))
        return results[self.key]


def load_module(path: str) -> Any:
    """Return the ``EvaluationModule`` that ``evaluate`` loads, with results in memory and a fixed seed.

    Args:
        path: A script, its directory or a name on the hub.

    Raises:
        MetricError: It cannot be loaded.
    """
    import evaluate  # noqa: PLC0415  # imports torch

    try:
        return evaluate.load(path, keep_in_memory=True, seed=0)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script is the user's code: it may call sys.exit
        raise MetricError(f"cannot load `evaluate:{path}`: {describe_error(error)}") from error


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [_storable(part) for part in value] if isinstance(value, list | tuple) else value


def _fingerprint(metric: EvaluateMetric) -> str:
    script = inspect.getmodule(type(metric.module))
    source = inspect.getsource(script) if script else identify(type(metric.module))
    chosen = {"key": metric.key, "column": metric.column} | dict(sorted(metric.arguments.items()))
    parts = [f"{name}={describe(value)}" for name, value in chosen.items() if value is not None]
    return f"evaluate:{metric.module.name}/{metric.module.config_name}#{digest(source)}({', '.join(parts)})"
