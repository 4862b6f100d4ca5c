"""Statistics on per-sample scores: anytime-valid evidence, estimates and confidence intervals."""

from llmsearch_optuna.statistics.estimates import shrunk_means
from llmsearch_optuna.statistics.evidence import log_evidence_below
from llmsearch_optuna.statistics.intervals import (
    Intervals,
    VarianceSplit,
    adjusted_alpha,
    bootstrap_intervals,
    difference_intervals,
    samples_needed,
    variance_split,
)

__all__ = [
    "Intervals",
    "VarianceSplit",
    "adjusted_alpha",
    "bootstrap_intervals",
    "difference_intervals",
    "log_evidence_below",
    "samples_needed",
    "shrunk_means",
    "variance_split",
]
