"""One self-contained HTML page of a study: no network, nothing that a text in it could start."""

import base64
import hashlib
import string
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import optuna
import plotly.graph_objects as go
from optuna.storages import RDBStorage
from plotly.offline import get_plotlyjs

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report.browsing import compared_completions
from llmsearch_optuna.report.curves import history, learning_curves
from llmsearch_optuna.report.drawing import (
    draw_cost,
    draw_history,
    draw_importances,
    draw_learning_curves,
    draw_quality,
    draw_samples,
    draw_seeds,
    draw_slice,
    draw_standings,
)
from llmsearch_optuna.report.outcomes import cost, quality_by_tokens, seed_scores, standings
from llmsearch_optuna.report.parameters import LEAST_TRIALS, importances, parameter_slice
from llmsearch_optuna.report.record import StudyRecord, read_study
from llmsearch_optuna.report.samples import hardest, sample_scores
from llmsearch_optuna.report.sections import (
    browser,
    figure_card,
    front_table,
    hard_samples,
    head,
    overview,
    reproduction,
    standings_table,
    text,
    trials_table,
    verdict_card,
)
from llmsearch_optuna.storage import open_storage, shown_url, sqlite_path, sqlite_url

__all__ = ["render_report", "write_report"]

_MOST_SLICES = 12


def write_report(study: optuna.Study, storage: RDBStorage | str, path: Path) -> None:
    """Writes the report of a study as one HTML file.

    Args:
        study: The study; it need not be finished.
        storage: The database that it lives in: opened, or its file or URL.
        path: The file to write.

    Raises:
        StorageError: The database cannot be read, or the file cannot be written.
    """
    page = render_report(study, storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"the report cannot be written to {path}: {error}") from error


def render_report(study: optuna.Study, storage: RDBStorage | str) -> str:
    """The report of a study as HTML; see `write_report`."""
    database = open_storage(sqlite_url(storage), must_exist=True) if isinstance(storage, str) else storage
    record = read_study(study, database)
    url = database.engine.url.render_as_string(hide_password=True)
    sections = dict(_sections(record, database, str(sqlite_path(url) or shown_url(url))))
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in _TITLES.items() if name in sections)
    body = f"{head(record)}<nav><div>{links}</div></nav><main>{''.join(sections.values())}</main>{_FOOTER}"
    plotly, script = get_plotlyjs(), _part("page.js")
    policy = (
        f"default-src 'none'; script-src {_hash(plotly)} {_hash(script)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return string.Template(_part("page.html")).substitute(
        policy=policy,
        title=text(record.name),
        style=_part("page.css"),
        body=body,
        plotly=plotly,
        script=script,
    )


_TITLES = {
    "verdict": "Verdict",
    "finalists": "Baselines and best",
    "search": "Search",
    "parameters": "Parameters",
    "tradeoffs": "Tokens and seeds",
    "samples": "Samples",
    "completions": "Completions",
    "cost": "Cost",
    "reproduce": "Reproduce",
}

_FOOTER = "<footer>Made by llmsearch_optuna. This page is one file and loads nothing from anywhere.</footer>"


def _sections(record: StudyRecord, storage: RDBStorage, place: str) -> Iterator[tuple[str, str]]:
    """The sections that there is something to show in, by name."""
    spent = cost(record)
    yield "verdict", verdict_card(record, place) + overview(record, spent)
    if record.best is not None:
        yield "finalists", _finalists(record)
    if any(trial.value is not None for trial in record.trials):
        yield "search", _search(record)
    if record.parameters and record.complete:
        yield "parameters", _parameters(record)
    if record.best is not None:
        yield "tradeoffs", _tradeoffs(record)
        found = sample_scores(record)
        if found is not None:
            card = _card(
                "heat-map",
                "Score by sample and trial",
                "",
                draw_samples(found, record.score_name, maximize=record.maximize),
            )
            lead = (
                "Rows that stay dark in every column are hard whatever the parameters; those that change tell the "
                "trials apart. What is left blank was not scored, as the trial was pruned."
            )
            yield "samples", _section("samples", "Hard samples", lead, card + hard_samples(hardest(record, found)))
        compared = compared_completions(record, storage)
        if compared is not None:
            lead = "What the best says beside a baseline, sample by sample, with the words that differ marked."
            yield (
                "completions",
                _section("completions", "Completions", lead, browser(compared, maximize=record.maximize)),
            )
    if spent.tokens:
        yield (
            "cost",
            _section(
                "cost", "Cost", "", _card("cost-figure", "Tokens by trial", "", draw_cost(spent)) + trials_table(record)
            ),
        )
    yield "reproduce", _section("reproduce", "How to reproduce", "", reproduction(record, place))


