"""The command line: argument parsing and printing only."""

import argparse
import contextlib
import dataclasses
import json
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import optuna

from llmsearch_optuna import __version__
from llmsearch_optuna.comparison import compare_outputs, compare_scores
from llmsearch_optuna.dashboard import annotate_studies, dashboard_server
from llmsearch_optuna.display import print_completions, print_diagnosis, print_finalists, print_verdict
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError
from llmsearch_optuna.export import TARGETS, trace, write_hf, write_json
from llmsearch_optuna.finalists import finalists, find_trial, select_finalists
from llmsearch_optuna.fsck import check_database
from llmsearch_optuna.interruption import Interruption
from llmsearch_optuna.logs import ConsoleFormatter, StudyLog, log_path, study_log
from llmsearch_optuna.metrics import Metric, make_metric
from llmsearch_optuna.objectives import has_several, score_of, tokens_of
from llmsearch_optuna.report import write_report
from llmsearch_optuna.storage import shown_url, sqlite_path, sqlite_url
from llmsearch_optuna.study import open_study
from llmsearch_optuna.study_file import StudyFile
from llmsearch_optuna.terminal import escape_unencodable, printable
from llmsearch_optuna.verdict import Verdict, no_holdout, stored_verdict

__all__ = ["main"]

_INTERRUPTED = "llmsearch-optuna: interrupted; the same command goes on from here"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command line; the process's own by default.

    Returns:
        The exit status: 0, 1 after an error (one line on standard error says what to change), 130 after Ctrl-C, 143
        after SIGTERM.
    """
    escape_unencodable()
    options = _parser().parse_args(arguments)
    options.command_line = shlex.join(["llmsearch-optuna", *(sys.argv[1:] if arguments is None else arguments)])
    console = logging.StreamHandler()
    console.setFormatter(ConsoleFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    logging.getLogger("llmsearch_optuna").setLevel(logging.INFO)
    logging.captureWarnings(True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        status: int | None = options.command(options)
    except LlmsearchError as error:
        print(f"llmsearch-optuna: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(_INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        logging.captureWarnings(False)
    return status or 0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show what was written, and do not send it to the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="llmsearch-optuna", description="Finds the generation parameters that score best for your model and data."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="search with the embedded model and data; writes studies/demo.db")
    demo.set_defaults(command=_demo)

    run = commands.add_parser("run", help="run or resume the search of a study file")
    run.add_argument("study", type=Path, metavar="STUDY.toml")
    run.set_defaults(command=_run)

    worker = commands.add_parser("worker", help="search a study together with other workers, on a PostgreSQL server")
    worker.add_argument("study", type=Path, metavar="STUDY.toml")
    worker.add_argument(
        "--storage", metavar="URL", help="postgresql+psycopg://USER@HOST/DATABASE; as the study file says by default"
    )
    worker.set_defaults(command=_worker)
    for command in (demo, run, worker):
        command.add_argument("--trials", type=int, metavar="N", help="finished trials wanted in total")
        command.add_argument("--timeout", type=float, metavar="S", help="stop after so many seconds")
        command.add_argument("--max-tokens", type=int, metavar="N", help="stop when so many tokens are generated")
        command.add_argument("--quiet", action="store_true", help="show no progress")
        command.add_argument("--json", action="store_true", help="print events as JSON, one per line, and no tables")

    record = commands.add_parser("record", help="evaluate many configurations fully and save scores and token counts")
    record.add_argument("study", type=Path, metavar="STUDY.toml")
    record.add_argument("--configs", type=int, required=True, metavar="K", help="wanted in total, with the baselines")
    record.add_argument("-o", "--output", type=Path, metavar="FILE.parquet", help="beside the study file by default")
    record.add_argument("--seed", type=int, metavar="S", help="of the sample order and of the configurations")
    record.add_argument("--quiet", action="store_true", help="show no progress")
    record.set_defaults(command=_record)

    doctor = commands.add_parser("doctor", help="what a study file would run on: engine and why, model, data, metric")
    doctor.add_argument("study", type=Path, metavar="STUDY.toml")
    doctor.set_defaults(command=_doctor)

    best = commands.add_parser("best", help="the best parameters beside the baselines")
    best.add_argument("--json", action="store_true", help="print the best parameters as JSON")
    best.set_defaults(command=_best)
    confirm = commands.add_parser(
        "confirm", help="compare the best with the baselines on held-out samples, fresh seeds"
    )
    confirm.add_argument("--seeds", type=int, default=4, metavar="N", help="fresh seeds per finalist (4)")
    confirm.add_argument("--json", action="store_true", help="print the verdict as JSON")
    confirm.add_argument("--quiet", action="store_true", help="show no progress")
    confirm.set_defaults(command=_confirm)
    for command in (demo, run, worker, record, confirm):
        command.add_argument(
            "--log", type=Path, metavar="FILE", help="where to append all that happens; beside the database by default"
        )
    show = commands.add_parser("show", help="a trial's completions beside the references")
    show.add_argument("--trial", type=int, metavar="N", help="the trial's number; the best by default")
    show.add_argument("--full", action="store_true", help="long texts in full")
    show.set_defaults(command=_show)
    report = commands.add_parser("report", help="a page about a study: verdict, figures, completions; one HTML file")
    report.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE.html", help="report.html by default"
    )
    report.set_defaults(command=_report)
    for command in (best, confirm, show, report):
        command.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
        command.add_argument("--study", metavar="NAME", help="which study of the database")

    dashboard = commands.add_parser("dashboard", help="optuna-dashboard on a database, for this machine only")
    dashboard.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    dashboard.add_argument("--port", type=int, default=8080, metavar="N", help="where it listens (8080); 0: any port")
    dashboard.set_defaults(command=_dashboard)

    export = commands.add_parser("export", help="found parameters for other systems, in their names")
    export.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    export.add_argument("--to", required=True, choices=TARGETS, help="which system")
    export.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="a directory for hf, else a JSON file; printed by default"
    )
    export.add_argument("--trial", type=int, metavar="N", help="the trial's number; the best by default")
    export.add_argument("--study", metavar="NAME", help="which study of the database")
    export.set_defaults(command=_export)

    fsck = commands.add_parser("fsck", help="what of a database is whole and what is not; changes nothing")
    fsck.add_argument("database", metavar="DB", help="an SQLite file or a storage URL")
    fsck.add_argument("--json", action="store_true", help="print what is found as JSON")
    fsck.set_defaults(command=_fsck)

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
    compare.set_defaults(command=_compare)
    return parser


def _demo(options: argparse.Namespace) -> int:
    text = resources.files("llmsearch_optuna.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    return _search(StudyFile.parse(text, name="demo", directory=Path("studies")), options)


def _run(options: argparse.Namespace) -> int:
    return _search(StudyFile.load(options.study), options)


def _worker(options: argparse.Namespace) -> int:
    file = StudyFile.load(options.study)
    if options.storage is not None:
        file = dataclasses.replace(file, study=dataclasses.replace(file.study, storage=options.storage))
    if not file.study.storage.startswith("postgresql"):
        raise ConfigurationError(
            f"workers share a study on a PostgreSQL server, got the storage {shown_url(file.study.storage)}: give "
            "`--storage postgresql+psycopg://...`, or use `run`, which has an SQLite file to itself"
        )
    return _search(file, options, judge=False)


def _record(options: argparse.Namespace) -> None:
    file = StudyFile.load(options.study)
    if options.configs < 1:
        raise ConfigurationError(f"`--configs` must be >= 1, got {options.configs}")
    if options.seed is not None:
        file = dataclasses.replace(file, study=dataclasses.replace(file.study, seed=options.seed))
    path = options.output or options.study.with_suffix(".parquet")
    with _log(options, file.study.name, sqlite_url(f"{path}.db"), path.parent) as log:
        _prepare_model_libraries()
        from llmsearch_optuna.launch import build_tuner, record  # noqa: PLC0415

        log.follow_libraries()
        tuner = build_tuner(file)
        found = record(file, tuner, configurations=options.configs, path=path, show_progress=not options.quiet)
    count, samples = found.scores.shape
    print(f"{count} configurations on {samples} samples, {found.tokens.sum()} tokens: {printable(str(path))}")


def _doctor(options: argparse.Namespace) -> None:
    file = StudyFile.load(options.study)
    _prepare_model_libraries()
    from llmsearch_optuna.launch import build_tuner  # noqa: PLC0415

    print_diagnosis(build_tuner(file).diagnosis(file.space))


def _prepare_model_libraries() -> None:
    """Sets what they read when they are imported; that takes seconds, so a wrong study file is refused before."""
    # Threads that spin at barriers for milliseconds, as by default, run ten times slower where the cores are shared;
    # those that sleep at once take half as long again where they are not.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _log(
    options: argparse.Namespace, study_name: str, storage: str, directory: Path
) -> AbstractContextManager[StudyLog]:
    """The study's log, which begins with what is run."""
    about = {
        "command": re.sub(r"://([^:/\s]*):\S*@", r"://\1:***@", options.command_line),
        "directory": str(Path.cwd()),
        "study": f"{study_name} in {sqlite_path(storage) or shown_url(storage)}",
    }
    return study_log(options.log or log_path(storage, study_name, directory), about=about)


