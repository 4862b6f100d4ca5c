"""The report of a study: its figures as plain data, as plots for notebooks, and together on one page."""

from llmsearch_optuna.report.page import render_report, write_report
from llmsearch_optuna.report.plots import (
    plot_cost,
    plot_history,
    plot_importances,
    plot_learning_curves,
    plot_quality,
    plot_samples,
    plot_seeds,
    plot_slice,
    plot_standings,
    plot_variants,
)
from llmsearch_optuna.report.record import StudyRecord, TrialRecord, read_study

__all__ = [
    "StudyRecord",
    "TrialRecord",
    "plot_cost",
    "plot_history",
    "plot_importances",
    "plot_learning_curves",
    "plot_quality",
    "plot_samples",
    "plot_seeds",
    "plot_slice",
    "plot_standings",
    "plot_variants",
    "read_study",
    "render_report",
    "write_report",
]
