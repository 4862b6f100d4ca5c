"""Empty figures and their axes: colours, ticks and limits, and notes for the reader."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

__all__ = [
    "GRID",
    "INK",
    "limit_axis",
    "log_ticks",
    "new_figure",
    "single_value_limits",
    "tell_no_spread",
    "write_above",
]

INK = "#808691"
GRID = "rgba(128, 134, 145, 0.22)"


def limit_axis(figure: go.Figure, axis: str, values: Sequence[float]) -> None:
    """Limit an axis whose values are all the same, and say so: plotly would show 1 on either side of the value."""
    finite = [value for value in values if math.isfinite(value)]
    if finite and min(finite) == max(finite):
        figure.update_layout({f"{axis}axis.range": single_value_limits(finite[0]), f"{axis}axis.autorange": False})
        tell_no_spread(figure, finite[0])


def new_figure(**layout: Any) -> go.Figure:
    """Return an empty figure for light and dark pages."""
    figure = go.Figure()
    figure.update_layout(
        template=go.layout.Template(),
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": INK},
        margin={"l": 60, "r": 16, "t": 40 if layout.get("showlegend", True) else 12, "b": 48},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        hovermode="closest",
        **layout,
    )
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def single_value_limits(value: float) -> list[float]:
    """Return the limits of an axis that shows one value: [0, 1] if it is in there, otherwise 0 and twice the value.

    There is a small margin at 0 and at 1.
    """
    if 0.0 <= value <= 1.0:
        return [-0.04, 1.04]
    return sorted([-0.04 * value, 2.0 * value])


def log_ticks(chosen: Sequence[float]) -> list[float]:
    """Return the ticks 1, 2, 5, 10, ... around the chosen values; only powers of ten if they span over two decades."""
    low, high = math.log10(min(chosen)), math.log10(max(chosen))
    steps = (1.0,) if high - low > 2.0 else (1.0, 2.0, 5.0)
    return [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]


def tell_no_spread(figure: go.Figure, value: float) -> None:
    """Write across a figure that all of its scores are the same."""
    figure.add_annotation(
        text=f"no spread: every score is {value:.4g}",
        x=0.5,
        xref="paper",
        y=0.5,
        yref="paper",
        showarrow=False,
        font={"size": 14, "color": INK},
        bgcolor=GRID,
        borderpad=6,
    )


def write_above(figure: go.Figure, lines: Sequence[str]) -> None:
    """Write lines between the title of a figure and its legend."""
    room = 18 * len(lines)
    figure.update_layout(margin={"t": 100 + room}, height=figure.layout.height + 50 + room)
    figure.add_annotation(
        text="<br>".join(lines),
        showarrow=False,
        font={"size": 12},
        x=0.5,
        xref="paper",
        xanchor="center",
        y=1.0,
        yref="paper",
        yanchor="bottom",
        yshift=8 if figure.layout.showlegend is False else 44,
    )
