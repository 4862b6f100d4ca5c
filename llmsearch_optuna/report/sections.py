"""The texts, tables and numbers of the page as plain data; the template `page.html.jinja` lays them out."""

import json
import platform
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import optuna
import plotly

from llmsearch_optuna._version import __version__
from llmsearch_optuna.engine.irregular import describe_answers
from llmsearch_optuna.report.browsing import CompletionComparison
from llmsearch_optuna.report.outcomes import Cost
from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.report.settings import source_names
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.fingerprint import holdout_size
from llmsearch_optuna.study.objectives import COST, TOKENS
from llmsearch_optuna.terminal import excerpt
from llmsearch_optuna.verdict.commands import confirm_command
from llmsearch_optuna.verdict.verdict import no_holdout

__all__ = [
    "Status",
    "browser_data",
    "browser_filters",
    "parameter_values",
    "reproduction_commands",
    "study_facts",
    "summary_tiles",
    "verdict_status",
    "versions",
]


_MAXIMUM_NAME = 120
_FEW = {TOKENS: "few tokens per sample", COST: "low a cost"}


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


def study_facts(record: StudyRecord) -> Iterator[str]:
    """Yield the facts in the page's header: model, data, splits, metric, objectives and time."""
    held_out = holdout_size(record.fingerprint)
    source = source_names(record)
    yield f"model {excerpt(source.model or 'unknown', _MAXIMUM_NAME)}"
    yield f"data {excerpt(source.data, _MAXIMUM_NAME)}"
    yield f"{len(record.samples)} search samples" + ("" if held_out is None else f", {held_out} held out")
    yield f"metric {record.metric_name}, {'higher' if record.maximize else 'lower'} is better"
    if record.constraints:
        yield f"constraints {', '.join(record.constraints)}"
    if record.minimized is not None:
        yield f"as {_FEW[record.minimized.name]} as possible"
    if record.judge is not None:
        yield record.judge
    if record.began is not None:
        yield f"{record.began:%Y-%m-%d %H:%M}" + (f" to {record.ended:%Y-%m-%d %H:%M}" if record.ended else "")


def verdict_status(record: StudyRecord, location: str) -> Status:
    """Return the verdict, or the reason why there is none.

    Args:
        record: The study.
        location: The database's file or URL, for the command that makes a verdict.
    """
    verdict, best = record.verdict, record.best
    if best is None:
        started = f"{len(record.trials)} trials have started" if record.trials else "No trial has started yet"
        if record.trials and len(record.failed) == len(record.trials):
            return Status(
                "Every trial failed", "bad", f"All {len(record.trials)} trials failed: nothing was measured.", ()
            )
        return Status("Nothing to compare yet", "", f"No trial is fully evaluated yet. {started}.", ())
    confirm = confirm_command(location, record.name)
    if record.only_score is not None:
        count, score = len(record.complete), f"{record.only_score:.4g}"
        sentence = f"Nothing was measured: all {count} fully evaluated trials score {score}."
        return Status("No spread", "", sentence, () if verdict is None else (f"{_capitalized(verdict.sentence)}.",))
    if verdict is None:
        sentence = (
            f"The best of {len(record.complete)} fully evaluated trials, trial {best.number}, scores {best.value:.4g}."
        )
        if record.infeasibility is not None:
            sentence = f"{_capitalized(record.infeasibility)}."
        caveat = "This score is from the search split: selecting the best of many trials makes it optimistic."
        stopped = () if record.stopped is None else (f"{_capitalized(record.stopped)}.",)
        held_out = holdout_size(record.fingerprint)
        if held_out is None or held_out > 1:
            remedy = f"`{confirm}` compares it with the baselines on held-out samples."
            return Status("No verdict yet", "", sentence, (caveat, remedy, *stopped))
        return Status("No verdict", "", sentence, (caveat, f"{_capitalized(no_holdout(held_out))}.", *stopped))
    gain = next((comparison for comparison in verdict.comparisons if comparison.name == verdict.best), None)
    if verdict.standing_of(verdict.best) == "breaks":
        pill, kind = "Breaks a constraint", "bad"
    elif verdict.improved:
        pill, kind = "Improvement shown", "good"
    elif gain is not None and gain.high < 0.0:
        pill, kind = "Worse than the baseline", "bad"
    else:
        pill, kind = "No gain shown", ""
    details = [f"{_capitalized(sentence)}." for sentence in verdict.details]
    if not record.verdict_is_current:
        details.append(f"The search has continued since this verdict: `{confirm}` compares the present finalists.")
    return Status(pill, kind, f"{_capitalized(verdict.sentence)}.", tuple(details))


