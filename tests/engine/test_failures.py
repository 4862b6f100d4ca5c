"""Errors that a model's forward pass raises."""

from typing import Any

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import request

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.errors import ModelError, TrialError
from llmsearch_optuna.space.params import GenerationParams


def raising(error: Exception, *, family: str = "llama") -> Backend:
    """A backend whose model raises from 12 tokens on."""
    model: Any = tiny_model(family)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)

    def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[1] > 12:
            raise error

    torch.nn.Module.register_forward_pre_hook(model, check, with_kwargs=True)
    return backend


@pytest.mark.parametrize("family", ["llama", "bloom"])
@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("error", [IndexError("index out of\nrange"), KeyError("x"), RuntimeError("expected Half")])
def test_what_a_forward_pass_raises_is_one_line(family: str, beams: int, error: Exception) -> None:
    engine = raising(error, family=family).engine
    params = GenerationParams(num_beams=beams, max_new_tokens=4)
    bad = Request(prompt="", prompt_ids=tuple(range(5, 25)), params=params, stopping=Stopping())
    with pytest.raises(TrialError, match=f"^generation raised {type(error).__name__}: ") as caught:
        engine.generate([bad])
    assert "\n" not in str(caught.value)
    assert engine.generate([request((5, 6, 7), 4)])[0].token_ids


def test_a_lost_device_ends_the_search_and_fails_no_trial() -> None:
    engine = raising(torch.AcceleratorError("CUDA error: device-side assert triggered")).engine
    with pytest.raises(ModelError, match=r"the device cannot be used any more .*: run again"):
        engine.generate([request(tuple(range(5, 25)), 4)])
