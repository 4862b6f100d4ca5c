import dataclasses
import json
import math
import tomllib
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.dimensions import Categorical, Dimension, Float, Int
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.ERROR)

ALWAYS_SET = ("generation_seed", "max_new_tokens")
FLOATS = [name for name, parameter in PARAMETERS.items() if parameter.type is float]
INTEGERS = [name for name, parameter in PARAMETERS.items() if parameter.type is int]


@st.composite
def dimensions(draw: st.DrawFn, name: str) -> Dimension:
    """A dimension whose bounds every parameter allows."""
    if PARAMETERS[name].type is bool:
        return Categorical(draw(st.sampled_from([[True, False], [False, None], [True]])))
    kind = draw(st.sampled_from(["choices", "range", "log", "step"]))
    if name in INTEGERS:
        low, step, count = draw(st.integers(1, 50)), draw(st.integers(1, 7)), draw(st.integers(0, 40))
        if kind == "choices":
            values = draw(st.lists(st.integers(1, 200), min_size=1, max_size=4, unique=True))
            return Categorical([*values, None] if name not in ALWAYS_SET and draw(st.booleans()) else values)
        if kind == "log":
            return Int(low, low + count, log=True)
        return Int(low, low + count * step, step=step)
    if kind == "choices":
        hundredths = draw(st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True))
        choices = [value / 100 for value in hundredths]
        return Categorical([None, *choices] if draw(st.booleans()) else choices)
    if kind == "step":
        first, width = draw(st.integers(1, 50)), draw(st.integers(1, 7))
        return Float(first / 100, (first + width * draw(st.integers(0, 7))) / 100, step=width / 100)
    low_float, high_float = sorted(draw(st.tuples(st.floats(1e-6, 0.99), st.floats(1e-6, 0.99))))
    return Float(low_float, high_float, log=kind == "log")


def listed(dimension: Dimension) -> list[Any]:
    """Values that a condition may name."""
    if isinstance(dimension, Categorical):
        return list(dimension.choices)
    if isinstance(dimension, Int):
        return [dimension.low, dimension.high] if not dimension.log else [dimension.low]
    return [dimension.low] if dimension.step is not None else []


LISTS = sorted(name for name, parameter in PARAMETERS.items() if parameter.type is tuple)
NAMES = sorted({*PARAMETERS} - {"xtc_threshold", "dry_base", *LISTS})  # their ranges are not those below
SETTINGS = {
    "template.enable_thinking": Categorical([True, False]),
    "body.reasoning_effort": Categorical(["low", "high", None]),
}


@st.composite
def spaces(draw: st.DrawFn, *, conditions: bool = True) -> SearchSpace:
    names = draw(st.lists(st.sampled_from([*NAMES, *SETTINGS]), unique=True, max_size=6))
    parameters: dict[str, Any] = {}
    for name in names:
        if name in SETTINGS and draw(st.booleans()):
            parameters[name] = SETTINGS[name].choices[0]
            continue
        if name not in SETTINGS and draw(st.integers(0, 4)) == 0:
            parameters[name] = {bool: True, int: 7, float: 0.5}[PARAMETERS[name].type]
            continue
        dimension = SETTINGS[name] if name in SETTINGS else draw(dimensions(name))
        parents = [
            other for other, value in parameters.items() if not isinstance(value, Float) or value.step is not None
        ]
        if conditions and parents and draw(st.booleans()):
            when: dict[str, Any] = {}
            for parent in draw(st.lists(st.sampled_from(parents), min_size=1, max_size=2, unique=True)):
                value = parameters[parent]
                values = listed(value) if isinstance(value, Float | Int | Categorical) else [value]
                chosen = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
                when[parent] = chosen[0] if len(chosen) == 1 and draw(st.booleans()) else chosen
            kind = type(dimension)
            fields = {field: getattr(dimension, field) for field in dimension.__dataclass_fields__ if field != "when"}
            dimension = kind(**fields, when=when)
        parameters[name] = dimension
    parameters |= draw(st.dictionaries(st.sampled_from(LISTS), st.lists(st.text(min_size=1, max_size=5), max_size=3)))
    shuffled = draw(st.permutations(list(parameters.items())))
    try:
        return SearchSpace(**dict(shuffled))
    except ParameterError as error:
        assume("cannot go with" not in str(error))
        raise


