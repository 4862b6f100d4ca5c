"""Pruners by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from optuna import pruners

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.scores import ScoreReader, reported_scores

__all__ = ["make_pruner", "pruner_names"]

_PRUNERS: Mapping[str, Callable[..., pruners.BasePruner]] = {
    "paired": PairedPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "hyperband": pruners.HyperbandPruner,
    "successive-halving": pruners.SuccessiveHalvingPruner,
    "none": pruners.NopPruner,
}


def pruner_names() -> tuple[str, ...]:
    """The names that `make_pruner` knows."""
    return tuple(_PRUNERS)


def make_pruner(
    name: str | None,
    rungs: Sequence[int],
    arguments: Mapping[str, Any] | None = None,
    *,
    scores: ScoreReader = reported_scores,
    score_range: ScoreRange | None = None,
    corpus_only: bool = False,
) -> pruners.BasePruner:
    """An Optuna pruner whose steps are samples.

    Args:
        name: ``"paired"``, ``"median"``, ``"percentile"``, ``"hyperband"``, ``"successive-halving"`` or ``"none"``. By
            default ``"paired"``, but ``"median"`` where there are no scores of single samples.
        rungs: The numbers of samples at which trials report, ascending.
        arguments: Arguments of the class: `alpha` and `margin` of `PairedPruner`, or those of Optuna's. By default
            median and percentile (which keeps the best quarter of the trials) spare the first quarter of the samples
            and the first four trials; hyperband and successive-halving begin at the first rung.
        scores: Reads a trial's scores, for the paired pruner.
        score_range: The least and the largest score there can be, for the paired pruner.
        corpus_only: Whether it is known that there are no scores of single samples.

    Raises:
        ConfigurationError: The name or an argument is unknown, a value is refused, or the paired pruner is asked for
            where there are no scores of single samples.
    """
    if name is None and corpus_only and not arguments:
        name = "median"
    if name in (None, "paired"):
        if corpus_only:
            raise ConfigurationError(
                "the paired pruner needs scores of single samples, which the metric does not give: choose another, "
                "e.g. median"
            )
        fallback = make_pruner("median", rungs) if name is None else None
        chosen = _known("paired", arguments, ("alpha", "margin"))
        return PairedPruner(**chosen, score_range=score_range, scores=scores, fallback=fallback)
    if name not in _PRUNERS:
        raise ConfigurationError(unknown_name("pruner", name, _PRUNERS))
    defaults: dict[str, dict[str, Any]] = {
        "median": {"n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "percentile": {"percentile": 25.0, "n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "hyperband": {"min_resource": rungs[0], "max_resource": rungs[-1]},
        "successive-halving": {"min_resource": rungs[0]},
        "none": {},
    }
    chosen = {**defaults[name], **_known(name, arguments, inspect.signature(_PRUNERS[name]).parameters)}
    try:
        if name == "hyperband":
            _check_hyperband(**chosen)
        return _PRUNERS[name](**chosen)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the {name} pruner refuses its arguments: {error}") from error


def _known(name: str, arguments: Mapping[str, Any] | None, known: Iterable[str]) -> dict[str, Any]:
    """The arguments, if they are all known."""
    for argument in arguments or {}:
        if argument not in known:
            raise ConfigurationError(unknown_name(f"argument of the {name} pruner", argument, known))
    return dict(arguments or {})


def _check_hyperband(*, max_resource: int | str, **passed_on: Any) -> None:
    """Refuses what Optuna would only find while it prunes."""
    pruners.SuccessiveHalvingPruner(**passed_on)
    if isinstance(max_resource, int) and max_resource < passed_on["min_resource"]:
        raise ValueError(f"max_resource must be >= min_resource ({passed_on['min_resource']}), got {max_resource}")
