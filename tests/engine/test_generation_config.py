"""What a model's generation config sets beyond the parameters of a trial."""

import logging
from typing import Any

import pytest
from engine_requests import all_requests
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import outputs, tuner

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.space.params import GenerationParams


@pytest.mark.parametrize("family", ["llama", "bloom", "t5"])
def test_stop_strings_of_a_generation_config_end_completions(family: str) -> None:
    model: Any = tiny_model(family)
    params = {"max_new_tokens": 16, "temperature": 1.5, "eos_token_id": 399}
    plain = tuner(model).get_score(params).outputs
    stop = next(character for character in plain[0][1:] if character.strip())
    model.generation_config.stop_strings = [stop]
    stopped = tuner(model).get_score(params).outputs
    assert stopped == [text.split(stop)[0].strip() for text in plain]
    assert tuner(model, stop=[stop])._evaluator.stopping.strings == (stop,)


@pytest.mark.parametrize("family", ["llama", "bloom"])
@pytest.mark.parametrize(
    "settings", [{"penalty_alpha": 0.6, "max_time": 1e-9}, {"dola_layers": "low"}, {"bad_words_ids": []}]
)
def test_settings_that_no_engine_applies_change_nothing(family: str, settings: dict[str, Any]) -> None:
    expected = outputs(tiny_model(family))
    model: Any = tiny_model(family)
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    changed = tuner(model)
    assert changed.get_score({"max_new_tokens": 16}).outputs == expected
    reported = [f"{name} = {value}" for name, value in sorted(settings.items()) if value]
    assert changed.diagnosis().get("left out", "").startswith(", ".join(reported))


@pytest.mark.parametrize("settings", [{"guidance_scale": 1.0}, {"suppress_tokens": []}, {"sequence_bias": {}}])
def test_settings_without_effect_do_not_cost_the_slots(settings: dict[str, Any]) -> None:
    model: Any = tiny_model()
    model.generation_config.update(**settings)
    assert "slots, which support" in model_backend(model, tiny_tokenizer(), batch_size=8).summary


@pytest.mark.parametrize(
    ("family", "settings", "warned"),
    [
        ("bart", {}, []),
        ("bart", {"min_length": 5, "bad_words_ids": [[7]]}, ["min_length = 5"]),
        ("llama", {}, []),
        ("llama", {"min_new_tokens": 2, "suppress_tokens": [7]}, ["min_new_tokens = 2"]),
        ("llama", {"exponential_decay_length_penalty": [3, 1.1]}, ["exponential_decay_length_penalty = [3, 1.1]"]),
        ("llama", {"prompt_lookup_num_tokens": 3}, ["prompt_lookup_num_tokens = 3"]),
        ("llama", {"penalty_alpha": 0.6, "max_time": 9.0}, ["max_time = 9.0", "penalty_alpha = 0.6"]),
        ("bloom", {"token_healing": True, "max_time": 1.0}, ["max_time = 1.0", "token_healing = True"]),
        ("llama", {"cache_implementation": "quantized"}, ["cache_implementation = quantized"]),
        ("llama", {"cache_implementation": "static", "low_memory": True, "num_beam_groups": 1, "of_another": 3}, []),
        ("bloom", {"suppress_tokens": [7]}, []),
    ],
)
def test_what_is_left_out_of_a_generation_config_is_told(
    family: str, settings: dict[str, Any], warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    model: Any = tiny_model(family)
    model.generation_config.update(**settings)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert [f"{name} = {value}" for name, value in backend.unsupported_settings.items()] == warned
    assert set(backend.notes({})) == ({"left out"} if warned else set())
    records = [record for record in caplog.records if record.name.startswith("llmsearch_optuna")]
    assert [record.getMessage() for record in records if record.levelno == logging.WARNING] == [
        f"the model's generation config sets {setting}, which is not supported and ignored" for setting in warned
    ]


def test_what_only_generate_sees_to_is_left_to_it() -> None:
    model: Any = tiny_model()
    request = all_requests()[0]
    banned = list(dict.fromkeys(engine_tokens(model_backend(model, tiny_tokenizer(), batch_size=8), request)))
    model.generation_config.suppress_tokens = banned
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert backend.summary == (
        "plain model.generate, as slots do not support LlamaForCausalLM: its generation config sets suppress_tokens"
    )
    assert not set(engine_tokens(backend, request)) & set(banned)


@pytest.mark.parametrize("family", ["bloom", "bart"])
@pytest.mark.parametrize("beams", [1, 2])
def test_speculative_decoding_of_a_model_is_switched_off(
    family: str, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tiny_model(family)
    params = GenerationParams(num_beams=beams, max_new_tokens=8)
    request = Request(prompt="", prompt_ids=(5, 6, 7, 5, 6, 7, 5, 6), params=params, stopping=Stopping())
    expected = engine_tokens(model_backend(model, tiny_tokenizer(), batch_size=8), request)
    model.generation_config.prompt_lookup_num_tokens = 3
    monkeypatch.setattr(type(model), "_assisted_decoding", None)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert engine_tokens(backend, request) == expected
    assert model.generation_config.prompt_lookup_num_tokens == 3


def engine_tokens(backend: Backend, request: Request) -> tuple[int, ...]:
    (completion,) = backend.engine.generate([request])
    return completion.token_ids
