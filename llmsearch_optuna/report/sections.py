"""The parts of the page in words, tables and numbers; all that others wrote goes through `text`, and is only shown."""

import html
import json
import platform
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import optuna
import plotly
from optuna.trial import TrialState

from llmsearch_optuna._version import __version__
from llmsearch_optuna.report.browsing import Comparison
from llmsearch_optuna.report.outcomes import Cost, Quality, Standing
from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.report.samples import HardSample
from llmsearch_optuna.study.fingerprint import describe_part, holdout_size
from llmsearch_optuna.study.trials import describe_params
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.verdict import confirm_command, no_holdout

__all__ = [
    "browser",
    "figure_card",
    "front_table",
    "hard_samples",
    "head",
    "overview",
    "reproduction",
    "standings_table",
    "text",
    "trials_table",
    "verdict_card",
]

_EXCERPT = 400


class _Status(NamedTuple):
    pill: str
    kind: str
    sentence: str
    more: tuple[str, ...]


def text(value: object, *, newlines: bool = False) -> str:
    """A text as HTML, with its control characters written out."""
    return html.escape(printable(str(value), newlines=newlines))


def head(record: StudyRecord) -> str:
    """The study, and what it is about."""
    searched, held_out = _splits(record)
    about = [
        f"metric {record.metric}, {'higher' if record.maximize else 'lower'} is better",
        *(["as few tokens per completion as possible"] if record.counts_tokens else []),
        f"{searched} samples searched on" + ("" if held_out is None else f", {held_out} held out"),
    ]
    if record.began is not None:
        about.append(f"{record.began:%Y-%m-%d %H:%M}" + (f" to {record.ended:%Y-%m-%d %H:%M}" if record.ended else ""))
    return (
        f'<header><div class="eyebrow">llmsearch_optuna report</div><h1>{text(record.name)}</h1>'
        f'<div class="meta">{"".join(f"<span>{text(one)}</span>" for one in about)}</div></header>'
    )


def verdict_card(record: StudyRecord, storage: str) -> str:
    """The verdict, or why there is none, and the parameters that it is about."""
    status = _status(record, storage)
    lines = "".join(f'<p class="muted">{_coded(line)}</p>' for line in status.more)
    return (
        f'<section id="verdict"><div class="card verdict"><span class="pill {status.kind}">{text(status.pill)}</span>'
        f'<p class="sentence">{_coded(status.sentence)}</p>{lines}{_chips(record)}</div>'
    )


def _status(record: StudyRecord, storage: str) -> _Status:
    verdict, best = record.verdict, record.best
    if best is None:
        left = f"{len(record.trials)} trials have begun" if record.trials else "No trial has begun yet"
        return _Status("Nothing to compare yet", "", f"No trial is fully evaluated yet. {left}.", ())
    confirm = confirm_command(storage, record.name)
    if verdict is None:
        told = (
            f"The best of {len(record.complete)} fully evaluated trials, trial {best.number}, scores {best.value:.4g}."
        )
        doubt = "On the search split: the best of many is flattered by chance."
        _, held_out = _splits(record)
        remedy = (
            f"`{confirm}` compares it with the baselines on held-out samples."
            if held_out is None or held_out > 1
            else f"{_capitalised(no_holdout(held_out))}."
        )
        return _Status(
            "No verdict yet" if held_out is None or held_out > 1 else "No verdict", "", told, (doubt, remedy)
        )
    own = next((one for one in verdict.comparisons if one.name == verdict.best), None)
    if verdict.improved:
        pill, kind = "Improvement shown", "good"
    elif own is not None and own.high < 0.0:
        pill, kind = "Worse than the baseline", "bad"
    else:
        pill, kind = "No gain shown", ""
    told_further = [*verdict.front_sentences, *filter(None, [verdict.seed_sentence])]
    more = [f"{_capitalised(sentence)}." for sentence in told_further]
    if not record.verdict_is_current:
        more.append(f"The search has gone on since: `{confirm}` compares those who are the finalists now.")
    return _Status(pill, kind, _capitalised(verdict.sentence) + ".", tuple(more))