def random_study(seed: int) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))


def inside(dimension: Dimension, value: Any) -> bool:
    if isinstance(dimension, Categorical):
        return any(value == choice for choice in dimension.choices)
    if not dimension.low <= value <= dimension.high:
        return False
    if dimension.step is None or dimension.log:
        return True
    steps: float = (value - dimension.low) / dimension.step
    return abs(steps - round(steps)) < 1e-9


def active(space: SearchSpace, name: str, values: dict[str, Any]) -> bool:
    """Whether a dimension is sampled, found from the top: its parents are, and have one of the values allowed."""
    for parent, allowed in (space.dimensions[name].when or {}).items():
        if parent in space.dimensions and not active(space, parent, values):
            if None not in allowed:
                return False
        elif values.get(parent) not in allowed:
            return False
    return True


@settings(max_examples=scaled(200))
@given(spaces(), st.integers(0, 2**31))
def test_suggested_parameters_lie_in_the_space_and_lead_back_to_the_trial(space: SearchSpace, seed: int) -> None:
    study = random_study(seed)
    trial = study.ask()
    params = space.suggest(trial)
    values = params.to_dict()
    for name, value in space.fixed.items():
        assert values[name] == value
    for name, dimension in space.dimensions.items():
        if active(space, name, {**values, **space.fixed}):
            assert inside(dimension, values.get(name))
            assert name in trial.params
        else:
            assert values.get(name) == GenerationParams().to_dict().get(name)
            assert name not in trial.params
    assert set(values) <= {*space.fixed, *space.dimensions, *ALWAYS_SET}
    assert params.max_new_tokens <= space.longest_completion()

    assert space.trial_params(params) == trial.params
    study.enqueue_trial(trial.params)
    assert space.suggest(study.ask()) == params


@settings(max_examples=scaled(200))
@given(spaces())
def test_dict_and_json_round_trips(space: SearchSpace) -> None:
    for again in (
        SearchSpace.from_dict(space.to_dict()),
        SearchSpace.from_dict(json.loads(json.dumps(space.to_dict()))),
        SearchSpace(**space.dimensions, **space.fixed),
    ):
        assert again == space
        assert hash(again) == hash(space)
        assert again.to_dict() == space.to_dict()


def test_bounds_take_the_type_of_their_parameter() -> None:
    integers = SearchSpace(
        temperature=Float(0, 1, step=1),
        top_k=Int(np.int64(1), np.int64(9), step=np.int64(2)),  # type: ignore[arg-type]
        tfs=Categorical([1, np.float32(0.5)]),  # type: ignore[list-item]
        top_p=1,
    )
    floats = SearchSpace(
        temperature=Float(0.0, 1.0, step=1.0), top_k=Int(1, 9, step=2), tfs=Categorical((1.0, 0.5)), top_p=1.0
    )
    assert integers == floats
    assert hash(integers) == hash(floats)
    assert repr(integers) == repr(floats)  # the study's fingerprint
    assert json.loads(json.dumps(integers.to_dict())) == floats.to_dict()


