"""Upgrades of the package's tables from every older version, step by step."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from llmsearch_optuna.storage.database import check_version
from llmsearch_optuna.storage.schema import JUDGEMENTS, METADATA, VERSION, VERSIONS, stored_version

__all__ = ["MIGRATIONS", "Migration", "prepare_tables"]

Migration = Callable[[sa.Connection], None]
"""A function that upgrades the tables from one version to the next, within a transaction."""


_TABLES = ("llmsearch_completions", "llmsearch_held_out")


def _count_tokens(connection: sa.Connection) -> None:
    """Add a column for the number of tokens of each completion (version 2)."""
    counted = "json_array_length(token_ids)"
    if connection.dialect.name == "sqlite":  # SQLite does not validate JSON columns
        counted = f"CASE WHEN json_valid(token_ids) THEN {counted} ELSE 0 END"
    for table in _TABLES:
        if _add_number(connection, table, "token_count"):
            connection.exec_driver_sql(f"UPDATE {table} SET token_count = {counted}")  # noqa: S608


def _count_thinking_tokens(connection: sa.Connection) -> None:
    """Add a column for the number of tokens of each completion's thought (version 3)."""
    for table in _TABLES:
        _add_number(connection, table, "thinking_token_count")
        # Versions before called it so.
        connection.exec_driver_sql(f"UPDATE {table} SET finish_reason = 'thinking' WHERE finish_reason = 'reasoning'")  # noqa: S608


def _add_further_completions(connection: sa.Connection) -> None:
    """Add columns for the further completions of a sample, and for the tokens of prompts, 0 if unknown (version 4)."""
    for table in _TABLES:
        _add_column(connection, table, "further", "JSON")
        _add_number(connection, table, "prompt_token_count")


def _add_judgements_and_metric_scores(connection: sa.Connection) -> None:
    """Add the table of judgements, and a column for the scores under further metrics (version 5)."""
    JUDGEMENTS.create(connection, checkfirst=True)
    for table in _TABLES:
        _add_column(connection, table, "metric_scores", "JSON")


def _add_number(connection: sa.Connection, table: str, name: str) -> bool:
    """Add a column of integers to a table, 0 in all rows, and return whether it was missing."""
    return _add_column(connection, table, name, "INTEGER DEFAULT 0 NOT NULL")


def _add_column(connection: sa.Connection, table: str, name: str, definition: str) -> bool:
    """Add a column to a table, and return whether it was missing."""
    if name in [column["name"] for column in sa.inspect(connection).get_columns(table)]:
        return False
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")
    return True


MIGRATIONS: tuple[Migration, ...] = (
    _count_tokens,
    _count_thinking_tokens,
    _add_further_completions,
    _add_judgements_and_metric_scores,
)
"""The migrations from version 1 to 2, from 2 to 3, ..."""


def prepare_tables(engine: sa.Engine, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Create missing tables and upgrade those of an older version. Existing tables of this version are not changed.

    Each step is one transaction, which is rolled back if the process is killed. Of two processes that upgrade at the
    same time, one waits for the other.

    Args:
        engine: The database.
        migrations: The steps, from version 1.

    Raises:
        StorageError: A newer version of the package created the tables.
    """
    with engine.connect() as connection:
        check_version(connection)
        version = stored_version(connection)
    if version is None:
        VERSIONS.create(engine, checkfirst=True)
        with engine.begin() as connection:
            # Version 1 created its tables before it stored the version, and may have been killed in between.
            version = 1 if sa.inspect(connection).has_table("llmsearch_completions") else VERSION
            connection.execute(sa.insert(VERSIONS).values(version=version))
            METADATA.create_all(connection)
    for old, migrate in enumerate(migrations[version - 1 :], start=version):
        with engine.begin() as connection:
            # The update comes first: in SQLite it begins the transaction, which a change of a table does not.
            step = sa.update(VERSIONS).where(VERSIONS.c.version == old).values(version=old + 1)
            if connection.execute(step).rowcount:
                migrate(connection)
    METADATA.create_all(engine)
