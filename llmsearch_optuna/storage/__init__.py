"""The database: Optuna's study, and beside it every completion with its score."""

from llmsearch_optuna.storage.attributes import system_attributes
from llmsearch_optuna.storage.completions import (
    CompletionOutline,
    CompletionStore,
    HeldOutCompletion,
    StoredCompletion,
    StoredSample,
)
from llmsearch_optuna.storage.database import (
    advisory_lock,
    exclusive_use,
    open_storage,
    readable_errors,
    shown_url,
    sqlite_path,
    sqlite_url,
)
from llmsearch_optuna.storage.leases import Claims, Leases, make_claims
from llmsearch_optuna.storage.schema import VERSION as SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "Claims",
    "CompletionOutline",
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
    "system_attributes",
]
