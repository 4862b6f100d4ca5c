"""What a study was begun with and where: versions and hardware, on which completions depend beyond its fingerprint."""

import logging
from collections.abc import Mapping

import optuna

from llmsearch_optuna.study.attributes import ENVIRONMENT

__all__ = ["note_environment", "study_environment"]


_LOG = logging.getLogger(__name__)


def note_environment(study: optuna.Study, current: Mapping[str, str]) -> None:
    """Notes with what a study is begun, and warns of what differs when it goes on.

    That is no reason to refuse it, as another fingerprint is: nothing that is stored becomes wrong. But near ties may
    fall otherwise, so that the study need not end as it would have there.

    Args:
        study: The study.
        current: The versions and the hardware of this process, by name.
    """
    begun = study_environment(study)
    if not begun:
        study.set_user_attr(ENVIRONMENT, dict(current))
        return
    changes = [
        f"{name} {begun.get(name, 'none')} then, {current.get(name, 'none')} now"
        for name in {**begun, **current}
        if begun.get(name) != current.get(name)
    ]
    if changes:
        _LOG.warning(
            "study `%s` was begun in another environment (%s): new completions may differ from those that it would "
            "have had there",
            study.study_name,
            "; ".join(changes),
        )


def study_environment(study: optuna.Study) -> dict[str, str]:
    """The versions and the hardware that a study was begun with, by name; empty where that is not known."""
    known = study.user_attrs.get(ENVIRONMENT)
    return {str(name): str(value) for name, value in known.items()} if isinstance(known, dict) else {}
