"""What a few scores tell of the mean of all: evidence that holds however often one looks, and estimates."""

from llmsearch_optuna.statistics.estimates import shrunk_means
from llmsearch_optuna.statistics.evidence import Bounds, anytime_bounds, log_evidence_below

__all__ = ["Bounds", "anytime_bounds", "log_evidence_below", "shrunk_means"]
