"""What a few scores tell of the mean of all: evidence that holds however often one looks, and estimates."""

from llmsearch_optuna.statistics.estimates import shrunk_means
from llmsearch_optuna.statistics.evidence import Bounds, anytime_bounds, log_evidence_below
from llmsearch_optuna.statistics.intervals import (
    Intervals,
    VarianceSplit,
    adjusted_alpha,
    bootstrap_intervals,
    difference_intervals,
    samples_needed,
    variance_split,
)
from llmsearch_optuna.statistics.simulation import SimulatedVerdicts, simulate_verdicts

__all__ = [
    "Bounds",
    "Intervals",
    "SimulatedVerdicts",
    "VarianceSplit",
    "adjusted_alpha",
    "anytime_bounds",
    "bootstrap_intervals",
    "difference_intervals",
    "log_evidence_below",
    "samples_needed",
    "shrunk_means",
    "simulate_verdicts",
    "variance_split",
]
