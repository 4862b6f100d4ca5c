"""Pruners: the paired one, and Optuna's by name."""

from llmsearch_optuna.pruning.factory import make_pruner, pruner_names
from llmsearch_optuna.pruning.paired import PairedPruner

__all__ = ["PairedPruner", "make_pruner", "pruner_names"]
