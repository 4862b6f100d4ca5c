"""One note of optuna-dashboard's: on a trial, or on a study."""

from optuna.storages import RDBStorage
from optuna_dashboard._note import get_note_from_system_attrs, note_str_key_prefix, note_ver_key, split_body

from llmsearch_optuna.storage.attributes import system_attributes

__all__ = ["DashboardNote"]


class DashboardNote:
    """A note as it is stored, and how to change it.

    ``get_note`` and ``save_note`` of optuna-dashboard read the notes of all trials for every one. Besides, this can be
    killed anywhere, again and again: what is written already is not written again, and the version, which tells the
    dashboard that there is a note, comes last.

    Args:
        storage: Where the study lives.
        study_id: The study's id there.
        trial_id: The trial's id there; ``None`` for the note on the study.

    Attributes:
        version: How often it was written or edited; 0 where there is none.
        body: Markdown.
    """

    def __init__(self, storage: RDBStorage, study_id: int, trial_id: int | None) -> None:
        self._storage = storage
        self._study_id = study_id
        self._trial_id = trial_id
        self._parts = system_attributes(storage, study_id, note_str_key_prefix(trial_id))
        version = system_attributes(storage, study_id, note_ver_key(trial_id))
        kept = get_note_from_system_attrs(self._parts | version, trial_id)
        self.version = kept["version"]
        self.body = kept["body"]

    def write(self, body: str) -> None:
        """Replaces the text."""
        wanted = dict.fromkeys(self._parts, "") | split_body(body, self._trial_id)
        for key, part in wanted.items():
            if self._parts.get(key) != part:
                self._storage.set_study_system_attr(self._study_id, key, part)
        self._storage.set_study_system_attr(self._study_id, note_ver_key(self._trial_id), self.version + 1)
