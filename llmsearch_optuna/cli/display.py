"""The command line's output of studies and verdicts, without control characters or markup from foreign texts."""

import json
from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmsearch_optuna.identity import without_hashes
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.ranking import expense, expense_of, infeasibility, score_of
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import describe_params, trial_params
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.commands import export_command
from llmsearch_optuna.verdict.finalists import finalists, measure_cells, measure_headings
from llmsearch_optuna.verdict.table import GAIN_HEADING, further_headings, verdict_rows
from llmsearch_optuna.verdict.verdict import Verdict

if TYPE_CHECKING:
    from llmsearch_optuna.search.preview import Preview

__all__ = [
    "print_completions",
    "print_diagnosis",
    "print_finalists",
    "print_preview",
    "print_study_verdict",
    "print_verdict",
]

_PREVIEWED = 3

# In characters: longer than most completions, and short enough for a screen.
_MAXIMUM_TEXT = 2000


def print_finalists(study: optuna.Study) -> None:
    """Print the baselines and the best trial; with several objectives, the baselines and the whole Pareto front.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    rows = finalists(study)
    second = expense(study)
    names = () if second is None else (second.name,)
    headings = measure_headings(study)
    table = _table("Scores on the search split", "", "score", *names, *headings, "trial", "parameters")
    for name, trial, params in rows:
        expenses = [] if second is None else [second.shown(expense_of(trial))]
        parameters, measures = _line(describe_params(params)), measure_cells(trial, headings)
        table.add_row(_line(name), f"{score_of(trial):.4f}", *expenses, *measures, str(trial.number), parameters)
    Console().print(table)
    if (sentence := infeasibility(study)) is not None:
        Console(soft_wrap=True, highlight=False).print(_line(sentence))


def print_study_verdict(verdict: Verdict, study: optuna.Study, storage: str) -> None:
    """Print a verdict of a study, and the command that exports the best trial if it is better.

    Args:
        verdict: The verdict.
        study: The study.
        storage: The file or URL of its database, without a password.
    """
    print_verdict(verdict)
    if verdict.recommended:
        trial = next(finalist.trial for finalist in verdict.finalists if finalist.name == verdict.best)
        command = export_command(storage, study.study_name, trial, study_fingerprint(study).get("model"))
        print(printable(f"  {command}"))


def print_verdict(verdict: Verdict) -> None:
    """Print a verdict: the table of scores and the sentences about them."""
    held_out = "held-out " if verdict.held_out else ""
    title = f"Scores on {verdict.samples} {held_out}samples ({without_hashes(verdict.metric)})"
    search_columns = ("search split", "trial") if verdict.held_out else ()
    table = _table(title, "", "score", *search_columns, GAIN_HEADING, *further_headings(verdict))
    for row in verdict_rows(verdict):
        search_score = "-" if row.search_score is None else f"{row.search_score:.4f}"
        table.add_row(
            _line(row.name),
            f"{row.score:.4f}",
            *((search_score, str(row.trial)) if verdict.held_out else ()),
            _line(row.gain),
            *map(_line, row.further),
        )
    Console().print(table)
    console = Console(soft_wrap=True, highlight=False)
    console.print(_line(f"verdict: {verdict.sentence}"))
    for sentence in verdict.details:
        console.print(_line(sentence))
    console.print(_line(f"next: {verdict.next_step}"))


def print_diagnosis(diagnosis: dict[str, str]) -> None:
    """Print the result of `Tuner.diagnosis`, one row per topic."""
    table = Table(show_header=False, box=None)
    for name, description in diagnosis.items():
        table.add_row(name, _line(description))
    Console().print(table)


def print_preview(preview: "Preview") -> None:
    """Print the first samples of a preview in full, and what it leads to expect."""
    console = Console(soft_wrap=True, highlight=False)
    for example in preview.examples[:_PREVIEWED]:
        score = "-" if example.score is None else f"{example.score:.4g}"
        console.rule(_line(f"row {example.sample.row}, score {score}, ended by {example.finish_reason}"), align="left")
        reference = json.dumps(example.sample.reference, ensure_ascii=False, default=str)
        for label, text in (("prompt", example.sample.prompt), ("completion", example.text), ("reference", reference)):
            console.print(Text(f"{label}: ", style="bold"), _block(text), sep="")
    console.rule(_line("what to expect"), align="left")
    print_diagnosis(dict(preview.expectations))


def print_completions(study: optuna.Study, storage: RDBStorage, trial: FrozenTrial, *, in_full: bool) -> None:
    """Print a trial's completions with their prompts and references.

    Args:
        study: The study.
        storage: The study's database.
        trial: One of its trials.
        in_full: Whether to print long texts in full, not only their beginning.

    Raises:
        StorageError: The trial has not started, or the database cannot be read.
    """
    store = CompletionStore(storage)
    samples = {sample.position: sample for sample in store.load_samples(study_key(study))}
    console = Console(soft_wrap=True, highlight=False)
    score, second = score_of(trial), expense(study)
    value = "no value" if score is None else f"{score:.4f}"
    if second is not None and score is not None:
        value += f", {second.shown(expense_of(trial))} {second.name} {second.unit}"
    console.print(
        _line(f"trial {trial.number}, {trial.state.name.lower()}, {value}: {describe_params(trial_params(trial))}")
    )
    shortened = False
    for completion in store.load(study_key(study), trial.number):
        sample = samples[completion.position]
        sample_score = "-" if completion.score is None else f"{completion.score:.4f}"
        metrics = "".join(f", {label} {value:.4g}" for label, value in completion.metric_scores.items())
        heading = f"row {completion.row}, score {sample_score}{metrics}, {completion.finish_reason}"
        console.rule(_line(heading), align="left")
        reference = json.dumps(sample.reference, ensure_ascii=False)
        for label, text in (("prompt", sample.prompt), ("completion", completion.shown_text), ("reference", reference)):
            shown = text if in_full else excerpt(text, _MAXIMUM_TEXT)
            shortened = shortened or shown is not text
            console.print(Text(f"{label}: ", style="bold"), _block(shown), sep="")
    if shortened:
        console.print("long texts are shortened: --full prints them in full")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(printable(title), style="table.title"))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table


def _line(text: str) -> Text:
    """Put a string on one line. In a `Text`, rich interprets no markup."""
    return Text(printable(text))


def _block(text: str) -> Text:
    """Indent all lines of a string except the first, so that none can imitate the program's own output."""
    return Text(printable(text, newlines=True).replace("\n", "\n    "))