def test_a_space_does_not_change_with_what_it_was_made_of() -> None:
    choices, condition = [0, 1], {"do_sample": [True]}
    space = SearchSpace(
        do_sample=Categorical([True, False]),
        generation_seed=Categorical(choices),
        top_p=Float(0.5, 1.0, when=condition),
    )
    before = repr(space)
    choices.append(2)
    condition["do_sample"] = [False]
    assert repr(space) == before
    with pytest.raises(TypeError):
        space.dimensions["top_k"] = Int(1, 2)  # type: ignore[index]
    with pytest.raises(TypeError):
        space.fixed["top_k"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        space.top_k = 1  # type: ignore[attr-defined]


TOML = """
do_sample = {choices = [true, false]}
temperature = {low = 0.1, high = 1.5, when = {do_sample = true}}
top_p = {low = 0.5, high = 1, step = 0.1, when = {do_sample = [true], top_k = [1, 3]}}
top_k = {low = 1, high = 5, step = 2}
no_repeat_ngram_size = {low = 1, high = 100, log = true}
generation_seed = {choices = [0, 1]}
max_new_tokens = 64
"""


def test_toml() -> None:
    space = SearchSpace.from_dict(tomllib.loads(TOML))
    assert space == SearchSpace(
        do_sample=Categorical([True, False]),
        temperature=Float(0.1, 1.5, when={"do_sample": True}),
        top_p=Float(0.5, 1.0, step=0.1, when={"do_sample": True, "top_k": (1, 3)}),
        top_k=Int(1, 5, step=2),
        no_repeat_ngram_size=Int(1, 100, log=True),
        generation_seed=Categorical([0, 1]),
        max_new_tokens=64,
    )


def test_default_space() -> None:
    space = SearchSpace.default(max_new_tokens=64, generation_seeds=(5, 6))
    assert set(space.dimensions) == {"temperature", "top_p", "top_k", "tfs", "top_a", "generation_seed"}
    assert dict(space.fixed) == {"do_sample": True, "max_new_tokens": 64}
    assert space.longest_completion() == 64
    assert space.first_seed() == 5
    assert len(SearchSpace.default().dimensions["generation_seed"].choices) == 4  # type: ignore[union-attr]


def test_nested_conditions() -> None:
    space = SearchSpace(
        top_a=Float(0.1, 0.2, when={"top_k": 1}),
        top_k=Categorical([1, 2], when={"do_sample": True}),
        do_sample=Categorical([True, False]),
    )
    sampled = {
        json.dumps({name: type(value).__name__ for name, value in sorted(params.to_dict().items())})
        for params in (space.suggest(random_study(seed).ask()) for seed in range(30))
    }
    always = {"generation_seed": "int", "max_new_tokens": "int"}
    assert sampled == {
        json.dumps(dict(sorted({"do_sample": "bool", **more, **always}.items())))
        for more in ({}, {"top_k": "int"}, {"top_k": "int", "top_a": "float"})
    }


def test_a_condition_finds_a_step_written_in_decimals() -> None:
    grid_point = 0.1 + 6 * 0.1  # 0.7000000000000001
    assert grid_point != 0.7
    space = SearchSpace(temperature=Float(0.1, 1.0, step=0.1), top_p=Float(0.1, 0.9, when={"temperature": 0.7}))
    study = random_study(0)
    study.enqueue_trial({"temperature": grid_point})
    params = space.suggest(study.ask())
    assert params.top_p is not None


def test_a_condition_on_unset() -> None:
    space = SearchSpace(top_p=Categorical([None, 0.5]), tfs=Categorical([0.9], when={"top_p": [None]}))
    study = random_study(0)
    for top_p, tfs in ((None, 0.9), (0.5, None)):
        study.enqueue_trial({"top_p": top_p})
        params = space.suggest(study.ask())
        assert (params.top_p, params.tfs) == (top_p, tfs)


def test_trial_params_of_what_the_space_lacks() -> None:
    space = SearchSpace(
        do_sample=True,
        temperature=Float(0.5, 1.0),
        top_k=Int(1, 9, step=2),
        top_p=Float(0.1, 0.9, step=0.2, when={"top_k": 1}),
        generation_seed=Categorical([1, 2]),
    )
    values: dict[str, Any] = {"do_sample": True, "temperature": 0.6, "top_k": 3, "generation_seed": 1}
    assert space.trial_params(GenerationParams(**values)) == {"temperature": 0.6, "top_k": 3, "generation_seed": 1}
    lacking: list[dict[str, Any]] = [
        {"temperature": 1.1},
        {"temperature": None},
        {"top_k": 4},
        {"top_k": 11},
        {"do_sample": False},
        {"generation_seed": 3},
        {"top_p": 0.5},  # the space leaves it unset for this top_k
        {"top_k": 1},  # the space sets top_p for this top_k
        {"top_k": 1, "top_p": 0.4},  # between two steps
        {"min_p": 0.1},  # the space does not name it
        {"max_new_tokens": 64},
    ]
    for change in lacking:
        assert space.trial_params(GenerationParams.from_dict({**values, **change})) is None, change
    top_p = 0.1 + 2 * 0.2
    assert space.trial_params(GenerationParams.from_dict({**values, "top_k": 1, "top_p": top_p})) is not None


def test_steps_of_large_integers_are_exact() -> None:
    space = SearchSpace(generation_seed=Int(0, 2**32 - 2, step=2))
    assert space.trial_params(GenerationParams(generation_seed=4_000_000_000)) == {"generation_seed": 4_000_000_000}
    assert space.trial_params(GenerationParams(generation_seed=4_000_000_001)) is None


@pytest.mark.parametrize(
    ("space", "longest"),
    [
        (SearchSpace(), 128),
        (SearchSpace(max_new_tokens=7), 7),
        (SearchSpace(max_new_tokens=Int(1, 9)), 9),
        (SearchSpace(max_new_tokens=Categorical([3, 8, 5])), 8),
        # Where its condition does not hold, the default does.
        (SearchSpace(top_k=Int(1, 2), max_new_tokens=Int(1, 9, when={"top_k": 1})), 128),
        (SearchSpace(top_k=Int(1, 2), max_new_tokens=Categorical([200], when={"top_k": 1})), 200),
    ],
)
def test_longest_completion(space: SearchSpace, longest: int) -> None:
    assert space.longest_completion() == longest


@pytest.mark.parametrize(
    ("space", "seed"),
    [
        (SearchSpace(), 0),
        (SearchSpace(generation_seed=7), 7),
        (SearchSpace(generation_seed=Int(3, 9)), 3),
        (SearchSpace(generation_seed=Categorical([5, 1])), 5),
    ],
)
def test_first_seed(space: SearchSpace, seed: int) -> None:
    assert space.first_seed() == seed


def test_grid() -> None:
    space = SearchSpace(
        temperature=Float(0.1, 0.7, step=0.2),
        top_k=Int(1, 7, step=3),
        top_p=Categorical([None, 0.9]),
        do_sample=True,
    )
    grid = space.grid()
    assert grid == {"temperature": pytest.approx([0.1, 0.3, 0.5, 0.7]), "top_k": [1, 4, 7], "top_p": [None, 0.9]}
    for temperature in grid["temperature"]:
        params = GenerationParams.from_dict({"do_sample": True, "temperature": temperature, "top_k": 4})
        assert space.trial_params(params) is not None


@given(st.integers(1, 60), st.integers(1, 13), st.integers(0, 8))
def test_grid_values_lie_within_the_bounds(first: int, width: int, count: int) -> None:
    dimension = Float(first / 100, (first + count * width) / 100, step=width / 100)
    values: Any = SearchSpace(temperature=dimension).grid()["temperature"]
    assert len(values) == count + 1
    assert min(values) == dimension.low
    assert max(values) <= dimension.high
    assert all(inside(dimension, value) for value in values)


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        (Float(0.1, 1.0), "`top_p` is continuous, which a grid search cannot list: give it a step or choices"),
        (
            Float(0.1, 1.0, log=True),
            "`top_p` is continuous, which a grid search cannot list: give it a step or choices",
        ),
        (
            Float(0.1, 1.0, when={"top_k": 1}),
            "`top_p` has a condition, which a grid search cannot follow: use another sampler",
        ),
    ],
)
def test_what_a_grid_refuses(dimension: Float, message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        SearchSpace(top_k=Int(1, 2), top_p=dimension).grid()
    assert str(refusal.value) == message


def test_a_grid_refuses_a_logarithmic_integer() -> None:
    with pytest.raises(ParameterError, match=r"^`top_k` is logarithmic, which a grid search cannot list: "):
        SearchSpace(top_k=Int(1, 9, log=True)).grid()


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: SearchSpace(temprature=0.5), "unknown generation parameter `temprature`: did you mean `temperature`?"),
    (
        lambda: SearchSpace(temprature=Float(0, 1)),
        "unknown generation parameter `temprature`: did you mean `temperature`?",
    ),
    (
        lambda: SearchSpace(temprature=Categorical([])),
        "unknown generation parameter `temprature`: did you mean `temperature`?",
    ),
    (lambda: SearchSpace(top_p=1.3), "`top_p` must be in (0, 1], got 1.3"),
    (
        lambda: SearchSpace(dry_sequence_breakers=Categorical([["a"], ["b"]])),  # type: ignore[list-item]
        "`dry_sequence_breakers` cannot be searched, only fixed: write one list of strings, got Categorical(",
    ),
    (
        lambda: SearchSpace(dry_sequence_breakers={"choices": [["a"]]}),
        "`dry_sequence_breakers` cannot be searched, only fixed: write one list of strings, got {",
    ),
    (
        lambda: SearchSpace(dry_sequence_breakers="a"),
        "`dry_sequence_breakers` must be a list of at most 32 strings of 1 to 40 bytes, got 'a'",
    ),
    (lambda: SearchSpace(top_p=None), "`top_p` must be a number in (0, 1], got None"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_p=Float(0.0, 1.0)), "`top_p` must be in (0, 1], got 0.0"),
    (lambda: SearchSpace(top_p=Float(0.5, 1.1)), "`top_p` must be in (0, 1], got 1.1"),
    (lambda: SearchSpace(top_p=Float(0.5, math.nan)), "`top_p` must be a finite number in (0, 1], got nan"),
    (lambda: SearchSpace(top_p=Categorical([0.5, 2])), "`top_p` must be in (0, 1], got 2"),
    (lambda: SearchSpace(top_p=Float(0.9, 0.5)), "`top_p`: low must not exceed high, got 0.9 and 0.5"),
    (lambda: SearchSpace(top_p=Int(1, 1)), "`top_p` must be searched with Float, got Int(low=1, high=1, "),
    (lambda: SearchSpace(top_k=Float(1, 2)), "`top_k` must be searched with Int, got Float(low=1, high=2, "),
    (
        lambda: SearchSpace(do_sample=Int(0, 1)),
        "`do_sample` must be searched with Categorical, got Int(low=0, high=1, ",
    ),
    (lambda: SearchSpace(do_sample=Categorical([0, 1])), "`do_sample` must be true or false, got 0"),
    (lambda: SearchSpace(top_k=Int(1.5, 2)), "`top_k` must be an integer >= 0, got 1.5"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_p=Categorical([])), "`top_p`: The `choices` must contain one or more elements."),
    (lambda: SearchSpace(top_p=Categorical(0.5)), "`top_p`: choices must be a list of values, got 0.5"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_p=Categorical("ab")), "`top_p`: choices must be a list of values, got 'ab'"),
    (lambda: SearchSpace(top_p=Categorical([[0.5]])), "`top_p` must be a number in (0, 1], got [0.5]"),  # type: ignore[list-item]
    (
        lambda: SearchSpace(max_new_tokens=Categorical([None, 5])),
        "`max_new_tokens` is never unset: take None out of its choices",
    ),
    (
        lambda: SearchSpace(generation_seed=Categorical([None])),
        "`generation_seed` is never unset: take None out of its choices",
    ),
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, step=0.0)), "`top_p`: step must be a finite number > 0, got 0.0"),
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, step=math.inf)), "`top_p`: step must be a finite number > 0, got inf"),
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, step="1")), "`top_p`: step must be a finite number > 0, got '1'"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_k=Int(1, 5, step=1.5)), "`top_k`: step must be an integer > 0, got 1.5"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_k=Int(1, 5, step=True)), "`top_k`: step must be an integer > 0, got True"),
    (lambda: SearchSpace(top_k=Int(1, 5, step=None)), "`top_k`: step must be an integer > 0, got None"),  # type: ignore[arg-type]
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, step=0.3)), "`top_p`: "),
    (lambda: SearchSpace(top_k=Int(1, 6, step=2)), "`top_k`: "),
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, step=0.1, log=True)), "`top_p`: "),
    (lambda: SearchSpace(top_k=Int(1, 6, step=5, log=True)), "`top_k`: "),
    (lambda: SearchSpace(top_k=Int(0, 6, log=True)), "`top_k`: "),
    (lambda: SearchSpace(top_a=Float(0.0, 0.5, log=True)), "`top_a`: "),
    (lambda: SearchSpace(top_p=Float(0.5, 1.0, log="no")), "`top_p`: log must be true or false, got 'no'"),  # type: ignore[arg-type]
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"do_smple": True}), do_sample=True),
        "`top_p.when`: unknown parameter of this space `do_smple`: did you mean `do_sample`?",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"top_p": 0.5})),
        "`top_p.when`: unknown parameter of this space `top_p`: there is none",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"do_sample": False}), do_sample=True),
        "`top_p.when`: `do_sample` can never be False in this space",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"do_sample": None}), do_sample=True),
        "`top_p.when`: `do_sample` can never be None in this space",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"top_k": [1, 7]}), top_k=Int(1, 5)),
        "`top_p.when`: `top_k` can never be 7 in this space",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"top_k": [2]}), top_k=Int(1, 5, step=2)),
        "`top_p.when`: `top_k` can never be 2 in this space",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"top_k": 2.5}), top_k=Int(1, 5, log=True)),
        "`top_p.when`: `top_k` must be an integer >= 0, got 2.5",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"tfs": "high"}), tfs=Float(0.1, 0.5, step=0.1)),
        "`top_p.when`: `tfs` must be a number in [0, 1], got 'high'",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"tfs": 0.15}), tfs=Float(0.1, 0.5, step=0.1)),
        "`top_p.when`: `tfs` can never be 0.15 in this space",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"tfs": 0.2}), tfs=Float(0.1, 0.5)),
        "`top_p.when`: `tfs` is continuous: give it a step or choices",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={"top_k": []}), top_k=Int(1, 5)),
        "`top_p.when`: `top_k` needs at least one value, got []",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when="do_sample"), do_sample=True),  # type: ignore[arg-type]
        "`top_p`: when must name parameters and their values, got 'do_sample'",
    ),
    (
        lambda: SearchSpace(
            top_p=Categorical([0.5], when={"top_k": 1}),
            top_k=Categorical([1], when={"tfs": 0.5}),
            tfs=Categorical([0.5], when={"top_p": 0.5}),
            min_p=Categorical([0.5]),
        ),
        "the conditions of 'top_p', 'top_k', 'tfs' depend on each other in a circle",
    ),
    (
        lambda: SearchSpace.from_dict({"temprature": {"low": 1}}),
        "unknown generation parameter `temprature`: did you mean `temperature`?",
    ),
    (
        lambda: SearchSpace.from_dict({"top_p": {"low": 0.5, "hi": 1}}),
        "`top_p`: unknown key `hi`: did you mean `high`?",
    ),
    (
        lambda: SearchSpace.from_dict({"top_p": {1: 0.5}}),
        "`top_p`: unknown key `1`: known are choices, high, log, low, step, when",
    ),
    (
        lambda: SearchSpace(top_p=Float(0.5, 1.0, when={1: True}), do_sample=True),  # type: ignore[dict-item]
        "`top_p.when`: unknown parameter of this space `1`: known are do_sample",
    ),
    (
        lambda: SearchSpace.from_dict({"top_p": {"choices": [0.5], "low": 1}}),
        "`top_p`: unknown key `low`: known are choices, when",
    ),
    (
        lambda: SearchSpace.from_dict({"top_p": {"low": 0.5}}),
        "`top_p` needs high (or choices = [...], or one fixed value)",
    ),
    (
        lambda: SearchSpace.from_dict({"top_p": {}}),
        "`top_p` needs low and high (or choices = [...], or one fixed value)",
    ),
    (lambda: SearchSpace.from_dict({"top_p": [0.5, 1.0]}), "`top_p` must be a number in (0, 1], got [0.5, 1.0]"),
    (lambda: SearchSpace.from_dict({"top_p": {"low": "a", "high": 1}}), "`top_p` must be a number in (0, 1], got 'a'"),
    (lambda: SearchSpace.from_dict({"top_p": {"choices": 3}}), "`top_p`: choices must be a list of values, got 3"),
]


