"""The figures, drawn with plotly from what the other modules compute, for light and dark pages alike."""

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from llmsearch_optuna.report.curves import Curve, History, LearningCurves
from llmsearch_optuna.report.outcomes import Cost, Quality, SeedScores, Standing
from llmsearch_optuna.report.parameters import Importances, Slice
from llmsearch_optuna.report.record import NORMAL_95, TrialRecord
from llmsearch_optuna.report.samples import SampleScores
from llmsearch_optuna.study.trials import describe_params
from llmsearch_optuna.terminal import excerpt, printable

__all__ = [
    "draw_cost",
    "draw_history",
    "draw_importances",
    "draw_learning_curves",
    "draw_quality",
    "draw_samples",
    "draw_seeds",
    "draw_slice",
    "draw_standings",
    "safe",
]

# Mid-tones that stand out from white and from near black; told apart by their symbols, too.
TRIAL, BEST, BASELINE, PRUNED, FAILED = "#4c8bd6", "#17a67a", "#d98a1f", "#8d939e", "#d9534f"
_COLOURS = {"complete": TRIAL, "best": BEST, "baseline": BASELINE}
_INK = "#808691"
_GRID = "rgba(128, 134, 145, 0.22)"
_SCALE = [[0.0, "#3b2f63"], [0.25, "#3d5a8f"], [0.5, "#2f8f8d"], [0.75, "#6cc26b"], [1.0, "#f4e04d"]]

_LEAST_HEIGHT, _ROW = 150, 34


def safe(text: str) -> str:
    """A text for plotly's labels, which it would otherwise read as a kind of HTML."""
    return html.escape(printable(text), quote=False)


