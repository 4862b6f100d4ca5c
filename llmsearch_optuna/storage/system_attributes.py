"""Reading only some of the attributes of studies. Optuna would read all, including the notes on every trial."""

import json
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

__all__ = ["names_of_studies", "system_attributes"]

_STUDIES = sa.table("studies", sa.column("study_id"), sa.column("study_name"))
_USER_ATTRIBUTES = sa.table("study_user_attributes", sa.column("study_id"), sa.column("key"), sa.column("value_json"))
_TABLE = sa.table("study_system_attributes", sa.column("study_id"), sa.column("key"), sa.column("value_json"))


def system_attributes(storage: RDBStorage, study_id: int, prefix: str) -> dict[str, Any]:
    """Return a study's system attributes whose keys begin with `prefix`, by key."""
    of_study = sa.and_(_TABLE.c.study_id == study_id, _TABLE.c.key.startswith(prefix, autoescape=True))
    with storage.engine.connect() as connection:
        rows = connection.execute(sa.select(_TABLE.c.key, _TABLE.c.value_json).where(of_study))
        return {key: json.loads(value) for key, value in rows}


def names_of_studies(storage: RDBStorage, attribute: str, value: str) -> list[str]:
    """Return the names of the studies whose user attribute has this value, the oldest first."""
    columns = _USER_ATTRIBUTES.c
    query = sa.select(_STUDIES.c.study_name).join_from(
        _STUDIES, _USER_ATTRIBUTES, columns.study_id == _STUDIES.c.study_id
    )
    has_value = sa.and_(columns.key == attribute, columns.value_json == json.dumps(value))
    with storage.engine.connect() as connection:
        return list(connection.execute(query.where(has_value).order_by(_STUDIES.c.study_id)).scalars())
