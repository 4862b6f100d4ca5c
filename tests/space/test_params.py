import dataclasses
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from cuts import CUT_VALUES
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams, check_parameter
from llmsearch_optuna.space.rules import CLASHES
from llmsearch_optuna.space.search_space import SearchSpace

BIG = 10**400
"""An integer beyond all floats."""

# name: (rule, good values, bad values); the boundaries are among them.
Case = tuple[str, list[Any], list[Any]]

FLOATS: dict[str, Case] = {
    "temperature": (">= 0", [0.0, 5e-324, 1.0, 1e308], [-5e-324, -1.0]),
    "top_p": ("in (0, 1]", [5e-324, 0.5, 1.0], [0.0, -0.1, math.nextafter(1.0, 2.0)]),
    "min_p": ("in [0, 1]", [0.0, 0.5, 1.0], [-5e-324, math.nextafter(1.0, 2.0)]),
    "typical_p": ("in (0, 1]", [5e-324, 0.5, 1.0], [0.0, math.nextafter(1.0, 2.0)]),
    "epsilon_cutoff": ("in [0, 1)", [0.0, 0.5, math.nextafter(1.0, 0.0)], [-5e-324, 1.0]),
    "eta_cutoff": ("in [0, 1)", [0.0, 0.5, math.nextafter(1.0, 0.0)], [-5e-324, 1.0]),
    "tfs": ("in [0, 1]", [0.0, 0.5, 1.0], [-5e-324, math.nextafter(1.0, 2.0)]),
    "top_a": ("in [0, 1]", [0.0, 0.5, 1.0], [-5e-324, math.nextafter(1.0, 2.0)]),
    "top_n_sigma": ("> 0", [5e-324, 1.0, 1e308], [0.0, -1.0]),
    "top_h": ("in (0, 1]", [5e-324, 0.5, 1.0], [0.0, math.nextafter(1.0, 2.0)]),
    "mirostat_tau": ("> 0", [5e-324, 5.0, 1e308], [0.0, -1.0]),
    "length_penalty": ("in [-10, 10]", [-10.0, 0.0, 10.0], [math.nextafter(10.0, 11.0), -11.0]),
    "mirostat_eta": (">= 0", [0.0, 0.1, 1e308], [-5e-324, -1.0]),
    "repetition_penalty": ("> 0", [5e-324, 1.0, 1e308], [0.0, -1.0]),
    "xtc_probability": ("in [0, 1]", [0.0, 0.5, 1.0], [-5e-324, math.nextafter(1.0, 2.0)]),
    "xtc_threshold": ("in (0, 0.5]", [5e-324, 0.1, 0.5], [0.0, math.nextafter(0.5, 1.0)]),
    "dry_multiplier": (">= 0", [0.0, 0.8, 1e308], [-5e-324, -1.0]),
    "dry_base": (">= 1", [1.0, 1.75, 1e308], [math.nextafter(1.0, 0.0), -1.0]),
    "presence_penalty": ("in [-2, 2]", [-2.0, 0.0, 2.0], [math.nextafter(2.0, 3.0), -2.1]),
    "frequency_penalty": ("in [-2, 2]", [-2.0, 0.0, 2.0], [math.nextafter(2.0, 3.0), -2.1]),
    "encoder_repetition_penalty": ("> 0", [5e-324, 1.0, 1e308], [0.0, -1.0]),
}
INTEGERS: dict[str, Case] = {
    "top_k": (">= 0", [0, 1, 2**40], [-1]),
    "no_repeat_ngram_size": (">= 0", [0, 3], [-1]),
    "generation_seed": ("in [0, 4294967295]", [0, 2**32 - 1], [-1, 2**32]),
    "max_new_tokens": (">= 1", [1, 4096], [0, -1]),
    "dry_allowed_length": (">= 1", [1, 2, 2**20], [0, -1]),
    "num_beams": (">= 1", [1, 4], [0, -1]),
    "samples_per_prompt": (">= 1", [1, 4], [0, -1]),
}
BOOLS = ["do_sample", "early_stopping", "p_less"]
LISTS: dict[str, Case] = {
    "dry_sequence_breakers": (
        "a list of at most 32 strings of 1 to 40 bytes",
        [(), ("a",), ("ab", "c"), ("x" * 40,), tuple(sorted(map(str, range(32))))],
        [[""], ["x" * 41], ["\u00e9" * 21], [*map(str, range(33))], [1], [None], "ab", {"a"}, 3],
    )
}

