"""The pruners of a search, by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from optuna import pruners

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.race import Race
from llmsearch_optuna.search.score_readers import ScoreReader, reported_scores

__all__ = ["PRUNERS", "make_pruner"]

PRUNERS: Mapping[str, Callable[..., pruners.BasePruner]] = {
    "paired": PairedPruner,
    "race": Race,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "hyperband": pruners.HyperbandPruner,
    "successive-halving": pruners.SuccessiveHalvingPruner,
    "none": pruners.NopPruner,
}


def make_pruner(
    name: str | None,
    rungs: Sequence[int],
    arguments: Mapping[str, Any] | None = None,
    *,
    scores: ScoreReader = reported_scores,
    score_range: ScoreRange | None = None,
    corpus_only: bool = False,
) -> pruners.BasePruner:
    """Return an Optuna pruner whose steps are numbers of samples.

    Args:
        name: A key of `PRUNERS`. None is ``"paired"``, with the median pruner for trials without per-sample scores; but
            ``"median"`` with `corpus_only` and no `arguments`.
        rungs: The numbers of samples at which trials report, in ascending order.
        arguments: Arguments of the class: `alpha` and `margin` of `PairedPruner`, or those of the Optuna class. By
            default, median and percentile (which keeps the best quarter of the trials) do not prune in the first
            quarter of the samples or before four trials are fully evaluated. Hyperband and successive-halving begin at
            the first rung.
        scores: Reads the scores of a trial, for the paired pruner and the race.
        score_range: The minimum and the maximum score, for the paired pruner and the race.
        corpus_only: Whether the metric gives no per-sample scores.

    Raises:
        ConfigurationError: The name or an argument is unknown, a value is invalid, or the paired pruner or a race is
            chosen with `corpus_only`.
    """
    if name is None and corpus_only and not arguments:
        name = "median"
    if name in (None, "paired", "race"):
        if corpus_only:
            raise ConfigurationError(
                f"the {name or 'paired'} pruner needs scores of single samples, which the metric does not give: use "
                "another one, e.g. median"
            )
        if name == "race":
            return Race(**_checked("race", arguments, ()), score_range=score_range, scores=scores)
        fallback = make_pruner("median", rungs) if name is None else None
        chosen = _checked("paired", arguments, ("alpha", "margin"))
        return PairedPruner(**chosen, score_range=score_range, scores=scores, fallback=fallback)
    if name not in PRUNERS:
        raise ConfigurationError(unknown_name("pruner", name, PRUNERS))
    defaults: dict[str, dict[str, Any]] = {
        "median": {"n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "percentile": {"percentile": 25.0, "n_startup_trials": 4, "n_warmup_steps": rungs[-1] // 4},
        "hyperband": {"min_resource": rungs[0], "max_resource": rungs[-1]},
        "successive-halving": {"min_resource": rungs[0]},
        "none": {},
    }
    chosen = {**defaults[name], **_checked(name, arguments, inspect.signature(PRUNERS[name]).parameters)}
    try:
        if name == "hyperband":
            _check_hyperband(**chosen)
        return PRUNERS[name](**chosen)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the {name} pruner refuses its arguments: {error}") from error


def _checked(name: str, arguments: Mapping[str, Any] | None, parameters: Iterable[str]) -> dict[str, Any]:
    """Return the arguments as a dict. Raise an error if one of them is not in `parameters`."""
    for argument in arguments or {}:
        if argument not in parameters:
            raise ConfigurationError(unknown_name(f"argument of the {name} pruner", argument, parameters))
    return dict(arguments or {})


def _check_hyperband(*, max_resource: int | str, **passed_on: Any) -> None:
    """Raise errors in the arguments now, which Optuna would raise only when it prunes."""
    pruners.SuccessiveHalvingPruner(**passed_on)
    if isinstance(max_resource, int) and max_resource < passed_on["min_resource"]:
        raise ValueError(f"max_resource must be >= min_resource ({passed_on['min_resource']}), got {max_resource}")