def parameter_values(params: GenerationParams) -> list[tuple[str, str]]:
    """Return pairs of a parameter's name and its value as a short string."""
    return [
        (name, f"{value:.4g}" if isinstance(value, float) else json.dumps(value))
        for name, value in params.to_dict().items()
    ]


def summary_tiles(record: StudyRecord, cost: Cost) -> Iterator[tuple[str, str]]:
    """Yield the key figures of the search, as pairs of a number and its label."""
    failed = len(record.failed)
    running = len(record.trials) - len(record.complete) - len(record.pruned) - failed
    states = [f"{len(record.complete)} complete", f"{len(record.pruned)} pruned"]
    states += [f"{failed} failed"] * bool(failed) + [f"{running} running"] * (running > 0)
    yield f"{len(record.trials)}", "trials: " + ", ".join(states)
    yield f"{cost.tokens:,}", "tokens generated by the search"
    if cost.spent is not None:
        yield f"{cost.spent:.4g}", "cost of the search at its price"
    if cost.saved:
        share = 100.0 * cost.saved / (cost.saved + cost.tokens)
        yield f"{share:.0f} %", f"saved by pruning: about {_short(cost.saved)} tokens"
    if cost.reused:
        yield f"{cost.reused:,}", "tokens reused from trials of the same effect"
    if cost.replayed is not None:
        yield f"{100.0 * cost.replayed:.0f} %", "of the tokens replayed without the model"
    if cost.held_out:
        yield f"{cost.held_out:,}", "tokens generated for the verdict"
    if cost.held_out_spent is not None:
        yield f"{cost.held_out_spent:.4g}", "cost of the verdict"
    rows = {sample.position: sample.row for sample in record.samples}
    irregular: dict[str, list[int]] = {}
    for trial in record.trials:
        for reason, positions in trial.irregular.items():
            irregular.setdefault(reason, []).extend(rows[position] for position in positions if position in rows)
    if irregular:
        count = sum(map(len, irregular.values()))
        yield f"{count:,}", f"answers of the server are no ordinary text: {describe_answers(irregular)}"


def browser_filters(comparison: CompletionComparison) -> list[tuple[str, str]]:
    """Return the value and the label of each filter button. The page's script sets the label of ``"other"``."""
    if not comparison.is_scored:
        return [("all", "all"), ("differs", "texts differ")]
    best = comparison.names[0]
    return [("all", "all"), ("best", f"{best} won"), ("other", ""), ("tie", "ties"), ("differs", "texts differ")]


def browser_data(comparison: CompletionComparison, *, maximize: bool) -> str:
    """Return the compared completions as JSON, for the page's script."""
    samples = [sample._asdict() for sample in comparison.samples]
    return json.dumps({"names": comparison.names, "maximize": maximize, "samples": samples}, ensure_ascii=False)


def reproduction_commands(record: StudyRecord, location: str) -> str:
    """Return the commands that search, confirm and report the study, one per line.

    Without a study file, the command that searches is left out.
    """
    commands = []
    if record.study_file is not None:
        commands.append(f"{shlex.join(['llmsearch-optuna', 'run', f'{record.name}.toml'])}      # the study file below")
    commands += [
        confirm_command(location, record.name),
        shlex.join(["llmsearch-optuna", "report", location, "--study", record.name]),
    ]
    return "\n".join(commands)


def versions() -> str:
    """Return the versions of the packages that made the report."""
    return (
        f"llmsearch_optuna {__version__}, Optuna {optuna.__version__}, plotly {plotly.__version__}, "
        f"Python {platform.python_version()}"
    )


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _short(count: float) -> str:
    """Return a large count in thousands or millions."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e4 else f"{count:,.0f}"