MISSING = set(PARAMETERS) - {*BOOLS, *FLOATS, *INTEGERS, *LISTS}
assert not MISSING, f"add to BOOLS, FLOATS, INTEGERS or LISTS in tests/space/test_params.py: {', '.join(MISSING)}"


def good_value(name: str) -> st.SearchStrategy[Any]:
    if name in BOOLS:
        return st.booleans()
    if name in LISTS:
        return st.lists(st.text(min_size=1, max_size=10), max_size=4)
    if name in INTEGERS:
        low = INTEGERS[name][1][0]
        return st.integers(low, 2**32 - 1)
    rule = FLOATS[name][0]
    bounds: dict[str, dict[str, Any]] = {
        ">= 0": {"min_value": 0.0},
        "> 0": {"min_value": 0.0, "exclude_min": True},
        ">= 1": {"min_value": 1.0},
        "in [-10, 10]": {"min_value": -10.0, "max_value": 10.0},
        "in [-2, 2]": {"min_value": -2.0, "max_value": 2.0},
        "in [0, 1]": {"min_value": 0.0, "max_value": 1.0},
        "in (0, 0.5]": {"min_value": 0.0, "max_value": 0.5, "exclude_min": True},
        "in (0, 1]": {"min_value": 0.0, "max_value": 1.0, "exclude_min": True},
        "in [0, 1)": {"min_value": 0.0, "max_value": 1.0, "exclude_max": True},
    }
    return st.floats(allow_nan=False, allow_infinity=False, **bounds[rule])


def without_clashes(values: dict[str, Any]) -> GenerationParams:
    refused = {clash.name for clash in CLASHES if clash.other in values and clash.matters(values[clash.other])}
    return GenerationParams.from_dict({name: value for name, value in values.items() if name not in refused})


def off_or(name: str) -> st.SearchStrategy[Any]:
    """Values of a parameter, and often those that may make others or itself idle."""
    edges: dict[str, list[Any]] = {
        "temperature": [0.0, 1.0],
        "top_k": [0, 1],
        "num_beams": [1],
        "mirostat_eta": [0.1],
        "xtc_threshold": [0.1],
        "dry_base": [1.75],
        "dry_allowed_length": [2],
        "dry_sequence_breakers": [["\n", ":", '"', "*"]],
        "tfs": [1.0],
    }
    common = [edge for edge in (*edges.get(name, ()), 0.0, 0, 1, 1.0) if is_good(name, edge)]
    return st.sampled_from(common) | good_value(name) if common else good_value(name)


def is_good(name: str, value: Any) -> bool:
    try:
        check_parameter(name, value)
    except ParameterError:
        return False
    return True


generation_params = st.fixed_dictionaries({}, optional={name: off_or(name) for name in PARAMETERS}).map(without_clashes)


def test_every_field_is_a_parameter() -> None:
    assert {*PARAMETERS, "settings"} == {field.name for field in dataclasses.fields(GenerationParams)}


@pytest.mark.parametrize(("name", "case"), {**FLOATS, **INTEGERS, **LISTS}.items())
def test_rules_hold_up_to_their_boundaries(name: str, case: Case) -> None:
    rule, good, bad = case
    for value in good:
        assert getattr(GenerationParams(**{name: value}), name) == value
    for value in bad:
        with pytest.raises(ParameterError) as refusal:
            GenerationParams(**{name: value})
        assert str(refusal.value) == f"`{name}` must be {rule}, got {value!r}"


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, BIG, np.float32("nan")], ids=repr)
def test_floats_must_be_finite(name: str, value: float) -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameter(name, value)
    assert str(refusal.value) == f"`{name}` must be a finite number {FLOATS[name][0]}, got {value!r}"


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [True, "0.5", None, 1j, [0.5], np.array([0.5, 0.5]), np.True_], ids=repr)
def test_floats_must_be_numbers(name: str, value: object) -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameter(name, value)
    assert str(refusal.value) == f"`{name}` must be a number {FLOATS[name][0]}, got {value!r}"


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [True, 1.0, math.nan, "1", None, np.float64(1), np.True_], ids=repr)
def test_integers_must_be_integers(name: str, value: object) -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameter(name, value)
    assert str(refusal.value) == f"`{name}` must be an integer {INTEGERS[name][0]}, got {value!r}"


