"""The database of studies: completions and their scores, samples, leases and migrations."""

from llmsearch_optuna.storage.completions import (
    CompletionOutline,
    CompletionStore,
    FurtherCompletion,
    HeldOutCompletion,
    StoredCompletion,
    StoredSample,
    TokenCounts,
)
from llmsearch_optuna.storage.database import (
    Storage,
    advisory_lock,
    exclusive_use,
    open_storage,
    readable_errors,
    shown_place,
    shown_url,
    sqlite_path,
    sqlite_url,
    storage_url,
    without_passwords,
)
from llmsearch_optuna.storage.judgements import JudgementCounts, JudgementStore, StoredJudgement
from llmsearch_optuna.storage.leases import Claims, Leases, make_claims

__all__ = [
    "Claims",
    "CompletionOutline",
    "CompletionStore",
    "FurtherCompletion",
    "HeldOutCompletion",
    "JudgementCounts",
    "JudgementStore",
    "Leases",
    "Storage",
    "StoredCompletion",
    "StoredJudgement",
    "StoredSample",
    "TokenCounts",
    "advisory_lock",
    "exclusive_use",
    "make_claims",
    "open_storage",
    "readable_errors",
    "shown_place",
    "shown_url",
    "sqlite_path",
    "sqlite_url",
    "storage_url",
    "without_passwords",
]
