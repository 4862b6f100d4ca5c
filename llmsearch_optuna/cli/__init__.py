"""The command line: parsing of arguments and printing of results."""

from llmsearch_optuna.cli.entry import main

__all__ = ["main"]
