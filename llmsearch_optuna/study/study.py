"""Creating and opening studies, and the attributes that identify them."""

import json
import re
import secrets
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import ConfigurationError, FingerprintError, StorageError, unknown_name
from llmsearch_optuna.storage import Storage, open_storage, readable_errors, shown_url, storage_url
from llmsearch_optuna.storage.system_attributes import names_of_studies
from llmsearch_optuna.study.attributes import CONCURRENCY, FINGERPRINT, KEY, RENDERED_AT
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.study.fingerprint import complete_fingerprint, describe_changes, study_fingerprint, without_search
from llmsearch_optuna.study.objectives import SCORE, directions_of
from llmsearch_optuna.study.price import Price

__all__ = [
    "check_fingerprint",
    "create_study",
    "keep_concurrency",
    "open_study",
    "rendering_time",
    "stored_rendering_time",
    "study_key",
]

_DIFFERENCES = {
    "model": "another model",
    "prompts": "other prompts (rows, template or tokenizer)",
    "references": "other references",
    "splits": "other sizes of the splits",
    "sample order seed": "another order of the samples",
    "length limits": "other length limits of rows",
    "hold-out stratified by": "another column that stratifies the hold-out split",
    "metric": "another metric",
    "output_preproc": "another function `output_preproc`",
    "tokenizer_decode_args": "other arguments of the tokenizer",
    "stopping": "other conditions that end a completion",
    "seed": "another seed",
    "space": "another search space",
    "direction": "another direction of the score",
    "objectives": "other objectives",
    "price": "another price",
    "further metrics": "other further metrics",
    "constraints": "other constraints",
}
"""The parts of a fingerprint in words, for a study that has other ones."""

_HASH = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")


def create_study(
    name: str,
    storage: RDBStorage,
    *,
    greater_is_better: bool,
    fingerprint: Mapping[str, Any],
    objectives: Sequence[str] = (SCORE,),
    price: Price | None = None,
    constraints: Sequence[Constraint] = (),
) -> optuna.Study:
    """Create a study, or open the existing one of this name if its fingerprint is the same.

    Args:
        name: The study's name.
        storage: The database of the study.
        greater_is_better: Whether the metric is maximised.
        fingerprint: The parts that the scores depend on, by name; see `build_fingerprint`.
        objectives: What is optimised; see `check_objectives`.
        price: The price of tokens, if there is one.
        constraints: The constraints of its trials.

    Raises:
        ConfigurationError: The name cannot be encoded as UTF-8.
        FingerprintError: The existing study has another fingerprint; the message lists the differences.
        StorageError: The database cannot be used, or the existing study was not made by this package, is damaged, or
            is a copy of another one in the same database.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"study_name must be UTF-8, got {name!r}") from error
    directions = directions_of(objectives, greater_is_better=greater_is_better)
    current = complete_fingerprint(
        fingerprint,
        direction=directions[0],
        objectives=objectives,
        price=price,
        constraints={constraint.label: constraint.rule for constraint in constraints},
    )
    with readable_errors(storage.engine.url):
        # `Proposer` draws the parameters. This sampler has no effect on trials that are asked for or attached to.
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=directions,
            sampler=optuna.samplers.TPESampler(),
            load_if_exists=True,
        )
        if KEY not in study.user_attrs:
            if study.get_trials(deepcopy=False) or [item.name.lower() for item in study.directions] != directions:
                raise StorageError(f"study `{name}` was not made by llmsearch_optuna: use another study_name")
            if len(objectives) > 1:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    study.set_metric_names(list(objectives))
            study.set_user_attr(FINGERPRINT, current)
            study.set_user_attr(KEY, secrets.token_hex(16))
            return study
        stored = study_fingerprint(study)
        _read_trials(study)
        original = next(iter(names_of_studies(storage, KEY, study_key(study))), name)
    if original != name:
        raise StorageError(
            f"study `{name}` is a copy of study `{original}` in the same database, and its new completions would mix "
            f"with those of the original: run `{original}`, or use another study_name for a new study"
        )
    _require_same(name, stored, current, "use another study_name or storage for a new study")
    return study


def check_fingerprint(study: optuna.Study, current: Mapping[str, Any], *, greater_is_better: bool) -> None:
    """Check that a study was made for the same model, data and metric, with any space and any further objective.

    Args:
        study: The study.
        current: The expected fingerprint, without space, direction and objectives; see `build_fingerprint`.
        greater_is_better: Whether the metric is maximised.

    Raises:
        StorageError: The study was not made by this package.
        FingerprintError: The study has another fingerprint; the message lists the differences.
    """
    if KEY not in study.user_attrs:
        raise StorageError(f"study `{study.study_name}` was not made by llmsearch_optuna")
    stored = {**without_search(study_fingerprint(study)), "direction": study.directions[0].name.lower()}
    expected = {**current, "direction": directions_of((SCORE,), greater_is_better=greater_is_better)[0]}
    _require_same(study.study_name, stored, expected, "use the Tuner that the study was made with")


def _require_same(name: str, stored: Mapping[str, Any], current: Mapping[str, Any], remedy: str) -> None:
    """Raise an error if two fingerprints differ: first the remedy, then the differences in words, then the hashes."""
    changes = describe_changes(stored, current)
    if not changes:
        return
    if set(changes) == {"prompts"}:
        remedy += (
            " (all but the prompts is the same: if neither template nor tokenizer has changed, the prompts contain the "
            "time or a random choice, which must come from the row instead)"
        )
    parts = [_DIFFERENCES.get(part, f"another {part}") for part in changes]
    differences = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    readable = [change for change in changes.values() if not _HASH.search(change)]
    hashes = [change for change in changes.values() if _HASH.search(change)]
    details = "; ".join([*readable, *hashes])
    raise FingerprintError(f"{remedy}: study `{name}` was made with {differences} ({details})")


def study_key(study: optuna.Study) -> str:
    """Return the random key under which the study's completions are stored."""
    return str(study.user_attrs[KEY])


