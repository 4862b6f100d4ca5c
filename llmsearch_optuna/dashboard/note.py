"""A single note of optuna-dashboard, on a trial or on a study."""

from optuna.storages import RDBStorage
from optuna_dashboard._note import get_note_from_system_attrs, note_str_key_prefix, note_ver_key, split_body

from llmsearch_optuna.storage.system_attributes import system_attributes

__all__ = ["DashboardNote"]


class DashboardNote:
    """A stored note that can be replaced.

    This class avoids ``get_note`` and ``save_note`` of optuna-dashboard, which read the notes of all trials for every
    call. In addition, `write` can be interrupted at any point and repeated: it writes only the parts that differ, and
    the version, by which the dashboard detects a note, last.

    Args:
        storage: The study's database.
        study_id: The study's id in the database.
        trial_id: The trial's id in the database; ``None`` for the note on the study.

    Attributes:
        version: The number of times that the note was written or edited; 0 if there is no note.
        body: The note as Markdown.
    """

    def __init__(self, storage: RDBStorage, study_id: int, trial_id: int | None) -> None:
        self._storage = storage
        self._study_id = study_id
        self._trial_id = trial_id
        self._parts = system_attributes(storage, study_id, note_str_key_prefix(trial_id))
        version = system_attributes(storage, study_id, note_ver_key(trial_id))
        note = get_note_from_system_attrs(self._parts | version, trial_id)
        self.version = note["version"]
        self.body = note["body"]

    def write(self, body: str) -> None:
        """Replace the note's text."""
        parts = dict.fromkeys(self._parts, "") | split_body(body, self._trial_id)
        for key, part in parts.items():
            if self._parts.get(key) != part:
                self._storage.set_study_system_attr(self._study_id, key, part)
        self._storage.set_study_system_attr(self._study_id, note_ver_key(self._trial_id), self.version + 1)
