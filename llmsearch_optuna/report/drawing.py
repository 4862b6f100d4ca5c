"""Drawing of the report's figures with plotly, in colours for light and dark pages."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from optuna.trial import TrialState

from llmsearch_optuna.report.axes import INK, limit_axis, log_ticks, new_figure, single_value_limits, tell_no_spread
from llmsearch_optuna.report.curves import Band, best_so_far
from llmsearch_optuna.report.outcomes import Cost, FinalistSummary, SeedScores
from llmsearch_optuna.report.parameters import Importances, Slice
from llmsearch_optuna.report.record import NORMAL_95, StudyRecord, TrialRecord
from llmsearch_optuna.report.samples import SampleScores
from llmsearch_optuna.terminal import excerpt, printable

__all__ = [
    "BEST",
    "add_trials",
    "draw_cost",
    "draw_history",
    "draw_importances",
    "draw_learning_curves",
    "draw_samples",
    "draw_seeds",
    "draw_slice",
    "draw_standings",
    "kind_of",
    "safe",
]

_Floats = npt.NDArray[np.float64]

# Mid-tones that contrast with white and with near black. Symbols distinguish the kinds, too.
TRIAL, BEST, BASELINE, PRUNED, FAILED = "#4c8bd6", "#17a67a", "#d98a1f", "#8d939e", "#d9534f"
_STYLES = {
    "pruned": (PRUNED, "circle-open"),
    "complete": (TRIAL, "circle"),
    "baseline": (BASELINE, "diamond"),
    "best": (BEST, "star"),
}
_SCALE = [[0.0, "#3b2f63"], [0.25, "#3d5a8f"], [0.5, "#2f8f8d"], [0.75, "#6cc26b"], [1.0, "#f4e04d"]]

_MINIMUM_HEIGHT, _ROW = 150, 34


def safe(text: str) -> str:
    """Escape a string for plotly's labels, which plotly interprets as a subset of HTML."""
    return html.escape(printable(text), quote=False)