def test_a_space_may_be_a_dict_of_tables_and_dimensions() -> None:
    table: dict[str, Any] = {"temperature": {"low": 0.1, "high": 1.2}, "top_k": Int(1, 9), "max_new_tokens": 8}
    space = SearchSpace(temperature=Float(0.1, 1.2), top_k=Int(1, 9), max_new_tokens=8)
    assert SearchSpace.of(table) == SearchSpace.from_dict(table) == SearchSpace(**table) == space
    assert SearchSpace.of(space) is space
    for wrong in ([("temperature", 1.0)], None, "default"):
        with pytest.raises(ParameterError, match="`space` must be a SearchSpace or a dict of parameters, got "):
            SearchSpace.of(wrong)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="a space must name its parameters, got 1"):
        SearchSpace.of({1: 2})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        (
            "temperature",
            [0.1, 1.2],
            "a range is written {low = 0.1, high = 1.2}, choices are written {choices = [0.1, 1",
        ),
        ("temperature", (1.2, 0.1, 0.5), "a range is written {low = 0.1, high = 1.2}"),
        ("temperature", {"min": 0.2, "max": 0.9}, "a range is written {low = 0.2, high = 0.9}"),
        ("top_k", {"from": 1, "to": 40, "log": True}, "a range is written {low = 1, high = 40}"),
        ("top_k", range(1, 4), "Int(1, 3)"),
        ("top_p", {"values": [0.5, 1.0]}, "choices are written {choices = [0.5, 1.0]}"),
        ("top_p", {"values": 0.5}, "choices are written {choices = [0.5]}"),
        ("body.effort", {"options": "low"}, 'choices are written {choices = ["low"]}'),
        ("top_p", [], "Float(0.1, 1.2)"),
        ("do_sample", [True, False], "choices are written {choices = [true, false]}"),
    ],
)
def test_what_looks_like_a_range_gets_the_hint_how_one_is_written(name: str, value: Any, hint: str) -> None:
    for make in (SearchSpace.from_dict, lambda table: SearchSpace(**table)):
        with pytest.raises(ParameterError) as refusal:
            make({name: value})
        assert hint in str(refusal.value)
        assert str(refusal.value).startswith(f"`{name}`")


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_space_is_refused_in_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        make()
    text = str(refusal.value)
    assert text.startswith(message)
    assert len(text) > len("`top_p`: ")
    assert len(text.splitlines()) == 1


