"""The commands that need no model: they work on databases and files of outputs."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shtab

from llmsearch_optuna.cli.display import print_completions, print_finalists, print_study_verdict, print_verdict
from llmsearch_optuna.cli.gate import exit_status
from llmsearch_optuna.dashboard.server import annotate_studies, dashboard_server
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.export import TARGETS, trace, vllm_deployment, write_hf, write_json, write_with_program
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.metrics import BUILT_IN_METRICS, Metric, describe_metric, make_metric, metric_text
from llmsearch_optuna.report import write_report
from llmsearch_optuna.storage import sqlite_path, sqlite_url
from llmsearch_optuna.study.judge import describe_judge
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.terminal import printable
from llmsearch_optuna.verdict.commands import confirm_command
from llmsearch_optuna.verdict.finalists import best_as_json, find_trial
from llmsearch_optuna.verdict.output_files.line import Selection
from llmsearch_optuna.verdict.outputs import ScoredFiles, read_scores, score_outputs
from llmsearch_optuna.verdict.planning import Target, plan_from_numbers, plan_from_pilot
from llmsearch_optuna.verdict.verdict import current_verdict, stored_verdict

__all__ = [
    "best",
    "compare",
    "completion",
    "dashboard",
    "export",
    "fsck",
    "metrics",
    "power",
    "report",
    "show",
]

_WITH_PROGRAM = ("vllm", "gguf")
"""The targets of an export that are written as a directory with a program, unless the path ends with .json."""


def best(options: argparse.Namespace) -> None:
    """Print the best parameters next to the baselines, and the verdict if it is current."""
    study, storage = open_study(sqlite_url(options.database), options.study)
    verdict, judge = current_verdict(study), describe_judge(study, storage)
    if options.json:
        result = best_as_json(study)
        best_trial = result.pop("best")
        about = {
            "verdict": None if verdict is None else verdict.to_dict(),
            **({} if judge is None else {"judge": judge}),
        }
        print(json.dumps({**best_trial, **result, **about}))
        return
    print_finalists(study)
    if judge is not None:
        print(printable(judge))
    if verdict is not None:
        print_study_verdict(verdict, study, options.database)
    else:
        is_none = stored_verdict(study) is None
        state = "no verdict yet" if is_none else "the finalists have changed since the last verdict"
        command = confirm_command(options.database, study.study_name)
        print(printable(f"{state}: {command} (a running search does so at its end)"))


def show(options: argparse.Namespace) -> None:
    """Print the completions of a trial next to the references."""
    study, storage = open_study(sqlite_url(options.database), options.study)
    print_completions(study, storage, find_trial(study, options.trial), in_full=options.full)


def report(options: argparse.Namespace) -> None:
    """Write the report of a study as one HTML page."""
    url = sqlite_url(options.database)
    study, storage = open_study(url, options.study)
    _keep_database(options.output, url)
    write_report(study, storage, options.output)
    print(printable(f"report of study `{study.study_name}`: {options.output}"))


def dashboard(options: argparse.Namespace) -> None:
    """Update the notes and figures of the database's studies, and serve optuna-dashboard until Ctrl-C."""
    url = sqlite_url(options.database)
    with dashboard_server(url, options.port) as server:
        problem = annotate_studies(url)
        if problem is not None:
            print(printable(f"notes and figures are left as they are: {problem}"), file=sys.stderr)
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def export(options: argparse.Namespace) -> None:
    """Print or write parameters under the names of another system."""
    url = sqlite_url(options.database)
    study, _ = open_study(url, options.study)
    if options.output is not None:
        _keep_database(options.output, url)
    provenance = trace(study, options.trial)
    key, make = TARGETS[options.to]
    exported = make(provenance.params, provenance.stop)
    warnings = [*([provenance.caution] if provenance.caution else []), *exported.warnings]
    deployment = vllm_deployment(provenance) if options.to == "vllm" else {}
    result = {key: exported.values, **deployment, "warnings": warnings, "provenance": provenance.to_dict()}
    if options.output is None:
        print(json.dumps(result, indent=2))
    elif options.to == "hf":
        write_hf(provenance, options.output)
    elif options.to in _WITH_PROGRAM and options.output.suffix != ".json":
        write_with_program(result, options.output, options.to)
    else:
        write_json(result, options.output)
    for warning in warnings:
        print(printable(f"llmsearch-optuna: {warning}"), file=sys.stderr)


