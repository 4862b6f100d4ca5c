import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.engine.http.kinds import KINDS, check_space_expressible, sampling_fields
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace


def fields(kind: str, **params: Any) -> dict[str, Any]:
    return sampling_fields(KINDS[kind], GenerationParams(**params))


def test_unset_parameters_are_turned_off() -> None:
    assert fields("vllm", temperature=0.7, top_p=0.9) == {
        "temperature": 0.7,
        "top_k": -1,
        "top_p": 0.9,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }


def test_parameters_go_by_the_servers_names_and_in_our_order() -> None:
    found = fields("llamacpp", do_sample=True, repetition_penalty=1.2, typical_p=0.9)
    assert (found["temperature"], found["repeat_penalty"], found["typical_p"]) == (1.0, 1.2, 0.9)
    assert (found["top_k"], found["top_p"], found["min_p"]) == (0, 1.0, 0.0)
    assert found["samplers"] == ["penalties", "temperature", "top_n_sigma", "top_k", "top_p", "min_p", "typ_p"]


def test_transformers_takes_them_as_a_generation_config() -> None:
    found = fields("transformers", temperature=0.5, epsilon_cutoff=0.01, no_repeat_ngram_size=3)
    assert set(found) == {"generation_config"}
    config = json.loads(found["generation_config"])
    assert (config["do_sample"], config["temperature"], config["top_k"]) == (True, 0.5, 0)
    assert (config["epsilon_cutoff"], config["no_repeat_ngram_size"]) == (0.01, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_decoding_takes_no_cuts(kind: str) -> None:
    found = fields(kind, do_sample=False, temperature=0.7, top_p=0.5)
    found = json.loads(found["generation_config"]) if kind == "transformers" else found
    assert found.get("temperature", 0.0) == 0.0
    assert found.get("top_p", 1.0) == 1.0
    assert found.get("do_sample", False) is False


def test_what_a_server_lacks_is_refused() -> None:
    with pytest.raises(ParameterError) as refusal:
        fields("vllm", tfs=0.9)
    assert str(refusal.value) == (
        "`tfs` cannot be asked of a server of the kind `vllm`, which takes min_p, repetition_penalty, temperature, "
        "top_k, top_p: leave it out"
    )
    with pytest.raises(ParameterError, match="`top_k` cannot be asked of a server of the kind `openai`"):
        check_space_expressible(KINDS["openai"], SearchSpace(temperature=Float(0.1, 1.0), top_k=5))


def test_values_that_change_nothing_need_not_be_had() -> None:
    assert fields("openai", temperature=1.0, top_k=0, tfs=1.0, top_a=0.0) == {"temperature": 1.0, "top_p": 1.0}
    check_space_expressible(KINDS["tgi"], SearchSpace(temperature=Float(0.1, 1.0), top_a=0.0, tfs=1.0))
    assert fields("openai", temperature=0.7, top_k=1) == {"temperature": 0.0, "top_p": 1.0}  # that is greedy
    with pytest.raises(ParameterError, match="`num_beams` cannot be asked"):
        fields("vllm", num_beams=4)


@given(
    st.sampled_from(sorted(KINDS)),
    st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0.0, 2.0),
            "top_p": st.floats(0.01, 1.0),
            "top_k": st.integers(0, 50),
            "min_p": st.floats(0.0, 1.0),
            "repetition_penalty": st.floats(0.5, 2.0),
        },
    ),
)
def test_all_that_is_asked_is_sent_or_refused(kind: str, given: dict[str, Any]) -> None:
    params = GenerationParams(**given)
    try:
        found = sampling_fields(KINDS[kind], params)
    except ParameterError:
        return
    found = json.loads(found["generation_config"]) if kind == "transformers" else found
    neutral = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
    for name, value in params.canonical.to_dict().items():
        if name in neutral and value != neutral[name]:
            assert found[KINDS[kind].fields[name]] == value
