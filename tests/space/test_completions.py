"""The parameters of the completions of one sample."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.dimensions import Categorical, Int
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 20))
def test_completions_differ_in_the_seed_alone(seed: int, count: int) -> None:
    params = GenerationParams(temperature=0.5, generation_seed=seed, samples_per_prompt=count)
    singles = completion_params(params)
    assert len({single.generation_seed for single in singles}) == len(singles) == count
    assert singles[0] == GenerationParams(temperature=0.5, generation_seed=seed)
    assert {dataclasses.replace(single, generation_seed=seed) for single in singles} == {singles[0]}
    more = completion_params(dataclasses.replace(params, samples_per_prompt=count + 1))
    assert more[:count] == singles


def test_greedy_decoding_has_one_completion() -> None:
    params = GenerationParams(samples_per_prompt=4)
    assert completion_params(params) == (GenerationParams(),)
    assert params.canonical == GenerationParams(do_sample=False)


def test_one_completion_is_the_default() -> None:
    params = GenerationParams(temperature=0.5, samples_per_prompt=1)
    assert params.canonical == GenerationParams(temperature=0.5).canonical
    assert completion_params(params) == (GenerationParams(temperature=0.5),)


def test_the_numbers_of_a_space() -> None:
    assert SearchSpace(temperature=0.5).completions_per_sample() == (1, 1)
    assert SearchSpace(samples_per_prompt=4).completions_per_sample() == (4, 4)
    assert SearchSpace(samples_per_prompt=Int(2, 8)).completions_per_sample() == (2, 8)
    assert SearchSpace(samples_per_prompt=Categorical([None, 8])).completions_per_sample() == (1, 8)
    depends = Int(2, 8, when={"do_sample": True})
    space = SearchSpace(do_sample=Categorical([True, False]), samples_per_prompt=depends)
    assert space.completions_per_sample() == (1, 8)
