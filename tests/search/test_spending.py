"""What a search has spent, and what it must know for that."""

import dataclasses
from typing import Any

import optuna
import pytest
from hand_made_studies import refused
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.errors import ConfigurationError, TrialError
from llmsearch_optuna.search.spending import Spending, check_counts, count_spending, find_price
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.attributes import PARAMS, REUSED_PROMPT_TOKENS, REUSED_THINKING_TOKENS, REUSED_TOKENS
from llmsearch_optuna.study.constraints import Constraint
from llmsearch_optuna.study.price import Price

PRICE = {"input": 1e6, "output": 1e4, "thinking": 100.0}


def trials_of(*attributes: dict[str, Any]) -> list[FrozenTrial]:
    study = optuna.create_study()
    for entry in attributes:
        attrs = {PARAMS: GenerationParams().to_json(), **entry}
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attrs))
    return study.get_trials()


def completion(**changes: Any) -> Completion:
    return Completion(**{"text": "a", "token_ids": (), "finish_reason": "eos", **changes})


def test_what_was_copied_is_not_spent() -> None:
    copied = {REUSED_TOKENS: 4, REUSED_THINKING_TOKENS: 1, REUSED_PROMPT_TOKENS: 2}
    trials = trials_of({}, copied, copied)
    stored = {0: TokenCounts(10, 5, 3), 1: TokenCounts(6, 2, 3)}
    assert count_spending(stored, trials, {}, None) == Spending(16 - 8)
    tokens, cost, uncounted = count_spending(stored, trials[:2], {}, Price.of(PRICE))
    assert cost is not None
    assert (tokens, round(cost, 9), uncounted) == (12, 4.0606, 0)
    in_flight = {1: TokenCounts(6, 2, 3)}  # counted in this process
    assert count_spending(stored, trials[:2], in_flight, Price.of(PRICE)).cost == pytest.approx(3 + 0.05 + 5e-4)


def test_prompts_of_unknown_lengths_are_told() -> None:
    spent = count_spending({0: TokenCounts(10), 1: TokenCounts(5, 0, 2)}, trials_of({}, {}), {}, Price.of(PRICE))
    assert spent.uncounted == 1


def test_a_function_tells_no_tokens() -> None:
    text = refused(ConfigurationError, lambda: find_price(PRICE, ["score"], counts_tokens=False))
    assert text == "`price` has no effect with custom_pred_function, whose tokens are not known: leave it out"
    assert find_price(None, ["score"], counts_tokens=False) is None


def test_an_empty_answer_does_not_tell_whether_tokens_are_counted() -> None:
    rates, brief = Price.of(PRICE).rates_of(GenerationParams()), Constraint.parse("tokens", "<= 3")
    empty = completion(text="", token_count_reported=1, count_is_estimate=True)  # as on servers; there is no 0
    check_counts([empty], ["score", "tokens"], rates, [brief])
    check_counts([completion(text="")], ["score", "tokens"], rates, [brief])
    with pytest.raises(TrialError, match="the engine reports no token counts"):
        check_counts([empty, dataclasses.replace(empty, text="a")], ["score", "tokens"], None)


def test_tokens_with_a_price_must_be_counted() -> None:
    rates = Price.of(PRICE).rates_of(GenerationParams())
    counted = completion(token_count_reported=3, prompt_token_count=4)
    estimated = completion(token_count_reported=3, prompt_token_count=4, count_is_estimate=True)
    check_counts([counted, estimated], ["score"], rates)
    check_counts([], ["score", "cost"], rates)
    check_counts([estimated], ["score"], None)
    for uncounted, which in ((estimated, "completions"), (completion(token_count_reported=3), "prompts")):
        with pytest.raises(ConfigurationError, match=f"the server does not report those of {which}"):
            check_counts([uncounted], ["score"], rates)
    check_counts([completion(token_count_reported=3)], ["score"], rates._replace(input=0.0))
    with pytest.raises(TrialError, match="`tokens` cannot be an objective"):
        check_counts([estimated], ["score", "tokens"], None)
    brief = Constraint.parse("tokens", "<= 3")
    check_counts([counted], ["score"], None, [brief])
    check_counts([estimated], ["score"], None, [Constraint.parse("score", ">= 0.1")])
    with pytest.raises(TrialError, match="`constraints` on `tokens` cannot be checked: the engine reports no token"):
        check_counts([estimated], ["score"], None, [brief])