def _finalists(record: StudyRecord) -> str:
    rows = standings(record)
    lead = "The search chose by the search split. What counts is the hold-out split, which no trial has seen."
    figure = _card("standings", "Scores", "", draw_standings(rows, record.score_name))
    return _section(
        "finalists", "Baselines and best", lead, f'{figure}<div class="card">{standings_table(record, rows)}</div>'
    )


def _search(record: StudyRecord) -> str:
    course = _card(
        "history",
        "Optimisation history",
        "Pruned trials are shown with their score at the rung where they ended.",
        draw_history(history(record), record.score_name),
    )
    curves = _card(
        "curves",
        "Learning curves",
        "The score over the first samples. The band is where the best trial's curve would be in other orders of them.",
        draw_learning_curves(learning_curves(record), record.score_name),
    )
    return _section("search", "The search", "", f'<div class="grid">{course}{curves}</div>')


def _parameters(record: StudyRecord) -> str:
    found = importances(record)
    if found.rows:
        caption = (
            f"Which parameters tell the best {100.0 * found.top:.0f} % of the {found.trials} fully evaluated trials "
            "from the rest (PED-ANOVA), with 90 % intervals from a bootstrap over trials."
        )
        first = _card("importances", "Importance", caption, draw_importances(found))
        names = [row.parameter for row in found.rows]
    else:
        first = (
            f'<div class="card"><h3>Importance</h3><p class="muted">Importances need {LEAST_TRIALS} fully evaluated '
            f"trials of the sampler that do not all score the same; there are {found.trials}.</p></div>"
        )
        names = list(record.parameters)
    slices = "".join(
        _card(f"slice-{index}", name, "", draw_slice(parameter_slice(record, name), record.score_name))
        for index, name in enumerate(names[:_MOST_SLICES])
    )
    columns = "" if len(names) in (1, 2, 4) else " small"
    lead = "The sampler moves all parameters at once: a slope is a hint and no proof of an effect."
    return _section("parameters", "Parameters", lead, f'{first}<div class="grid{columns}">{slices}</div>')


def _tradeoffs(record: StudyRecord) -> str:
    found = quality_by_tokens(record)
    quality = _card(
        "quality",
        "Quality against tokens",
        "No trial on the front is beaten by one that is both better and shorter."
        + (" The study searched for this front: the score and the tokens are its objectives." * record.counts_tokens),
        draw_quality(found, record.best, record.score_name),
    )
    seeds = seed_scores(record)
    caption = (
        "Every point is one seed that no trial had, on the held-out samples."
        if seeds.held_out
        else "Every point is a trial; without a verdict, other parameters change with the seed."
    )
    shown = _card("seeds", "Seeds", caption, draw_seeds(seeds, record.score_name)) if seeds.groups else ""
    front = front_table(found) if record.counts_tokens else ""
    return _section("tradeoffs", "Tokens and seeds", "", f'<div class="grid">{quality}{shown}</div>{front}')


def _card(name: str, title: str, caption: str, figure: go.Figure) -> str:
    return figure_card(name, title, caption, figure.to_json())


def _section(name: str, title: str, lead: str, content: str) -> str:
    told = f'<p class="lead">{text(lead)}</p>' if lead else ""
    return f'<section id="{name}"><h2>{text(title)}</h2>{told}{content}</section>'


def _part(name: str) -> str:
    return resources.files("llmsearch_optuna.report").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What lets a browser run this script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
