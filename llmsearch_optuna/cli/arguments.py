"""The parser of the command line: commands and their options."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import shtab

from llmsearch_optuna._version import __version__
from llmsearch_optuna.cli import gate, reading, searching
from llmsearch_optuna.export import TARGETS
from llmsearch_optuna.metrics import BUILT_IN_METRICS
from llmsearch_optuna.terminal import printable

__all__ = ["make_parser"]


_FILES = (
    "samples_*.jsonl of lm-eval, .eval or .json of inspect_ai, or JSON lines with id and score "
    "(with --metric: id, prediction, reference)"
)

_EPILOG = """\
examples:
  llmsearch-optuna demo                                      # a search with a small model, in minutes
  llmsearch-optuna run study.toml --trials 30                # run or resume a search, then its verdict
  llmsearch-optuna best study.db                             # the best parameters and the verdict
  llmsearch-optuna COMMAND --help                            # the options of a command

exit status: 0; 1 after an error, which is one line, or if fsck found a problem; 2 if an option is wrong; 3 if the
condition of --fail-if is met; 130 after Ctrl-C and 143 after SIGTERM, after which the same command goes on;
141 if the reader of the output has gone"""

_EXAMPLES = {
    "demo": "demo --trials 40",
    "init": "init rows.jsonl Qwen/Qwen2.5-0.5B-Instruct\ninit rows.jsonl http://localhost:8000/v1 -o server.toml",
    "run": "run study.toml --dry-run\n"
    "run study.toml --set study.n_trials=30 --set space.temperature.high=1.5\n"
    "run study.toml --max-cost 2.5 --json | tee events.jsonl\n"
    "run gate.toml --fail-if not-better",
    "worker": "worker study.toml --storage postgresql+psycopg://me@host/studies",
    "doctor": "doctor study.toml",
    "best": "best study.db\nbest study.db --json",
    "confirm": "confirm study.db --seeds 8",
    "show": "show study.db --trial 3 --full",
    "report": "report study.db -o report.html",
    "dashboard": "dashboard study.db --port 0",
    "export": "export study.db --to hf -o best\nexport study.db --to vllm --trial 3",
    "fsck": "fsck study.db",
    "metrics": "metrics\nmetrics json_schema",
    "compare": "compare main.eval branch.eval --score match --cluster document --fail-if worse",
    "power": "power --baseline 0.62 --gain 0.03 --agreement 0.9\npower a.jsonl b.jsonl --samples 2000 --seeds 4",
    "completion": "completion bash > ~/.local/share/bash-completion/completions/llmsearch-optuna\n"
    "completion zsh > ~/.zfunc/_llmsearch-optuna\n"
    "completion fish > ~/.config/fish/completions/llmsearch-optuna.fish",
}

_EXIT_STATUSES = {
    "fsck": "0 if the database is whole; 1 after an error, or if a problem is found; 2 if an option is wrong",
    "compare": f"0; {gate.CONDITION_MET} if the condition of --fail-if is met; 1 after an error; 2 if an option is "
    "wrong",
}
"""Those of a command that has other ones than the rest."""


_METRICS: Mapping[str, Any] = shtab.cmd(f"printf '%s\\n' {' '.join(BUILT_IN_METRICS)}")
"""Lets shells complete the name of a metric."""


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its error messages."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))

    def add_argument(self, *names: Any, complete: Mapping[str, Any] | None = None, **options: Any) -> argparse.Action:
        """Add an argument that shells complete with file names, if it is a path, or with `complete` of `shtab`."""
        action = super().add_argument(*names, **options)
        if complete is None and options.get("type") is Path:
            complete = shtab.FILE
        if complete is not None:
            vars(action)["complete"] = complete
        return action


def _add_command(commands: "argparse._SubParsersAction[_Parser]", name: str, summary: str) -> _Parser:
    """Add a command with its examples."""
    examples = [f"  llmsearch-optuna {example}" for example in _EXAMPLES[name].splitlines()]
    status = [f"exit status: {_EXIT_STATUSES[name]}", ""] if name in _EXIT_STATUSES else []
    return commands.add_parser(
        name,
        help=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join([*status, "example:" if len(examples) == 1 else "examples:", *examples]),
    )


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

    _add_searching(commands)
    _add_reading(commands)
    metrics = _add_command(commands, "metrics", "show the built-in metrics, or the arguments of one")
    metrics.add_argument("name", nargs="?", metavar="NAME", complete=_METRICS, help="name of a built-in metric")
    metrics.set_defaults(command=reading.metrics)
    _add_compare(commands)
    _add_power(commands)
    completion = _add_command(commands, "completion", "print a script that lets a shell complete these commands")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    completion.set_defaults(command=reading.completion, parser=parser)
    return parser


def _add_searching(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """Add the commands on study files."""
    demo = _add_command(commands, "demo", "search with a small model and generated data; writes studies/demo.db")
    demo.set_defaults(command=searching.demo, max_cost=None)

    init = _add_command(commands, "init", "write a study file for your data and model, to be read and changed")
    init.add_argument(
        "data", metavar="DATA", complete=shtab.FILE, help="JSONL, JSON, CSV, TSV or Parquet file, or dataset of the hub"
    )
    init.add_argument(
        "model",
        metavar="MODEL",
        complete=shtab.DIRECTORY,
        help="name or directory of a model, or address of a server (http://...)",
    )
    init.add_argument("--split", metavar="NAME", help="split of a dataset of the hub, which needs one")
    init.add_argument("--config", metavar="NAME", help="configuration of a dataset of the hub, if it has several")
    init.add_argument(
        "-o", "--output", type=Path, default=Path("study.toml"), metavar="FILE", help="default: study.toml"
    )
    init.set_defaults(command=searching.init)

    run = _add_command(commands, "run", "run or resume the search of a study file")
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="do not search: show some samples as the model sees them, the tokens, time and cost to expect, and what "
        "the hold-out can show",
    )
    _add_fail_if(run)
    run.set_defaults(command=searching.run)

    worker = _add_command(commands, "worker", "search a study together with other workers, in a PostgreSQL database")
    worker.add_argument(
        "--storage", metavar="URL", help="postgresql+psycopg://USER@HOST/DATABASE (default: that of the study file)"
    )
    worker.set_defaults(command=searching.worker)
    for command in (demo, run, worker):
        command.add_argument("--trials", type=int, metavar="N", help="total number of finished trials")
        command.add_argument("--timeout", type=float, metavar="S", help="stop after S seconds")
        command.add_argument("--max-tokens", type=int, metavar="N", help="stop when N tokens are generated in total")
        if command is not demo:  # whose study file has no price
            command.add_argument(
                "--max-cost", type=float, metavar="X", help="stop when X is spent in total, at the study file's `price`"
            )
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--json", action="store_true", help="print events as JSON, one per line, and no tables")

    doctor = _add_command(commands, "doctor", "show which engine a study file uses and why, its model, data and metric")
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
    for command in (demo, run, worker):
        _add_log(command)


def _add_reading(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """Add the commands on databases."""
    best = _add_command(commands, "best", "show the best parameters next to the baselines")
    best.add_argument("--json", action="store_true", help="print the best parameters as JSON")
    best.set_defaults(command=reading.best)
    confirm = _add_command(
        commands, "confirm", "compare the best parameters with the baselines on held-out samples, with fresh seeds"
    )
    confirm.add_argument(
        "--seeds", type=int, default=4, metavar="N", help="fresh seeds per finalist, at most (default: 4)"
    )
    confirm.add_argument("--json", action="store_true", help="print the verdict as JSON")
    confirm.add_argument("--quiet", action="store_true", help="show no progress")
    confirm.set_defaults(command=searching.confirm)
    _add_fail_if(confirm)
    _add_log(confirm)
    show = _add_command(commands, "show", "show the completions of a trial next to the references")
    show.add_argument("--trial", type=int, metavar="N", help="number of the trial (default: the best)")
    show.add_argument("--full", action="store_true", help="print long texts in full")
    show.set_defaults(command=reading.show)
    report = _add_command(
        commands, "report", "write a page about a study as one HTML file: verdict, figures, completions"
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

    dashboard = _add_command(commands, "dashboard", "serve optuna-dashboard for a database, on this machine only")
    dashboard.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port to listen on (default: 8080; 0: any free port)"
    )
    dashboard.set_defaults(command=reading.dashboard)

    export = _add_command(commands, "export", "export parameters under the names of another system")
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

    fsck = _add_command(commands, "fsck", "check the integrity of a database, without changes")
    fsck.add_argument("--json", action="store_true", help="print the result as JSON")
    fsck.set_defaults(command=reading.fsck)
    for command in (best, confirm, show, report, dashboard, export, fsck):
        command.add_argument("database", metavar="DB", complete=shtab.FILE, help="SQLite file or storage URL")
    for command in (best, confirm, show, report, export):
        command.add_argument("--study", metavar="NAME", help="study in the database (default: the only one)")


def _add_fail_if(command: _Parser) -> None:
    command.add_argument(
        "--fail-if",
        choices=(gate.NOT_BETTER,),
        help=f"end with status {gate.CONDITION_MET} unless the verdict shows that a trial is better",
    )


def _add_log(command: _Parser) -> None:
    command.add_argument(
        "--log", type=Path, metavar="FILE", help="log file to append to (default: next to the database)"
    )


def _add_compare(commands: "argparse._SubParsersAction[_Parser]") -> None:
    compare = _add_command(commands, "compare", "compare two files of outputs of other programs, as `confirm` does")
    compare.add_argument("reference", type=Path, metavar="A", help=f"baseline: {_FILES}")
    compare.add_argument("candidate", type=Path, metavar="B", help="the outputs to compare with A")
    _add_selection(compare)
    compare.add_argument("--lower-is-better", action="store_true", help="lower scores are better")
    compare.add_argument(
        "--fail-if",
        choices=gate.FAILURES,
        help=f"end with status {gate.CONDITION_MET} if the interval of the gain is below 0 (worse), or not above 0 "
        "(not-better), for any metric",
    )
    compare.add_argument("--json", action="store_true", help="print one verdict per line as JSON")
    compare.set_defaults(command=reading.compare)


def _add_power(commands: "argparse._SubParsersAction[_Parser]") -> None:
    power = _add_command(commands, "power", "how many samples show a gain, or what gain a number of samples shows")
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


def _add_selection(command: _Parser) -> None:
    """Add the options that say what of files of outputs is compared."""
    command.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        complete=_METRICS,
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