def _search(file: StudyFile, options: argparse.Namespace, *, judge: bool = True) -> int:
    """Runs a search and, unless it is left to `confirm`, its verdict; returns the exit status."""
    file = file.with_limits(n_trials=options.trials, timeout_s=options.timeout, max_tokens_total=options.max_tokens)
    with _log(options, file.study.name, file.study.storage, file.directory) as log:
        _prepare_model_libraries()
        from llmsearch_optuna.launch import build_tuner, search  # noqa: PLC0415

        log.follow_libraries()
        tuner = build_tuner(file)
        with Interruption() as interruption:
            study = search(
                file,
                tuner,
                should_stop=interruption,
                show_progress=not options.quiet,
                on_event=_print_event if options.json else None,
            )
        if interruption.signal is not None:
            log.outcome = f"interrupted by {interruption.signal.name}"
            print(_INTERRUPTED, file=sys.stderr)
            return 128 + interruption.signal
        if not options.json:
            print_finalists(study)
        can_judge = judge and len(tuner.task.holdout) >= 2
        verdict = tuner.confirm(study, show_progress=not options.quiet) if can_judge else None
        if options.json:
            _print_end(study, verdict, file)
        else:
            _show_end(study, verdict, file, judge=judge, held_out=len(tuner.task.holdout))
        return 0


