"""The words of the command line: commands and their options."""

import argparse
from pathlib import Path
from typing import NoReturn

from llmsearch_optuna._version import __version__
from llmsearch_optuna.cli import reading, searching
from llmsearch_optuna.export import TARGETS
from llmsearch_optuna.terminal import printable

__all__ = ["make_parser"]


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show what was written, and do not send it to the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser; the function that runs a command is its `command`."""
    parser = _Parser(
        prog="llmsearch-optuna", description="Finds the generation parameters that score best for your model and data."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="search with the embedded model and data; writes studies/demo.db")
    demo.set_defaults(command=searching.demo)

    run = commands.add_parser("run", help="run or resume the search of a study file")
    run.add_argument("study", type=Path, metavar="STUDY.toml")
    run.set_defaults(command=searching.run)

    worker = commands.add_parser("worker", help="search a study together with other workers, on a PostgreSQL server")
    worker.add_argument("study", type=Path, metavar="STUDY.toml")
    worker.add_argument(
        "--storage", metavar="URL", help="postgresql+psycopg://USER@HOST/DATABASE; as the study file says by default"
    )
    worker.set_defaults(command=searching.worker)
    for command in (demo, run, worker):
        command.add_argument("--trials", type=int, metavar="N", help="finished trials wanted in total")
        command.add_argument("--timeout", type=float, metavar="S", help="stop after so many seconds")
        command.add_argument("--max-tokens", type=int, metavar="N", help="stop when so many tokens are generated")
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--json", action="store_true", help="print events as JSON, one per line, and no tables")

    doctor = commands.add_parser("doctor", help="what a study file would run on: engine and why, model, data, metric")
    doctor.add_argument("study", type=Path, metavar="STUDY.toml")
    doctor.set_defaults(command=searching.doctor)

    best = commands.add_parser("best", help="the best parameters beside the baselines")
    best.add_argument("--json", action="store_true", help="print the best parameters as JSON")
    best.set_defaults(command=reading.best)
    confirm = commands.add_parser(
        "confirm", help="compare the best with the baselines on held-out samples, fresh seeds"
    )
    confirm.add_argument("--seeds", type=int, default=4, metavar="N", help="fresh seeds per finalist (4)")
    confirm.add_argument("--json", action="store_true", help="print the verdict as JSON")
    confirm.add_argument("--quiet", action="store_true", help="show no progress")
    confirm.set_defaults(command=searching.confirm)
    for command in (demo, run, worker, confirm):
        command.add_argument(
            "--log", type=Path, metavar="FILE", help="where to append all that happens; beside the database by default"
        )
    show = commands.add_parser("show", help="a trial's completions beside the references")
    show.add_argument("--trial", type=int, metavar="N", help="the trial's number; the best by default")
    show.add_argument("--full", action="store_true", help="long texts in full")
    show.set_defaults(command=reading.show)
    report = commands.add_parser("report", help="a page about a study: verdict, figures, completions; one HTML file")
    report.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE.html", help="report.html by default"
    )
    report.set_defaults(command=reading.report)
    for command in (best, confirm, show, report):
        command.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
        command.add_argument("--study", metavar="NAME", help="which study of the database")

    dashboard = commands.add_parser("dashboard", help="optuna-dashboard on a database, for this machine only")
    dashboard.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    dashboard.add_argument("--port", type=int, default=8080, metavar="N", help="where it listens (8080); 0: any port")
    dashboard.set_defaults(command=reading.dashboard)

    export = commands.add_parser("export", help="found parameters for other systems, in their names")
    export.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    export.add_argument("--to", required=True, choices=TARGETS, help="which system")
    export.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="a directory for hf, else a JSON file; printed by default"
    )
    export.add_argument("--trial", type=int, metavar="N", help="the trial's number; the best by default")
    export.add_argument("--study", metavar="NAME", help="which study of the database")
    export.set_defaults(command=reading.export)

    fsck = commands.add_parser("fsck", help="what of a database is whole and what is not; changes nothing")
    fsck.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    fsck.add_argument("--json", action="store_true", help="print what is found as JSON")
    fsck.set_defaults(command=reading.fsck)

    compare = commands.add_parser("compare", help="the same verdict for two files of outputs that were made elsewhere")
    compare.add_argument("reference", type=Path, metavar="A.jsonl", help="id and score per line, or see --metric")
    compare.add_argument("candidate", type=Path, metavar="B.jsonl", help="is it better than A?")
    compare.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        help="score `prediction` against `reference` (key=value after a name is an argument of that metric)",
    )
    compare.add_argument("--lower-is-better", action="store_true", help="the less a score, the better")
    compare.add_argument("--json", action="store_true", help="print one verdict per line as JSON")
    compare.set_defaults(command=reading.compare)
    return parser
