"""The parser of the command line: commands and their options."""

import argparse
from pathlib import Path
from typing import NoReturn

from llmsearch_optuna._version import __version__
from llmsearch_optuna.cli import reading, searching
from llmsearch_optuna.export import TARGETS
from llmsearch_optuna.terminal import printable

__all__ = ["make_parser"]


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its error messages."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser. It sets the option `command` to the function that runs the chosen command."""
    parser = _Parser(
        prog="llmsearch-optuna", description="Find the generation parameters that score best for your model and data."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="search with the embedded model and data; writes studies/demo.db")
    demo.set_defaults(command=searching.demo)

    run = commands.add_parser("run", help="run or resume the search of a study file")
    run.set_defaults(command=searching.run)

    worker = commands.add_parser("worker", help="search a study together with other workers, in a PostgreSQL database")
    worker.add_argument(
        "--storage", metavar="URL", help="postgresql+psycopg://USER@HOST/DATABASE (default: that of the study file)"
    )
    worker.set_defaults(command=searching.worker)
    for command in (demo, run, worker):
        command.add_argument("--trials", type=int, metavar="N", help="total number of finished trials")
        command.add_argument("--timeout", type=float, metavar="S", help="stop after S seconds")
        command.add_argument("--max-tokens", type=int, metavar="N", help="stop when N tokens are generated in total")
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--json", action="store_true", help="print events as JSON, one per line, and no tables")

    doctor = commands.add_parser(
        "doctor", help="show which engine a study file uses and why, its model, data and metric"
    )
    doctor.set_defaults(command=searching.doctor)
    for command in (run, worker, doctor):
        command.add_argument("study", type=Path, metavar="STUDY.toml", help="study file")

    best = commands.add_parser("best", help="show the best parameters next to the baselines")
    best.add_argument("--json", action="store_true", help="print the best parameters as JSON")
    best.set_defaults(command=reading.best)
    confirm = commands.add_parser(
        "confirm", help="compare the best parameters with the baselines on held-out samples, with fresh seeds"
    )
    confirm.add_argument(
        "--seeds", type=int, default=4, metavar="N", help="fresh seeds per finalist, at most (default: 4)"
    )
    confirm.add_argument("--json", action="store_true", help="print the verdict as JSON")
    confirm.add_argument("--quiet", action="store_true", help="show no progress")
    confirm.set_defaults(command=searching.confirm)
    for command in (demo, run, worker, confirm):
        command.add_argument(
            "--log", type=Path, metavar="FILE", help="log file to append to (default: next to the database)"
        )
    show = commands.add_parser("show", help="show the completions of a trial next to the references")
    show.add_argument("--trial", type=int, metavar="N", help="number of the trial (default: the best)")
    show.add_argument("--full", action="store_true", help="print long texts in full")
    show.set_defaults(command=reading.show)
    report = commands.add_parser(
        "report", help="write a page about a study as one HTML file: verdict, figures, completions"
    )
    report.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE.html",
        help="file to write (default: report.html)",
    )
    report.set_defaults(command=reading.report)

    dashboard = commands.add_parser("dashboard", help="serve optuna-dashboard for a database, on this machine only")
    dashboard.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port to listen on (default: 8080; 0: any free port)"
    )
    dashboard.set_defaults(command=reading.dashboard)

    export = commands.add_parser("export", help="export parameters under the names of another system")
    export.add_argument("--to", required=True, choices=TARGETS, help="system to export to")
    export.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="directory for hf and vllm, else JSON file (default: print)"
    )
    export.add_argument("--trial", type=int, metavar="N", help="number of the trial (default: the best)")
    export.set_defaults(command=reading.export)

    fsck = commands.add_parser("fsck", help="check the integrity of a database, without changes")
    fsck.add_argument("--json", action="store_true", help="print the result as JSON")
    fsck.set_defaults(command=reading.fsck)
    for command in (best, confirm, show, report, dashboard, export, fsck):
        command.add_argument("database", metavar="DB", help="SQLite file or storage URL")
    for command in (best, confirm, show, report, export):
        command.add_argument("--study", metavar="NAME", help="study in the database (default: the only one)")

    metrics = commands.add_parser("metrics", help="show the built-in metrics, or the arguments of one")
    metrics.add_argument("name", nargs="?", metavar="NAME", help="name of a built-in metric")
    metrics.set_defaults(command=reading.metrics)

    compare = commands.add_parser("compare", help="compare two files of outputs of other programs, as `confirm` does")
    compare.add_argument(
        "reference",
        type=Path,
        metavar="A.jsonl",
        help="baseline: JSON lines with id and score (with --metric: id, prediction, reference)",
    )
    compare.add_argument("candidate", type=Path, metavar="B.jsonl", help="the outputs to compare with A")
    compare.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        help="metrics that score `prediction` against `reference`; NAME may be followed by key=value arguments",
    )
    compare.add_argument("--lower-is-better", action="store_true", help="lower scores are better")
    compare.add_argument("--json", action="store_true", help="print one verdict per line as JSON")
    compare.set_defaults(command=reading.compare)
    return parser
