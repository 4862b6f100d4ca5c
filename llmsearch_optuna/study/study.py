"""What a study keeps in Optuna's attributes: its key, what it was made for, and every trial's parameters."""

import json
import secrets
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import ConfigurationError, FingerprintError, StorageError, unknown_name
from llmsearch_optuna.storage import open_storage, readable_errors, shown_url
from llmsearch_optuna.study.attributes import CONCURRENCY, FINGERPRINT, KEY, OBJECTIVES
from llmsearch_optuna.study.objectives import SCORE, directions_of

__all__ = [
    "check_fingerprint",
    "create_study",
    "keep_concurrency",
    "open_study",
    "study_fingerprint",
    "study_key",
]


def create_study(
    name: str,
    storage: RDBStorage,
    *,
    greater_is_better: bool,
    fingerprint: Mapping[str, str],
    objectives: Sequence[str] = (SCORE,),
) -> optuna.Study:
    """Makes a study, or opens the one of this name if it was made for the same thing.

    Args:
        name: The study's name.
        storage: Where it lives.
        greater_is_better: Whether the metric is maximised.
        fingerprint: What the scores depend on, by name (model, prompts, metric, ...).
        objectives: What is optimised; see `check_objectives`.

    Raises:
        ConfigurationError: No database can hold the name.
        FingerprintError: The existing study was made for something else; the message says what differs.
        StorageError: A study of this name exists and was not made by this package.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"study_name must be UTF-8, got {name!r}") from error
    directions = directions_of(objectives, greater_is_better=greater_is_better)
    wanted = {**fingerprint, "direction": directions[0]}
    if len(objectives) > 1:
        wanted[OBJECTIVES] = ", ".join(objectives)
    with readable_errors(storage.engine.url):
        # The sampler is `Proposer`'s: this one takes no note of trials that are asked for, or attached to.
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=directions,
            sampler=optuna.samplers.TPESampler(),
            load_if_exists=True,
        )
        if KEY not in study.user_attrs:
            if study.get_trials(deepcopy=False) or [one.name.lower() for one in study.directions] != directions:
                raise StorageError(f"study `{name}` was not made by llmsearch_optuna: use another study_name")
            if len(objectives) > 1:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    study.set_metric_names(list(objectives))
            study.set_user_attr(FINGERPRINT, wanted)
            study.set_user_attr(KEY, secrets.token_hex(16))
            return study
        known = study_fingerprint(study)
        _read_trials(study)
    _refuse_changes(name, known, wanted, "use another study_name or storage to begin anew")
    return study


def check_fingerprint(study: optuna.Study, wanted: Mapping[str, str]) -> None:
    """Refuses a study that was made for something else, whatever space it searches and for which objectives.

    Args:
        study: The study.
        wanted: Its fingerprint, but for space, direction and objectives.

    Raises:
        StorageError: The study was not made by this package.
        FingerprintError: It was made for something else; the message says what differs.
    """
    if KEY not in study.user_attrs:
        raise StorageError(f"study `{study.study_name}` was not made by llmsearch_optuna")
    of_search = ("space", "direction", OBJECTIVES)
    known = {part: value for part, value in study_fingerprint(study).items() if part not in of_search}
    _refuse_changes(study.study_name, known, wanted, "use the Tuner that the study was made with")


def _refuse_changes(name: str, known: Mapping[str, str], wanted: Mapping[str, str], remedy: str) -> None:
    differing = [part for part in {**known, **wanted} if known.get(part) != wanted.get(part)]
    if differing:
        then, now = ({OBJECTIVES: SCORE, **parts} for parts in (known, wanted))
        changes = "; ".join(f"{part}: {then.get(part, 'none')} then, {now.get(part, 'none')} now" for part in differing)
        raise FingerprintError(f"study `{name}` was made with another {', '.join(differing)} ({changes}): {remedy}")


def study_key(study: optuna.Study) -> str:
    """The random key under which the study's completions are stored."""
    return str(study.user_attrs[KEY])


def study_fingerprint(study: optuna.Study) -> dict[str, str]:
    """What the study's scores depend on, by name (model, prompts, metric, ...).

    Raises:
        StorageError: That is lost.
    """
    known = study.user_attrs.get(FINGERPRINT)
    if not isinstance(known, dict):
        raise StorageError(
            f"study `{study.study_name}` is damaged (what it was made for is lost): `llmsearch-optuna fsck` says what "
            "is whole"
        )
    return dict(known)


def keep_concurrency(study: optuna.Study, wanted: int | None, default: int) -> int:
    """How many trials are in flight: as wanted, else as before, else as by default; noted for the next time.

    Proposals depend on it, so that a study which is resumed on another machine keeps its own.
    """
    before: int | None = study.user_attrs.get(CONCURRENCY)
    chosen = wanted or before or default
    if chosen != before:
        study.set_user_attr(CONCURRENCY, chosen)
    return chosen


def open_study(url: str, name: str | None = None) -> tuple[optuna.Study, RDBStorage]:
    """Opens an existing study for reading.

    Args:
        url: The database.
        name: Which of its studies; may be left out where there is only one.

    Raises:
        StorageError: There is no such database or study, or several and no name.
    """
    storage = open_storage(url, must_exist=True)
    with readable_errors(url):
        names = [study.study_name for study in storage.get_all_studies()]
        if not names:
            raise StorageError(f"{shown_url(url)} holds no study")
        if name is None:
            if len(names) > 1:
                raise StorageError(
                    f"{shown_url(url)} holds several studies, choose one with --study: {', '.join(names)}"
                )
            name = names[0]
        if name not in names:
            raise StorageError(unknown_name("study", name, names))
        study = optuna.load_study(study_name=name, storage=storage)
        if KEY not in study.user_attrs:
            raise StorageError(f"study `{name}` was not made by llmsearch_optuna")
        _read_trials(study)
    return study, storage


def _read_trials(study: optuna.Study) -> None:
    """Reads all there is, so that what is damaged shows here and not anywhere later."""
    try:
        study.get_trials(deepcopy=False)
    except json.JSONDecodeError:  # of which `readable_errors` tells
        raise
    except (LookupError, TypeError, ValueError) as error:  # a state or date that there is not, a number that is a text
        raise StorageError(
            f"study `{study.study_name}` is damaged ({error}): `llmsearch-optuna fsck` says what is whole"
        ) from error
