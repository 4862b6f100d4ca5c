"""The database: Optuna's study, and beside it every completion with its score."""

from llmsearch_optuna.storage.completions import CompletionStore, HeldOutCompletion, StoredCompletion, StoredSample
from llmsearch_optuna.storage.database import (
    exclusive_use,
    open_storage,
    readable_errors,
    shown_url,
    sqlite_path,
    sqlite_url,
)
from llmsearch_optuna.storage.leases import Claims, Leases, advisory_lock, make_claims

__all__ = [
    "Claims",
    "CompletionStore",
    "HeldOutCompletion",
    "Leases",
    "StoredCompletion",
    "StoredSample",
    "advisory_lock",
    "exclusive_use",
    "make_claims",
    "open_storage",
    "readable_errors",
    "shown_url",
    "sqlite_path",
    "sqlite_url",
]
