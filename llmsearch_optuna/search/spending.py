"""What a search has generated and spent, and what it must know for that."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.errors import ConfigurationError, TrialError
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.attributes import REUSED_PROMPT_TOKENS, REUSED_THINKING_TOKENS, REUSED_TOKENS
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.study.objectives import COST, TOKENS
from llmsearch_optuna.study.price import Price, Rates
from llmsearch_optuna.study.trials import reused_counts, trial_params

__all__ = ["Spending", "check_counts", "count_spending", "find_price", "store_reused"]


class Spending(NamedTuple):
    """What all workers and runs of a search have generated so far, without the verdict.

    Attributes:
        tokens: The number of tokens, without copied ones.
        cost: Their cost and that of their prompts and of a judge. None without a price.
        uncounted: The number of trials whose cost is that of their completions alone, because the numbers of tokens in
            their prompts are unknown.
    """

    tokens: int
    cost: float | None = None
    uncounted: int = 0


def count_spending(
    stored: Mapping[int, TokenCounts],
    trials: Sequence[FrozenTrial],
    copied: Mapping[int, TokenCounts],
    price: Price | None,
    further: float = 0.0,
) -> Spending:
    """Count what the completions of trials have taken, without those that were copied from earlier trials.

    Args:
        stored: The numbers of tokens in the stored completions, by trial number.
        trials: All trials.
        copied: The numbers of copied tokens of the trials in flight in this process, by trial number. Those of other
            trials are read from their attributes.
        price: The price of tokens; None if there is none.
        further: What was spent otherwise, on a judge.
    """
    generated = {
        trial.number: stored.get(trial.number, TokenCounts()) - copied.get(trial.number, reused_counts(trial))
        for trial in trials
    }
    tokens = sum(counts.generated for counts in generated.values())
    if price is None:
        return Spending(tokens)
    priced = [(price.rates_of(trial_params(trials[number])), generated[number]) for number in stored]
    return Spending(
        tokens,
        further + sum(rates.cost(counts) for rates, counts in priced),
        sum(not rates.knows(counts) for rates, counts in priced),
    )


def store_reused(trial: optuna.Trial, counts: TokenCounts) -> None:
    """Store the numbers of tokens that a trial has copied from an earlier one."""
    trial.set_user_attr(REUSED_TOKENS, counts.generated)
    for name, count in ((REUSED_THINKING_TOKENS, counts.thinking), (REUSED_PROMPT_TOKENS, counts.prompt)):
        if count:
            trial.set_user_attr(name, count)


def find_price(
    given: Mapping[str, Any] | None,
    objectives: Sequence[str],
    *,
    own_model: str | None = None,
    counts_tokens: bool = True,
) -> Price | None:
    """Return the price of a search, after checking that the tokens which it and the objectives need are counted.

    Args:
        given: The price that the user gave; see `Price.of`.
        objectives: The names of the objectives.
        own_model: The model's name on the server; None if no server generates, or it is not known yet.
        counts_tokens: Whether the engine may count tokens.

    Raises:
        ConfigurationError: The price is wrong or missing, or tokens are needed and never counted.
    """
    if COST in objectives and given is None:
        raise ConfigurationError(f"`{COST}` cannot be an objective without a price of tokens: set `price`")
    for name, is_needed in (
        (f"`{TOKENS}` cannot be an objective", TOKENS in objectives),
        ("`price` has no effect", given),
    ):
        if is_needed and not counts_tokens:
            raise ConfigurationError(f"{name} with custom_pred_function, whose tokens are not known: leave it out")
    return None if given is None else Price.of(given, own_model=own_model)


def check_counts(
    completions: Sequence[Completion],
    objectives: Sequence[str],
    rates: Rates | None,
    constraints: Sequence[Constraint] = (),
) -> None:
    """Raise an error if tokens are needed and the engine does not count those of any of these completions.

    Only answers with a text say whether the engine counts: a server may report no tokens of an empty one.

    Args:
        completions: The completions of one rung of a trial.
        objectives: The names of the objectives.
        rates: The price of the trial's tokens; None if there is none.
        constraints: The constraints of the search.

    Raises:
        TrialError: The tokens are an objective, or are constrained.
        ConfigurationError: They have a price. The search ends, because every further completion would cost something.
    """
    is_empty = not any(completion.text for completion in completions)
    is_counted = is_empty or any(
        completion.token_count and not completion.count_is_estimate for completion in completions
    )
    for need, names in (
        (f"`{TOKENS}` cannot be an objective", objectives),
        (f"`constraints` on `{TOKENS}` cannot be checked", [constraint.label for constraint in constraints]),
    ):
        if TOKENS in names and not is_counted:
            raise TrialError(f"{need}: the engine reports no token counts")
    has_prompts = is_empty or any(completion.prompt_token_count for completion in completions)
    if rates is not None and not (is_counted and (has_prompts or rates.input == 0.0)):
        which = "prompts" if is_counted else "completions"
        raise ConfigurationError(
            f"`price` needs numbers of tokens, and the server does not report those of {which} (`usage` of its "
            "answers): leave `price` out"
        )
