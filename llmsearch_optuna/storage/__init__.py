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
    exclusive_use,
    open_storage,
    readable_errors,
    shown_url,
    sqlite_path,
    sqlite_url,
)
from llmsearch_optuna.storage.inspection import Inspection, RawCompletion, RawStudy, RawTrial, inspect_database
from llmsearch_optuna.storage.leases import Claims, Leases, make_claims
from llmsearch_optuna.storage.locks import advisory_lock
from llmsearch_optuna.storage.schema import VERSION as SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "Claims",
    "CompletionOutline",
    "CompletionStore",
    "HeldOutCompletion",
    "Inspection",
    "Leases",
    "RawCompletion",
    "RawStudy",
    "RawTrial",
    "StoredCompletion",
    "StoredSample",
    "advisory_lock",
    "exclusive_use",
    "inspect_database",
    "make_claims",
    "open_storage",
    "readable_errors",
    "shown_url",
    "sqlite_path",
    "sqlite_url",
    "system_attributes",
]