@pytest.mark.parametrize("name", BOOLS)
@pytest.mark.parametrize("value", [0, 1, "true", None, 1.0, np.True_], ids=repr)
def test_switches_must_be_bools(name: str, value: object) -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameter(name, value)
    assert str(refusal.value) == f"`{name}` must be true or false, got {value!r}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("penalty_alpha", "contrastive search was removed in transformers 5.0"),
        ("num_beam_groups", "group beam search was removed in transformers 5.0"),
        ("diversity_penalty", "group beam search was removed in transformers 5.0"),
        ("prompt_lookup_num_tokens", "prompt lookup changes neither tokens nor scores and is no longer a parameter"),
    ],
)
def test_removed_parameters_are_refused_by_name(name: str, reason: str) -> None:
    for refused in (
        lambda: GenerationParams.from_dict({name: 5}),
        lambda: SearchSpace.from_dict({name: {"low": 0.1, "high": 0.9}}),
        lambda: SearchSpace.from_dict({name: 3}),
        lambda: SearchSpace(**{name: Float(0.1, 0.9)}),
    ):
        with pytest.raises(ParameterError) as refusal:
            refused()
        assert str(refusal.value).startswith(f"`{name}`: {reason}")
        assert "\n" not in str(refusal.value)


def test_stored_parameters_of_older_versions_can_be_read() -> None:
    stored = {"temperature": 0.5, "prompt_lookup_num_tokens": 3}
    assert GenerationParams.from_json(json.dumps(stored)) == GenerationParams(temperature=0.5)
    assert GenerationParams.from_stored(stored) == GenerationParams(temperature=0.5)
    with pytest.raises(ParameterError, match=r"^`penalty_alpha`: "):
        GenerationParams.from_stored({"penalty_alpha": 0.5})


def test_mirostat_does_not_go_with_beams() -> None:
    assert GenerationParams(mirostat_tau=2, num_beams=1).num_beams == 1
    with pytest.raises(ParameterError, match=r"^`mirostat_tau` cannot go with `num_beams` > 1: "):
        GenerationParams(mirostat_tau=2, num_beams=2)


def test_numbers_of_numpy_become_python_numbers() -> None:
    params = GenerationParams(top_k=np.int64(3), temperature=np.float32(0.5), top_p=Fraction(1, 2), tfs=1)  # type: ignore[arg-type]
    assert [type(value) for value in params.to_dict().values()] == [float, int, float, float, int, int]
    assert params == GenerationParams(top_k=3, temperature=0.5, top_p=0.5, tfs=1.0)
    assert params.to_json() == GenerationParams(top_k=3, temperature=0.5, top_p=0.5, tfs=1.0).to_json()


def test_lists_are_sets() -> None:
    params = GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=["b", "a", "b"])  # type: ignore[arg-type]
    assert params == GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=("a", "b"))
    assert params == GenerationParams.from_json(params.to_json())
    default = GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=("*", ":", '"', "\n"))
    assert default.canonical == GenerationParams(dry_multiplier=1.0).canonical != params.canonical
    assert GenerationParams(dry_sequence_breakers=("a",)).canonical == GenerationParams().canonical
    # What studies of earlier versions have stored is as it was.
    stored = '{"dry_multiplier": 0.8, "generation_seed": 0, "max_new_tokens": 128}'
    assert GenerationParams(dry_multiplier=0.8).to_json() == stored


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ParameterError, match=r"^unknown generation parameter `temprature`: did you mean `temperature`\?$"
    ):
        GenerationParams.from_dict({"temprature": 0.5})


def test_none_is_unset_but_seed_and_length_are_always_set() -> None:
    assert GenerationParams.from_dict({"temperature": None, "max_new_tokens": None}) == GenerationParams()
    assert GenerationParams().to_dict() == {"generation_seed": 0, "max_new_tokens": 128}
    with pytest.raises(ParameterError, match=r"^`max_new_tokens` must be an integer >= 1, got None$"):
        GenerationParams(max_new_tokens=None)  # type: ignore[arg-type]


def test_parameters_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationParams().temperature = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "greedy"),
    [
        ({}, True),
        ({"repetition_penalty": 1.2, "no_repeat_ngram_size": 3}, True),
        ({"do_sample": False, "temperature": 1.0, "top_p": 0.9}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.0, "top_p": 0.9}, True),
        ({"do_sample": True, "temperature": 0.0}, True),
        ({"do_sample": True}, False),
        ({"temperature": 1.0}, False),
        *(({name: value}, False) for name, value in CUT_VALUES.items()),
        ({"do_sample": True, "top_k": 1, "temperature": 1.5}, True),
        ({"top_k": 1, "num_beams": 1}, True),
        ({"top_k": 1, "num_beams": 2}, False),
        ({"num_beams": 4}, True),
        ({"num_beams": 4, "temperature": 0.7}, False),
    ],
)
def test_greedy(values: dict[str, Any], greedy: bool) -> None:
    assert GenerationParams.from_dict(values).greedy == greedy


