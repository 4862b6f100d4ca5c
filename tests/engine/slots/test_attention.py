"""Windows and masks of the decode step."""

from typing import Any

import pytest
import torch
from families import WINDOW
from tiny_models import tiny_model

from llmsearch_optuna.engine.slots.attention import attention_windows, decode_masks
from llmsearch_optuna.errors import ModelError


@pytest.mark.parametrize(
    ("family", "windows"),
    [
        ("llama", {None}),
        ("gpt2", {None}),
        ("qwen3", {None}),
        ("mistral", {WINDOW}),
        ("phi3", {WINDOW}),
        ("gemma3", {None, WINDOW}),
        ("llama4 (text)", {None, WINDOW}),
    ],
)
def test_windows_are_those_of_the_config(family: str, windows: set[int | None]) -> None:
    assert set(attention_windows(tiny_model(family)).values()) == windows


def test_what_takes_no_masks_is_refused() -> None:
    model: Any = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ModelError, match="attention implementation `flash_attention_2` does not accept masks"):
        attention_windows(model)


def test_a_token_sees_itself_and_what_came_before_within_the_window(device: torch.device) -> None:
    positions = torch.tensor([0, 5], device=device)
    masks = decode_masks({"full_attention": None, "sliding_attention": 3}, positions, 8)
    assert isinstance(masks, dict)
    assert masks["full_attention"][:, 0, 0].int().tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0]]
    assert masks["sliding_attention"][:, 0, 0].int().tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0]]


def test_a_token_sees_what_came_before_in_its_chunk(device: torch.device) -> None:
    mask = decode_masks({"chunked_attention": 3}, torch.tensor([2, 3, 7], device=device), 8)
    assert isinstance(mask, torch.Tensor)
    assert mask[:, 0, 0].int().tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
    ]


def test_eager_attention_gets_numbers_to_add(device: torch.device) -> None:
    mask = decode_masks({"full_attention": None}, torch.tensor([1], device=device), 3, torch.float16)
    assert isinstance(mask, torch.Tensor)
    assert mask[0, 0, 0].tolist() == [0.0, 0.0, torch.finfo(torch.float16).min]
