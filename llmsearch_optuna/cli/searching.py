"""The commands that need the model: a search, a verdict, and a diagnosis."""

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import optuna

from llmsearch_optuna.cli.display import print_diagnosis, print_finalists, print_preview, print_study_verdict
from llmsearch_optuna.cli.gate import exit_status
from llmsearch_optuna.cli.interruption import Interruption
from llmsearch_optuna.errors import ConfigurationError, ServerError, check_minimum
from llmsearch_optuna.export.directory import write_text
from llmsearch_optuna.logs import StudyLog, log_path, study_log
from llmsearch_optuna.storage import shown_place, shown_url, sqlite_url, without_passwords
from llmsearch_optuna.study.judge import describe_judge
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.terminal import printable
from llmsearch_optuna.verdict.commands import confirm_command
from llmsearch_optuna.verdict.finalists import best_as_json
from llmsearch_optuna.verdict.verdict import Verdict, current_verdict, no_holdout

__all__ = ["INTERRUPTED", "confirm", "demo", "doctor", "init", "run", "worker"]

_RESUMES = "the same command goes on from here"

INTERRUPTED = f"llmsearch-optuna: interrupted; {_RESUMES}"
"""The message after a signal has ended a command."""


def demo(options: argparse.Namespace) -> int:
    """Search with the demo's model and data."""
    text = resources.files("llmsearch_optuna.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    return _search(StudyFile.parse(text, name="demo", directory=Path("studies")), options)


def run(options: argparse.Namespace) -> int:
    """Run or resume the search of a study file, or show what it would do."""
    file = StudyFile.load(options.study, options.set)
    if not options.dry_run:
        return _search(file, options)
    _prepare_model_libraries()
    from llmsearch_optuna.study_file import launch  # noqa: PLC0415

    file = launch.with_task(_with_limits(file, options))
    print_preview(launch.preview(file, launch.build_tuner(file)))
    return 0


def init(options: argparse.Namespace) -> None:
    """Write a study file for a dataset and a model."""
    path: Path = options.output
    if path.exists():
        raise ConfigurationError(f"{path} exists: move it away, or name another file with -o")
    from llmsearch_optuna.study_file.drafting import draft  # noqa: PLC0415

    is_file = Path(options.data).exists()
    text = draft(
        _seen_from(path.parent, options.data) if is_file else options.data,
        _seen_from(path.parent, options.model) if Path(options.model).is_dir() else options.model,
        directory=path.parent,
        config=options.config,
        split=options.split,
    )
    write_text(text, path)
    print(printable(f"{path} is written: read it, say in `messages` how to answer, and go on with"))
    print(printable(f"  llmsearch-optuna run {shlex.quote(str(path))} --dry-run"))


def _seen_from(directory: Path, path: str) -> str:
    """Return a path relative to a directory, if it can be."""
    try:
        return Path(os.path.relpath(path, directory)).as_posix()
    except ValueError:  # on another drive of Windows
        return Path(path).resolve().as_posix()


def worker(options: argparse.Namespace) -> int:
    """Search a study together with other workers."""
    file = StudyFile.load(options.study, options.set)
    if options.storage is not None:
        file = dataclasses.replace(file, study=dataclasses.replace(file.study, storage=options.storage))
    if not file.study.storage.startswith("postgresql"):
        raise ConfigurationError(
            f"several workers need a PostgreSQL server, got the storage {shown_url(file.study.storage)}: give "
            "`--storage postgresql+psycopg://...`, or use `run`, which has an SQLite file to itself"
        )
    return _search(file, options, judge=False)


def doctor(options: argparse.Namespace) -> None:
    """Print the engine, the model, the data and the metric that a study file uses."""
    file = StudyFile.load(options.study, options.set)
    _prepare_model_libraries()
    from llmsearch_optuna.study_file import launch  # noqa: PLC0415

    file = launch.with_task(file)
    print_diagnosis(launch.build_tuner(file).diagnosis(file.space))


def confirm(options: argparse.Namespace) -> int:
    """Print the verdict; compute it unless the stored one compares the current finalists with enough seeds.

    Returns:
        The exit status; see `exit_status`.
    """
    check_minimum("--seeds", options.seeds, 1)
    url = sqlite_url(options.database)
    study, _ = open_study(url, options.study)
    verdict = current_verdict(study)
    if verdict is None or not verdict.has_seeds(options.seeds):
        with _log(options, study.study_name, url, Path()) as log:
            _prepare_model_libraries()
            from llmsearch_optuna.study_file import launch  # noqa: PLC0415

            file = launch.stored_file(study)
            launch.import_engine(file)
            log.follow_libraries()
            tuner = launch.build_tuner(file)
            with _resumable():
                verdict = tuner.confirm(study, seeds=options.seeds, storage=url, show_progress=not options.quiet)
    if options.json:
        print(json.dumps(verdict.to_dict()))
    else:
        print_study_verdict(verdict, study, options.database)
    return exit_status([verdict], options.fail_if)


def _prepare_model_libraries() -> None:
    """Set the environment variables that the libraries read on import.

    The import takes seconds, so study files are validated before it.
    """
    # By default, OpenMP threads spin at barriers for milliseconds, which is ten times slower on shared cores. Threads
    # that never spin are 1.5 times slower on cores of their own.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if sys.stderr is None or not sys.stderr.isatty():  # in a file, every step of a bar would be a line
        for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
            os.environ.setdefault(name, "1")


def _log(
    options: argparse.Namespace, study_name: str, storage: str, directory: Path
) -> contextlib.AbstractContextManager[StudyLog]:
    """Return the study's log; it begins with the command, the directory and the study."""
    about = {
        "command": without_passwords(options.command_line),
        "directory": str(Path.cwd()),
        "study": f"{study_name} in {shown_place(storage)}",
    }
    return study_log(options.log or log_path(storage, study_name, directory), about=about)


def _with_limits(file: StudyFile, options: argparse.Namespace) -> StudyFile:
    return file.with_limits(
        n_trials=options.trials,
        timeout=options.timeout,
        max_tokens_total=options.max_tokens,
        max_cost=options.max_cost,
    )


def _search(file: StudyFile, options: argparse.Namespace, *, judge: bool = True) -> int:
    """Run a search and, if `judge`, its verdict; return the exit status."""
    file = _with_limits(file, options)
    with _log(options, file.study.name, file.study.storage, file.directory) as log:
        _prepare_model_libraries()
        from llmsearch_optuna.study_file import launch  # noqa: PLC0415

        launch.import_engine(file)
        log.follow_libraries()
        file = launch.with_task(file)
        tuner = launch.build_tuner(file)
        condition: str | None = vars(options).get("fail_if")  # only `run` has it
        if condition is not None and len(tuner.task.holdout) < 2:
            raise ConfigurationError(f"`--fail-if` needs a verdict: {no_holdout(len(tuner.task.holdout))}")
        with Interruption() as interruption, _resumable():
            study = launch.search(
                file,
                tuner,
                should_stop=interruption,
                show_progress=not options.quiet,
                on_event=_print_event if options.json else None,
            )
        if interruption.signal is not None:
            log.outcome = f"interrupted by {interruption.signal.name}"
            print(INTERRUPTED, file=sys.stderr)
            return 128 + interruption.signal
        if options.json:
            place = shown_place(file.study.storage)
            result = {"study": study.study_name, "storage": place, "trials": len(study.trials)}
            _print_event({"event": "search_finished", **result, **best_as_json(study)})
        else:
            print_finalists(study)
        can_judge = judge and len(tuner.task.holdout) >= 2
        with _resumable():
            verdict = tuner.confirm(study, show_progress=not options.quiet) if can_judge else None
        if not options.json:
            _show_end(study, verdict, file, judge=judge, held_out=len(tuner.task.holdout))
        elif verdict is not None:
            _print_event({"event": "verdict", **verdict.to_dict()})
        return 0 if verdict is None else exit_status([verdict], condition)


@contextlib.contextmanager
def _resumable() -> Iterator[None]:
    """Say in the message of a server's failure that all results so far are stored."""
    try:
        yield
    except ServerError as error:
        raise ServerError(f"{error}; {_RESUMES}") from error


def _print_event(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _show_end(study: optuna.Study, verdict: Verdict | None, file: StudyFile, *, judge: bool, held_out: int) -> None:
    place = shown_place(file.study.storage)
    if verdict is not None:
        print_study_verdict(verdict, study, place)
    elif judge:
        print(no_holdout(held_out))
    else:
        print(printable(f"for the verdict: {confirm_command(file.study.storage, study.study_name)}"))
    if (asked := describe_judge(*open_study(file.study.storage, study.study_name))) is not None:
        print(printable(asked))
    print()
    print(printable(f"study `{study.study_name}` in {place} ({len(study.trials)} trials); "), end="")
    print(printable(f"look at it with: {shlex.join(['llmsearch-optuna', 'dashboard', place])}"))
