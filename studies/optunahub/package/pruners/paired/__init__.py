"""A pruner with a bound on the chance of pruning a trial wrongly, from the scores of single samples."""

from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.score_readers import report_scores

__all__ = ["PairedPruner", "report_scores"]
