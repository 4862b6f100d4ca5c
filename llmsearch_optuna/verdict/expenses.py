"""The tokens and the cost of a finalist's completions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionOutline, StoredCompletion, TokenCounts
from llmsearch_optuna.study.objectives import COST
from llmsearch_optuna.study.price import Rates

__all__ = ["Expenses", "expenses_of", "mean_cost"]


class Expenses(NamedTuple):
    """The second objective of each completion of a finalist: its tokens, or its cost per 1,000.

    Attributes:
        values: The values. Shape: (samples, seeds).
        highest: The maximum value that a completion can have.
    """

    values: npt.NDArray[np.float64]
    highest: float


def expenses_of(
    runs: Sequence[Sequence[StoredCompletion]], params: GenerationParams, name: str, rates: Rates | None
) -> Expenses:
    """Return the expenses of a finalist.

    Args:
        runs: Its completions, by seed and then by sample.
        params: Its generation parameters.
        name: The name of the second objective.
        rates: The price of its tokens; None if the objective is tokens and they have no price.
    """
    counts = [[TokenCounts.of([row]) for row in rows] for rows in runs]
    # A server may not limit thoughts: a completion may then exceed the limit.
    limit = params.max_new_tokens * len(completion_params(params))
    if name != COST or rates is None:
        tokens = np.array([[count.generated for count in row] for row in counts], dtype=np.float64)
        return Expenses(tokens.T, max(float(limit), float(tokens.max())))
    costs = np.array([[rates.per_samples(count, 1) for count in row] for row in counts], dtype=np.float64)
    prompt = max(count.prompt for row in counts for count in row)
    longest = TokenCounts(
        generated=limit,
        thinking=limit if rates.thinking > rates.output else 0,
        prompt=prompt,
    )
    return Expenses(costs.T, max(rates.per_samples(longest, 1), float(costs.max())))


def mean_cost(runs: Sequence[Sequence[StoredCompletion | CompletionOutline]], rates: Rates | None) -> float | None:
    """Return the mean cost of 1,000 samples; None without a price or rows, or if the length of a prompt is unknown."""
    rows = [row for run in runs for row in run]
    if rates is None or not rows or not all(rates.knows(TokenCounts.of([row])) for row in rows):
        return None
    return rates.per_samples(TokenCounts.of(rows), len(rows))
