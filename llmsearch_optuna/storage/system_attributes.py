"""Reading only some of a study's system attributes. Optuna would read all, including the notes on every trial."""

import json
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

__all__ = ["system_attributes"]

_TABLE = sa.table("study_system_attributes", sa.column("study_id"), sa.column("key"), sa.column("value_json"))


def system_attributes(storage: RDBStorage, study_id: int, prefix: str) -> dict[str, Any]:
    """Return a study's system attributes whose keys begin with `prefix`, by key."""
    of_study = sa.and_(_TABLE.c.study_id == study_id, _TABLE.c.key.startswith(prefix, autoescape=True))
    with storage.engine.connect() as connection:
        rows = connection.execute(sa.select(_TABLE.c.key, _TABLE.c.value_json).where(of_study))
        return {key: json.loads(value) for key, value in rows}