def keep_concurrency(study: optuna.Study, requested: int | None, default: int) -> int:
    """Return the number of trials in flight, and store it in the study.

    The sampler's proposals depend on it. A study that is resumed on another machine therefore keeps its number.

    Args:
        study: The study.
        requested: The number to use; None for the stored one.
        default: The number to use if none is requested or stored.
    """
    stored: int | None = study.user_attrs.get(CONCURRENCY)
    chosen = requested or stored or default
    if chosen != stored:
        study.set_user_attr(CONCURRENCY, chosen)
    return chosen


def open_study(url: str, name: str | None = None) -> tuple[optuna.Study, RDBStorage]:
    """Open an existing study for reading.

    Args:
        url: The SQLAlchemy URL of the database.
        name: The name of the study. Optional if the database holds only one.

    Returns:
        The study and its storage.

    Raises:
        StorageError: The database or the study does not exist or is damaged, the study was not made by this package, or
            there are several studies and no name.
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


def rendering_time(study: optuna.Study) -> datetime | None:
    """Return the local time that the prompts of a study contain, if its chat template writes the time.

    For a study of version 0.1.0, which did not store it, this is the time of the first trial. None without trials.
    """
    stored = study.user_attrs.get(RENDERED_AT)
    if stored is not None:
        return datetime.fromisoformat(stored)
    starts = [trial.datetime_start for trial in study.get_trials(deepcopy=False) if trial.datetime_start is not None]
    return min(starts, default=None)


def stored_rendering_time(database: Storage | None, name: str) -> datetime | None:
    """Return `rendering_time` of the study of this name in a database; None if there is no such study.

    Args:
        database: Its path or URL; None for a study in memory.
        name: The name of the study.
    """
    url = storage_url(database)
    if url is None:
        return None
    try:
        study, storage = open_study(url, name)
    except StorageError:  # if it is damaged, the search will say so
        return None
    time = rendering_time(study)
    storage.engine.dispose()
    return time


def _read_trials(study: optuna.Study) -> None:
    """Read all trials, so that damage is reported when the study is opened and not later."""
    try:
        study.get_trials(deepcopy=False)
    except json.JSONDecodeError:  # converted by `readable_errors`
        raise
    except (LookupError, TypeError, ValueError) as error:  # an unknown state, a wrong date, a string for a number
        raise StorageError(
            f"study `{study.study_name}` is damaged ({error}): `llmsearch-optuna fsck` lists what is intact"
        ) from error
