"""The environment of a study: versions and hardware, which completions depend on in addition to the fingerprint."""

import logging
from collections.abc import Mapping

import optuna

from llmsearch_optuna.study.attributes import ENVIRONMENT

__all__ = ["note_environment", "study_environment"]

_LOG = logging.getLogger(__name__)


def note_environment(study: optuna.Study, current: Mapping[str, str]) -> None:
    """Store the environment if the study has none, or log a warning if it was begun in another environment.

    Unlike another fingerprint, another environment is allowed: stored completions stay correct. New completions may
    resolve near ties between tokens differently, and another version of this package may define a built-in metric
    differently, so that the study may end differently.

    Args:
        study: The study.
        current: The versions and the hardware of this process, by name.
    """
    stored = study_environment(study)
    if not stored:
        study.set_user_attr(ENVIRONMENT, dict(current))
        return
    changes = [
        f"{name} {stored.get(name, 'none')} then, {current.get(name, 'none')} now"
        for name in {**stored, **current}
        if stored.get(name) != current.get(name)
    ]
    if changes:
        _LOG.warning(
            "study `%s` was begun in another environment (%s): new completions and scores may differ from those "
            "that it would have had there",
            study.study_name,
            "; ".join(changes),
        )


def study_environment(study: optuna.Study) -> dict[str, str]:
    """Return the versions and the hardware that a study was begun with, by name. Empty if they are not recorded."""
    stored = study.user_attrs.get(ENVIRONMENT)
    return {str(name): str(value) for name, value in stored.items()} if isinstance(stored, dict) else {}
