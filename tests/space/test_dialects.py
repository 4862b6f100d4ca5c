import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.dialects import DIALECTS
from llmsearch_optuna.space.dimensions import Categorical, Float
from llmsearch_optuna.space.params import CUTS, PARAMETERS, GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace


def fields(kind: str, **params: Any) -> dict[str, Any]:
    return DIALECTS[kind].sampling_fields(GenerationParams(**params))


def test_unset_parameters_are_turned_off() -> None:
    sent = {"temperature": 0.7, "top_k": -1, "top_p": 0.9, "min_p": 0.0, "repetition_penalty": 1.0}
    assert fields("sglang", temperature=0.7, top_p=0.9) == sent
    # vLLM also takes the other penalties from the model's generation config, unless a request has them.
    sent |= {"presence_penalty": 0.0, "frequency_penalty": 0.0}
    assert fields("vllm", temperature=0.7, top_p=0.9) == sent
    assert fields("vllm", temperature=0.7, top_p=0.9, presence_penalty=0.0) == sent
    assert fields("vllm", temperature=0.7, presence_penalty=0.5)["presence_penalty"] == 0.5


def test_parameters_go_by_the_servers_names_and_in_our_order() -> None:
    sent = fields("llamacpp", do_sample=True, repetition_penalty=1.2, typical_p=0.9)
    assert (sent["temperature"], sent["repeat_penalty"], sent["typical_p"]) == (1.0, 1.2, 0.9)
    assert (sent["top_k"], sent["top_p"], sent["min_p"]) == (0, 1.0, 0.0)
    assert sent["samplers"] == [
        "penalties",
        "dry",
        "temperature",
        "top_n_sigma",
        "top_k",
        "top_p",
        "min_p",
        "typ_p",
        "xtc",
    ]


def test_transformers_takes_them_as_a_generation_config() -> None:
    sent = fields("transformers", temperature=0.5, epsilon_cutoff=0.01, no_repeat_ngram_size=3)
    assert set(sent) == {"generation_config"}
    config = json.loads(sent["generation_config"])
    assert (config["do_sample"], config["temperature"], config["top_k"]) == (True, 0.5, 0)
    assert (config["epsilon_cutoff"], config["no_repeat_ngram_size"]) == (0.01, 3)


@pytest.mark.parametrize("kind", DIALECTS)
def test_greedy_decoding_takes_no_cuts(kind: str) -> None:
    sent = fields(kind, do_sample=False, temperature=0.7, top_p=0.5)
    sent = json.loads(sent["generation_config"]) if kind == "transformers" else sent
    assert sent.get("temperature", 0.0) == 0.0
    assert sent.get("top_p", 1.0) == 1.0
    assert sent.get("do_sample", False) is False


def test_what_a_server_lacks_is_refused() -> None:
    with pytest.raises(ParameterError) as refusal:
        fields("vllm", tfs=0.9)
    assert str(refusal.value) == (
        "`tfs` is not available on a server of the kind `vllm`, which takes frequency_penalty, min_p, "
        "presence_penalty, repetition_penalty, temperature, top_k, top_p: leave it out, or install this "
        "package beside the server's vLLM, which then has all of them"
    )
    with pytest.raises(ParameterError, match=r"`num_beams` is not available .*: leave it out$"):
        fields("vllm", num_beams=2)


def test_breakers_of_llamacpp() -> None:
    def sent(**params: Any) -> Any:
        return fields("llamacpp", **params).get("dry_sequence_breakers")

    assert sent(temperature=0.7, dry_sequence_breakers=["a"]) is None
    assert sent(dry_multiplier=0.8) == ["\n", '"', "*", ":"]
    assert sent(dry_multiplier=0.8, dry_sequence_breakers=["b", "a"]) == ["a", "b"]
    assert sent(dry_multiplier=0.8, dry_sequence_breakers=[]) == [""]  # an empty list is refused there
    for kind in ("vllm", "sglang", "tgi", "transformers", "openai"):
        with pytest.raises(ParameterError, match="`dry_multiplier` is not available"):
            fields(kind, dry_multiplier=0.8, dry_sequence_breakers=["a"])
    with pytest.raises(ParameterError, match="`top_k` is not available on a server of the kind `openai`"):
        DIALECTS["openai"].check_space(SearchSpace(temperature=Float(0.1, 1.0), top_k=5))


def test_values_that_change_nothing_need_not_be_had() -> None:
    assert fields("openai", temperature=1.0, top_k=0, tfs=1.0, top_a=0.0) == {"temperature": 1.0, "top_p": 1.0}
    DIALECTS["tgi"].check_space(SearchSpace(temperature=Float(0.1, 1.0), top_a=0.0, tfs=1.0))
    assert fields("openai", temperature=0.7, top_k=1) == {"temperature": 0.0, "top_p": 1.0}  # that is greedy


def test_llamacpp_has_mirostat_alone() -> None:
    sent = fields("llamacpp", temperature=0.7, mirostat_tau=3.0)
    assert (sent["mirostat"], sent["mirostat_tau"], sent["mirostat_eta"]) == (2, 3.0, 0.1)
    assert fields("llamacpp", mirostat_tau=3.0, mirostat_eta=0.3)["mirostat_eta"] == 0.3
    assert fields("llamacpp", temperature=0.7)["mirostat"] == 0
    assert "mirostat_tau" not in fields("llamacpp", do_sample=False, mirostat_tau=3.0)
    message = "`top_p` cannot go with `mirostat_tau` on a server of the kind `llamacpp`, which then ignores it: leave"
    with pytest.raises(ParameterError, match=message):
        fields("llamacpp", mirostat_tau=3.0, top_p=0.9)
    assert fields("llamacpp", mirostat_tau=3.0, top_p=1.0)["top_p"] == 1.0
    tau = Float(1.0, 5.0)
    with pytest.raises(ParameterError, match=message):
        DIALECTS["llamacpp"].check_space(SearchSpace(mirostat_tau=tau, top_p=Float(0.5, 1.0)))
    DIALECTS["llamacpp"].check_space(SearchSpace(mirostat_tau=tau, mirostat_eta=Float(0.0, 1.0), top_p=1.0))
    apart = SearchSpace(
        top_p=Categorical([None, 0.5]), mirostat_tau=Float(1.0, 5.0, when={"top_p": None}), temperature=Float(0.1, 1.0)
    )
    DIALECTS["llamacpp"].check_space(apart)


def test_only_defaults_of_parameters_and_switches_are_turned_off() -> None:
    for dialect in DIALECTS.values():
        extra = set(dialect.off) - set(dialect.fields.values())
        assert extra == (set(DIALECTS["llamacpp"].off) - set(dialect.fields.values()) if dialect.samplers else set())
        assert set(dialect.fields) <= set(PARAMETERS)
        assert set(dialect.samplers) <= {*CUTS, "xtc_probability"}


@given(
    st.sampled_from(sorted(DIALECTS)),
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
def test_every_parameter_is_sent_or_refused(kind: str, given: dict[str, Any]) -> None:
    params = GenerationParams(**given)
    try:
        sent = DIALECTS[kind].sampling_fields(params)
    except ParameterError:
        return
    sent = json.loads(sent["generation_config"]) if kind == "transformers" else sent
    neutral = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
    for name, value in params.canonical.to_dict().items():
        if name in neutral and value != neutral[name]:
            assert sent[DIALECTS[kind].fields[name]] == value
