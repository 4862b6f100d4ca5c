import itertools
from collections import Counter

import pytest

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.presets import presets


@pytest.mark.parametrize("name", ["strategies", "arena"])
def test_every_point_is_another_and_has_the_seed_and_length_asked_for(name: str) -> None:
    points = presets(name, max_new_tokens=17, generation_seed=5)
    assert len(set(points)) == len(points)
    assert {(point.max_new_tokens, point.generation_seed) for point in points} == {(17, 5)}
    assert {point.max_new_tokens for point in presets(name)} == {128}


def test_strategies_are_the_product_of_every_table() -> None:
    points = presets("strategies")
    shapes = Counter(frozenset(point.to_dict()) - {"generation_seed", "max_new_tokens"} for point in points)
    assert shapes == {
        frozenset({"do_sample"}): 1,
        frozenset({"do_sample", "num_beams", "no_repeat_ngram_size"}): 2 * 4,
        frozenset({"do_sample", "mirostat_tau", "mirostat_eta"}): 5 * 5,
        frozenset({"do_sample", "tfs"}): 5,
        frozenset({"do_sample", "top_a"}): 6,
        frozenset({"do_sample", "top_p", "temperature", "no_repeat_ngram_size", "repetition_penalty"}): 4 * 4 * 4 * 3,
    }
    assert points[0].greedy
    beams = [(point.num_beams, point.no_repeat_ngram_size) for point in points if point.mode == "beam search"]
    assert beams == list(itertools.product([2, 3], [0, 3, 4, 5]))
    assert {point.mode for point in points} == {"greedy", "beam search", "sampling"}
    combinations = itertools.product([0.5, 0.7, 0.9, 1.0], [0.7, 0.8, 0.9, 1.0], [0, 3, 4, 5], [1.0, 1.1, 1.2])
    for top_p, temperature, size, penalty in combinations:
        point = GenerationParams(
            do_sample=True,
            top_p=top_p,
            temperature=temperature,
            no_repeat_ngram_size=size,
            repetition_penalty=penalty,
        )
        assert point in points


def test_arena_points_all_sample_and_cut_with_probabilities() -> None:
    points = presets("arena")
    assert len(points) == 10
    assert not any(point.greedy for point in points)
    # The arena's unit is 1e-4; unconverted, every one of its cut-offs would be out of range or cut everything.
    cutoffs = [point.epsilon_cutoff or point.eta_cutoff for point in points]
    assert all(cutoff < 0.01 for cutoff in cutoffs if cutoff is not None)
    assert any(cutoff is not None for cutoff in cutoffs)


def test_an_unknown_list_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"^unknown preset list `areena`: did you mean `arena`\?$"):
        presets("areena")
    with pytest.raises(ParameterError, match=r"^unknown preset list `xyz`: known are arena, strategies$"):
        presets("xyz")
