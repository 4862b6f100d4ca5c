"""Where parameters come from: the study, the trial, what it was searched for, and how well it did."""

import dataclasses
import datetime as dt
import platform
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import optuna

from llmsearch_optuna._version import __version__
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import STUDY_FILE
from llmsearch_optuna.study.environment import study_environment
from llmsearch_optuna.study.fingerprint import stop_strings, study_fingerprint
from llmsearch_optuna.study.ranking import score_of, tokens_of
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.finalists import find_trial
from llmsearch_optuna.verdict.verdict import current_verdict

__all__ = ["Provenance", "trace"]

_RECORDED = ("optuna", "torch", "transformers", "numpy")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Of one trial's parameters.

    Attributes:
        study: The study's name.
        trial: The trial's number.
        state: ``"complete"``, ``"pruned"``, ...
        score: What it scored on the search split; ``None`` where it has no score.
        tokens_per_sample: The tokens that it generated per sample, where these are an objective.
        samples: On how many samples.
        metric: The metric's name.
        direction: Of the score: ``"maximize"`` or ``"minimize"``.
        model: The model, as the study file names it; its fingerprint where there is none.
        data: The data, as the study file names them; ``None`` where there is none.
        stop: Texts that end a completion.
        fingerprint: What the study's scores depend on, by name.
        verdict: The current verdict on the study, in a sentence; ``None`` where there is none, or where it is about
            other finalists.
        params: All parameters.
        exported: When this was written, in UTC.
        environment: The versions and the hardware that the study was begun with, by name, as far as they are known.
        versions: The versions that wrote it, by package.
    """

    study: str
    trial: int
    state: str
    score: float | None
    tokens_per_sample: float | None
    samples: int
    metric: str
    direction: str
    model: str
    data: str | None
    stop: tuple[str, ...]
    fingerprint: dict[str, Any]
    verdict: str | None
    params: GenerationParams
    exported: str
    environment: dict[str, str]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**dataclasses.asdict(self), "stop": list(self.stop), "params": self.params.to_dict()}


def trace(study: optuna.Study, trial: int | None = None) -> Provenance:
    """What an export tells of a trial.

    Args:
        study: Its study.
        trial: Its number; by default that of the fully evaluated one with the best score.

    Raises:
        StorageError: There is no such trial, it has no parameters, or what is stored is damaged.
    """
    found = find_trial(study, trial)
    fingerprint = study_fingerprint(study)
    model, data = _named(study)
    verdict = current_verdict(study)
    return Provenance(
        study=study.study_name,
        trial=found.number,
        state=found.state.name.lower(),
        score=score_of(found),
        tokens_per_sample=tokens_of(found),
        samples=found.last_step or 0,
        metric=fingerprint.get("metric", ""),
        direction=study.directions[0].name.lower(),
        model=model or fingerprint.get("model", ""),
        data=data,
        stop=stop_strings(fingerprint),
        fingerprint=fingerprint,
        verdict=None if verdict is None else verdict.sentence,
        params=trial_params(found),
        exported=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        environment=study_environment(study),
        versions={
            "llmsearch_optuna": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _RECORDED},
        },
    )


def _named(study: optuna.Study) -> tuple[str | None, str | None]:
    """Model and data in the words of the study file."""
    kept = study.user_attrs.get(STUDY_FILE)
    if kept is None:
        return None, None
    try:
        file = tomllib.loads(kept["text"])
        server = file.get("server") or file.get("engine")  # the section's former name
        model = file["model"]["name"] if server is None else server.get("model")
        return None if model is None else str(model), str(file["data"]["path"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"the study file that study `{study.study_name}` keeps is damaged: {error}") from error
