"""Fingerprints: built, compared, described, and read from databases of every version."""

import enum
import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna import Categorical, Float, Int, SearchSpace
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.study.attributes import FINGERPRINT
from llmsearch_optuna.study.fingerprint import (
    build_fingerprint,
    complete_fingerprint,
    created_directions,
    describe_changes,
    describe_part,
    holdout_size,
    read_fingerprint,
    stored_stop_strings,
    study_fingerprint,
    without_search,
)

STOPPING = {"eos_token_ids": (2,), "strings": ("n", "9"), "sequences": (), "criteria": ()}
STOPPING_1 = "Stopping(eos_token_ids=(2,), strings=('n', '9'), sequences=(), criteria=())"


class Mode(enum.Enum):
    FAST = 1


@dataclass(frozen=True)
class Rule:
    length: int

    def __call__(self, *_: object) -> bool:
        return True


def current(**changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "model": "6e07",
        "task": {"prompts": "d571", "splits": {"search": 16, "holdout": 8}, "sample order seed": 42},
        "metric": "rouge1",
        "output_preproc": str.strip,
        "decode_args": {"skip_special_tokens": True},
        "stopping": STOPPING,
        "thinking": None,
        "seed": 42,
        "space": SearchSpace(temperature=Float(0.3, 2.0), max_new_tokens=6),
        **changes,
    }
    return complete_fingerprint(build_fingerprint(**parts), direction="maximize", objectives=["score"])


def version_1(**changes: str) -> dict[str, Any]:
    """As 0.1.0 wrote it."""
    return {
        "model": "6e07",
        "prompts": "d571",
        "splits": "16 search, 8 hold-out",
        "sample order seed": "42",
        "metric": "rouge1",
        "output_preproc": identify(str.strip),
        "tokenizer_decode_args": "{'skip_special_tokens': True}",
        "stopping": STOPPING_1,
        "seed": "42",
        "space": "SearchSpace(temperature=Float(low=0.3, high=2.0, log=False, step=None, when=None), max_new_tokens=6)",
        "direction": "maximize",
        **changes,
    }


def changes(stored: dict[str, Any], **parts: Any) -> list[str]:
    return list(describe_changes(read_fingerprint(stored), current(**parts)).values())


def test_it_is_canonical_json() -> None:
    fingerprint = current()
    assert json.loads(json.dumps(fingerprint, allow_nan=False)) == fingerprint
    assert list(fingerprint) == sorted(fingerprint)
    assert fingerprint["version"] == 2
    assert fingerprint["objectives"] == ["score"]
    assert fingerprint["stopping"] == {"criteria": [], "eos_token_ids": [2], "sequences": [], "strings": ["n", "9"]}
    assert fingerprint["space"]["parameters"]["temperature"] == {"low": 0.3, "high": 2.0, "log": False, "step": None}
    assert read_fingerprint(fingerprint) == fingerprint


@pytest.mark.parametrize(
    ("part", "stored", "now"),
    [
        ("decode_args", "None", None),
        ("decode_args", "{'skip_special_tokens': False, 'clean': True}", {"clean": True, "skip_special_tokens": False}),
        ("decode_args", "{'n': -1, 'x': -0.5, 'many': [1, (2,), {'a': None}]}",
         {"n": -1, "x": -0.5, "many": [1, (2,), {"a": None}]}),
        ("decode_args", "{1: 'one', 'inf': inf, 'large': 1e+20}", {1: "one", "inf": float("inf"), "large": 1e20}),
        ("decode_args", "{'mode': <Mode.FAST: 1>, 'text': '<a at 0x1>'}", {"mode": Mode.FAST, "text": "<a at 0x1>"}),
        ("decode_args", "{'kinds': {1, 2}, 'bytes': b'\\x00'}", {"kinds": {1, 2}, "bytes": b"\x00"}),
        ("stopping", r"Stopping(eos_token_ids=(), strings=('\n', '\'q\"', '\ud800'), sequences=(), criteria=())",
         {**STOPPING, "eos_token_ids": (), "strings": ("\n", "'q\"", "\ud800")}),
        ("stopping", "Stopping(eos_token_ids=(2, 3), strings=(), sequences=((5, 6), (7,)), criteria=())",
         {**STOPPING, "eos_token_ids": (2, 3), "strings": (), "sequences": ((5, 6), (7,))}),
        ("stopping", "AnotherClass(eos_token_ids=(2,), strings=('n', '9'), sequences=(), criteria=())", STOPPING),
    ],
)  # fmt: skip
def test_what_version_1_stored_equals_the_same_of_today(part: str, stored: str, now: Any) -> None:
    name = {"decode_args": "tokenizer_decode_args"}.get(part, part)
    assert changes(version_1(**{name: stored}), **{part: now}) == []
    assert changes(version_1(**{name: stored}), **({} if part == "decode_args" else {"stopping": {}})) != []


def test_a_lambda_with_the_digest_of_its_source() -> None:
    first_line = functools.partial(lambda text, sign: text.split(sign)[0], sign="\n")
    stored = version_1(output_preproc=identify(first_line))
    assert changes(stored, output_preproc=first_line) == []
    assert changes(stored) != []


