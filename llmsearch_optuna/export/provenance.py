"""The provenance of exported parameters: their study, trial, score and environment."""

import dataclasses
import datetime as dt
import platform
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna._version import __version__, library_version
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import STUDY_FILE
from llmsearch_optuna.study.constraints import is_feasible, stored_constraints
from llmsearch_optuna.study.environment import study_environment
from llmsearch_optuna.study.fingerprint import stored_stop_strings, study_fingerprint
from llmsearch_optuna.study.objectives import COST, EXPENSES, TOKENS
from llmsearch_optuna.study.ranking import expense, expense_of, score_of
from llmsearch_optuna.study.source import Served, read_served, read_source
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.finalists import find_trial
from llmsearch_optuna.verdict.verdict import Verdict, current_verdict

__all__ = ["Provenance", "trace"]

_RECORDED = ("optuna", "torch", "transformers", "numpy")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of one trial's parameters, and its results on the search split.

    Attributes:
        study: The name of the study.
        trial: The number of the trial.
        state: The name of its `optuna.trial.TrialState` in lower case: ``"complete"``, ``"pruned"``, ...
        score: The metric over these samples; None if the trial has no score.
        tokens_per_sample: The mean number of generated tokens; None unless it is an objective.
        cost_per_1000_samples: The cost at the price of the search; None unless it is an objective.
        samples: The number of samples that the trial was evaluated on.
        metric: The name of the metric.
        direction: The direction of the score: ``"maximize"`` or ``"minimize"``.
        model: The model's name in the study file; its name on the server, or the fingerprint of the model, if there
            is no name.
        data: The path of the data in the study file; None without a study file.
        stop: The strings that end a completion.
        fingerprint: The parts that the scores of the study depend on, by name.
        verdict: The sentence of the study's verdict; None if there is no verdict, or if it is about other finalists.
        caution: A line that says so if the trial breaks a constraint, or the verdict shows no gain of it over the
            baseline; None otherwise.
        params: All parameters.
        exported: The time of the export, in UTC, in ISO 8601 format.
        environment: The versions and the hardware that the study was created with, by name, as far as they are stored.
        versions: The versions of the packages that made the export, by name.
    """

    study: str
    trial: int
    state: str
    score: float | None
    tokens_per_sample: float | None
    cost_per_1000_samples: float | None
    samples: int
    metric: str
    direction: str
    model: str
    data: str | None
    stop: tuple[str, ...]
    fingerprint: dict[str, Any]
    verdict: str | None
    caution: str | None
    params: GenerationParams
    exported: str
    environment: dict[str, str]
    versions: dict[str, str]

    @property
    def served(self) -> Served | None:
        """The server that the study ran on, and the model's name there; None if the model ran in process."""
        return read_served(str(self.fingerprint.get("model", "")))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-serialisable values."""
        return {**dataclasses.asdict(self), "stop": list(self.stop), "params": self.params.to_dict()}


def trace(study: optuna.Study, trial: int | None = None) -> Provenance:
    """Return the provenance of a trial's parameters.

    Args:
        study: The study.
        trial: The number of the trial; by default the fully evaluated trial with the best score.

    Raises:
        StorageError: There is no such trial, it has no parameters, or the study is damaged.
    """
    source = find_trial(study, trial)
    fingerprint = study_fingerprint(study)
    model, data = _model_and_data(study)
    identity = str(fingerprint.get("model", ""))
    served = read_served(identity)
    verdict, second = current_verdict(study), expense(study)
    expenses = {} if second is None else {second.key: expense_of(source)}
    return Provenance(
        study=study.study_name,
        trial=source.number,
        state=source.state.name.lower(),
        score=score_of(source),
        tokens_per_sample=expenses.get(EXPENSES[TOKENS].key),
        cost_per_1000_samples=expenses.get(EXPENSES[COST].key),
        samples=source.last_step or 0,
        metric=fingerprint.get("metric", ""),
        direction=study.directions[0].name.lower(),
        model=model or (identity if served is None else served.model),
        data=data,
        stop=stored_stop_strings(fingerprint),
        fingerprint=fingerprint,
        verdict=None if verdict is None else verdict.sentence,
        caution=_infeasible(study, source) or (None if verdict is None else _caution(verdict, source.number)),
        params=trial_params(source),
        exported=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        environment=study_environment(study),
        versions={
            "llmsearch_optuna": __version__,
            "python": platform.python_version(),
            **{name: library_version(name) for name in _RECORDED},
        },
    )


def _model_and_data(study: optuna.Study) -> tuple[str | None, str | None]:
    """Return the name of the model and the path of the data in the study file; each None if it is not recorded."""
    stored = study.user_attrs.get(STUDY_FILE)
    if stored is None:
        return None, None
    try:
        return read_source(stored["text"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"the study file stored in study `{study.study_name}` is damaged: {error}") from error


def _infeasible(study: optuna.Study, trial: FrozenTrial) -> str | None:
    """Return a warning if a trial breaks a constraint on the search split."""
    if is_feasible(trial):
        return None
    rules = zip(stored_constraints(study), trial.constraints.values(), strict=False)
    broken = " and ".join(str(constraint) for constraint, excess in rules if excess > 0.0)
    return f"trial {trial.number} breaks {broken} on the samples of the search"


def _caution(verdict: Verdict, trial: int) -> str | None:
    """Return a warning if the verdict shows no gain of a trial over its baseline."""
    trials = {result.name: result.trial for result in verdict.finalists}
    broken = {name for name, number in trials.items() if verdict.standing_of(name) == "breaks" and number == trial}
    if broken:
        return f"the verdict shows that trial {trial} breaks a constraint: {verdict.sentence}"
    shown = {trials[comparison.name] for comparison in verdict.comparisons if comparison.low > 0.0}
    if verdict.reference is None or trial in (*shown, trials[verdict.reference]):
        return None
    return (
        f"the verdict shows no gain of trial {trial} over `{verdict.reference}` (trial {trials[verdict.reference]}); "
        f"its next step: {verdict.next_step}"
    )
