"""Shapes of the decode step that round alike."""

from functools import partial
from typing import Any

import pytest
import torch
from tiny_models import tiny_model

from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.model_runner import CpuKernels, ModelRunner
from llmsearch_optuna.engine.slots.prefill import prefill
from llmsearch_optuna.engine.slots.shapes import ExactShapes

PROMPTS = [tuple(range(5, 5 + length)) for length in (3, 30, 11, 47, 8, 60, 22, 5, 40, 13, 4, 33)]


def shapes(slots: int = 16, **changes: Any) -> tuple[ExactShapes, ModelRunner]:
    runner = ModelRunner(tiny_model(**changes))
    like = prefill(runner, (1, 2, 3)).layers
    return ExactShapes(partial(SlotDecoder, runner, like), slots), runner


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("heads", [2, 4, 6])
def test_logits_are_equal_to_the_bit_in_every_shape_that_is_offered(heads: int, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        exact, runner = shapes(num_attention_heads=heads, num_key_value_heads=2, hidden_size=48)
        assert exact.independent
        prompts = [prefill(runner, prompt) for prompt in PROMPTS]
        first_logits: dict[int, torch.Tensor] = {}
        for rows, places, order in (
            (12, 61, range(12)),
            (12, 200, range(11, -1, -1)),
            (3, 61, (5, 1, 7)),
            (1, 300, [5]),
        ):
            width, length = exact.width(rows), exact.length(places)
            decoder = SlotDecoder(runner, prompts[0].layers, 16, 512)
            for slot, prompt in enumerate(order):
                decoder.cache.load(slot, prompts[prompt].layers)
            positions = [len(PROMPTS[prompt]) for prompt in order] + [0] * (width - rows)
            logits = decoder.step([7] * width, positions, length)
            for slot, prompt in enumerate(order):
                assert torch.equal(logits[slot], first_logits.setdefault(prompt, logits[slot].clone()))
    finally:
        torch.set_num_threads(1)


def test_widths_and_lengths_have_room() -> None:
    exact, _ = shapes(24)
    assert exact.widths[-1] == 24
    for rows in (1, 8, 9, 24):
        assert exact.width(rows) >= max(rows, 8)
    for places in (1, 64, 65, 500, 1024, 1100, 2049):
        assert places <= exact.length(places) <= max(64, places * 1.6 + 256)


def test_experts_are_said_to_round_by_their_company() -> None:
    exact, _ = shapes(family="mixtral", hidden_size=64, intermediate_size=256)
    if exact.independent:
        pytest.skip("this machine's kernels round experts alike")
    assert exact.length(65) == 96


def test_packed_weights_give_what_plain_ones_do() -> None:
    model: Any = tiny_model(attention_bias=True)
    ids = torch.arange(24).view(2, 12)
    with torch.inference_mode():
        plain = model(ids).logits
        with CpuKernels(model):
            packed = model(ids).logits
    torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-4)


def test_small_vocabularies_and_windows_are_compared_within_themselves() -> None:
    """As of a model of characters: fewer tokens than twice the slots, fewer positions than the comparison's own."""
    runner = ModelRunner(tiny_model("gpt2", vocab_size=40, n_positions=48))
    exact = ExactShapes(partial(SlotDecoder, runner, prefill(runner, (1, 2, 3)).layers), 32)
    assert exact.width(32) == 32
    assert exact.length(48) >= 48
