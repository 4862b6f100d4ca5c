"""Results that are kept in a file, so that a benchmark that was interrupted goes on where it stopped."""

import contextlib
import pickle
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from studies.benchmarks.places import Map

__all__ = ["kept"]


@contextlib.contextmanager
def kept(in_parallel: Map, path: Path) -> Iterator[Map]:
    """Yield a `Map` that runs only jobs whose results are not in an SQLite file, and adds theirs.

    A job is known by its function's name and its `repr`: remove the file when the code has changed.

    Args:
        in_parallel: Runs the jobs.
        path: The file. It is read with `pickle`, so it must be one that this function has written.
    """
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE IF NOT EXISTS results (job TEXT PRIMARY KEY, result BLOB)")

        def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
            keys = [f"{function.__name__} {job!r}" for job in jobs]
            results = dict(file.execute("SELECT job, result FROM results").fetchall())
            missing = [(key, job) for key, job in zip(keys, jobs, strict=True) if key not in results]
            for (key, _), result in zip(missing, in_parallel(function, [job for _, job in missing]), strict=True):
                results[key] = pickle.dumps(result)
                with file:
                    file.execute("INSERT INTO results VALUES (?, ?)", (key, results[key]))
            return iter([pickle.loads(results[key]) for key in keys])  # noqa: S301  # its own

        yield run
