"""Who is worth a line: the baselines, the best trial, runners-up, or the front of several objectives."""

from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.ranking import by_added_area, has_several, pareto_front, ranked, score_of, tokens_of
from llmsearch_optuna.study.trials import trial_params

__all__ = ["Finalist", "Finalists", "finalists", "find_trial", "found_as_json", "select_finalists"]


class Finalist(NamedTuple):
    """A fully evaluated trial that is worth a line: a baseline, the best, a runner-up, or another of the front."""

    name: str
    trial: FrozenTrial
    params: GenerationParams


class Finalists(NamedTuple):
    """Whom a verdict compares.

    Attributes:
        everyone: The baselines, the best and the runners-up (with several objectives: others of the front), no two with
            the same parameters, or parameters of the same effect, but for the seed.
        best: The name of the one with the best score on the search split; it may be a baseline's.
        reference: The name of the baseline with the best score on the search split; ``None`` if there is no baseline.
    """

    everyone: tuple[Finalist, ...]
    best: str
    reference: str | None


def finalists(study: optuna.Study) -> list[Finalist]:
    """The fully evaluated baselines and, last, the best trial of all; in between, the rest of the front.

    With one objective, the best is all of the front; with several, it is the one with the best score.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    complete = _complete_trials(study)
    named = [(str(trial.user_attrs[BASELINE]), trial) for trial in complete if BASELINE in trial.user_attrs]
    best, *others = pareto_front(study)
    named += [("front", trial) for trial in reversed(others)]
    return [Finalist(name, trial, trial_params(trial)) for name, trial in [*named, ("best", best)]]


def select_finalists(study: optuna.Study, *, runners_up: int = 2) -> Finalists:
    """Chooses whom a verdict compares, by the search split alone.

    With one objective, the runners-up have the next best scores. With several, the best is the one of the front with
    the best score, and those of the front that add most to it take their places: see `by_added_area`.

    Args:
        study: The study.
        runners_up: How many to take besides the best and the baselines, as far as there are.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    complete = _complete_trials(study)
    by_score = ranked(study)
    best, order, name = by_score[0], by_score, "runner-up"
    if has_several(study):
        front, name = pareto_front(study), "front"
        known = [trial for trial in front if trial is best or BASELINE in trial.user_attrs]
        order = [best, *by_added_area(front, known)]
    chosen: dict[GenerationParams, Finalist] = {}
    for trial in complete:
        if BASELINE in trial.user_attrs:
            params = trial_params(trial)
            chosen.setdefault(_effect(params), Finalist(str(trial.user_attrs[BASELINE]), trial, params))
    reference = next((chosen[_effect(trial_params(one))].name for one in by_score if BASELINE in one.user_attrs), None)
    names = [f"{name} {place + 1}" for place in range(runners_up)]
    if _effect(trial_params(best)) not in chosen:
        names.insert(0, "best")
    for trial in order:
        params = trial_params(trial)
        if names and _effect(params) not in chosen:
            chosen[_effect(params)] = Finalist(names.pop(0), trial, params)
    return Finalists(tuple(chosen.values()), chosen[_effect(trial_params(best))].name, reference)


def _effect(params: GenerationParams) -> GenerationParams:
    """What parameters do, whatever the seed."""
    return params.canonical.unseeded


def find_trial(study: optuna.Study, number: int | None) -> FrozenTrial:
    """A trial by its number; the best fully evaluated one by default.

    Raises:
        StorageError: There is no such trial.
    """
    if number is None:
        return finalists(study)[-1].trial
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        known = f"its trials are 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise StorageError(f"study `{study.study_name}` has no trial {number}: {known}")
    return trials[number]


def _complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    complete = sorted(ranked(study), key=lambda trial: trial.number)
    if not complete:
        raise StorageError(f"study `{study.study_name}` has no fully evaluated trial yet")
    return complete


def found_as_json(study: optuna.Study) -> dict[str, Any]:
    """The best trial as JSON holds it; with several objectives the front, too."""
    *others, best = (
        {
            "trial": one.trial.number,
            "score": score_of(one.trial),
            **({"tokens_per_sample": tokens_of(one.trial)} if has_several(study) else {}),
            "params": one.params.to_dict(),
        }
        for one in finalists(study)
        if one.name in ("front", "best")
    )
    return {"best": best, "front": [*others, best]} if has_several(study) else {"best": best}