def _chips(record: StudyRecord) -> str:
    if record.best is None or record.best.params is None:
        return ""
    values = record.best.params.to_dict()
    shown = [
        (name, f"{value:.4g}" if isinstance(value, float) else json.dumps(value)) for name, value in values.items()
    ]
    items = "".join(f"<li><span>{text(name)}</span>{text(value)}</li>" for name, value in shown)
    best = "Best score" if record.counts_tokens else "Best parameters"
    return f'<h3>{best}: trial {record.best.number}</h3><ul class="chips">{items}</ul>'


def overview(record: StudyRecord, cost: Cost) -> str:
    """The search in a few numbers; closes the verdict's section."""
    failed = sum(trial.state == TrialState.FAIL for trial in record.trials)
    states = [f"{len(record.complete)} complete", f"{len(record.pruned)} pruned"] + [f"{failed} failed"] * bool(failed)
    running = len(record.trials) - len(record.complete) - len(record.pruned) - failed
    tiles = [
        (f"{len(record.trials)}", "trials: " + ", ".join(states + [f"{running} under way"] * (running > 0))),
        (f"{cost.tokens:,}", "tokens generated by the search"),
    ]
    if cost.saved:
        share = 100.0 * cost.saved / (cost.saved + cost.tokens)
        tiles.append((f"{share:.0f} %", f"saved by pruning: about {_short(cost.saved)} tokens"))
    if cost.reused:
        tiles.append((f"{cost.reused:,}", "tokens taken over from trials of the same effect"))
    if cost.replayed is not None:
        tiles.append((f"{100.0 * cost.replayed:.0f} %", "of the tokens replayed without the model"))
    if cost.held_out:
        tiles.append((f"{cost.held_out:,}", "tokens generated for the verdict"))
    shown = "".join(f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for value, label in tiles)
    return f'<div class="tiles">{shown}</div></section>'


def standings_table(record: StudyRecord, rows: Sequence[Standing]) -> str:
    """The finalists with their scores, gains and parameters."""
    verdict = record.verdict
    # By trial: a finalist's name may be another one's by now.
    trials = {} if verdict is None else {one.name: one.trial for one in verdict.finalists}
    gains = {} if verdict is None else {trials[one.name]: str(one) for one in verdict.comparisons}
    savings = {} if verdict is None else {trials[one.name]: str(one) for one in verdict.savings}
    tokens = {} if verdict is None else {one.trial: one.tokens for one in verdict.finalists}
    has_verdict = verdict is not None
    has_tokens = record.counts_tokens and has_verdict
    columns = [
        "",
        "search split",
        *(["held out", "gain [95 % interval]"] if has_verdict else []),
        *(["tokens held out", "saved [95 % interval]"] if has_tokens else []),
        "trial",
        "parameters",
    ]
    numbers = {"search split", "held out", "tokens held out", "trial"}
    lines = []
    for row in rows:
        told = [f'<td class="name">{text(row.name)}</td>', f'<td class="number">{row.searched:.4f}</td>']
        if has_verdict:
            gain = "reference" if row.is_reference else gains.get(row.trial.number, "-")
            told.append(f'<td class="number">{"-" if row.held_out is None else f"{row.held_out:.4f}"}</td>')
            told.append(f'<td class="gain">{text(gain)}</td>')
        if has_tokens:
            count = tokens.get(row.trial.number)
            told.append(f'<td class="number">{"-" if count is None else f"{count:.1f}"}</td>')
            told.append(f'<td class="gain">{text(savings.get(row.trial.number, "-"))}</td>')
        params = "" if row.trial.params is None else describe_params(row.trial.params)
        told.append(f'<td class="number">{row.trial.number}</td><td class="params">{text(params)}</td>')
        lines.append("".join(told))
    heads = "".join(f"<th{' class=number' if column in numbers else ''}>{column}</th>" for column in columns)
    return _table(heads, lines)


