"""Drawing of the score against tokens or cost with plotly."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from llmsearch_optuna.report.axes import limit_axis, new_figure
from llmsearch_optuna.report.drawing import BEST, add_trials, kind_of, safe
from llmsearch_optuna.report.outcomes import Quality
from llmsearch_optuna.report.record import StudyRecord, TrialRecord
from llmsearch_optuna.study.objectives import TOKENS

__all__ = ["draw_quality", "draw_variants"]

# Mid-tones, none of which is that of the front.
_COLOURS = ("#4c8bd6", "#d98a1f", "#a46bd1", "#d9534f", "#8d939e", "#b5a12c", "#c2689b", "#7d6a58")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "pentagon", "hexagram", "x")


def draw_quality(record: StudyRecord, qualities: Sequence[Quality]) -> go.Figure:
    """Draw the metric against the tokens per sample or the cost, with the Pareto front."""
    figure = _figure_with_front(record, qualities)
    for kind, size in (("complete", 8), ("baseline", 10), ("best", 15)):
        members = [quality for quality in qualities if kind_of(quality.trial, record.best) == kind]
        trials, expenses = [quality.trial for quality in members], [quality.expense for quality in members]
        add_trials(figure, kind, trials, expenses, size=size, point=_point(record))
    return figure


def draw_variants(record: StudyRecord, variants: Mapping[str, Sequence[Quality]]) -> go.Figure:
    """Draw the metric against the tokens per sample or the cost, by variant, with the Pareto front of all."""
    every = [quality for qualities in variants.values() for quality in qualities]
    figure = _figure_with_front(record, sorted(every, key=lambda quality: quality.expense))
    for index, (name, qualities) in enumerate(variants.items()):
        colour, symbol = _COLOURS[index % len(_COLOURS)], _SYMBOLS[index % len(_SYMBOLS)]
        figure.add_scatter(
            x=[quality.expense for quality in qualities],
            y=[quality.value for quality in qualities],
            mode="markers",
            name=safe(name),
            marker={"color": colour, "symbol": symbol, "size": 9},
            customdata=[
                (quality.trial.number, _thoughts(quality.trial), safe(quality.trial.description).replace(" ", "<br>"))
                for quality in qualities
            ],
            hovertemplate=f"trial %{{customdata[0]}}: {_point(record)}%{{customdata[1]}}<br>%{{customdata[2]}}"
            "<extra></extra>",
        )
    return figure


def _figure_with_front(record: StudyRecord, qualities: Sequence[Quality]) -> go.Figure:
    """Return a figure with the Pareto front of trials that are ordered by expense."""
    expense = record.expense
    figure = new_figure(xaxis_title=f"{expense.name} {expense.unit}", yaxis_title=safe(record.score_name), height=380)
    front = [quality for quality in qualities if quality.is_efficient]
    figure.add_scatter(
        x=[quality.expense for quality in front],
        y=[quality.value for quality in front],
        mode="lines+markers",
        line={"color": BEST, "width": 1.5, "dash": "dot", "shape": "hv"},
        marker={"color": BEST, "symbol": "circle-open", "size": 15},
        name="Pareto front",
        hoverinfo="skip",
    )
    limit_axis(figure, "y", [quality.value for quality in qualities])
    return figure


def _point(record: StudyRecord) -> str:
    expense = record.expense
    unit = expense.name if expense.name == TOKENS else f"{expense.name} {expense.unit}"
    return f"%{{y:.4f}}, %{{x:{expense.spec}}} {unit}"


def _thoughts(trial: TrialRecord) -> str:
    if not trial.counts.thinking:
        return ""
    return f", of {trial.counts.generated / trial.seen:.1f} tokens {trial.counts.thinking / trial.seen:.1f} thinking"
