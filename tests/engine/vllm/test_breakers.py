import logging
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_tokenizer

from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, breakers_of
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.space.params import GenerationParams


class TokenizerLikeMistrals:
    """Another tokenizer with the methods and arguments of vLLM's ``MistralTokenizer``, which is in test_real.py."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self._tokenizer)

    def __call__(
        self,
        text: str | list[str],
        text_pair: str | None = None,
        add_special_tokens: bool = True,
        truncation: bool = False,
        max_length: int | None = None,
    ) -> Any:
        return self._tokenizer(text, add_special_tokens=add_special_tokens)

    def batch_decode(self, ids: list[list[int]], skip_special_tokens: bool = False) -> list[str]:
        return list(self._tokenizer.batch_decode(ids, skip_special_tokens=skip_special_tokens))


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


def test_a_tokenizer_without_an_argument_for_special_tokens_gives_the_same_breakers() -> None:
    tokenizer = tiny_tokenizer()
    breakers = ModelBreakers(None, lambda _: TokenizerLikeMistrals(tokenizer)).of(PARAMS)
    expected = breakers_of(tokenizer, PARAMS)
    assert breakers.tails == expected.tails
    assert len(breakers.tails) > 1
    assert np.array_equal(breakers.heads, expected.heads)


def raise_error(_: Any) -> Any:
    raise OSError("no such\nfile")


@pytest.mark.parametrize(
    ("tokenizer_of", "reason"),
    [(raise_error, "raised OSError: no such file"), (lambda _: object(), "raised AttributeError")],
)
def test_no_tokenizer_ends_vllm(tokenizer_of: Any, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """It runs inside vLLM's step, where an error would end all requests."""
    with caplog.at_level(logging.ERROR):
        assert ModelBreakers(None, tokenizer_of).of(PARAMS) is NO_BREAKERS
    assert f"`dry_multiplier` has no breakers, as vLLM's tokenizer {reason}" in caplog.text


def test_a_missing_tokenizer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        breakers = ModelBreakers(None, lambda _: None).of(PARAMS)
    assert not breakers.has(np.arange(9)).any()
    assert "`dry_multiplier` has no breakers, as vLLM has no tokenizer here" in caplog.text
