"""The start-up probe, and the engine that follows from it."""

import logging
from typing import Any

import pytest
import torch
from families import ATTENTION
from tiny_models import ForgetsTheMask, tiny_model, tiny_tokenizer
from transformers import LlamaForCausalLM

from llmsearch_optuna.engine.base import Engine
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.probes import probe_slots
from llmsearch_optuna.engine.routing import RoutingEngine
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner


@pytest.mark.parametrize("family", ATTENTION)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_models_pass(family: str, dtype: torch.dtype, device: torch.device) -> None:
    model: Any = tiny_model(family, device=device)
    model.to(dtype)
    passed, reason = probe_slots(ModelRunner(model))
    assert passed, reason


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("mamba", "it has layers of type linear_attention"),
        ("bloom", "a decode step in slots raised"),
        # Its window, counted from the end of what a step reads, hides all tokens from a step that reads enough.
        ("gpt_neo", "logits differ from those of a plain forward pass by"),
    ],
)
def test_other_models_do_not_and_are_told_why(family: str, reason: str) -> None:
    passed, explanation = probe_slots(ModelRunner(tiny_model(family)))
    assert not passed
    assert explanation.startswith(reason)


@pytest.mark.parametrize(
    ("family", "changes", "longest"),
    [
        ("mistral", {"sliding_window": 40}, 48),
        ("mistral", {"sliding_window": 508}, 512),
        # No position is beyond the window: the model has no more, or `model.generate` serves longer sequences.
        ("mistral", {"sliding_window": 512}, 24),
        ("phi3 (LongRoPE)", {"sliding_window": 40}, 24),
        ("llama4 (text)", {"attention_chunk_size": 24}, 24),
    ],
)
def test_a_window_is_tested_if_sequences_in_slots_exceed_it(
    family: str, changes: dict[str, Any], longest: int, device: torch.device
) -> None:
    model: Any = tiny_model(family, device=device, **changes)
    lengths: list[int] = []
    torch.nn.Module.register_forward_pre_hook(
        model, lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    passed, reason = probe_slots(ModelRunner(model))
    assert passed, reason
    assert max(lengths) == longest


class ForgetsPositions(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Takes `position_ids` and makes its own, as some custom models do: silently wrong in slots."""

    def forward(self, *args: Any, position_ids: object = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


class RaisesLines(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Raises an error of several lines if it gets a cache."""

    def forward(self, *args: Any, past_key_values: object = None, **kwargs: Any) -> Any:
        if past_key_values is not None:
            raise TypeError("no cache,\n  neither this\tnor another\n")
        return super().forward(*args, **kwargs)


def test_what_the_code_of_a_model_raises_is_told_in_one_line() -> None:
    model: Any = tiny_model()
    model.__class__ = RaisesLines
    assert probe_slots(ModelRunner(model)) == (
        False,
        "a decode step in slots raised TypeError: no cache, neither this nor another",
    )
    summary = model_backend(model, tiny_tokenizer(), batch_size=8).summary
    assert "(model.generate raised TypeError: no cache, neither this nor another)" in summary
    assert "\n" not in summary


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
