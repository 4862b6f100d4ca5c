"""The command line: argument parsing and printing only."""

from llmsearch_optuna.cli.entry import main

__all__ = ["main"]