def front_table(rows: Sequence[Quality]) -> str:
    """The trials of the Pareto front, the best score first, with their parameters."""
    lines = [
        f'<td class="number">{row.value:.4f}</td><td class="number">{row.tokens:.1f}</td>'
        f'<td class="number">{row.trial.number}</td>'
        f'<td class="params">{text("" if row.trial.params is None else describe_params(row.trial.params))}</td>'
        for row in reversed(rows)
        if row.is_efficient
    ]
    heads = "".join(f"<th class=number>{name}</th>" for name in ("score", "tokens per completion", "trial"))
    return f'<div class="card"><h3>The Pareto front</h3>{_table(f"{heads}<th>parameters</th>", lines)}</div>'


def figure_card(name: str, title: str, caption: str, figure: str) -> str:
    """A figure with its heading.

    Args:
        name: Identifies it on the page.
        title: Its heading.
        caption: How to read it.
        figure: The figure as JSON.
    """
    height = json.loads(figure)["layout"].get("height", 300)
    said = f'<p class="muted">{text(caption)}</p>' if caption else ""
    return (
        f'<div class="card"><h3>{text(title)}</h3>{said}'
        f'<div class="figure" id="{name}" data-figure="{name}-data" style="height: {int(height)}px"></div>'
        f"{as_data(f'{name}-data', figure)}</div>"
    )


def as_data(name: str, content: str) -> str:
    """JSON as a part of the page that nothing runs or renders."""
    escaped = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{name}">{escaped}</script>'


def hard_samples(rows: Sequence[HardSample]) -> str:
    """The samples that few trials do well on."""
    items = "".join(
        f'<li><div><b>{row.mean:.3g}</b><div class="muted">best {row.best:.3g}</div></div>'
        f'<div><span class="muted">row {row.sample.row}</span>'
        f'<div class="text clamp" dir="auto">{text(excerpt(row.prompt, _EXCERPT), newlines=True)}</div></div></li>'
        for row in rows
    )
    return (
        '<div class="card"><h3>The hardest samples</h3><p class="muted">Mean score over the fully evaluated trials, '
        f'and the best that any of them reached.</p><ul class="hard">{items}</ul></div>'
    )


def browser(found: Comparison, *, maximize: bool) -> str:
    """The completion browser: what the script needs, and its controls."""
    names = [one.name for one in found.contestants]
    is_scored = any(score is not None for sample in found.samples for score in sample.scores)
    data = {"names": names, "maximize": maximize, "samples": [sample._asdict() for sample in found.samples]}
    filters = [("all", "all"), ("best", f"{names[0]} won"), ("other", ""), ("tie", "ties"), ("differs", "texts differ")]
    buttons = "".join(
        f'<button type="button" value="{value}"><span>{text(label)}</span><small></small></button>'
        for value, label in filters
        if is_scored or value in ("all", "differs")
    )
    options = "".join(f'<option value="{index}">{text(name)}</option>' for index, name in enumerate(names) if index)
    order = (
        '<label>order <select name="order"><option value="data">as searched</option>'
        '<option value="gain">largest gain first</option><option value="loss">largest loss first</option>'
        "</select></label>"
    )
    left_out = f" {found.left_out:,} more samples are left out here." if found.left_out else ""
    return (
        f'<div class="card" data-browser="browser-data" id="browser"><div class="controls">'
        f'<label>{text(names[0])} beside <select name="other">{options}</select></label>{order if is_scored else ""}'
        f'<label>find <input name="query" type="search" placeholder="in all texts" size="14"></label></div>'
        f'<div class="controls"><div class="segments">{buttons}</div><span class="count muted"></span></div>'
        f'<div class="pairs"></div><button type="button" class="more">show more</button>'
        f'<p class="muted">Texts of more than {found.longest:,} characters are shortened.{left_out}</p>'
        f"{as_data('browser-data', json.dumps(data, ensure_ascii=False))}</div>"
    )


