"""The database: Optuna's study, and beside it every completion with its score."""

from llmsearch_optuna.storage.completions import CompletionStore, HeldOutCompletion, StoredCompletion, StoredSample
from llmsearch_optuna.storage.database import exclusive_use, open_storage, readable_errors, shown_url, sqlite_url

__all__ = [
    "CompletionStore",
    "HeldOutCompletion",
    "StoredCompletion",
    "StoredSample",
    "exclusive_use",
    "open_storage",
    "readable_errors",
    "shown_url",
    "sqlite_url",
]