def draw_standings(rows: Sequence[Standing], metric: str) -> go.Figure:
    """Baselines against best: the search split with 95 % intervals, and the hold-out split."""
    names = [safe(row.name) for row in rows]
    colours = [_COLOURS["best" if row.is_best else _kind(row.trial, None)] for row in rows]
    figure = _figure(xaxis_title=safe(metric), height=_LEAST_HEIGHT + _ROW * len(rows))
    figure.add_scatter(
        x=[row.searched for row in rows],
        y=names,
        error_x={"array": [row.error or 0.0 for row in rows], "thickness": 1.5, "width": 0, "color": _INK},
        mode="markers",
        name="search split" if any(row.error is None for row in rows) else "search split, 95 % interval",
        marker={"size": 10, "color": colours, "symbol": "circle"},
        hovertemplate="%{y}: %{x:.4f} on the search split<extra></extra>",
    )
    held_out = [row for row in rows if row.held_out is not None]
    if held_out:
        held_out_colours = [colour for row, colour in zip(rows, colours, strict=True) if row.held_out is not None]
        figure.add_scatter(
            x=[row.held_out for row in held_out],
            y=[safe(row.name) for row in held_out],
            mode="markers",
            name="held out",
            marker={"size": 13, "symbol": "diamond-open", "color": held_out_colours, "line": {"width": 2}},
            hovertemplate="%{y}: %{x:.4f} held out<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    return figure


def draw_history(found: History, metric: str) -> go.Figure:
    """The optimisation history."""
    figure = _figure(xaxis_title="trial", yaxis_title=safe(metric), height=400)
    if found.best_so_far:
        numbers, values = zip(*found.best_so_far, strict=True)
        figure.add_scatter(
            x=numbers,
            y=values,
            mode="lines",
            name="best so far",
            line={"color": BEST, "width": 2, "shape": "hv"},
            hoverinfo="skip",
        )
    _add_trials(figure, found.pruned, "pruned", PRUNED, "circle-open")
    _add_trials(figure, found.complete, "complete", TRIAL, "circle")
    _add_trials(figure, found.baselines, "baseline", BASELINE, "diamond")
    if found.best is not None:
        _add_trials(figure, [found.best], "best", BEST, "star", size=15)
    if found.failed:
        figure.add_scatter(
            x=[trial.number for trial in found.failed],
            y=[0.0] * len(found.failed),
            yaxis="y2",
            mode="markers",
            name="failed",
            marker={"color": FAILED, "symbol": "x", "size": 8},
            cliponaxis=False,
            text=[safe(excerpt(trial.error or "", 120)) for trial in found.failed],
            hovertemplate="trial %{x} failed: %{text}<extra></extra>",
        )
        figure.update_layout(yaxis2={"overlaying": "y", "range": [0.0, 1.0], "visible": False, "fixedrange": True})
    return figure


def draw_learning_curves(found: LearningCurves, metric: str) -> go.Figure:
    """All learning curves, and the band of the incumbent's."""
    figure = _figure(xaxis_title="samples scored", yaxis_title=safe(metric), height=400)
    if len(found.band_samples):
        sizes = [*found.band_samples, *reversed(found.band_samples)]
        figure.add_scatter(
            x=sizes,
            y=np.concatenate([found.band_high, found.band_low[::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=_tinted(BEST, 0.16),
            line={"width": 0},
            name="band of the best",
            hoverinfo="skip",
        )
    groups: dict[str, list[Curve]] = {"pruned": [], "complete": [], "baseline": [], "best": []}
    for curve in found.curves:
        trial = curve.trial
        kind = "baseline" if trial.baseline is not None else "complete" if trial.is_complete else "pruned"
        groups["best" if trial.number == found.best else kind].append(curve)
    styles = {
        "pruned": {"color": _tinted(PRUNED, 0.75), "width": 1},
        "complete": {"color": _tinted(TRIAL, 0.75), "width": 1.2},
        "baseline": {"color": BASELINE, "width": 1.8, "dash": "dot"},
        "best": {"color": BEST, "width": 3},
    }
    for kind, curves in groups.items():
        if curves:
            # One line with gaps: hundreds of lines of their own would be slow.
            figure.add_scatter(
                x=_joined([curve.samples for curve in curves]),
                y=_joined([curve.values for curve in curves]),
                customdata=_joined([[curve.trial.number] * len(curve.samples) for curve in curves]),
                mode="lines+markers",
                marker={"size": 4 if kind in ("pruned", "complete") else 6},
                line=styles[kind],
                name=kind,
                connectgaps=False,
                hovertemplate="trial %{customdata}: %{y:.4f} on %{x} samples<extra></extra>",
            )
    return figure


def draw_importances(found: Importances) -> go.Figure:
    """The importances of all parameters, with their intervals."""
    rows = found.rows
    figure = _figure(xaxis_title="share of importance", height=_LEAST_HEIGHT + _ROW * len(rows), showlegend=False)
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
            "color": _INK,
        },
        customdata=[(row.low, row.high) for row in rows],
        hovertemplate="%{y}: %{x:.0%} [%{customdata[0]:.0%}, %{customdata[1]:.0%}]<extra></extra>",
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    return figure


def draw_slice(found: Slice, metric: str) -> go.Figure:
    """The score along one parameter."""
    figure = _figure(xaxis_title=safe(found.parameter), yaxis_title=safe(metric), height=270, showlegend=False)
    if found.trend is not None:
        at = found.trend.at
        figure.add_scatter(
            x=np.concatenate([at, at[::-1]]),
            y=np.concatenate([found.trend.high, found.trend.low[::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=_tinted(TRIAL, 0.14),
            line={"width": 0},
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=at, y=found.trend.mean, mode="lines", line={"color": TRIAL, "width": 1.5}, hoverinfo="skip"
        )
    parts: tuple[tuple[Sequence[TrialRecord], str, str, int], ...] = (
        (found.pruned, PRUNED, "circle-open", 7),
        ([trial for trial in found.complete if trial.number != found.best], TRIAL, "circle", 7),
        ([trial for trial in found.complete if trial.number == found.best], BEST, "star", 14),
    )
    for trials, colour, symbol, size in parts:
        if trials:
            errors = [NORMAL_95 * (trial.standard_error or 0.0) for trial in trials]
            given = [trial.chosen[found.parameter] for trial in trials]
            figure.add_scatter(
                x=given if found.categories is None else [str(value) for value in given],
                y=[trial.value for trial in trials],
                error_y={"array": errors, "thickness": 1, "width": 0, "color": _tinted(colour, 0.45)},
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": size},
                **_hover(trials),
            )
    if found.categories is not None:
        figure.update_xaxes(
            type="category", categoryorder="array", categoryarray=list(found.categories), showgrid=False
        )
    elif found.is_log:
        chosen = [trial.chosen[found.parameter] for trial in (*found.complete, *found.pruned)]
        figure.update_xaxes(type="log", tickvals=_log_ticks(chosen) if chosen else None)
    return figure


def draw_quality(found: Sequence[Quality], best: TrialRecord | None, metric: str) -> go.Figure:
    """Quality against tokens, with the Pareto front."""
    figure = _figure(xaxis_title="tokens per completion", yaxis_title=safe(metric), height=380)
    front = [one for one in found if one.is_efficient]
    figure.add_scatter(
        x=[one.tokens for one in front],
        y=[one.value for one in front],
        mode="lines+markers",
        line={"color": BEST, "width": 1.5, "dash": "dot", "shape": "hv"},
        marker={"color": BEST, "symbol": "circle-open", "size": 15},
        name="Pareto front",
        hoverinfo="skip",
    )
    for name, symbol, size in (("complete", "circle", 8), ("baseline", "diamond", 10), ("best", "star", 15)):
        own = [one for one in found if _kind(one.trial, best) == name]
        if own:
            figure.add_scatter(
                x=[one.tokens for one in own],
                y=[one.value for one in own],
                mode="markers",
                marker={"color": _COLOURS[name], "symbol": symbol, "size": size},
                name=name,
                **_hover([one.trial for one in own], "%{y:.4f}, %{x:.1f} tokens"),
            )
    return figure


def draw_seeds(found: SeedScores, metric: str) -> go.Figure:
    """The metric by seed."""
    figure = _figure(
        xaxis_title=safe(metric), height=max(380, _LEAST_HEIGHT + _ROW * len(found.groups)), showlegend=False
    )
    for name, scores in found.groups.items():
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
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    return figure


def draw_samples(found: SampleScores, metric: str, *, maximize: bool) -> go.Figure:
    """The heat map: samples, the hardest first, by trials, the best first."""
    samples, trials = found.scores.shape
    figure = _figure(
        xaxis_title="trials, best to worst, then those that were pruned",
        yaxis_title="samples, hardest on top",
        height=int(np.clip(samples * 9, 320, 900)),
        showlegend=False,
    )
    figure.add_heatmap(
        z=found.scores.astype(np.float32),
        x=[str(number) for number in found.trials],
        y=[f"row {sample.row}" for sample in found.samples],
        colorscale=_SCALE,
        reversescale=not maximize,
        hoverongaps=False,
        colorbar={"thickness": 10, "outlinewidth": 0, "len": 0.9},
        hovertemplate=f"trial %{{x}}, %{{y}}: {safe(metric)} %{{z:.3f}}<extra></extra>",
    )
    figure.update_xaxes(type="category", nticks=24, showgrid=False)
    figure.update_yaxes(type="category", nticks=24, autorange="reversed", showgrid=False)
    if found.complete < trials:
        figure.add_vline(x=found.complete - 0.5, line={"color": _INK, "width": 1, "dash": "dot"})
    return figure


def draw_cost(found: Cost) -> go.Figure:
    """Tokens generated and saved, trial by trial."""
    figure = _figure(xaxis_title="trial", yaxis_title="tokens", height=300, barmode="stack", bargap=0.15)
    numbers = [row.trial.number for row in found.trials]
    figure.add_bar(
        x=numbers,
        y=[row.tokens for row in found.trials],
        name="generated",
        marker={"color": _tinted(TRIAL, 0.85)},
        hovertemplate="trial %{x}: %{y:,} tokens<extra></extra>",
    )
    figure.add_bar(
        x=numbers,
        y=[round(row.saved) for row in found.trials],
        name="saved by pruning",
        marker={"color": _tinted(PRUNED, 0.25), "line": {"color": PRUNED, "width": 1}},
        hovertemplate="trial %{x}: about %{y:,} tokens saved<extra></extra>",
    )
    return figure


def _figure(**layout: Any) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template=go.layout.Template(),
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": _INK},
        margin={"l": 60, "r": 16, "t": 40 if layout.get("showlegend", True) else 12, "b": 48},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        hovermode="closest",
        **layout,
    )
    axis = {
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def _add_trials(
    figure: go.Figure, trials: Sequence[TrialRecord], name: str, colour: str, symbol: str, size: int = 8
) -> None:
    if trials:
        figure.add_scatter(
            x=[trial.number for trial in trials],
            y=[trial.value for trial in trials],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": size},
            **_hover(trials),
        )


def _hover(trials: Sequence[TrialRecord], reached: str = "%{y:.4f}") -> dict[str, Any]:
    """What is shown of trials when they are pointed at."""
    return {
        "customdata": [(trial.number, _described(trial), trial.seen) for trial in trials],
        "hovertemplate": f"trial %{{customdata[0]}}: {reached} on %{{customdata[2]}} samples<br>%{{customdata[1]}}"
        "<extra></extra>",
    }


def _described(trial: TrialRecord) -> str:
    return "" if trial.params is None else safe(describe_params(trial.params)).replace(" ", "<br>")


def _kind(trial: TrialRecord, best: TrialRecord | None) -> str:
    return "best" if trial is best else "complete" if trial.baseline is None else "baseline"


def _joined(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """One list with ``None`` between the parts."""
    return [value for part in parts for value in (*part, None)][:-1]


def _log_ticks(chosen: Sequence[float]) -> list[float]:
    """1, 2, 5, 10, ... around the values that were chosen; powers of ten only where these are many."""
    low, high = math.log10(min(chosen)), math.log10(max(chosen))
    steps = (1.0,) if high - low > 2.0 else (1.0, 2.0, 5.0)
    return [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]


def _tinted(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
