"""The words, tables and numbers of the page as plain data; the template `page.html.jinja` lays them out."""

import json
import platform
import shlex
from collections.abc import Sequence
from typing import NamedTuple

import optuna
import plotly
from optuna.trial import TrialState

from llmsearch_optuna._version import __version__
from llmsearch_optuna.report.browsing import CompletionComparison
from llmsearch_optuna.report.outcomes import Cost
from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.fingerprint import holdout_size
from llmsearch_optuna.verdict.verdict import confirm_command, no_holdout

__all__ = [
    "Browser",
    "Status",
    "Tile",
    "completion_browser",
    "parameter_values",
    "reproduction_commands",
    "study_facts",
    "summary_tiles",
    "verdict_status",
    "versions",
]


class Status(NamedTuple):
    """The verdict, or the reason why there is none.

    Attributes:
        pill: The status in a few words.
        kind: The style class of the pill: ``"good"``, ``"bad"``, or empty for neutral.
        sentence: The verdict in one sentence; text between backticks is code.
        details: Further sentences of the same form.
    """

    pill: str
    kind: str
    sentence: str
    details: tuple[str, ...]


class Tile(NamedTuple):
    """A number with its label."""

    value: str
    label: str


class Browser(NamedTuple):
    """The data of the completion browser.

    Attributes:
        names: The names of the compared trials, the best first.
        is_scored: Whether any completion has a score of its own.
        filters: The value and the label of each filter button. The page's script completes the label of ``"other"``.
        content: The samples as JSON, for the page's script.
        maximum_length: The number of characters that texts are shortened to.
        left_out: The number of samples that are not shown.
    """

    names: Sequence[str]
    is_scored: bool
    filters: Sequence[tuple[str, str]]
    content: str
    maximum_length: int
    left_out: int


def study_facts(record: StudyRecord) -> list[str]:
    """Return what the page's header says about the study: metric, objectives, splits and time."""
    searched, held_out = _splits(record)
    facts = [
        f"metric {record.metric}, {'higher' if record.maximize else 'lower'} is better",
        *(["as few tokens per completion as possible"] if record.counts_tokens else []),
        f"{searched} search samples" + ("" if held_out is None else f", {held_out} held out"),
    ]
    if record.began is not None:
        facts.append(f"{record.began:%Y-%m-%d %H:%M}" + (f" to {record.ended:%Y-%m-%d %H:%M}" if record.ended else ""))
    return facts


def verdict_status(record: StudyRecord, location: str) -> Status:
    """Return the verdict's status.

    Args:
        record: The study.
        location: The database's file or URL, for the command that makes a verdict.
    """
    verdict, best = record.verdict, record.best
    if best is None:
        started = f"{len(record.trials)} trials have started" if record.trials else "No trial has started yet"
        return Status("Nothing to compare yet", "", f"No trial is fully evaluated yet. {started}.", ())
    confirm = confirm_command(location, record.name)
    if verdict is None:
        sentence = (
            f"The best of {len(record.complete)} fully evaluated trials, trial {best.number}, scores {best.value:.4g}."
        )
        caveat = "This score is from the search split: selecting the best of many trials makes it optimistic."
        _, held_out = _splits(record)
        if held_out is None or held_out > 1:
            remedy = f"`{confirm}` compares it with the baselines on held-out samples."
            return Status("No verdict yet", "", sentence, (caveat, remedy))
        return Status("No verdict", "", sentence, (caveat, f"{_capitalized(no_holdout(held_out))}."))
    gain = next((comparison for comparison in verdict.comparisons if comparison.name == verdict.best), None)
    if verdict.improved:
        pill, kind = "Improvement shown", "good"
    elif gain is not None and gain.high < 0.0:
        pill, kind = "Worse than the baseline", "bad"
    else:
        pill, kind = "No gain shown", ""
    sentences = [*verdict.front_sentences, *filter(None, [verdict.seed_sentence])]
    details = [f"{_capitalized(sentence)}." for sentence in sentences]
    if not record.verdict_is_current:
        details.append(f"The search has continued since this verdict: `{confirm}` compares the present finalists.")
    return Status(pill, kind, f"{_capitalized(verdict.sentence)}.", tuple(details))


def parameter_values(params: GenerationParams) -> list[tuple[str, str]]:
    """Return the names of the parameters with their values as short strings."""
    return [
        (name, f"{value:.4g}" if isinstance(value, float) else json.dumps(value))
        for name, value in params.to_dict().items()
    ]


def summary_tiles(record: StudyRecord, cost: Cost) -> list[Tile]:
    """Return the search in a few numbers."""
    failed = sum(trial.state == TrialState.FAIL for trial in record.trials)
    running = len(record.trials) - len(record.complete) - len(record.pruned) - failed
    states = [f"{len(record.complete)} complete", f"{len(record.pruned)} pruned"]
    states += [f"{failed} failed"] * bool(failed) + [f"{running} running"] * (running > 0)
    tiles = [
        Tile(f"{len(record.trials)}", "trials: " + ", ".join(states)),
        Tile(f"{cost.tokens:,}", "tokens generated by the search"),
    ]
    if cost.saved:
        share = 100.0 * cost.saved / (cost.saved + cost.tokens)
        tiles.append(Tile(f"{share:.0f} %", f"saved by pruning: about {_short(cost.saved)} tokens"))
    if cost.reused:
        tiles.append(Tile(f"{cost.reused:,}", "tokens reused from trials of the same effect"))
    if cost.replayed is not None:
        tiles.append(Tile(f"{100.0 * cost.replayed:.0f} %", "of the tokens replayed without the model"))
    if cost.held_out:
        tiles.append(Tile(f"{cost.held_out:,}", "tokens generated for the verdict"))
    return tiles


def completion_browser(comparison: CompletionComparison, *, maximize: bool) -> Browser:
    """Return the data of the completion browser."""
    names = [trial.name for trial in comparison.trials]
    is_scored = any(score is not None for sample in comparison.samples for score in sample.scores)
    filters = [("all", "all"), ("best", f"{names[0]} won"), ("other", ""), ("tie", "ties"), ("differs", "texts differ")]
    data = {"names": names, "maximize": maximize, "samples": [sample._asdict() for sample in comparison.samples]}
    return Browser(
        names=names,
        is_scored=is_scored,
        filters=[(value, label) for value, label in filters if is_scored or value in ("all", "differs")],
        content=json.dumps(data, ensure_ascii=False),
        maximum_length=comparison.maximum_length,
        left_out=comparison.left_out,
    )


def reproduction_commands(record: StudyRecord, location: str) -> str:
    """Return the commands that search, confirm and report the study, one a line."""
    commands = []
    if record.study_file is not None:
        commands.append(f"llmsearch-optuna run {record.name}.toml      # the study file below")
    commands += [
        confirm_command(location, record.name),
        shlex.join(["llmsearch-optuna", "report", location, "--study", record.name]),
    ]
    return "\n".join(commands)


def versions() -> str:
    """Return the versions that make the report."""
    return (
        f"llmsearch_optuna {__version__}, Optuna {optuna.__version__}, plotly {plotly.__version__}, "
        f"Python {platform.python_version()}"
    )


def _splits(record: StudyRecord) -> tuple[int, int | None]:
    """The sizes of the search split and of the hold-out split, as far as they are known."""
    return len(record.samples), holdout_size(record.fingerprint)


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _short(count: float) -> str:
    """Return a large count in thousands or millions."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e4 else f"{count:,.0f}"
