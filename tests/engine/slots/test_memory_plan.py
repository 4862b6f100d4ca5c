"""How the memory of a device is shared, as arithmetic."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model

from llmsearch_optuna.engine.slots.memory_plan import bytes_per_position, bytes_per_step, plan_memory
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import prefill

GIB = 2**30


@given(st.integers(0, 2**40), st.integers(8, 10**6), st.integers(1, 2**34), st.integers(1, 2**24))
def test_a_plan_fits_unless_not_even_eight_slots_do(free: int, slots: int, slot_bytes: int, step_bytes: int) -> None:
    plan = plan_memory(free, slots=slots, slot_bytes=slot_bytes, step_bytes=step_bytes)
    needed = plan.slots * (slot_bytes + step_bytes)
    assert plan.slots == 8 or needed + plan.prompts + plan.replay <= 0.9 * free
    assert min(plan.prompts, plan.replay) >= 0
    assert 8 <= plan.slots <= slots
    more = min(slots, plan.slots + 8)
    assert plan.slots == slots or plan.slots < slots < plan.slots + 8 or more * (slot_bytes + step_bytes) > 0.9 * free


def test_an_8b_model_in_16_bits_fits_on_24_gb_at_the_defaults() -> None:
    """Llama 3.1 8B: 16.1 GB of weights, 32 layers, 8 heads of 128 for keys and values, 128,256 tokens."""
    position = 32 * 2 * 8 * 128 * 2
    step = bytes_per_step(128_256, torch.bfloat16)
    free = 24 * GIB - 16 * GIB - GIB
    for places, expected in ((1024, 48), (256, 64)):
        plan = plan_memory(free, slots=64, slot_bytes=position * places, step_bytes=step)
        assert plan.slots == expected
        assert plan.slots * (position * places + step) + plan.prompts + plan.replay < free


def test_with_much_memory_prompts_and_replay_get_their_usual_shares() -> None:
    plan = plan_memory(100 * GIB, slots=64, slot_bytes=2**20, step_bytes=2**20)
    assert plan == (64, 40 * GIB, 25 * GIB)


def test_the_bytes_of_a_position_are_those_of_the_layers() -> None:
    model = tiny_model()
    layers = prefill(ModelRunner(model), (5, 6, 7)).layers
    stored = sum(memory.nbytes for layer in layers for memory in layer)
    assert 3 * bytes_per_position(layers, torch.device("cpu")) == stored
    assert bytes_per_position(layers, torch.device("meta")) == 0
