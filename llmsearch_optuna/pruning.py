"""Pruners by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna import pruners

from llmsearch_optuna.errors import ConfigurationError, unknown_name

__all__ = ["make_pruner", "pruner_names"]

_PRUNERS: Mapping[str, Callable[..., pruners.BasePruner]] = {
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "hyperband": pruners.HyperbandPruner,
    "successive-halving": pruners.SuccessiveHalvingPruner,
    "none": pruners.NopPruner,
}


def pruner_names() -> tuple[str, ...]:
    """The names that `make_pruner` knows."""
    return tuple(_PRUNERS)


def make_pruner(name: str, rungs: Sequence[int], arguments: Mapping[str, Any] | None = None) -> pruners.BasePruner:
    """An Optuna pruner whose steps are samples.

    Args:
        name: ``"median"``, ``"percentile"``, ``"hyperband"``, ``"successive-halving"`` or ``"none"``.
        rungs: The numbers of samples at which trials report, ascending.
        arguments: Arguments of the Optuna class. By default median and percentile (which keeps the best quarter of the
            trials) spare the first quarter of the samples and the first four trials; hyperband and successive-halving
            begin at the first rung.

    Raises:
        ConfigurationError: The name or an argument is unknown, or a value is refused.
    """
    if name not in _PRUNERS:
        raise ConfigurationError(unknown_name("pruner", name, _PRUNERS))
    defaults: dict[str, dict[str, Any]] = {
        "median": {"n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "percentile": {"percentile": 25.0, "n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "hyperband": {"min_resource": rungs[0], "max_resource": rungs[-1]},
        "successive-halving": {"min_resource": rungs[0]},
        "none": {},
    }
    known = inspect.signature(_PRUNERS[name]).parameters
    for argument in arguments or {}:
        if argument not in known:
            raise ConfigurationError(unknown_name(f"argument of the {name} pruner", argument, known))
    chosen = {**defaults[name], **(arguments or {})}
    try:
        if name == "hyperband":
            _check_hyperband(**chosen)
        return _PRUNERS[name](**chosen)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the {name} pruner refuses its arguments: {error}") from error


def _check_hyperband(*, max_resource: int | str, **passed_on: Any) -> None:
    """Refuses what Optuna would only find while it prunes."""
    pruners.SuccessiveHalvingPruner(**passed_on)
    if isinstance(max_resource, int) and max_resource < passed_on["min_resource"]:
        raise ValueError(f"max_resource must be >= min_resource ({passed_on['min_resource']}), got {max_resource}")
