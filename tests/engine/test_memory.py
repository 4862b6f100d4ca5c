"""Batches that shrink for want of memory, and grow again."""

from typing import Any

import pytest
import torch
from engine_requests import LimitedMemory
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.memory import is_out_of_memory
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.space.params import GenerationParams


def requests(count: int, seed: int) -> list[Request]:
    return [
        Request(
            prompt="",
            prompt_ids=(5 + number, 6, 7),
            params=GenerationParams(temperature=1.0, max_new_tokens=5, generation_seed=seed),
            stopping=Stopping(),
        )
        for number in range(count)
    ]


def chained() -> RuntimeError:
    """An error as that at the end of a capture in which memory ran out."""
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (chained(), True),
        (RuntimeError("CUDA error: operation failed due to a previous error during capture"), False),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
    ],
)
def test_out_of_memory_has_many_forms(error: RuntimeError, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.full
def test_slots_grow_back_when_memory_is_there_again() -> None:
    model: Any = tiny_model()
    expected = [SlotEngine(ModelRunner(tiny_model()), tiny_tokenizer()).generate(requests(16, s)) for s in range(6)]
    engine = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=16)
    device = LimitedMemory(model, rows=8)
    for seed in range(4):
        assert engine.generate(requests(16, seed)) == expected[seed]
    assert engine.slots == 8
    assert device.shortages == 3  # each failure doubles the wait
    device.over = True
    for seed in (4, 5, 0, 1, 2, 3):
        assert engine.generate(requests(16, seed)) == expected[seed]
    assert engine.slots == 16


@pytest.mark.full
def test_batches_grow_back_when_memory_is_there_again() -> None:
    model: Any = tiny_model("bloom")
    expected = GenerateEngine(tiny_model("bloom"), tiny_tokenizer()).generate(requests(16, 0))
    engine = GenerateEngine(model, tiny_tokenizer(), batch_size=16)
    device = LimitedMemory(model, rows=4)
    assert [completion.token_ids for completion in engine.generate(requests(16, 0))] == [
        completion.token_ids for completion in expected
    ]
    device.over = True
    for _ in range(3):
        engine.generate(requests(16, 0))
    assert engine.batch_size == 16


def test_there_are_no_more_slots_than_requests() -> None:
    model: Any = tiny_model()
    engine = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=10**6)
    device = LimitedMemory(model, rows=64)
    few = engine.generate(requests(12, 0))
    assert engine.slots == 16
    assert device.largest_served <= 16
    assert engine.generate(requests(40, 0))[:12] == few
    assert engine.slots == 64
