"""What the judge of a study has been asked, and what it cost."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages import RDBStorage

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, JudgementCounts, TokenCounts
from llmsearch_optuna.study.attributes import JUDGE
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.study.study import study_key

__all__ = ["describe_judge", "judge_cost"]


def judge_cost(attribute: Mapping[str, Any] | None, counts: JudgementCounts) -> float | None:
    """Return what judgements cost; None without a price.

    Args:
        attribute: The value of the study's attribute `JUDGE`.
        counts: What the judge was asked.
    """
    if attribute is None or attribute["price"] is None:
        return None
    rates = Price.from_dict(attribute["price"]).rates_of(GenerationParams())
    return rates.cost(TokenCounts(generated=counts.tokens, prompt=counts.prompt_tokens))


def describe_judge(study: optuna.Study, storage: RDBStorage) -> str | None:
    """Return what the judge of a study was asked and what it cost, in one sentence; None if there is none.

    Args:
        study: The study.
        storage: Its database.
    """
    attribute = study.user_attrs.get(JUDGE)
    if attribute is None:
        return None
    counts = CompletionStore(storage).judgements(study_key(study)).counts()
    cost = judge_cost(attribute, counts)
    parts = [
        f"{counts.judgements:,} judgements in {counts.requests:,} requests, {counts.prompt_tokens:,} tokens read and "
        f"{counts.tokens:,} written" + ("" if cost is None else f", cost {cost:.4g}")
    ]
    if counts.unreadable:
        parts.append(f"{counts.unreadable:,} cannot be read")
    if counts.pairs:
        share = 100.0 * counts.order_changed / counts.pairs
        parts.append(f"the order of the answers changed {share:.0f} % of {counts.pairs:,} comparisons")
    return f"judge {attribute['name']}: {'; '.join(parts)}"
