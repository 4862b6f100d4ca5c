"""Exports to programs that cannot run here, against the fields that their sources read (``schemas.toml``)."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.export import TARGETS, to_koboldcpp, to_llamacpp, to_sglang, to_text_generation_webui
from llmsearch_optuna.space.dialects import DIALECTS, EXPORT_DIALECTS
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams

SCHEMAS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "schemas.toml").read_text(encoding="utf-8"))
GREEDY = GenerationParams(do_sample=False, top_k=5, max_new_tokens=9)
RICH = GenerationParams(
    temperature=0.7,
    top_n_sigma=1.5,
    top_k=40,
    top_p=0.9,
    min_p=0.05,
    typical_p=0.9,
    epsilon_cutoff=0.0003,
    eta_cutoff=0.002,
    tfs=0.95,
    top_a=0.2,
    repetition_penalty=1.1,
    encoder_repetition_penalty=1.2,
    presence_penalty=0.5,
    frequency_penalty=-0.25,
    dry_multiplier=0.8,
    dry_sequence_breakers=("\n", "none", ";# é"),
    no_repeat_ngram_size=3,
    xtc_probability=0.4,
    generation_seed=3,
)
MIROSTAT = GenerationParams(mirostat_tau=4.0, top_p=0.9, generation_seed=0)
EXAMPLES = [GREEDY, RICH, MIROSTAT]


def names_in(warnings: tuple[str, ...]) -> set[str]:
    return {name for warning in warnings for name in warning.partition(":")[0].partition("=")[0].split(", ")}


def check(values: dict[str, Any], fields: dict[str, str]) -> None:
    assert {name: type(value).__name__ for name, value in values.items()} == {name: fields[name] for name in values}


@pytest.mark.parametrize("params", EXAMPLES, ids=["greedy", "rich", "mirostat"])
def test_only_fields_that_are_read_and_of_their_types(params: GenerationParams) -> None:
    check(to_sglang(params, ["x"]).values["sampling_params"], SCHEMAS["sglang"]["fields"])
    check(to_koboldcpp(params, ["x"]).values["request"], SCHEMAS["koboldcpp"]["fields"])
    schema = SCHEMAS["text_generation_webui"]
    exported = to_text_generation_webui(params, ["x"]).values
    check(exported["request"], {**schema["fields"], **schema["only_in_requests"]})
    preset = yaml.safe_load("\n".join(exported["preset"]))
    check(preset, schema["fields"])
    assert preset.items() <= exported["request"].items()


@pytest.mark.parametrize("name", ["koboldcpp", "text_generation_webui"])
def test_every_field_is_sent_with_every_parameter_off(name: str) -> None:
    """No default of the program is left, but those of what another field switches off."""
    others = {
        "koboldcpp": {"max_context_length", "stop_sequence", "dynatemp_exponent", "smoothing_curve", "adaptive_decay"},
        "text_generation_webui": {
            *("dynatemp_low", "dynatemp_high", "dynatemp_exponent", "smoothing_curve", "adaptive_decay"),
        },
    }
    dialect = EXPORT_DIALECTS[name]
    needless = {field for fields in dialect.switches.values() for field in fields} - dialect.off.keys()
    sent = TARGETS[name][1](GenerationParams(temperature=0.5), ()).values["request"]
    missing = SCHEMAS[name]["fields"].keys() - sent.keys() - needless - others[name]
    assert missing <= {field for parameter, field in dialect.fields.items() if parameter in dialect.switches}
    for parameter, field in dialect.fields.items():
        if field in dialect.off:
            value = PARAMETERS[parameter].off
            assert dialect.off[field] == (0.0 if value is None else value)


class TestSglang:
    def test_a_request_and_sampling_params_say_the_same(self) -> None:
        exported = to_sglang(GenerationParams(temperature=0.7, repetition_penalty=2.5, generation_seed=3), ["a"])
        request = exported.values["request"]
        assert request == {
            "temperature": 0.7,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 2.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "max_tokens": 128,
            "seed": 3,
            "stop": ["a"],
        }
        native = exported.values["sampling_params"]
        assert (native.pop("max_new_tokens"), native.pop("sampling_seed")) == (128, 3)
        assert native.items() <= request.items()
        assert "repetition_penalty=2.5: the maximum of SGLang is 2.0, which is set" in exported.warnings
        # What a search sends has no maximum of its own: the server refuses what is too large.
        assert DIALECTS["sglang"].sampling_fields(GenerationParams(repetition_penalty=2.5))["repetition_penalty"] == 2.5

    def test_warnings(self) -> None:
        assert to_sglang(GREEDY).warnings == ()
        assert {"seed", "top_p", "repetition_penalty", "tfs", "typical_p"} <= names_in(to_sglang(RICH).warnings)


class TestKoboldcpp:
    def test_our_order_and_names(self) -> None:
        exported = to_koboldcpp(RICH, ["x"])
        request = exported.values["request"]
        assert request["sampler_order"] == [6, 5, 0, 2, 4, 3, 1]
        assert (request["nsigma"], request["typical"], request["tfs"], request["top_a"]) == (1.5, 0.9, 0.95, 0.2)
        assert (request["rep_pen"], request["rep_pen_range"], request["dry_penalty_last_n"]) == (1.1, 65536, 65536)
        assert request["dry_sequence_breakers"] == ["\n", ";# é", "none"]
        assert (request["sampler_seed"], request["stop_sequence"], request["max_length"]) == (3, ["x"], 128)
        option, defaults = exported.values["arguments"]
        assert option == "--gendefaults"
        assert json.loads(defaults) == request
        lacking = {"epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty", "frequency_penalty"}
        different = {"top_n_sigma", "tfs", "presence_penalty", "dry_multiplier", "top_k", "generation_seed"}
        assert names_in(exported.warnings) == {*lacking, *different, "no_repeat_ngram_size"}

    def test_no_breakers_are_no_empty_breaker(self) -> None:
        """Every token contains the empty string, and would end a repetition."""
        none = GenerationParams(dry_multiplier=0.8, dry_sequence_breakers=())
        assert to_koboldcpp(none).values["request"]["dry_sequence_breakers"] == []
        assert to_text_generation_webui(none).values["request"]["dry_sequence_breakers"] == "[]"

    def test_mirostat_ignores_cuts_and_seeds_are_positive(self) -> None:
        exported = to_koboldcpp(MIROSTAT)
        assert exported.values["request"]["mirostat"] == 2
        assert "top_p: koboldcpp ignores it if mirostat_tau is set" in exported.warnings
        assert [warning for warning in exported.warnings if warning.startswith("generation_seed=0: koboldcpp replaces")]
        assert to_koboldcpp(GREEDY).values["request"]["temperature"] == 0.0
        assert to_koboldcpp(GREEDY).warnings == ()


class TestTextGenerationWebui:
    def test_our_order_and_units(self) -> None:
        request = to_text_generation_webui(RICH).values["request"]
        order = request["sampler_priority"].split("\n")
        assert order.index("no_repeat_ngram") < order.index("temperature") < order.index("top_n_sigma")
        assert (
            order.index("top_p") < order.index("min_p") < order.index("tfs") < order.index("top_a") < order.index("xtc")
        )
        assert request["epsilon_cutoff"] * 1e-4 == pytest.approx(0.0003)
        assert (request["epsilon_cutoff"], request["eta_cutoff"]) == (3.0, 20.0)
        assert json.loads(request["dry_sequence_breakers"]) == ["\n", ";# é", "none"]
        assert (request["xtc_threshold"], request["repetition_penalty_range"]) == (0.1, 65536)

    def test_greedy_decoding_in_all_loaders(self) -> None:
        """llama.cpp has no `do_sample`, and transformers no temperature of 0."""
        request = to_text_generation_webui(GREEDY).values["request"]
        assert (request["do_sample"], request["temperature"], request["top_k"]) == (False, 1.0, 1)
        assert "seed" not in request

    def test_warnings(self) -> None:
        assert names_in(to_text_generation_webui(GREEDY).warnings) == {"max_new_tokens"}
        loaders = {"tfs", "top_a", "epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty", "no_repeat_ngram_size"}
        different = {"presence_penalty", "frequency_penalty", "dry_multiplier", "xtc_probability", "generation_seed"}
        assert names_in(to_text_generation_webui(RICH).warnings) == {*loaders, *different, "max_new_tokens"}


def read_ini(lines: list[str]) -> dict[str, str]:
    """Read a section as llama.cpp does: a value ends at the first semicolon or #, and a later key counts."""
    header, *entries = lines
    assert header == "[*]"
    pairs = [entry.split(" = ", 1) for entry in entries]
    return {key: value.split(";")[0].split("#")[0].strip(" \t\n\v\f\r") for key, value in pairs}