def _print_event(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _print_end(study: optuna.Study, verdict: Verdict | None, file: StudyFile) -> None:
    """The last events of a search."""
    place = str(sqlite_path(file.study.storage) or shown_url(file.study.storage))
    count = len(study.get_trials(deepcopy=False))
    _print_event(
        {"event": "search_finished", "study": study.study_name, "storage": place, "trials": count, **_found(study)}
    )
    if verdict is not None:
        _print_event({"event": "verdict", **verdict.to_dict()})


def _found(study: optuna.Study) -> dict[str, Any]:
    """The best trial; with several objectives the front, too."""
    *others, best = (
        {
            "trial": one.trial.number,
            "score": score_of(one.trial),
            **({"tokens_per_sample": tokens_of(one.trial)} if has_several(study) else {}),
            "params": one.params.to_dict(),
        }
        for one in finalists(study)
        if one.name in ("front", "best")
    )
    return {"best": best, "front": [*others, best]} if has_several(study) else {"best": best}


def _show_end(study: optuna.Study, verdict: Verdict | None, file: StudyFile, *, judge: bool, held_out: int) -> None:
    storage = shown_url(file.study.storage)
    if verdict is not None:
        print_verdict(verdict)
    elif judge:
        print(no_holdout(held_out))
    else:
        print(printable(f"for the verdict: llmsearch-optuna confirm {storage} --study {study.study_name}"))
    place = sqlite_path(file.study.storage) or storage
    print()
    print(printable(f"study `{study.study_name}` in {place} ({len(study.trials)} trials); "), end="")
    print(printable(f"look at it with: llmsearch-optuna dashboard {place}"))


def _confirm(options: argparse.Namespace) -> None:
    if options.seeds < 1:
        raise ConfigurationError(f"`--seeds` must be >= 1, got {options.seeds}")
    url = sqlite_url(options.database)
    study, _ = open_study(url, options.study)
    verdict = stored_verdict(study)
    if verdict is None or not verdict.is_of(select_finalists(study), options.seeds):
        with _log(options, study.study_name, url, Path()) as log:
            _prepare_model_libraries()
            from llmsearch_optuna.launch import confirm  # noqa: PLC0415

            log.follow_libraries()
            verdict = confirm(study, url, seeds=options.seeds, show_progress=not options.quiet)
    if options.json:
        print(json.dumps(verdict.to_dict()))
    else:
        print_verdict(verdict)


def _report(options: argparse.Namespace) -> None:
    url = sqlite_url(options.database)
    study, storage = open_study(url, options.study)
    database = sqlite_path(url)
    if database is not None and options.output.resolve() == database.resolve():
        raise ConfigurationError(f"`--output` must not be the database itself, got {options.output}")
    write_report(study, storage, options.output)
    print(printable(f"report of study `{study.study_name}`: {options.output}"))


def _dashboard(options: argparse.Namespace) -> None:
    url = sqlite_url(options.database)
    with dashboard_server(url, options.port) as server:
        left = annotate_studies(url)
        if left is not None:
            print(printable(f"notes and figures are left as they are: {left}"), file=sys.stderr)
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _export(options: argparse.Namespace) -> None:
    study, _ = open_study(sqlite_url(options.database), options.study)
    provenance = trace(study, options.trial)
    key, make = TARGETS[options.to]
    exported = make(provenance.params, provenance.stop)
    found = {key: exported.values, "warnings": exported.warnings, "provenance": provenance.to_dict()}
    if options.output is None:
        print(json.dumps(found, indent=2))
    elif options.to == "hf":
        write_hf(provenance, options.output)
    else:
        write_json(found, options.output)
    for warning in exported.warnings:
        print(printable(f"llmsearch-optuna: {warning}"), file=sys.stderr)


def _fsck(options: argparse.Namespace) -> int:
    found = check_database(sqlite_url(options.database))
    if options.json:
        print(json.dumps(found.to_dict()))
    else:
        notes = [f"note: {note}" for note in found.notes]
        for line in (*found.studies, *notes, *(f"problem: {problem}" for problem in found.problems)):
            print(printable(str(line)))
        count = len(found.problems)
        told = f"{count} problem{'s' if count > 1 else ''}: restore a copy of the database, or begin a new study"
        print("whole" if found.whole else told)
    return 0 if found.whole else 1


def _compare(options: argparse.Namespace) -> None:
    if options.metric:
        metrics = _metrics(options.metric, greater_is_better=not options.lower_is_better)
        verdicts = compare_outputs(options.reference, options.candidate, metrics)
    else:
        verdicts = [compare_scores(options.reference, options.candidate, greater_is_better=not options.lower_is_better)]
    for verdict in verdicts:
        if options.json:
            print(json.dumps(verdict.to_dict()))
        else:
            print_verdict(verdict)


def _metrics(words: Sequence[str], *, greater_is_better: bool) -> list[Metric]:
    """The metrics of ``NAME key=value ... NAME ...``."""
    choices: list[tuple[str, dict[str, Any]]] = []
    for word in words:
        key, is_argument, value = word.partition("=")
        if not is_argument:
            choices.append((word, {}))
        elif not choices:
            raise ConfigurationError(f"`--metric` must begin with the name of a metric, got {word}")
        else:
            try:
                choices[-1][1][key] = json.loads(value)
            except ValueError:  # a text without quotes
                choices[-1][1][key] = value
    return [make_metric(name, greater_is_better=greater_is_better, **arguments) for name, arguments in choices]


def _best(options: argparse.Namespace) -> None:
    study, _ = open_study(sqlite_url(options.database), options.study)
    verdict = stored_verdict(study)
    is_current = verdict is not None and verdict.is_of(select_finalists(study), verdict.seeds)
    if options.json:
        found = _found(study)
        best = found.pop("best")
        print(
            json.dumps({**best, **found, "verdict": verdict.to_dict() if verdict is not None and is_current else None})
        )
        return
    print_finalists(study)
    if verdict is not None and is_current:
        print_verdict(verdict)
    else:
        state = "no verdict yet" if verdict is None else "the finalists have changed since the last verdict"
        print(printable(f"{state}: llmsearch-optuna confirm {options.database}"))


def _show(options: argparse.Namespace) -> None:
    study, storage = open_study(sqlite_url(options.database), options.study)
    print_completions(study, storage, find_trial(study, options.trial), in_full=options.full)
