"""What the command line shows of studies and verdicts; texts of others are shown, and never obeyed."""

import json

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.ranking import has_several, score_of, tokens_of
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import describe_params, trial_params
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.finalists import finalists
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["print_completions", "print_diagnosis", "print_finalists", "print_verdict"]

# More than most answers have, and few enough for a screen.
_EXCERPT = 2000


def print_finalists(study: optuna.Study) -> None:
    """Prints the best parameters, and with several objectives the whole front, beside the baselines.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    rows = finalists(study)
    tokens = ("tokens",) if has_several(study) else ()
    table = _table("Scores on the search split", "", "score", *tokens, "trial", "parameters")
    for name, trial, params in rows:
        counts = [f"{tokens_of(trial):.1f}" for _ in tokens]
        table.add_row(_line(name), f"{score_of(trial):.4f}", *counts, str(trial.number), _line(describe_params(params)))
    Console().print(table)


def print_verdict(verdict: Verdict) -> None:
    """Prints a verdict: the scores, and what is shown by them."""
    gains = {one.name: one for one in verdict.comparisons}
    savings = {one.name: one for one in verdict.savings}
    held_out = "held-out " if verdict.held_out else ""
    searched = ("search split", "trial") if verdict.held_out else ()
    title = f"Scores on {verdict.samples} {held_out}samples ({verdict.metric})"
    tokens = ("tokens", "saved [95 % interval]") if verdict.counts_tokens else ()
    table = _table(title, "", "score", *searched, "gain [95 % interval]", *tokens)
    for one in verdict.finalists:
        search_score = "-" if one.search_score is None else f"{one.search_score:.4f}"
        table.add_row(
            _line(one.name),
            f"{one.score:.4f}",
            *((search_score, str(one.trial)) if verdict.held_out else ()),
            _line("reference" if one.name == verdict.reference else str(gains.get(one.name, "-"))),
            *((f"{one.tokens:.1f}", _line(str(savings.get(one.name, "-")))) if verdict.counts_tokens else ()),
        )
    Console().print(table)
    console = Console(soft_wrap=True, highlight=False)
    console.print(_line(f"verdict: {verdict.sentence}"))
    for sentence in verdict.front_sentences:
        console.print(_line(sentence))
    if verdict.seed_sentence is not None:
        console.print(_line(verdict.seed_sentence))


def print_diagnosis(diagnosis: dict[str, str]) -> None:
    """Prints what a study runs on, by name."""
    table = Table(show_header=False, box=None)
    for name, found in diagnosis.items():
        table.add_row(name, _line(found))
    Console().print(table)


def print_completions(study: optuna.Study, storage: RDBStorage, trial: FrozenTrial, *, in_full: bool) -> None:
    """Prints a trial's completions beside prompts and references.

    Args:
        study: The study.
        storage: Where it lives.
        trial: One of its trials.
        in_full: Print long texts in full, and not only how they begin.

    Raises:
        StorageError: The trial has not begun, or the database cannot be read.
    """
    store = CompletionStore(storage)
    samples = {sample.position: sample for sample in store.load_samples(study_key(study))}
    console = Console(soft_wrap=True, highlight=False)
    reached, count = score_of(trial), tokens_of(trial)
    value = "no value" if reached is None else f"{reached:.4f}"
    value += "" if count is None else f", {count:.1f} tokens per completion"
    console.print(
        _line(f"trial {trial.number}, {trial.state.name.lower()}, {value}: {describe_params(trial_params(trial))}")
    )
    shortened = False
    for completion in store.load(study_key(study), trial.number):
        sample = samples[completion.position]
        score = "-" if completion.score is None else f"{completion.score:.4f}"
        console.rule(_line(f"row {completion.row}, score {score}, {completion.finish_reason}"), align="left")
        reference = json.dumps(sample.reference, ensure_ascii=False)
        for label, text in (("prompt", sample.prompt), ("completion", completion.text), ("reference", reference)):
            shown = text if in_full else excerpt(text, _EXCERPT)
            shortened = shortened or shown is not text
            console.print(Text(f"{label}: ", style="bold"), _block(shown), sep="")
    if shortened:
        console.print("long texts are shortened: --full shows all")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(printable(title), style="table.title"))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table


def _line(text: str) -> Text:
    """A text on one line. As a `Text`, nothing in it is read as rich's markup."""
    return Text(printable(text))


def _block(text: str) -> Text:
    """A text of many lines, indented, so that none of them can pass for ours."""
    return Text(printable(text, newlines=True).replace("\n", "\n    "))
