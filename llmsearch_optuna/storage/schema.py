"""The tables of the package, and their version."""

from typing import Any

import sqlalchemy as sa

__all__ = [
    "COMPLETIONS",
    "HELD_OUT",
    "JUDGEMENTS",
    "LATEST_RUNG",
    "LEASES",
    "METADATA",
    "SAMPLES",
    "VERSION",
    "VERSIONS",
    "stored_version",
]

METADATA = sa.MetaData()
"""All tables of the package. Optuna's tables are not included."""

VERSION = 5
"""The version of the tables that this package defines."""

VERSIONS = sa.Table("llmsearch_schema", METADATA, sa.Column("version", sa.Integer, primary_key=True))
"""The table with one row: the version of the tables in the database."""


def _completion_columns() -> list[sa.Column[Any]]:
    # Strings are stored as JSON, so that every database can hold NUL bytes and lone surrogates.
    return [
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("text", sa.JSON, nullable=False),
        sa.Column("token_ids", sa.JSON, nullable=False),
        sa.Column("finish_reason", sa.String(16), nullable=False),
        sa.Column("score", sa.Double, nullable=True),
        sa.Column("token_count", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("thinking_token_count", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("further", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("prompt_token_count", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("metric_scores", sa.JSON(none_as_null=True), nullable=True),
    ]


COMPLETIONS = sa.Table(
    "llmsearch_completions",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, primary_key=True, autoincrement=False),
    *_completion_columns(),
)
"""The completions of trials on the search split."""

LATEST_RUNG = sa.Table(
    "llmsearch_latest_rung",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, nullable=False),
)
"""The trial of each study whose rung was stored last."""

HELD_OUT = sa.Table(
    "llmsearch_held_out",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("finalist", sa.String(32), primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True, autoincrement=False),
    *_completion_columns(),
)
"""The completions of finalists on the hold-out split."""

SAMPLES = sa.Table(
    "llmsearch_samples",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("prompt", sa.JSON, nullable=False),
    sa.Column("reference", sa.JSON, nullable=False),
)
"""The samples of the search split."""

JUDGEMENTS = sa.Table(
    "llmsearch_judgements",
    METADATA,
    sa.Column("key", sa.String(32), primary_key=True),
    sa.Column("study_key", sa.String(32), nullable=False, index=True),
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("answers", sa.JSON, nullable=False),
    sa.Column("order_changed", sa.Boolean, nullable=True),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
)
"""The judgements of completions by their content, and the study that asked for each."""

LEASES = sa.Table(
    "llmsearch_leases",
    METADATA,
    sa.Column("study_key", sa.String(32), primary_key=True),
    sa.Column("trial_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("worker", sa.String(32), nullable=False),
    sa.Column("renewed", sa.DateTime(timezone=True), nullable=False),
)
"""The worker that evaluates each running trial, and when it last renewed its lease."""


def stored_version(connection: sa.Connection) -> int | None:
    """Return the version of the package's tables in a database. None if no version is stored."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        return None
    return connection.execute(sa.select(sa.func.max(VERSIONS.c.version))).scalar()
