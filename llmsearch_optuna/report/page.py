"""One self-contained HTML page of a study: it needs no network, and no text of the study can run or load anything.

The figures are drawn by plotly.js's own bundle for Cartesian axes (``plotly-cartesian.min.js``, MIT licence, from the
npm package ``plotly.js-cartesian-dist-min``), which is a third of the bundle in the Python package. The basic bundle
would be smaller, but has no heat maps.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report import drawing, tradeoffs
from llmsearch_optuna.report.browsing import compare_completions
from llmsearch_optuna.report.curves import best_band
from llmsearch_optuna.report.next_steps import next_steps
from llmsearch_optuna.report.outcomes import (
    Cost,
    FinalistSummary,
    Quality,
    cost,
    quality_by_expense,
    seed_scores,
    summarize_finalists,
)
from llmsearch_optuna.report.parameters import MINIMUM_TRIALS, Importances, importances, parameter_slice
from llmsearch_optuna.report.record import StudyRecord, database_of, read_study
from llmsearch_optuna.report.samples import SampleScores, hardest_samples, sample_scores
from llmsearch_optuna.report.sections import (
    browser_data,
    browser_filters,
    parameter_values,
    reproduction_commands,
    study_facts,
    summary_tiles,
    verdict_status,
    versions,
)
from llmsearch_optuna.report.settings import setting_rows, space_rows
from llmsearch_optuna.report.variants import variants
from llmsearch_optuna.storage import Storage, shown_place
from llmsearch_optuna.study.objectives import TOKENS
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.table import GAIN_HEADING, SAVED_HEADING, further_headings

__all__ = ["render_report", "write_report"]

_MAXIMUM_SLICES = 12
_MAXIMUM_TEXT = 400

_TITLES = {
    "verdict": "Verdict",
    "finalists": "Baselines and best",
    "search": "Search",
    "parameters": "Parameters",
    "tradeoffs": "Tokens and seeds",
    "samples": "Samples",
    "completions": "Completions",
    "cost": "Cost and trials",
    "reproduce": "Reproduce",
}


class _Card(NamedTuple):
    """A figure with its heading.

    Attributes:
        name: Its id on the page.
        title: The heading.
        caption: How to read the figure; may be empty.
        height: Height in pixels.
        content: The figure as JSON.
    """

    name: str
    title: str
    caption: str
    height: int
    content: str


def write_report(study: optuna.Study, storage: RDBStorage | Storage, path: str | os.PathLike[str]) -> None:
    """Write the report of a study as one HTML file.

    Args:
        study: The study, finished or not.
        storage: The study's database: an opened storage, a file or a URL.
        path: The file to write.

    Raises:
        StorageError: The database cannot be read, or the file cannot be written.
    """
    path, page = Path(path), render_report(study, storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"the report cannot be written to {path}: {error}") from error


def render_report(study: optuna.Study, storage: RDBStorage | Storage) -> str:
    """Return the report of a study as HTML; see `write_report` for the arguments.

    Raises:
        StorageError: The database cannot be read.
    """
    database = database_of(storage)
    record = read_study(study, database)
    url = database.engine.url.render_as_string(hide_password=True)
    plotly, script = _part("plotly-cartesian.min.js"), _part("page.js")
    policy = (
        f"default-src 'none'; script-src {_source_hash(plotly)} {_source_hash(script)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .from_string(_part("page.html.jinja"))
        .render(
            policy=policy,
            style=_part("page.css"),
            plotly=plotly,
            script=script,
            record=record,
            settings=setting_rows(record.fingerprint),
            space=space_rows(record.fingerprint),
            **_content(record, database, shown_place(url)),
        )
    )


def _content(record: StudyRecord, storage: RDBStorage, location: str) -> dict[str, Any]:
    """Return the template's variables that depend on the study."""
    spent = cost(record)
    finalists = summarize_finalists(record)
    qualities = quality_by_expense(record)
    importance = importances(record)
    scores = sample_scores(record)
    comparison = compare_completions(record, storage)
    names = [row.parameter for row in importance.rows] or list(record.parameters)
    params = None if record.best is None else record.best.params
    present = {
        "finalists": record.best is not None,
        "search": any(trial.value is not None for trial in record.trials),
        "parameters": bool(record.parameters and record.complete),
        "tradeoffs": record.best is not None,
        "samples": scores is not None,
        "completions": comparison is not None,
        "cost": bool(record.trials),
    }
    figures = _figures(record, finalists, qualities, spent, importance, scores)
    return {
        "sections": {name: title for name, title in _TITLES.items() if present.get(name, True)},
        "figures": {card.name: card for card in figures},
        "slices": [
            _card(f"slice-{index}", name, drawing.draw_slice(record, parameter_slice(record, name)))
            for index, name in enumerate(names[:_MAXIMUM_SLICES] if present["parameters"] else ())
        ],
        "facts": study_facts(record),
        "status": verdict_status(record, location),
        "steps": next_steps(record, location),
        "best_values": [] if params is None or record.only_score is not None else parameter_values(params),
        "best_json": "" if params is None else json.dumps(params.to_dict(), indent=2),
        "tiles": summary_tiles(record, spent),
        "finalists": finalists,
        "gain_heading": GAIN_HEADING,
        "further_headings": [
            heading if heading == SAVED_HEADING else f"{heading} held out"
            for heading in (() if record.verdict is None else further_headings(record.verdict))
        ],
        "is_priced": spent.spent is not None,
        "importance_minimum": MINIMUM_TRIALS,
        "importance_trials": importance.trials,
        "front": [quality for quality in reversed(qualities) if quality.is_efficient],
        "hard_samples": () if scores is None else hardest_samples(record, scores),
        "comparison": comparison,
        "browser_filters": [] if comparison is None else browser_filters(comparison),
        "browser_data": "" if comparison is None else browser_data(comparison, maximize=record.maximize),
        "commands": reproduction_commands(record, location),
        "versions": versions(),
    }