def draw_standings(record: StudyRecord, finalists: Sequence[FinalistSummary]) -> go.Figure:
    """Draw the finalists' scores on the search split, with 95 % intervals, and on the hold-out split."""
    names = [safe(finalist.name) for finalist in finalists]
    colours = [_STYLES[kind_of(finalist.trial, record.best)][0] for finalist in finalists]
    errors = [finalist.trial.standard_error for finalist in finalists]
    half_widths = [NORMAL_95 * (error or 0.0) for error in errors]
    figure = new_figure(xaxis_title=safe(record.score_name), height=_MINIMUM_HEIGHT + _ROW * len(finalists))
    figure.add_scatter(
        x=[finalist.search_score for finalist in finalists],
        y=names,
        error_x={"array": half_widths, "thickness": 1.5, "width": 0, "color": INK},
        mode="markers",
        name="search split" if None in errors else "search split, 95 % interval",
        marker={"size": 10, "color": colours, "symbol": "circle"},
        hovertemplate="%{y}: %{x:.4f} on the search split<extra></extra>",
    )
    held_out = [
        (finalist.held_out.score, name, colour)
        for finalist, name, colour in zip(finalists, names, colours, strict=True)
        if finalist.held_out is not None
    ]
    if held_out:
        scores, held_out_names, held_out_colours = zip(*held_out, strict=True)
        figure.add_scatter(
            x=scores,
            y=held_out_names,
            mode="markers",
            name="held out",
            marker={"size": 13, "symbol": "diamond-open", "color": held_out_colours, "line": {"width": 2}},
            hovertemplate="%{y}: %{x:.4f} held out<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    ends = [score for score, _, _ in held_out]
    for finalist, width in zip(finalists, half_widths, strict=True):
        ends += [finalist.search_score - width, finalist.search_score + width]
    limit_axis(figure, "x", ends)
    return figure


def draw_history(record: StudyRecord) -> go.Figure:
    """Draw the values of all trials in the order of their numbers, and the best value so far."""
    figure = new_figure(xaxis_title="trial", yaxis_title=safe(record.score_name), height=400)
    if bests := best_so_far(record):
        numbers, values = zip(*bests, strict=True)
        figure.add_scatter(
            x=numbers,
            y=values,
            mode="lines",
            name="best so far",
            line={"color": BEST, "width": 2, "shape": "hv"},
            hoverinfo="skip",
        )
    groups = {
        "pruned": [trial for trial in record.pruned if trial.value is not None],
        "complete": [trial for trial in record.complete if trial.baseline is None],
        "baseline": record.baselines,
        "best": [] if record.best is None else [record.best],
    }
    for kind, trials in groups.items():
        add_trials(figure, kind, trials, [trial.number for trial in trials], size=15 if kind == "best" else 8)
    if record.failed:
        figure.add_scatter(
            x=[trial.number for trial in record.failed],
            y=[0.0] * len(record.failed),
            yaxis="y2",
            mode="markers",
            name="failed",
            marker={"color": FAILED, "symbol": "x", "size": 8},
            cliponaxis=False,
            text=[safe(excerpt(trial.error or "", 120)) for trial in record.failed],
            hovertemplate="trial %{x} failed: %{text}<extra></extra>",
        )
        figure.update_layout(yaxis2={"overlaying": "y", "range": [0.0, 1.0], "visible": False, "fixedrange": True})
    if len(record.trials) == 1:
        figure.update_xaxes(range=[-0.5, 1.5], dtick=1)
    limit_axis(figure, "y", [trial.value for trial in record.trials if trial.value is not None])
    return figure


def draw_learning_curves(record: StudyRecord, band: Band | None) -> go.Figure:
    """Draw the metric over the first samples, by trial, and the band of the best trial."""
    figure = new_figure(xaxis_title="samples scored", yaxis_title=safe(record.score_name), height=400)
    if band is not None:
        _add_band(figure, band.sizes, band.low, band.high, _tinted(BEST, 0.16), name="band of the best")
    styles = {
        "pruned": {"color": _tinted(PRUNED, 0.75), "width": 1},
        "complete": {"color": _tinted(TRIAL, 0.75), "width": 1.2},
        "baseline": {"color": BASELINE, "width": 1.8, "dash": "dot"},
        "failed": {"color": _tinted(FAILED, 0.75), "width": 1},
        "running": {"color": _tinted(TRIAL, 0.75), "width": 1.2, "dash": "dash"},
        "best": {"color": BEST, "width": 3},
    }
    for kind, line in styles.items():
        trials = [trial for trial in record.trials if trial.reported and kind_of(trial, record.best) == kind]
        if trials:
            # One trace with gaps: hundreds of separate traces would be slow.
            figure.add_scatter(
                x=_joined([list(trial.reported) for trial in trials]),
                y=_joined([list(trial.reported.values()) for trial in trials]),
                customdata=_joined([[trial.number] * len(trial.reported) for trial in trials]),
                mode="lines+markers",
                marker={"size": 4 if kind in ("pruned", "complete") else 6},
                line=line,
                name=kind,
                connectgaps=False,
                hovertemplate="trial %{customdata}: %{y:.4f} on %{x} samples<extra></extra>",
            )
    figure.update_xaxes(rangemode="tozero")
    ends = [] if band is None else [*band.low, *band.high]
    limit_axis(figure, "y", [*ends, *(value for trial in record.trials for value in trial.reported.values())])
    return figure


def draw_importances(importances: Importances) -> go.Figure:
    """Draw the importances of all parameters with their intervals."""
    rows = importances.rows
    figure = new_figure(xaxis_title="share of importance", height=_MINIMUM_HEIGHT + _ROW * len(rows), showlegend=False)
    figure.add_bar(
        x=[row.share for row in rows],
        y=[safe(row.parameter) for row in rows],
        orientation="h",
        marker={"color": _tinted(TRIAL, 0.8)},
        width=0.55,
        error_x={
            "array": [row.high - row.share for row in rows],
            "arrayminus": [row.share - row.low for row in rows],
            "thickness": 1.5,
            "width": 4,
            "color": INK,
        },
        customdata=[(row.low, row.high) for row in rows],
        hovertemplate="%{y}: %{x:.0%} [%{customdata[0]:.0%}, %{customdata[1]:.0%}]<extra></extra>",
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def draw_slice(record: StudyRecord, data: Slice) -> go.Figure:
    """Draw the score of each trial against its value of one parameter, and the trend."""
    name, metric = safe(data.parameter), safe(record.score_name)
    figure = new_figure(xaxis_title=name, yaxis_title=metric, height=270, showlegend=False)
    if data.trend is not None:
        _add_band(figure, data.trend.at, data.trend.low, data.trend.high, _tinted(TRIAL, 0.14))
        figure.add_scatter(
            x=data.trend.at, y=data.trend.mean, mode="lines", line={"color": TRIAL, "width": 1.5}, hoverinfo="skip"
        )
    ends: list[float] = []
    for kind, (colour, _) in _STYLES.items():
        trials = [trial for trial in (*data.pruned, *data.complete) if kind_of(trial, record.best) == kind]
        chosen = [trial.chosen[data.parameter] for trial in trials]
        x = chosen if data.categories is None else [safe(str(value)) for value in chosen]
        errors = [NORMAL_95 * (trial.standard_error or 0.0) for trial in trials]
        bars = {"array": errors, "thickness": 1, "width": 0, "color": _tinted(colour, 0.45)}
        add_trials(figure, kind, trials, x, size=14 if kind == "best" else 7, error_y=bars)
        for trial, error in zip(trials, errors, strict=True):
            ends += [(trial.value or 0.0) - error, (trial.value or 0.0) + error]
    limit_axis(figure, "y", ends)
    if data.categories is not None:
        categories = list(map(safe, data.categories))
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=categories, showgrid=False)
    elif data.is_log:
        chosen = [trial.chosen[data.parameter] for trial in (*data.complete, *data.pruned)]
        figure.update_xaxes(type="log", tickvals=log_ticks(chosen) if chosen else None)
    return figure


def draw_seeds(seeds: SeedScores, metric: str) -> go.Figure:
    """Draw the metric for each seed, with one row and the mean for each group of `seeds`."""
    figure = new_figure(
        xaxis_title=safe(metric), height=max(380, _MINIMUM_HEIGHT + _ROW * len(seeds.groups)), showlegend=False
    )
    for name, scores in seeds.groups.items():
        label = safe(name)
        if len(scores) > 1:
            figure.add_scatter(
                x=[scores.min(), scores.max()],
                y=[label] * 2,
                mode="lines",
                line={"color": _tinted(TRIAL, 0.35), "width": 6},
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=scores,
            y=[label] * len(scores),
            mode="markers",
            marker={"color": TRIAL, "size": 8, "opacity": 0.85},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
        figure.add_scatter(
            x=[scores.mean()],
            y=[label],
            mode="markers",
            marker={"symbol": "line-ns-open", "color": BEST, "size": 20, "line": {"width": 2.5}},
            hovertemplate="%{y}: mean %{x:.4f}<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    limit_axis(figure, "x", [float(score) for scores in seeds.groups.values() for score in scores])
    return figure


def draw_samples(scores: SampleScores, metric: str, *, maximize: bool) -> go.Figure:
    """Draw the heat map of `scores`: one row per sample, hardest first, and one column per trial."""
    samples, trials = scores.scores.shape
    figure = new_figure(
        xaxis_title="trials, best to worst" + ", then those not fully evaluated" * (scores.complete < trials),
        yaxis_title="samples, hardest at the top",
        height=int(np.clip(samples * 9, 320, 900)),
        showlegend=False,
    )
    figure.add_heatmap(
        z=scores.scores.astype(np.float32),
        x=[str(number) for number in scores.trials],
        y=[f"row {sample.row}" for sample in scores.samples],
        colorscale=_SCALE,
        reversescale=not maximize,
        hoverongaps=False,
        colorbar={"thickness": 10, "outlinewidth": 0, "len": 0.9},
        hovertemplate=f"trial %{{x}}, %{{y}}: {safe(metric)} %{{z:.3f}}<extra></extra>",
    )
    figure.update_xaxes(type="category", nticks=24, showgrid=False)
    figure.update_yaxes(type="category", nticks=24, autorange="reversed", showgrid=False)
    finite = scores.scores[np.isfinite(scores.scores)]
    if finite.size and finite.min() == finite.max():
        low, high = single_value_limits(float(finite[0]))
        figure.update_traces(zmin=low, zmax=high, showscale=False)
        tell_no_spread(figure, float(finite[0]))
    if scores.complete < trials:
        figure.add_vline(x=scores.complete - 0.5, line={"color": INK, "width": 1, "dash": "dot"})
    return figure


def draw_cost(cost: Cost) -> go.Figure:
    """Draw the tokens generated and saved, by trial."""
    figure = new_figure(xaxis_title="trial", yaxis_title="tokens", height=300, barmode="stack", bargap=0.15)
    numbers = [row.trial.number for row in cost.trials]
    figure.add_bar(
        x=numbers,
        y=[row.tokens for row in cost.trials],
        name="generated",
        marker={"color": _tinted(TRIAL, 0.85)},
        hovertemplate="trial %{x}: %{y:,} tokens<extra></extra>",
    )
    figure.add_bar(
        x=numbers,
        y=[round(row.saved) for row in cost.trials],
        name="saved by pruning",
        marker={"color": _tinted(PRUNED, 0.25), "line": {"color": PRUNED, "width": 1}},
        hovertemplate="trial %{x}: about %{y:,} tokens saved<extra></extra>",
    )
    return figure


def add_trials(
    figure: go.Figure,
    kind: str,
    trials: Sequence[TrialRecord],
    x: Sequence[Any],
    *,
    size: int,
    point: str = "%{y:.4f}",
    **options: Any,
) -> None:
    """Add the values of trials at positions x, in the style of their kind, with the parameters as hover text."""
    if trials:
        colour, symbol = _STYLES[kind]
        figure.add_scatter(
            x=x,
            y=[trial.value for trial in trials],
            mode="markers",
            name=kind,
            marker={"color": colour, "symbol": symbol, "size": size},
            customdata=[(trial.number, safe(trial.description).replace(" ", "<br>"), trial.seen) for trial in trials],
            hovertemplate=f"trial %{{customdata[0]}}: {point} on %{{customdata[2]}} samples<br>%{{customdata[1]}}"
            "<extra></extra>",
            **options,
        )


def _add_band(figure: go.Figure, x: _Floats, low: _Floats, high: _Floats, colour: str, **options: Any) -> None:
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        mode="lines",
        fill="toself",
        fillcolor=colour,
        line={"width": 0},
        hoverinfo="skip",
        **options,
    )


def kind_of(trial: TrialRecord, best: TrialRecord | None) -> str:
    """Return the kind of a trial: ``"best"``, ``"baseline"``, or the name of its state in lower case."""
    if trial is best or trial.baseline is not None:
        return "best" if trial is best else "baseline"
    return "failed" if trial.state == TrialState.FAIL else trial.state.name.lower()


def _joined(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Concatenate the parts with ``None`` between them."""
    return [value for part in parts for value in (*part, None)][:-1]


def _tinted(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