@given(st.lists(st.text(max_size=9).filter(lambda text: 0 < len(text.encode(errors="replace")) <= 40), max_size=3))
def test_a_preset_of_llamacpp_says_what_the_command_line_says(breakers: list[str]) -> None:
    params = GenerationParams.from_dict(
        {**RICH.to_dict(), "dry_sequence_breakers": breakers, "mirostat_tau": None, "tfs": None}
    )
    exported = to_llamacpp(params)
    words, preset = exported.values["arguments"], read_ini(exported.values["preset"])
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] != "--dry-sequence-breaker"]
    expected = {option.lstrip("-"): value for option, value in pairs}
    assert expected.pop("samplers") == "penalties;dry;temperature;top_n_sigma;top_k;top_p;min_p;typ_p;xtc"
    assert preset.pop("sampler-seq") == "edtskpmyx"
    breaker = preset.pop("dry-sequence-breaker", None)
    assert preset == expected
    assert ("dry_sequence_breakers" in names_in(exported.warnings)) == (len(set(breakers)) > 1)
    if not breakers:
        assert breaker == "none"
    elif len(set(breakers)) == 1:
        assert breaker is not None
        assert breaker != "none"
        read = breaker.replace("\\\\", "\0").encode().decode("unicode_escape").encode("latin-1")
        assert read == breakers[0].encode().replace(b"\\", b"\0")
    else:
        assert breaker is None
