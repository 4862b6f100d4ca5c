"""How many trials per second any number of workers evaluate together on PostgreSQL.

Usage: python -m studies.benchmarks.workers [--workers N ...] [--seconds S] [--storage URL] [--json FILE]

Every worker is a process that evaluates one trial at a time. Its engine sleeps, as if a GPU elsewhere computed 500
completions in 8 rungs; all else is what it is in a search: TPE, pruner, leases, storage. So the figures tell what
workers, PostgreSQL and their locks cost on this machine, which all of them share. The server is that of the package
`pgserver`, unless `--storage` names an empty database.
"""

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import optuna
import pgserver
import sqlalchemy as sa
import torch
from rich.console import Console
from rich.table import Table

from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.study.study import open_study
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.lives import replace_engine
from studies.benchmarks.storage import RUNG, SAMPLES, SPACE, CannedEngine, canned_tuner

TRIALS_PER_WORKER = 8


class SleepingEngine(CannedEngine):
    """An engine that takes its time for every completion, without computing anything.

    Args:
        seconds: The seconds per completion.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: Callable[[int], None] | None = None,
        upcoming: Sequence[Request] = (),
    ) -> list[Completion]:
        """See `Engine.generate`."""
        time.sleep(self._seconds * len(requests))
        return super().generate(requests, on_tokens, upcoming)


class Figures(NamedTuple):
    """What some workers achieved.

    Attributes:
        trials_per_s: Trials per second, from the first to the last.
        share: The same relative to what the engines alone would take.
        cpu_ms_per_trial: CPU time of the workers per trial.
        connections: The largest number of connections that the server had at once.
    """

    trials_per_s: float
    share: float
    cpu_ms_per_trial: float
    connections: int


def search(url: str, name: str, n_trials: int, seconds: float) -> None:
    """Evaluate trials until there are enough."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tuner = canned_tuner()
    replace_engine(tuner, SleepingEngine(seconds / SAMPLES))
    tuner.search(
        SPACE,
        n_trials=n_trials,
        storage=url,
        study_name=name,
        pruner="none",
        rungs=RUNG,
        concurrency=1,
        baselines=False,
        show_progress=False,
    )


def work(url: str, name: str, n_trials: int, seconds: float, cpu_seconds: "multiprocessing.Queue[float]") -> None:
    """A worker process, which tells its CPU time without imports."""
    before = time.process_time()
    search(url, name, n_trials, seconds)
    cpu_seconds.put(time.process_time() - before)


@contextmanager
def watched_connections(url: str) -> Iterator[list[int]]:
    """The number of the database's connections, again and again, without this one."""
    counts: list[int] = []
    ended = threading.Event()
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    def watch() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not ended.wait(0.2):
                counts.append(int(connection.execute(query).scalar_one()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield counts
    finally:
        ended.set()
        thread.join()


def measure(url: str, workers: int, seconds: float) -> Figures:
    """Let workers search a new study together."""
    name, n_trials = f"{workers} workers", TRIALS_PER_WORKER * workers
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    creator = context.Process(target=search, args=(url, name, 1, 0.0))
    creator.start()
    creator.join()
    cpu_seconds: multiprocessing.Queue[float] = context.Queue()
    processes = [
        context.Process(target=work, args=(url, name, n_trials + 1, seconds, cpu_seconds)) for _ in range(workers)
    ]
    with watched_connections(url) as counts:
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a worker failed")
    study, storage = open_study(url, name)
    trials = study.get_trials(deepcopy=False)[1:]
    storage.engine.dispose()
    ends = [trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete is not None]
    begins = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start is not None]
    per_second = n_trials / (max(ends) - min(begins))
    cpu_ms = 1e3 * sum(cpu_seconds.get() for _ in processes) / n_trials
    return Figures(per_second, per_second * seconds / workers, cpu_ms, max(counts, default=0))


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the benchmark, print the figures, and return them."""
    parser = make_parser(__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="numbers of workers")
    parser.add_argument("--seconds", type=float, default=4.0, help="what the engine takes per trial")
    parser.add_argument("--storage", help="an empty database of a PostgreSQL server")
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    figures: dict[str, float] = {}
    table = Table("workers", "trials per s", "of the engines'", "CPU ms per trial", "connections")
    with tempfile.TemporaryDirectory() as directory:
        url = options.storage
        if url is None:
            server = pgserver.get_server(directory)  # type: ignore[attr-defined]
            url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
        for workers in options.workers:
            measured = measure(url, workers, options.seconds)
            share = f"{measured.share:.0%}"
            table.add_row(
                str(workers),
                f"{measured.trials_per_s:.2f}",
                share,
                f"{measured.cpu_ms_per_trial:.0f}",
                str(measured.connections),
            )
            figures |= {f"{name}_{workers}": value for name, value in measured._asdict().items()}
    Console(width=100).print(table)
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
