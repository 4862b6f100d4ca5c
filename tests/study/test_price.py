"""Prices as users give them, and what completions cost at them."""

from typing import Any

import pytest
from hand_made_studies import refused

from llmsearch_optuna import Categorical, SearchSpace
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.price import Price

FLAT = {"input": 0.5, "output": 2}
MODELS = {"small": FLAT, "large": {"input": 5, "output": 20, "thinking": 10}}
COUNTS = TokenCounts(generated=3_000_000, thinking=1_000_000, prompt=4_000_000)


def of(model: str | None) -> GenerationParams:
    return GenerationParams(settings=() if model is None else (("body.model", model),))


def test_the_cost_counts_prompts_answers_and_thoughts() -> None:
    rates = Price.of(FLAT).rates_of(of(None))
    assert rates == (0.5, 2.0, 2.0)
    assert rates.cost(COUNTS) == 4 * 0.5 + 2 * 2.0 + 1 * 2.0
    assert Price.of({**FLAT, "thinking": 0}).rates_of(of(None)).cost(COUNTS) == 6.0
    assert rates.per_samples(COUNTS, 500) == 16.0
    assert rates.cost(TokenCounts()) == 0.0


def test_the_length_of_a_prompt_matters_only_if_it_has_a_price() -> None:
    unknown = TokenCounts(generated=3)
    assert not Price.of(FLAT).rates_of(of(None)).knows(unknown)
    assert Price.of(FLAT).rates_of(of(None)).knows(TokenCounts(generated=3, prompt=1))
    assert Price.of({**FLAT, "input": 0}).rates_of(of(None)).knows(unknown)


def test_each_model_may_have_a_price_of_its_own() -> None:
    price = Price.of(MODELS, own_model="small")
    assert price.rates_of(of("large")) == (5.0, 20.0, 10.0)
    assert price.rates_of(of(None)) == price.rates_of(of("small")) == (0.5, 2.0, 2.0)
    assert Price.of(FLAT).rates_of(of("large")) == (0.5, 2.0, 2.0)  # one price for all of them
    for whole in (price, Price.of(FLAT)):
        assert Price.from_dict(whole.to_dict()) == whole


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": -1, "output": 1}, "`price` must have numbers >= 0 per million tokens, got input = -1"),
        ({"input": 1, "output": float("nan")}, "`price` must have numbers >= 0 per million tokens, got output = nan"),
        ({"input": 1, "output": float("inf")}, "`price` must have numbers >= 0 per million tokens, got output = inf"),
        ({"input": True, "output": 1}, "`price` must have numbers >= 0 per million tokens, got input = True"),
        ({"input": 1, "output": "2"}, "`price` must have numbers >= 0 per million tokens, got output = '2'"),
        ({"input": 1, "ouput": 2}, "unknown key in `price` `ouput`: did you mean `output`?"),
        ({"input": 1}, "`price` needs output per million tokens, got {'input': 1}"),
        ({"m": {"output": 1}}, "`price` needs input per million tokens, got `m` with {'output': 1}"),
        (
            {"m": {"input": 1, "output": -2}},
            "`price` must have numbers >= 0 per million tokens, got `m` with output = -2",
        ),
        ({}, "`price` must be like { input = 0.15, output = 0.6 }, got {}"),
        (0.5, "`price` must be like { input = 0.15, output = 0.6 }, got 0.5"),
        ({1: 2}, "`price` must be like { input = 0.15, output = 0.6 }, got {1: 2}"),
    ],
)
def test_a_wrong_price_is_refused_in_one_line(given: Any, message: str) -> None:
    assert refused(ConfigurationError, lambda: Price.of(given)) == message


def test_every_model_of_a_space_needs_a_price() -> None:
    space = SearchSpace.of({"body.model": Categorical(["small", "large"])})
    Price.of(FLAT).check_models(space, [of(None)])
    Price.of(MODELS).check_models(space, [of("large")])
    with pytest.raises(ConfigurationError, match=r"the server's own model, as some trials do not set `body\.model`"):
        Price.of(MODELS).check_models(space, [of(None)])
    Price.of(MODELS, own_model="small").check_models(space, [of(None)])
    with pytest.raises(ConfigurationError, match="`price` must name the model `large`, which trials use; it names sma"):
        Price.of({"small": FLAT}, own_model="small").check_models(space, [])
    with pytest.raises(ConfigurationError, match=r"`price` must be \{ input = ..., output = ... \}, or name"):
        Price.of(MODELS).check_models(SearchSpace(temperature=0.5), [])
