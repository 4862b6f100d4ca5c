"""What all tables of the package have in common: their metadata, and the version of their shape."""

import sqlalchemy as sa

__all__ = ["METADATA", "VERSION", "VERSIONS", "stored_version"]

METADATA = sa.MetaData()
"""All tables of the package, beside those of Optuna."""

VERSION = 2
"""The version of the tables as this package defines them."""

VERSIONS = sa.Table("llmsearch_schema", METADATA, sa.Column("version", sa.Integer, primary_key=True))
"""Holds one row: the version of the tables as they are."""


def stored_version(connection: sa.Connection) -> int | None:
    """The version of the tables in a database; ``None`` where it has none."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        return None
    return connection.execute(sa.select(sa.func.max(VERSIONS.c.version))).scalar()
