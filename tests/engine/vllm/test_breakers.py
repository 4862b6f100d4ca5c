import logging
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_tokenizer

from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, breakers_of
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.space.params import GenerationParams

PARAMS = GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=("e", "s t"))


def test_the_tokenizer_of_the_model_is_loaded_for_requests_with_dry() -> None:
    loaded: list[Any] = []
    tokenizer = tiny_tokenizer()

    def load(model_config: Any) -> Any:
        loaded.append(model_config)
        return tokenizer

    breakers = ModelBreakers("config", load)
    assert breakers.of(GenerationParams(temperature=1.0, dry_sequence_breakers=("e",))) is NO_BREAKERS
    assert breakers.of(GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=())) is NO_BREAKERS
    assert not loaded
    assert breakers.of(PARAMS) is breakers.of(PARAMS) is breakers_of(tokenizer, PARAMS)
    assert loaded == ["config"]


def test_a_missing_tokenizer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        breakers = ModelBreakers(None, lambda _: None).of(PARAMS)
    assert not breakers.has(np.arange(9)).any()
    assert "`dry_multiplier` has no breakers, as vLLM has no tokenizer here" in caplog.text
