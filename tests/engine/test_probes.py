"""The start-up probe, and the engine that follows from it."""

import logging
from typing import Any

import pytest
import torch
from engine_requests import all_requests
from tiny_models import tiny_model, tiny_tokenizer
from transformers import LlamaForCausalLM

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.base import Engine, Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.probes import probe_slots
from llmsearch_optuna.engine.routing import RoutingEngine
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.space.params import GenerationParams


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "mistral", "gemma3", "phi3", "mixtral"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_models_pass(family: str, dtype: torch.dtype, device: torch.device) -> None:
    model: Any = tiny_model(family, device=device)
    model.to(dtype)
    passed, reason = probe_slots(ModelRunner(model))
    assert passed, reason


@pytest.mark.parametrize(
    ("family", "reason"),
    [("mamba", "it has layers of type linear_attention"), ("bloom", "a decode step in slots raised")],
)
def test_other_models_do_not_and_are_told_why(family: str, reason: str) -> None:
    passed, explanation = probe_slots(ModelRunner(tiny_model(family)))
    assert not passed
    assert explanation.startswith(reason)


class ForgetsPositions(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Takes `position_ids` and makes its own, as some custom models do: silently wrong in slots."""

    def forward(self, *args: Any, position_ids: object = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


class ForgetsTheMask(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Sees all that the slot holds."""

    def forward(self, *args: Any, attention_mask: object = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


@pytest.mark.parametrize("forgetful", [ForgetsPositions, ForgetsTheMask])
def test_a_silently_wrong_model_does_not_pass(forgetful: type[LlamaForCausalLM]) -> None:
    model: Any = tiny_model()
    model.__class__ = forgetful
    passed, reason = probe_slots(ModelRunner(model))
    assert not passed
    assert reason.startswith("logits differ")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_decoder_that_repeats_its_first_logits_does_not_pass(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tiny_model()
    model.to(dtype)
    step = SlotDecoder.step
    first: dict[str, torch.Tensor] = {}

    def stale(self: SlotDecoder, *args: Any) -> torch.Tensor:
        return first.setdefault("logits", step(self, *args).clone())

    monkeypatch.setattr(SlotDecoder, "step", stale)
    passed, reason = probe_slots(ModelRunner(model))
    assert not passed
    assert reason.startswith("logits differ")


def test_a_model_with_flash_attention_is_served_in_slots_with_sdpa() -> None:
    model: Any = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    assert "slots, which support LlamaForCausalLM" in model_backend(model, tiny_tokenizer(), batch_size=8).summary
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("family", "engine", "message"),
    [
        ("llama", SlotEngine, "engine: 16 slots, which support LlamaForCausalLM: logits differ"),
        (
            "mamba",
            GenerateEngine,
            "engine: plain model.generate, as slots do not support MambaForCausalLM: it has layers of",
        ),
        ("t5", GenerateEngine, "engine: plain model.generate, as slots do not support T5"),
    ],
)
def test_the_log_says_which_engine_runs_and_why(
    family: str, engine: type[Engine], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="llmsearch_optuna"):
        backend = model_backend(tiny_model(family), tiny_tokenizer(), batch_size=16)
    assert isinstance(backend.engine, RoutingEngine)
    assert isinstance(backend.engine.batch_engine, engine)
    assert caplog.messages[-1].startswith(message)


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
