"""The options of a search: ranges, combinations, and the arguments that they stand for."""

import inspect
from typing import Any

import pytest
from hand_made_studies import refused

from llmsearch_optuna import Tuner
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search.options import SearchOptions

PRICE = {"input": 1.0, "output": 2.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "`n_trials` must be >= 1, got 0"),
        ({"patience": 0}, "`patience` must be >= 1, got 0"),
        ({"max_tokens_total": -5}, "`max_tokens_total` must be >= 1, got -5"),
        ({"concurrency": 0}, "`concurrency` must be >= 1, got 0"),
        ({"timeout": 0}, "`timeout` must be > 0 seconds, got 0"),
        ({"timeout": float("nan")}, "`timeout` must be > 0 seconds, got nan"),
        ({"lease_timeout_s": -1.0}, "`lease_timeout_s` must be > 0 seconds, got -1.0"),
        ({"n_trials": "3"}, "`n_trials` must be an integer >= 1, got '3'"),
        ({"n_trials": 2.5}, "`n_trials` must be an integer >= 1, got 2.5"),
        ({"n_trials": True}, "`n_trials` must be an integer >= 1, got True"),
        ({"n_trials": None}, "`n_trials` must be an integer >= 1, got None"),
        ({"concurrency": [2]}, "`concurrency` must be an integer >= 1, got [2]"),
        ({"timeout": "60"}, "`timeout` must be > 0 seconds, got '60'"),
        ({"lease_timeout_s": None}, "`lease_timeout_s` must be > 0 seconds, got None"),
        ({"baselines": "no"}, "`baselines` must be true, false, or a table of names and parameters"),
        ({"sampler": 5}, "`sampler` must be the name of a sampler, got 5"),
        ({"pruner_args": [1]}, "`pruner_args` must be a dict, got [1]"),
        ({"objectives": 1}, "`objectives` must be a list of names, got 1"),
        ({"rungs": "8"}, "`rungs` must be a step >= 1, an ascending list of sizes"),
        ({"objectives": ("score", "tokens"), "patience": 3}, "`patience` does not work with several objectives"),
        ({"objectives": ("latency",)}, "`latency` cannot be an objective"),
        ({"pruner": "medain"}, "unknown pruner `medain`: did you mean `median`"),
        ({"objectives": ["score", "cost"]}, "`cost` cannot be an objective without a price of tokens: set `price`"),
        ({"max_cost": 0.5}, "`max_cost` needs a `price` of tokens, got 0.5 without one"),
        ({"max_cost": 0, "price": PRICE}, "`max_cost` must be > 0, got 0"),
        ({"max_cost": float("nan"), "price": PRICE}, "`max_cost` must be > 0, got nan"),
        ({"price": {"input": 1}}, "`price` needs output per million tokens, got {'input': 1}"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    assert refused(ConfigurationError, lambda: SearchOptions(**options)).startswith(message)


def test_options_are_the_arguments_of_a_search_with_their_defaults() -> None:
    arguments = SearchOptions().arguments()
    parameters = inspect.signature(Tuner.search).parameters
    defaults = {name: parameters[name].default for name in arguments}
    assert {
        name: {} if value is None and name.endswith("_args") else value for name, value in defaults.items()
    } == arguments


def test_with_several_objectives_nothing_is_pruned() -> None:
    pruner = SearchOptions(objectives=["score", "tokens"]).make_pruner((8, 16))
    assert type(pruner).__name__ == "NopPruner"