def _figures(
    record: StudyRecord,
    finalists: Sequence[FinalistSummary],
    qualities: Sequence[Quality],
    spent: Cost,
    importance: Importances,
    scores: SampleScores | None,
) -> Iterator[_Card]:
    """Yield the figures that the study has enough data for, except the slices."""
    expense = record.expense.name
    yield _card("standings", "Scores", drawing.draw_standings(record, finalists))
    caption = "Pruned trials are shown with their score at their last rung."
    yield _card("history", "Optimisation history", drawing.draw_history(record), caption)
    caption = (
        "The score over the first samples. The band shows the range of the best trial's curve over other orders of the "
        "samples."
    )
    yield _card("curves", "Learning curves", drawing.draw_learning_curves(record, best_band(record)), caption)
    advantage = "shorter" if expense == TOKENS else "cheaper"
    caption = f"No other trial is both better and {advantage} than a trial on the front."
    if record.minimized is not None:
        caption += f" The study searched for this front: the score and the {expense} are its objectives."
    yield _card("quality", f"Quality against {expense}", tradeoffs.draw_quality(record, qualities), caption)
    if groups := variants(record):
        caption = "Every point is a fully evaluated trial. Tokens include those of thoughts."
        yield _card("variants", f"Score against {expense} by variant", tradeoffs.draw_variants(record, groups), caption)
    if spent.tokens > 0:
        yield _card("cost-figure", "Tokens by trial", drawing.draw_cost(spent))
    if importance.rows:
        caption = (
            f"How well each parameter separates the best {100.0 * importance.top:.0f} % of the {importance.trials} "
            "fully evaluated trials from the rest (PED-ANOVA), with 90 % intervals from a bootstrap over trials."
        )
        yield _card("importances", "Importance", drawing.draw_importances(importance), caption)
    seeds = seed_scores(record)
    if seeds.groups:
        caption = "Every point is a trial of the search; its other parameters differ together with the seed."
        if seeds.held_out:
            caption = "Every point is the score of one fresh seed on the hold-out split."
        yield _card("seeds", "Seeds", drawing.draw_seeds(seeds, record.score_name), caption)
    if scores is not None:
        heat_map = drawing.draw_samples(scores, record.score_name, maximize=record.maximize)
        yield _card("heat-map", "Score by sample and trial", heat_map)


def _card(name: str, title: str, figure: go.Figure, caption: str = "") -> _Card:
    return _Card(name, title, caption, int(figure.layout.height), figure.to_json())


def _environment() -> Environment:
    """Return a Jinja environment that escapes the HTML and the control characters of every expression."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_visible, trim_blocks=True, lstrip_blocks=True
    )
    filters: Mapping[str, Any] = {
        "code": _code,
        "decimal": _decimal,
        "json_data": _json_data,
        "multiline": lambda text: escape(printable(text, newlines=True)),
        "shorten": lambda text: excerpt(text, _MAXIMUM_TEXT),
    }
    environment.filters.update(filters)
    return environment


def _visible(value: object) -> object:
    """Escape the control characters of a value, unless it is markup."""
    return value if isinstance(value, Markup) else printable(str(value))


def _code(sentence: str) -> Markup:
    """Mark the text between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(printable(sentence)))))  # noqa: S704 - escaped


def _json_data(content: str) -> Markup:
    """Escape JSON for a ``<script type="application/json">`` element, which browsers neither run nor render."""
    escaped = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(escaped)  # noqa: S704 - it cannot close the element


def _decimal(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _part(name: str) -> str:
    return resources.files("llmsearch_optuna.report").joinpath(name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    """Return the Content-Security-Policy source expression that allows this inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
