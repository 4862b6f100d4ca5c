"""The finalists of a study: its baselines, the best trial, and runners-up or the rest of the Pareto front."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import BASELINE, MODEL_DEFAULT, QUEUED_PARAMS
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.further_metrics import metric_means
from llmsearch_optuna.study.ranking import (
    by_added_area,
    expense,
    expense_of,
    has_several,
    pareto_front,
    ranked,
    score_of,
)
from llmsearch_optuna.study.trials import trial_params

__all__ = [
    "Finalist",
    "Finalists",
    "best_as_json",
    "finalists",
    "find_trial",
    "is_baseline",
    "measure_cells",
    "measure_headings",
    "select_finalists",
]

_FEASIBLE = "feasible"

_SEARCHED = re.compile(r"(best|runner-up|front)( \d+)?")
"""The names of finalists that are no baselines. The option `baselines` refuses them."""


class Finalist(NamedTuple):
    """A fully evaluated baseline, the best trial, a runner-up, or another trial of the Pareto front.

    Attributes:
        name: ``"best"``, ``"runner-up 1"``, ``"front 1"`` (``"front"`` if not for a verdict), or a baseline's name.
        trial: The trial.
        params: Its generation parameters.
    """

    name: str
    trial: FrozenTrial
    params: GenerationParams


class Finalists(NamedTuple):
    """The finalists that a verdict compares.

    Attributes:
        selected: The baselines, the best trial and the runners-up (with several objectives: other trials of the front).
            Of trials whose parameters differ only in the seed or in parameters without effect, one is selected.
        best: The name of the finalist with the best score on the search split, which may be a baseline.
        reference: The name of the baseline with the best score on the search split; None if there is no baseline.
    """

    selected: tuple[Finalist, ...]
    best: str
    reference: str | None


def finalists(study: optuna.Study) -> list[Finalist]:
    """Return the fully evaluated baselines, then the Pareto front, which ends with the best trial.

    With one objective, the front is only the best trial. With several, the best trial is the one with the best score.
    A baseline on the front is returned twice.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    named = list(_baselines(study).items())
    best, *others = pareto_front(study)
    named += [("front", trial) for trial in reversed(others)]
    return [Finalist(name, trial, trial_params(trial)) for name, trial in [*named, ("best", best)]]


def select_finalists(study: optuna.Study) -> Finalists:
    """Select the finalists that a verdict compares, by their values on the search split only.

    With one objective, the two runners-up have the next best scores. With several, the best trial is the one of the
    front with the best score, and the runners-up are replaced by the trials that add most to the front; see
    `by_added_area`. Trials that break a constraint on the search split come after all others; they are runners-up only
    if all do.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    baselines, by_score = _baselines(study), ranked(study)
    best, order, name = by_score[0], list(filter(is_feasible, by_score)) or by_score, "runner-up"
    if has_several(study):
        front, name = pareto_front(study), "front"
        included = [trial for trial in front if trial is best or BASELINE in trial.user_attrs]
        order = [best, *by_added_area(front, included)]
    selected: dict[GenerationParams, Finalist] = {}
    for baseline_name, trial in baselines.items():
        params = trial_params(trial)
        selected.setdefault(_effect(params), Finalist(baseline_name, trial, params))
    numbers = {trial.number for trial in baselines.values()}
    baseline = next((trial for trial in by_score if trial.number in numbers), None)
    reference = None if baseline is None else selected[_effect(trial_params(baseline))].name
    names = [f"{name} 1", f"{name} 2"]
    if _effect(trial_params(best)) not in selected:
        names.insert(0, "best")
    for trial in order:
        params = trial_params(trial)
        if names and _effect(params) not in selected:
            selected[_effect(params)] = Finalist(names.pop(0), trial, params)
    return Finalists(tuple(selected.values()), selected[_effect(trial_params(best))].name, reference)


def is_baseline(name: str) -> bool:
    """Return whether a finalist of this name is a baseline, and no trial that the search found."""
    return _SEARCHED.fullmatch(name) is None


def _baselines(study: optuna.Study) -> dict[str, FrozenTrial]:
    """Return the fully evaluated baselines by name. Of one whose parameters were changed, only the last ones count.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    complete = sorted(ranked(study), key=lambda trial: trial.number)
    if not complete:
        raise StorageError(f"study `{study.study_name}` has no fully evaluated trial yet")
    latest = _by_baseline(study.get_trials(deepcopy=False))  # it may have failed
    return {
        name: trial
        for name, trial in _by_baseline(complete).items()
        if name == MODEL_DEFAULT or trial.user_attrs.get(QUEUED_PARAMS) == latest[name].user_attrs.get(QUEUED_PARAMS)
    }


def _by_baseline(trials: Sequence[FrozenTrial]) -> dict[str, FrozenTrial]:
    """Return the last of the trials of each baseline, by its name."""
    return {str(trial.user_attrs[BASELINE]): trial for trial in trials if BASELINE in trial.user_attrs}


def _effect(params: GenerationParams) -> GenerationParams:
    """Return the parameters that have an effect, without the seed."""
    return params.canonical.unseeded


def measure_headings(study: optuna.Study) -> tuple[str, ...]:
    """Return the headings of `measure_cells`: the labels of the metrics, and ``"feasible"`` with constraints."""
    trials = ranked(study)
    labels = dict.fromkeys(label for trial in trials for label in metric_means(trial))
    return (*labels, *([_FEASIBLE] if any(trial.constraints for trial in trials) else []))


def measure_cells(trial: FrozenTrial, headings: Sequence[str]) -> list[str]:
    """Return the means of a trial under the further metrics, and whether it is feasible, as strings."""
    values = {label: f"{mean:.4f}" for label, mean in metric_means(trial).items()}
    values[_FEASIBLE] = "yes" if is_feasible(trial) else "no"
    return [values.get(heading, "-") for heading in headings]


def find_trial(study: optuna.Study, number: int | None) -> FrozenTrial:
    """Return a trial by its number; the best fully evaluated trial if the number is None.

    Raises:
        StorageError: There is no such trial.
    """
    if number is None:
        return finalists(study)[-1].trial
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        numbers = f"its trials are 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise StorageError(f"study `{study.study_name}` has no trial {number}: {numbers}")
    return trials[number]


def best_as_json(study: optuna.Study) -> dict[str, Any]:
    """Return the best trial as JSON-serialisable values; with several objectives also the Pareto front."""
    minimized = expense(study)
    *others, best = (
        {
            "trial": trial.number,
            "score": score_of(trial),
            **({"metrics": metric_means(trial)} if metric_means(trial) else {}),
            **({"feasible": is_feasible(trial)} if trial.constraints else {}),
            **({} if minimized is None else {minimized.key: expense_of(trial)}),
            "params": params.to_dict(),
        }
        for name, trial, params in finalists(study)
        if name in ("front", "best")
    )
    return {"best": best} if minimized is None else {"best": best, "front": [*others, best]}
