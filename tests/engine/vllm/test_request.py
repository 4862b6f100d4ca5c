import dataclasses
from typing import Any

import pytest
from vllm_batches import sampling_params

from llmsearch_optuna.engine.vllm.request import check_sampling_params, params_of
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import MAX_SEED
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE, PLUGIN_KEY

SAMPLED = GenerationParams(temperature=0.8, top_p=0.9, generation_seed=3)


def test_requests_without_the_key_are_not_ours() -> None:
    for sampling in (sampling_params(None), sampling_params(None, extra_args={"another": 1}, n=3)):
        assert params_of(sampling) is None
        check_sampling_params(sampling)


def test_parameters_are_read() -> None:
    assert params_of(sampling_params(SAMPLED)) == dataclasses.replace(SAMPLED, do_sample=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"repetition_penalty": 1.1},
            "`repetition_penalty` of the request must be 1 beside `llmsearch_optuna`, got 1.1",
        ),
        ({"presence_penalty": 0.5}, "`presence_penalty` of the request must be 0"),
        ({"n": 2}, "n=2 would give equal completions"),
        ({"n": 2, "seed": 9}, "n=2 would give equal completions"),
        ({"n": 2, "seed": SAMPLED.generation_seed}, "n=2 would give equal completions"),
        ({"n": 3, "seed": 9, "extra_args": {PLUGIN_KEY: {}}}, "n=3 would give equal completions"),
        (
            {"n": 2, "seed": MAX_SEED, "extra_args": {PLUGIN_KEY: {"temperature": 1.0}}},
            f"^`seed` of the request is too large for n=2: `generation_seed` must be in .*, got {MAX_SEED + 1}$",
        ),
        ({"extra_args": {PLUGIN_KEY: "interface"}}, f"interface={PLUGIN_INTERFACE}"),
        ({"extra_args": {PLUGIN_KEY: {"top_p": 2.0}}}, "`top_p` must be in"),
    ],
)
def test_what_would_not_be_drawn_as_asked_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_sampling_params(sampling_params(SAMPLED, **values))


def test_several_completions_differ_by_the_seed_of_the_request() -> None:
    """vLLM counts the seed up from one completion of a request to the next."""
    extra = {PLUGIN_KEY: {"temperature": 1.0}}
    check_sampling_params(sampling_params(None, extra_args=extra, n=3, seed=4))
    seeds = [params_of(sampling_params(None, extra_args=extra, seed=seed)) for seed in (4, 5, 6)]
    assert [params.generation_seed for params in seeds if params is not None] == [4, 5, 6]
    check_sampling_params(sampling_params(None, extra_args=extra, n=2, seed=MAX_SEED - 1))