SPACES = {
    "SearchSpace(temperature=Float(low=0.3, high=2.0, log=True, step=None, when=None), "
    "top_p=Float(low=0.5, high=1.0, log=False, step=0.1, when={'top_k': (0,)}), "
    "top_k=Categorical(choices=(0, 5, None), when=None), max_new_tokens=6)": SearchSpace(
        temperature=Float(0.3, 2.0, log=True),
        top_p=Float(0.5, 1.0, step=0.1, when={"top_k": 0}),
        top_k=Categorical([0, 5, None]),
        max_new_tokens=6,
    ),
    "SearchSpace(do_sample=Categorical(choices=(True, False), when=None), "
    "top_k=Int(low=1, high=9, log=False, step=4, when={'do_sample': (True,)}), "
    "num_beams=Int(low=1, high=4, log=True, step=1, when={'do_sample': (False,)}), "
    "length_penalty=Float(low=-1.0, high=1.0, log=False, step=None, when={'num_beams': (2, 3, 4)}), "
    "early_stopping=Categorical(choices=(True, None), when={'num_beams': (2, 3, 4)}), max_new_tokens=4)": SearchSpace(
        do_sample=Categorical([True, False]),
        top_k=Int(1, 9, step=4, when={"do_sample": True}),
        num_beams=Int(1, 4, log=True, when={"do_sample": False}),
        length_penalty=Float(-1.0, 1.0, when={"num_beams": [2, 3, 4]}),
        early_stopping=Categorical([True, None], when={"num_beams": [2, 3, 4]}),
        max_new_tokens=4,
    ),
    "SearchSpace(temperature=0.7, do_sample=True)": SearchSpace(do_sample=True, temperature=0.7),
    "SearchSpace()": SearchSpace(),
}


@pytest.mark.parametrize("stored", SPACES)
def test_the_spaces_of_version_1(stored: str) -> None:
    for text, space in SPACES.items():
        assert (changes(version_1(space=stored), space=space) == []) == (text == stored)


def test_the_order_of_dimensions_is_part_of_the_space() -> None:
    first = SearchSpace(top_p=Float(0.5, 1.0), temperature=Float(0.3, 2.0))
    second = SearchSpace(temperature=Float(0.3, 2.0), top_p=Float(0.5, 1.0))
    assert describe_changes(current(space=first), current(space=second)) == {
        "space": "space.order: top_p, temperature then, temperature, top_p now"
    }


def test_what_differs_is_described_by_its_innermost_part() -> None:
    space = SearchSpace(temperature=Float(0.3, 1.5), top_k=Int(1, 5), max_new_tokens=6)
    stopping = {**STOPPING, "strings": ("\n",)}
    order = "temperature then, temperature, top_k now"
    added = 'space.parameters.top_k: none then, {"high": 5, "log": false, "low": 1, "step": 1} now'
    assert changes(version_1(metric="bleu", seed="7"), space=space, stopping=stopping, decode_args=None) == [
        "metric: bleu then, rouge1 now",
        "seed: 7 then, 42 now",
        f"space.order: {order}; space.parameters.temperature.high: 2.0 then, 1.5 now; {added}",
        r'stopping.strings: n, 9 then, "\n" now',
        'tokenizer_decode_args: {"skip_special_tokens": true} then, none now',
    ]
    assert changes(version_1(), decode_args={"skip_special_tokens": 1}) == [
        "tokenizer_decode_args.skip_special_tokens: true then, 1 now"
    ]
    assert changes(version_1(**{"hold-out stratified by": "kind"})) == ["hold-out stratified by: kind then, none now"]
    assert changes(version_1(objectives="score, tokens")) == ["objectives: score, tokens then, score now"]


@pytest.mark.parametrize("stored", ["", "(", "SearchSpace", "\0", "None", "(" * 10_000, "a b", "9" * 9_999])
@pytest.mark.parametrize("part", ["space", "stopping", "tokenizer_decode_args", "splits", "seed"])
def test_what_cannot_be_parsed_differs_and_stops_nothing(part: str, stored: str) -> None:
    read = read_fingerprint(version_1(**{part: stored}))
    assert part in describe_changes(read, current())
    json.dumps(read)
    assert describe_part(read[part])
    assert stored_stop_strings(read) == (() if part == "stopping" else ("n", "9"))
    assert holdout_size(read) == (None if part == "splits" else 8)


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@pytest.mark.full
@given(
    st.dictionaries(st.text(), st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
)
def test_all_plain_arguments_are_read_from_version_1(arguments: dict[str, Any]) -> None:
    assert changes(version_1(tokenizer_decode_args=repr(arguments)), decode_args=arguments) == []


def test_values_without_json_are_described_and_the_same_in_every_process() -> None:
    criteria = {**STOPPING, "criteria": (Rule(3), print)}
    described = current(stopping=criteria)["stopping"]["criteria"]
    assert described == [identify(Rule(3)), "builtins.print"]
    assert changes(version_1(), stopping=criteria)[0].startswith("stopping.criteria: none then, ")
    program = (
        "from llmsearch_optuna.study.fingerprint import build_fingerprint as build\n"
        "print(build(model='', task={}, metric='', output_preproc=len, decode_args={'x': object(), 'y': lambda: 0},"
        " stopping={}, thinking=None, seed=0)['tokenizer_decode_args'])"
    )
    outputs = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in "12"}
    assert len(outputs) == 1
    assert b"<object object>" in outputs.pop()


def test_what_readers_take_from_it() -> None:
    for fingerprint in (current(), read_fingerprint(version_1())):
        assert stored_stop_strings(fingerprint) == ("n", "9")
        assert holdout_size(fingerprint) == 8
        assert created_directions(fingerprint) == ["maximize"]
        assert set(current()) - set(without_search(fingerprint)) == {"space", "direction", "objectives"}
    assert created_directions(read_fingerprint(version_1(objectives="score, tokens"))) == ["maximize", "minimize"]
    assert created_directions({"objectives": 1}) == ["?"]
    assert (stored_stop_strings({}), holdout_size({})) == ((), None)


def test_a_fingerprint_of_a_newer_version_is_refused() -> None:
    study = optuna.create_study()
    study.set_user_attr(FINGERPRINT, {"version": 3})
    with pytest.raises(StorageError, match=r"^the fingerprint has version 3, but .* up to 2: upgrade the package$"):
        study_fingerprint(study)
