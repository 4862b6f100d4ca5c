"""Arguments of the chat template and fields of requests in parameters and spaces."""

from typing import Any

import optuna
import pytest

from llmsearch_optuna import Categorical, Float, GenerationParams, Int, SearchSpace
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.dialects import DIALECTS, VLLM_WITH_PLUGIN
from llmsearch_optuna.space.settings import BODY, TEMPLATE
from llmsearch_optuna.study.trials import describe_params

VALUES: dict[str, Any] = {"temperature": 0.5, "body.reasoning_effort": "low", "template.enable_thinking": False}


def test_they_are_kept_with_the_parameters() -> None:
    params = GenerationParams.from_dict(VALUES)
    assert params.settings == (("body.reasoning_effort", "low"), ("template.enable_thinking", False))
    assert params.to_dict() == {**VALUES, "generation_seed": 0, "max_new_tokens": 128}
    assert GenerationParams.from_json(params.to_json()) == params
    assert params.canonical.settings == params.settings
    assert params != GenerationParams(temperature=0.5)
    assert hash(params) != hash(GenerationParams(temperature=0.5))
    greedy = GenerationParams.from_dict({**VALUES, "do_sample": False})
    assert greedy.canonical.settings == params.settings
    assert describe_params(greedy) == (
        'greedy max_new_tokens=128 body.reasoning_effort="low" template.enable_thinking=false'
    )


def test_a_space_has_them_as_tables_or_by_their_full_names() -> None:
    nested = SearchSpace.from_dict(
        {
            "temperature": {"low": 0.1, "high": 1.0, "when": {"template.enable_thinking": True}},
            "template": {
                "enable_thinking": {"choices": [True, False]},
                "budget": {"low": 64, "high": 256, "log": True},
            },
            "body": {"verbosity": "low", "share": {"low": 0.0, "high": 1.0}},
        }
    )
    flat = SearchSpace.from_dict(
        {
            "temperature": Float(0.1, 1.0, when={"template.enable_thinking": True}),
            "template.enable_thinking": Categorical([True, False]),
            "template.budget": Int(64, 256, log=True),
            "body.verbosity": "low",
            "body.share": Float(0.0, 1.0),
        }
    )
    assert nested == flat == SearchSpace.from_dict(nested.to_dict())
    assert nested.settings(TEMPLATE) == {"enable_thinking": (True, False), "budget": (64, 256)}
    assert nested.settings(BODY) == {"verbosity": ("low",), "share": (0.0, 1.0)}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(20):
        trial = study.ask()
        params = nested.suggest(trial)
        settings = dict(params.settings)
        assert settings["body.verbosity"] == "low"
        assert 64 <= int(settings["template.budget"]) <= 256
        assert (params.temperature is not None) == settings["template.enable_thinking"]
        assert nested.trial_params(params) == trial.params
        study.tell(trial, 0.0)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"template": True}, "`template` must be a table, as in `template.NAME = "),
        ({"template.": True}, "`template.` cannot be set in the space"),
        ({"body": {"messages": "x"}}, "`body.messages` cannot be set in the space"),
        ({"body": {"max_tokens": 5}}, "`body.max_tokens` cannot be set in the space"),
        (
            {"body": {"effort": ["low", "high"]}},
            r"`body.effort` must be a string, .*choices are written \{choices = \[",
        ),
        (
            {"body": {"effort": {"choices": [["low"]]}}},
            "`body.effort` must be a string, a finite number, true or false",
        ),
        ({"body": {"effort": {"low": "a", "high": "b"}}}, "`body.effort`: low and high must be numbers"),
        ({"body.n": Int(1.5, 3)}, "`body.n`: low and high must be integers, got 1.5 and 3"),  # type: ignore[arg-type]
        ({"body": {"effort": {"options": ["a"]}}}, "`body.effort`: unknown key `options`"),
        ({"body": {"share": float("nan")}}, "`body.share` must be a string, a finite number"),
        ({"boddy": {"share": 1}}, "boddy"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as refusal:
        SearchSpace.from_dict(space)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("dialect", [*DIALECTS.values(), VLLM_WITH_PLUGIN], ids=lambda dialect: dialect.title)
def test_they_are_no_sampling_parameters_of_servers(dialect: Any) -> None:
    space = SearchSpace.from_dict(
        {"temperature": 0.5, "body": {"effort": {"choices": ["a", "b"]}}, "template": {"x": 1}}
    )
    dialect.check_space(space)
    params = GenerationParams.from_dict({"temperature": 0.5, "body.effort": "a", "template.x": 1})
    assert dialect.sampling_fields(params) == dialect.sampling_fields(GenerationParams(temperature=0.5))