def trials_table(record: StudyRecord) -> str:
    """All trials, and why those that failed did."""
    lines = []
    for trial in record.trials:
        value = "-" if trial.value is None else f"{trial.value:.4f}"
        told = "" if trial.params is None else describe_params(trial.params)
        name = "" if trial.baseline is None else f"{trial.baseline}: "
        failure = "" if trial.error is None else f"<div>{text(excerpt(trial.error, _EXCERPT))}</div>"
        lines.append(
            f'<td class="number">{trial.number}</td><td>{trial.state.name.lower()}</td><td class="number">{value}</td>'
            f'<td class="number">{trial.seen}</td><td class="number">{int(trial.token_counts.sum()):,}</td>'
            f'<td class="params">{text(name + told)}{failure}</td>'
        )
    heads = "".join(
        f'<th class="{kind}">{name}</th>'
        for name, kind in (
            ("trial", "number"),
            ("state", ""),
            ("score", "number"),
            ("samples", "number"),
            ("tokens", "number"),
            ("parameters", ""),
        )
    )
    return f'<details class="card"><summary>All {len(lines)} trials</summary>{_table(heads, lines)}</details>'


def reproduction(record: StudyRecord, storage: str) -> str:
    """Commands, study file, versions and the fingerprint."""
    commands = []
    if record.study_file is not None:
        commands.append(f"llmsearch-optuna run {record.name}.toml      # the study file below")
    commands += [
        confirm_command(storage, record.name),
        shlex.join(["llmsearch-optuna", "report", storage, "--study", record.name]),
    ]
    parts = [f"<h3>Commands</h3><pre>{text(chr(10).join(commands), newlines=True)}</pre>"]
    if record.study_file is None:
        parts.append('<p class="muted">The study was searched from Python, without a study file.</p>')
    else:
        shown = text(record.study_file, newlines=True)
        parts.append(f"<details><summary>The study file</summary><pre>{shown}</pre></details>")
    if record.best is not None and record.best.params is not None:
        params = text(json.dumps(record.best.params.to_dict(), indent=2), newlines=True)
        parts.append(f"<h3>Best parameters</h3><pre>{params}</pre>")
    parts.append(
        '<h3>Fingerprint</h3><p class="muted">What the scores depend on; a search with anything else is refused under '
        "this name.</p>"
    )
    fingerprint = {name: describe_part(value) for name, value in record.fingerprint.items()}.items()
    rows = [f'<td class="name">{text(name)}</td><td class="mono">{text(value)}</td>' for name, value in fingerprint]
    parts.append(_table("", rows))
    versions = (
        f"llmsearch_optuna {__version__}, Optuna {optuna.__version__}, plotly {plotly.__version__}, "
        f"Python {platform.python_version()}"
    )
    if record.environment:
        begun = ", ".join(f"{name} {value}" for name, value in record.environment.items())
        parts.append(f'<p class="muted">The study was begun with {text(begun)}.</p>')
    parts.append(
        f'<p class="muted">This report: {text(versions)}. The log beside the database tells more of the search.</p>'
    )
    return f'<div class="card">{"".join(parts)}</div>'


def _splits(record: StudyRecord) -> tuple[int, int | None]:
    """The sizes of the search split and of the hold-out split, as far as they are known."""
    return len(record.samples), holdout_size(record.fingerprint)


def _table(heads: str, lines: Iterable[str]) -> str:
    top = f"<thead><tr>{heads}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def _coded(sentence: str) -> str:
    """What stands in backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text(sentence))


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _short(number: float) -> str:
    """A count to two figures or so."""
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k" if number >= 1e4 else f"{number:,.0f}"
