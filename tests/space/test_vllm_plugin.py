import json
from typing import Any

import pytest
from cuts import CUT_VALUES

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import plugin_value, read_plugin_value


@pytest.mark.parametrize(
    "values", [{}, {"temperature": 0.7}, {"do_sample": False, "repetition_penalty": 1.2}, CUT_VALUES]
)
def test_parameters_survive_the_way(values: dict[str, Any]) -> None:
    params = GenerationParams(**values, generation_seed=3, max_new_tokens=17)
    received = read_plugin_value(plugin_value(params))
    assert GenerationParams.from_dict({**received.to_dict(), "max_new_tokens": 17}).canonical == params.canonical


def test_the_seed_of_the_request_counts_unless_there_is_one() -> None:
    assert read_plugin_value({"temperature": 1.0}, seed=5).generation_seed == 5
    assert read_plugin_value({"temperature": 1.0, "generation_seed": 7}, seed=5).generation_seed == 7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "`llmsearch_optuna` must be a JSON object of parameters"),
        ([1], "must be an object of parameters by name, got list"),
        ("3", "must be an object of parameters by name, got int"),
        ({"top_q": 1}, "top_q"),
        ({"top_p": 1.3}, "`top_p` must be in"),
        ({"max_new_tokens": 3}, "`max_new_tokens` is not for `llmsearch_optuna`: set `max_tokens` of the request"),
        ({"num_beams": 2}, "`num_beams` must be 1 in vLLM"),
    ],
)
def test_wrong_values_are_refused_in_one_line(value: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as refused:
        read_plugin_value(value)
    assert "\n" not in str(refused.value)


def test_a_seed_of_the_request_must_be_one() -> None:
    with pytest.raises(ParameterError, match="`generation_seed` must be in"):
        read_plugin_value(json.dumps({"temperature": 1.0}), seed=2**40)