def fsck(options: argparse.Namespace) -> int:
    """Print the integrity of a database; return 1 if there is a problem, else 0."""
    inspection = check_database(sqlite_url(options.database))
    if options.json:
        print(json.dumps(inspection.to_dict()))
    else:
        notes = [f"note: {note}" for note in inspection.notes]
        for line in (*inspection.studies, *notes, *(f"problem: {problem}" for problem in inspection.problems)):
            print(printable(str(line)))
        count = len(inspection.problems)
        problems = f"{count} problem{'s' if count > 1 else ''}: restore a copy of the database, or begin a new study"
        print("whole" if inspection.whole else problems)
    return 0 if inspection.whole else 1


def metrics(options: argparse.Namespace) -> None:
    """Print the built-in metrics, one per line, or the description of one."""
    if options.name is not None:
        print(metric_text(options.name))
        return
    width = max(map(len, BUILT_IN_METRICS))
    for name in BUILT_IN_METRICS:
        print(f"{name:{width}}  {describe_metric(name).summary}")


def completion(options: argparse.Namespace) -> None:
    """Print the script that lets a shell complete the command line."""
    print(shtab.complete(options.parser, options.shell))


def compare(options: argparse.Namespace) -> int:
    """Print the verdict on two files of outputs, one for each metric.

    Returns:
        The exit status; see `exit_status`.
    """
    greater_is_better = not options.lower_is_better
    files = _scored_files(options, options.reference, options.candidate, greater_is_better=greater_is_better)
    verdicts = [scored.judge(comparisons=len(files)) for scored in files]
    for verdict in verdicts:
        if options.json:
            print(json.dumps(verdict.to_dict()))
        else:
            print_verdict(verdict)
    return exit_status(verdicts, options.fail_if)


def power(options: argparse.Namespace) -> None:
    """Print how many samples show a gain, or what gain a number of samples shows."""
    target = Target(gain=options.gain, samples=options.samples, power=options.power)
    relations = {"correlation": options.correlation, "agreement": options.agreement}
    if options.baseline is not None and not options.pilot:
        for name in ("metric", "score", "filter", "cluster"):
            if getattr(options, name):
                raise ConfigurationError(f"`--{name}` is for the files of a pilot, not for `--baseline`")
        seeds = 1 if options.seeds is None else options.seeds
        plans = [plan_from_numbers(target, baseline=options.baseline, seeds=seeds, **relations)]
    elif len(options.pilot) == 2 and options.baseline is None:
        for name, value in relations.items():
            if value is not None:
                raise ConfigurationError(f"`--{name}` is for `--baseline`: a pilot has its own")
        plans = [
            plan_from_pilot(target, scored, seeds=options.seeds) for scored in _scored_files(options, *options.pilot)
        ]
    else:
        raise ConfigurationError("name two files of a pilot, or give `--baseline`")
    for plan in plans:
        lines = [json.dumps(plan.to_dict())] if options.json else [f"{plan.metric}: {plan.sentence}", *plan.assumptions]
        for line in lines:
            print(printable(line))


def _scored_files(
    options: argparse.Namespace, reference: Path, candidate: Path, *, greater_is_better: bool = True
) -> list[ScoredFiles]:
    """Return the scores of two files of outputs, for each metric."""
    if options.metric and options.score is not None:
        raise ConfigurationError("give `--score`, which the files have, or `--metric`, which is computed, not both")
    selection = Selection(
        score=options.score, filter_name=options.filter, cluster=options.cluster, by_metric=bool(options.metric)
    )
    if not options.metric:
        return [read_scores(reference, candidate, selection, greater_is_better=greater_is_better)]
    metrics = _metrics(options.metric, greater_is_better=greater_is_better)
    return score_outputs(reference, candidate, metrics, selection)


def _metrics(words: Sequence[str], *, greater_is_better: bool) -> list[Metric]:
    """Return the metrics that the words ``NAME key=value ... NAME ...`` specify; values are JSON or strings."""
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
            except ValueError:  # a string without quotes
                choices[-1][1][key] = value
    return [make_metric(name, **{"greater_is_better": greater_is_better, **arguments}) for name, arguments in choices]


def _keep_database(output: Path, url: str) -> None:
    """Raise an error if a command would overwrite the database."""
    database = sqlite_path(url)
    if database is not None and output.resolve() == database.resolve():
        raise ConfigurationError(f"`--output` must not be the database itself, got {output}")