@given(generation_params)
def test_json_and_dict_round_trips(params: GenerationParams) -> None:
    assert GenerationParams.from_json(params.to_json()) == params
    assert GenerationParams.from_dict(params.to_dict()) == params
    assert hash(GenerationParams.from_json(params.to_json())) == hash(params)
    assert list(json.loads(params.to_json())) == sorted(params.to_dict())


def test_unseeded_parameters_are_those_that_matter_whatever_the_seed() -> None:
    sampled = GenerationParams(temperature=0.7, top_p=0.9, repetition_penalty=1.1, generation_seed=5)
    assert sampled.unseeded == GenerationParams(temperature=0.7, top_p=0.9, repetition_penalty=1.1)
    greedy = GenerationParams(
        do_sample=False,
        temperature=0.7,
        top_k=5,
        repetition_penalty=1.1,
        encoder_repetition_penalty=1.2,
        no_repeat_ngram_size=3,
        generation_seed=5,
        max_new_tokens=9,
    )
    kept = {
        "repetition_penalty": 1.1,
        "encoder_repetition_penalty": 1.2,
        "no_repeat_ngram_size": 3,
        "max_new_tokens": 9,
    }
    assert greedy.unseeded.to_dict() == {"do_sample": False, "generation_seed": 0, **kept}
    assert (
        GenerationParams(temperature=0.0).unseeded == GenerationParams(do_sample=False) == GenerationParams().unseeded
    )


@given(generation_params)
def test_the_canonical_form_is_one(params: GenerationParams) -> None:
    canonical = params.canonical
    assert canonical.canonical == canonical
    assert (canonical.greedy, canonical.mode) == (params.greedy, params.mode)
    assert canonical.do_sample is not params.greedy
    assert canonical.max_new_tokens == params.max_new_tokens
    assert canonical.unseeded.canonical == params.unseeded.canonical


@pytest.mark.parametrize(
    ("values", "canonical"),
    [
        ({}, {"do_sample": False}),
        (
            {"do_sample": False, "temperature": 0.7, "top_p": 0.9, "mirostat_tau": 3.0, "generation_seed": 4},
            {"do_sample": False},
        ),
        ({"top_k": 1, "temperature": 0.7, "generation_seed": 4}, {"do_sample": False}),
        ({"temperature": 0.0, "repetition_penalty": 1.1}, {"do_sample": False, "repetition_penalty": 1.1}),
        ({"tfs": 1.0, "top_a": 0.0, "top_p": 1.0, "min_p": 0.0, "top_k": 0, "temperature": 1.0}, {"do_sample": True}),
        (
            {"do_sample": True, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "typical_p": 1.0},
            {"do_sample": True},
        ),
        ({"temperature": 0.7, "mirostat_eta": 0.3, "length_penalty": 2.0}, {"do_sample": True, "temperature": 0.7}),
        ({"mirostat_tau": 3.0, "mirostat_eta": 0.1}, {"do_sample": True, "mirostat_tau": 3.0}),
        (
            {"num_beams": 3, "early_stopping": False, "length_penalty": 1.0, "top_p": 0.9, "do_sample": False},
            {"do_sample": False, "num_beams": 3},
        ),
        ({"num_beams": 3, "top_k": 1}, {"do_sample": True, "num_beams": 3, "top_k": 1}),
        ({"top_n_sigma": 1.0, "top_h": 1.0}, {"do_sample": True, "top_n_sigma": 1.0, "top_h": 1.0}),
    ],
)
def test_canonical_forms(values: dict[str, Any], canonical: dict[str, Any]) -> None:
    assert GenerationParams.from_dict(values).canonical == GenerationParams.from_dict(canonical)


def test_the_repr_has_what_is_set_and_makes_equal_parameters() -> None:
    params = GenerationParams(
        temperature=0.5, top_p=0.9, generation_seed=3, settings=(("chat_template.style", "brief"),)
    )
    assert repr(params).startswith("GenerationParams(temperature=0.5, top_p=0.9, generation_seed=3, max_new_tokens=128")
    assert "top_k" not in repr(params)
    assert eval(repr(params)) == params
    assert eval(repr(GenerationParams())) == GenerationParams()
