"""Decode steps as CUDA graphs: what is captured, what is refused, and what a failure leaves behind."""

import itertools
import logging
from typing import Any

import cuda_simulation
import pytest
import torch
from engine_requests import all_requests
from tiers import partly_full
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
simulated = pytest.mark.skipif(not cuda_simulation.is_installed(), reason="the device is real")


def expected(count: int) -> list[Completion]:
    return SlotEngine(ModelRunner(tiny_model()), tiny_tokenizer(), slots=16).generate(all_requests()[:count])


def engine_on(device: str, **options: Any) -> tuple[Any, SlotEngine]:
    model: Any = tiny_model(device=device)
    return model, SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=16, **options)


def captures_of(engine: SlotEngine) -> int:
    steps: Any = engine._scheduler._steps
    return 0 if steps is None else len(steps._steps._captured)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def in_steps(model: Any, action: Any) -> None:
    """Call an action in every decode step, before the model runs."""

    def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[1] == 1:
            action(kwargs)

    torch.nn.Module.register_forward_pre_hook(model, hook, with_kwargs=True)


@pytest.mark.parametrize("index", partly_full(range(2), fast=[1]))
def test_steps_are_graphs_on_every_device(index: int) -> None:
    if index >= torch.cuda.device_count():
        pytest.skip("there is one device")
    current = torch.cuda.current_device()
    _, engine = engine_on(f"cuda:{index}")
    assert engine.generate(all_requests()[:16]) == expected(16)
    assert captures_of(engine) > 0
    assert torch.cuda.current_device() == current


@simulated
def test_a_model_on_several_devices_has_no_graphs_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = tiny_model(device="cuda")
    model.lm_head.weight.data = model.lm_head.weight.data.to("cuda:1")
    assert not ModelRunner(model).draws_on_device
    assert warnings_of(caplog) == [
        "the model is on several devices: decode steps run without CUDA graphs, which is slower"
    ]


@pytest.mark.full
def test_graphs_are_captured_again_when_slots_and_pages_grow() -> None:
    _, engine = engine_on("cuda", replay_bytes=2**26)
    requests = all_requests()
    assert engine.generate(requests[:8]) == expected(8)
    assert engine.generate(requests) == expected(len(requests))
    assert captures_of(engine) > 0


@pytest.mark.full
def test_a_step_that_waits_for_the_device_is_never_captured(caplog: pytest.LogCaptureFixture) -> None:
    model, engine = engine_on("cuda")
    in_steps(model, lambda kwargs: kwargs["input_ids"].sum().item())
    before = torch.cuda.current_stream()
    assert engine.generate(all_requests()[:12]) == expected(12)
    assert captures_of(engine) == 0
    (warning,) = warnings_of(caplog)
    assert warning.startswith("decode steps run without CUDA graphs, which is slower: it waits for the device")
    assert torch.cuda.current_stream() == before


@pytest.mark.full
def test_a_graph_that_holds_a_value_of_its_capture_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    model, engine = engine_on("cuda")
    calls = itertools.count()
    embed = model.get_input_embeddings()

    def shift(module: torch.nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 0.01 * next(calls)  # a number that the host computes

    torch.nn.Module.register_forward_hook(embed, shift)
    engine.generate(all_requests()[:4])
    assert captures_of(engine) == 0
    assert "a replayed step has other results than a plain one" in warnings_of(caplog)[0]


@simulated
def test_a_graph_of_another_device_is_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine = engine_on("cuda:1")
    monkeypatch.setattr(cuda_simulation.install, "_use_device", None, raising=False)
    monkeypatch.setattr(torch.cuda, "device", lambda _: torch.inference_mode())  # nobody sets the current device
    with pytest.warns(UserWarning, match="The CUDA Graph is empty"):
        assert engine.generate(all_requests()[:12]) == expected(12)
    assert captures_of(engine) == 0
    assert "a replayed step has other results than a plain one" in warnings_of(caplog)[0]


@pytest.mark.full
@simulated
@pytest.mark.parametrize("failures", [1, 2])
def test_a_capture_that_fails_leaves_nothing_behind(failures: int, caplog: pytest.LogCaptureFixture) -> None:
    model, engine = engine_on("cuda")
    remaining = [None] * failures

    def fail(kwargs: object) -> None:
        if torch.cuda.is_current_stream_capturing() and remaining:
            remaining.pop()
            cuda_simulation.invalidate_capture()

    in_steps(model, fail)
    before = torch.cuda.current_stream()
    assert engine.generate(all_requests()[:12]) == expected(12)
    assert torch.cuda.current_stream() == before
    assert (captures_of(engine) > 0) == (failures == 1)
    assert [message.partition(": ")[2][:18] for message in warnings_of(caplog)] == ["the capture failed"] * (
        failures - 1
    )


@pytest.mark.full
@pytest.mark.parametrize("is_captured", [True, False])
def test_out_of_memory_in_a_graph_halves_the_slots(is_captured: bool, caplog: pytest.LogCaptureFixture) -> None:
    model, engine = engine_on("cuda")

    def check(kwargs: dict[str, Any]) -> None:
        if len(kwargs["input_ids"]) > 8 and torch.cuda.is_current_stream_capturing() == is_captured:
            if is_captured and cuda_simulation.is_installed():
                cuda_simulation.invalidate_capture()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    in_steps(model, check)
    assert engine.generate(all_requests()[:16]) == expected(16)
    assert engine.slots == 8
    assert captures_of(engine) > 0
    assert warnings_of(caplog) == ["out of memory: continuing with 8 completions at once"]
