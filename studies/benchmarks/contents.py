"""All that a study's SQLite database holds and that no interruption may change, row by row."""

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

__all__ = ["Contents", "Difference", "compare", "count_rows", "read_contents"]

Contents = dict[tuple[object, ...], tuple[object, ...]]
"""Values by (table, key)."""

# Left out are times, Optuna's running ids, and the random key of the study.
_TABLES = {
    "study attributes": (
        1,
        "SELECT key, value_json FROM study_user_attributes WHERE key != 'llmsearch_key'",
    ),
    "trials": (1, "SELECT number, state FROM trials"),
    "parameters": (
        2,
        "SELECT number, param_name, param_value, distribution_json FROM trial_params JOIN trials USING (trial_id)",
    ),
    "values": (
        2,
        "SELECT number, objective, value, value_type FROM trial_values JOIN trials USING (trial_id)",
    ),
    "intermediate values": (
        2,
        "SELECT number, step, intermediate_value FROM trial_intermediate_values JOIN trials USING (trial_id)",
    ),
    "attributes": (
        2,
        # CMA-ES pickles arrays that it has not filled yet: whatever was in memory there.
        """SELECT number, key, value_json FROM trial_user_attributes JOIN trials USING (trial_id)
        WHERE NOT (key = 'sampler_state' AND value_json LIKE '%cma:%') AND key NOT IN ('replayed', 'tokens_per_s')""",
    ),
    "system attributes": (
        2,
        """SELECT number, key, value_json FROM trial_system_attributes JOIN trials USING (trial_id)
        WHERE key NOT LIKE 'artifacts:%'""",
    ),
    "artifacts": (
        2,
        # Their keys are random.
        """SELECT number, value_json ->> '$' ->> 'filename', COUNT(*) FROM trial_system_attributes
        JOIN trials USING (trial_id) WHERE key LIKE 'artifacts:%' GROUP BY 1, 2""",
    ),
    "notes": (
        2,
        """SELECT number, COALESCE(REPLACE(key, 'dashboard:' || trial_id, ''), key), value_json
        FROM study_system_attributes
        LEFT JOIN trials ON key LIKE 'dashboard:' || trial_id || ':note_str:%'
        WHERE key LIKE 'dashboard:%note_str:%'""",
    ),
    "completions": (
        2,
        "SELECT trial_number, position, row, text, token_ids, finish_reason, score FROM llmsearch_completions",
    ),
    "held out": (
        3,
        "SELECT finalist, seed, position, row, text, token_ids, finish_reason, score FROM llmsearch_held_out",
    ),
    "samples": (1, "SELECT position, row, prompt, reference FROM llmsearch_samples"),
}


class Difference(NamedTuple):
    """Of two databases.

    Attributes:
        lost: The rows that only one of them has.
        differing: The rows with other values.
    """

    lost: list[tuple[object, ...]]
    differing: list[tuple[object, ...]]


def read_contents(path: Path) -> Contents:
    """Everything in a database with one study, the verdict (an attribute of the study) included."""
    contents: Contents = {}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table, (keys, query) in _TABLES.items():
            for row in connection.execute(query):
                contents[(table, *row[:keys])] = row[keys:]
    return contents


def compare(contents: Contents, expected: Contents) -> Difference:
    """What is missing or one too many, and what has other values."""
    lost = sorted(contents.keys() ^ expected.keys(), key=repr)
    common = contents.keys() & expected.keys()
    return Difference(lost, sorted((key for key in common if contents[key] != expected[key]), key=repr))


def count_rows(path: Path, *tables: str) -> int:
    """The rows of these tables; none where the database or the table is not there yet."""
    if not path.is_file():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        existing = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        counts = [
            connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608 - the names are our own
            for table in tables
            if table in existing
        ]
    return sum(counts)
