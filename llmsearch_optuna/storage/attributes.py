"""Attributes that Optuna keeps of a study, a few at a time: the notes of all its trials are among them."""

import json
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

__all__ = ["system_attributes"]

_TABLE = sa.table("study_system_attributes", sa.column("study_id"), sa.column("key"), sa.column("value_json"))


def system_attributes(storage: RDBStorage, study_id: int, prefix: str) -> dict[str, Any]:
    """A study's system attributes whose keys begin like this, by key.

    Args:
        storage: Where the study lives.
        study_id: The study's id there.
        prefix: What the keys begin with.
    """
    of_study = sa.and_(_TABLE.c.study_id == study_id, _TABLE.c.key.startswith(prefix, autoescape=True))
    with storage.engine.connect() as connection:
        rows = connection.execute(sa.select(_TABLE.c.key, _TABLE.c.value_json).where(of_study))
        return {key: json.loads(value) for key, value in rows}
