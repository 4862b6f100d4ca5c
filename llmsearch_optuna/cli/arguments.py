"""The parser of the command line: commands and their options."""

import argparse
from pathlib import Path
from typing import NoReturn

from llmsearch_optuna._version import __version__
from llmsearch_optuna.cli import reading, searching
from llmsearch_optuna.export import TARGETS
from llmsearch_optuna.terminal import printable

__all__ = ["make_parser"]


_FILES = (
    "samples_*.jsonl of lm-eval, .eval or .json of inspect_ai, or JSON lines with id and score "
    "(with --metric: id, prediction, reference)"
)

_EPILOG = """\
examples:
  llmsearch-optuna demo                                      # a search with the embedded model, in minutes
  llmsearch-optuna run study.toml --trials 30                # run or resume a search, then its verdict
  llmsearch-optuna best study.db                             # the best parameters and the verdict
  llmsearch-optuna COMMAND --help                            # the options of a command

exit status: 0; 1 after an error, which is one line, or if fsck found a problem; 2 if an option is wrong; 130 after
Ctrl-C and 143 after SIGTERM, after which the same command goes on; 141 if the reader of the output has gone"""

_RUN_EPILOG = """\
examples:
  llmsearch-optuna run study.toml --set study.n_trials=30 --set space.temperature.high=1.5
  llmsearch-optuna run study.toml --max-cost 2.5 --json | tee events.jsonl"""

_COMPARE_EPILOG = f"""\
exit status: 0; {reading.CONDITION_MET} if the condition of --fail-if is met; 1 after an error, 2 if an option is wrong

example, for CI:
  llmsearch-optuna compare main.eval branch.eval --score match --cluster document --fail-if worse"""

_POWER_EPILOG = """\
examples:
  llmsearch-optuna power --baseline 0.62 --gain 0.03 --agreement 0.9
  llmsearch-optuna power a.jsonl b.jsonl --samples 2000 --seeds 4"""


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its error messages."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser. It sets the option `command` to the function that runs the chosen command."""
    parser = _Parser(
        prog="llmsearch-optuna",
        description="Find the generation parameters that score best for your model and data.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="search with the embedded model and data; writes studies/demo.db")
    demo.set_defaults(command=searching.demo)

    init = commands.add_parser("init", help="write a study file for your data and model, to be read and changed")
    init.add_argument("data", metavar="DATA", help="JSONL, JSON, CSV, TSV or Parquet file, or dataset of the hub")
    init.add_argument(
        "model", metavar="MODEL", help="name or directory of a model, or address of a server (http://...)"
    )
    init.add_argument(
        "-o", "--output", type=Path, default=Path("study.toml"), metavar="FILE", help="default: study.toml"
    )
    init.set_defaults(command=searching.init)

    run = commands.add_parser(
        "run",
        help="run or resume the search of a study file",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_RUN_EPILOG,
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="do not search: show some samples as the model sees them, the tokens, time and cost to expect, and what "
        "the hold-out can show",
    )
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
        command.add_argument(
            "--max-cost", type=float, metavar="X", help="stop when X is spent in total, at the study file's `price`"
        )
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--json", action="store_true", help="print events as JSON, one per line, and no tables")

    doctor = commands.add_parser(
        "doctor", help="show which engine a study file uses and why, its model, data and metric"
    )
    doctor.set_defaults(command=searching.doctor)
    for command in (run, worker, doctor):
        command.add_argument("study", type=Path, metavar="STUDY.toml", help="study file")
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="use another value of a key of the study file, as in space.temperature.high=1.5; may be repeated",
        )

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
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="directory for hf, vllm, gguf, else JSON file (default: print)",
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
    _add_compare(commands)
    _add_power(commands)
    return parser


def _add_compare(commands: "argparse._SubParsersAction[_Parser]") -> None:
    compare = commands.add_parser(
        "compare",
        help="compare two files of outputs of other programs, as `confirm` does",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_COMPARE_EPILOG,
    )
    compare.add_argument("reference", type=Path, metavar="A", help=f"baseline: {_FILES}")
    compare.add_argument("candidate", type=Path, metavar="B", help="the outputs to compare with A")
    _add_selection(compare)
    compare.add_argument("--lower-is-better", action="store_true", help="lower scores are better")
    compare.add_argument(
        "--fail-if",
        choices=reading.FAILURES,
        help=f"end with status {reading.CONDITION_MET} if the interval of the gain is below 0 (worse), or not above 0 "
        "(not-better), for any metric",
    )
    compare.add_argument("--json", action="store_true", help="print one verdict per line as JSON")
    compare.set_defaults(command=reading.compare)


def _add_power(commands: "argparse._SubParsersAction[_Parser]") -> None:
    power = commands.add_parser(
        "power",
        help="how many samples show a gain, or what gain a number of samples shows",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_POWER_EPILOG,
    )
    power.add_argument(
        "pilot", type=Path, nargs="*", metavar="A B", help=f"two files of a pilot, as for `compare`: {_FILES}"
    )
    target = power.add_mutually_exclusive_group(required=True)
    target.add_argument("--gain", type=float, metavar="G", help="the gain to show: print how many samples do")
    target.add_argument("--samples", type=int, metavar="N", help="number of samples: print what gain they show")
    power.add_argument("--baseline", type=float, metavar="P", help="without a pilot: mean of the baseline's 0-1 scores")
    related = power.add_mutually_exclusive_group()
    related.add_argument(
        "--correlation", type=float, metavar="R", help="of both scores of a sample, with --baseline (default: 0)"
    )
    related.add_argument(
        "--agreement", type=float, metavar="S", help="share of samples with the same score, with --baseline"
    )
    power.add_argument("--seeds", type=int, metavar="N", help="seeds per sample (default: those of the pilot, else 1)")
    power.add_argument(
        "--power", type=float, default=0.8, metavar="P", help="chance of showing the gain (default: 0.8)"
    )
    _add_selection(power)
    power.add_argument("--json", action="store_true", help="print the result as JSON, one per line for each metric")
    power.set_defaults(command=reading.power)


def _add_selection(command: argparse.ArgumentParser) -> None:
    """Add the options that say what of files of outputs is compared."""
    command.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        help="metrics that score the outputs against the references; NAME may be followed by key=value arguments",
    )
    command.add_argument(
        "--score",
        metavar="NAME",
        help="score of the files: a metric of lm-eval, a scorer of inspect_ai (SCORER.KEY), or a key of the lines "
        "(default: the only one, or score)",
    )
    command.add_argument("--filter", metavar="NAME", help="filter of lm-eval (default: the only one)")
    command.add_argument(
        "--cluster",
        metavar="COLUMN",
        help="column of the document, metadata or line that says which samples belong together",
    )
