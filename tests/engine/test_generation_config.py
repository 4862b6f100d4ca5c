"""What a model's generation config sets beyond the parameters of a trial."""

from typing import Any

import pytest
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import outputs, tuner

from llmsearch_optuna.engine.model_backend import model_backend


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