BEAMS = Categorical([1, 4])
TAU = Float(1.0, 5.0, step=1.0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_beams": BEAMS, "mirostat_tau": 3.0},
        {"num_beams": 4, "mirostat_tau": TAU},
        {"num_beams": Int(1, 2), "mirostat_tau": Categorical([None, 3.0])},
        {"num_beams": BEAMS, "mirostat_tau": dataclasses.replace(TAU, when={"num_beams": [1, 4]})},
        {"num_beams": dataclasses.replace(BEAMS, when={"mirostat_tau": 3.0}), "mirostat_tau": TAU},
        {
            "do_sample": Categorical([True, False]),
            "num_beams": dataclasses.replace(BEAMS, when={"do_sample": [True, False]}),
            "mirostat_tau": dataclasses.replace(TAU, when={"do_sample": True}),
        },
    ],
)
def test_what_cannot_go_together_must_be_kept_apart(parameters: dict[str, Any]) -> None:
    with pytest.raises(
        ParameterError, match=r"cannot go with `num_beams` > 1: .*; set it only when = \{num_beams = 1\}$"
    ):
        SearchSpace(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_beams": 1, "mirostat_tau": 3.0},
        {"num_beams": Categorical([None, 1]), "mirostat_tau": 3.0},
        {"num_beams": BEAMS, "mirostat_tau": dataclasses.replace(TAU, when={"num_beams": 1})},
        {
            "num_beams": dataclasses.replace(BEAMS, when={"mirostat_tau": None}),
            "mirostat_tau": Categorical([None, 3.0]),
        },
        {
            "do_sample": Categorical([True, False]),
            "num_beams": dataclasses.replace(BEAMS, when={"do_sample": False}),
            "temperature": Categorical([0.5, 1.0], when={"do_sample": True}),
            "mirostat_tau": dataclasses.replace(TAU, when={"temperature": 1.0}),
        },
    ],
)
def test_what_conditions_keep_apart_is_a_space(parameters: dict[str, Any]) -> None:
    space = SearchSpace(**parameters)
    for seed in range(30):
        space.suggest(random_study(seed).ask())  # GenerationParams itself refuses what clashes


def test_a_grid_that_cannot_be_listed_is_refused() -> None:
    space = SearchSpace(top_k=Int(1, 1000), generation_seed=Int(0, 2**32 - 1))
    with pytest.raises(ParameterError, match=r"^the grid has 4,294,967,296,000 points, and at most 100,000 can be"):
        space.grid()


def test_a_condition_may_be_that_another_does_not_hold() -> None:
    space = SearchSpace(
        do_sample=Categorical([True, False]),
        top_k=Categorical([10, 20], when={"do_sample": True}),
        temperature=Float(0.1, 1.0, when={"do_sample": True}),
        repetition_penalty=Categorical([1.1], when={"top_k": None, "temperature": None}),
    )
    for sampled in (True, False):
        study = random_study(0)
        study.enqueue_trial({"do_sample": sampled})
        assert (space.suggest(study.ask()).repetition_penalty is None) == sampled
    with pytest.raises(ParameterError, match="`temperature` can never be None in this space"):
        SearchSpace(temperature=Float(0.1, 1.0), top_k=Categorical([10], when={"temperature": None}))
