"""Requests for the engines' tests, what comes of them, and a device that is short of memory."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from tiny_models import TEXT, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Engine, Request, Stopping
from llmsearch_optuna.space.params import GenerationParams

PARAMS = [
    GenerationParams(max_new_tokens=6),
    GenerationParams(temperature=1.0, max_new_tokens=8, generation_seed=3),
    GenerationParams(temperature=0.8, top_p=0.9, tfs=0.95, top_a=0.2, max_new_tokens=7),
    GenerationParams(temperature=1.2, top_k=20, typical_p=0.9, max_new_tokens=8),
    GenerationParams(repetition_penalty=1.3, no_repeat_ngram_size=2, max_new_tokens=8),
    GenerationParams(temperature=1.3, mirostat_tau=2.5, mirostat_eta=0.4, max_new_tokens=8),
    GenerationParams(temperature=1.5, top_n_sigma=1.2, top_h=0.8, max_new_tokens=6),
    GenerationParams(temperature=1.0, min_p=0.05, encoder_repetition_penalty=1.2, max_new_tokens=5),
    GenerationParams(temperature=1.2, xtc_probability=0.6, xtc_threshold=0.02, max_new_tokens=7),
    GenerationParams(temperature=0.9, min_p=0.02, xtc_probability=0.6, xtc_threshold=0.05, max_new_tokens=7),
    GenerationParams(temperature=0.6, dry_multiplier=2.0, dry_allowed_length=1, max_new_tokens=8),
    GenerationParams(
        temperature=0.6, dry_multiplier=4.0, dry_allowed_length=1, dry_sequence_breakers=("e", "s t"), max_new_tokens=8
    ),
    GenerationParams(temperature=1.1, presence_penalty=0.9, frequency_penalty=0.5, max_new_tokens=8),
]


def request(text: str, params: GenerationParams, **stopping: Any) -> Request:
    ids = tuple(tiny_tokenizer()(text)["input_ids"])
    return Request(prompt=text, prompt_ids=ids, params=params, stopping=Stopping(**stopping))


def all_requests() -> list[Request]:
    return [request(text, params, eos_token_ids=(2,)) for text, params in itertools.product(TEXT, PARAMS)]


def unlike_requests() -> list[Request]:
    """Prompts of different lengths, from one token to more than any window; the first two are of one length."""
    texts = [
        "A fox",
        "A dog",
        "A",
        "How many apples does Anna have?",
        "The quick brown fox jumps over the lazy dog and runs",
    ]
    params = [
        GenerationParams(max_new_tokens=9),
        GenerationParams(temperature=1.0, generation_seed=3, max_new_tokens=6),
        GenerationParams(temperature=0.7, top_k=20, max_new_tokens=8),
        GenerationParams(temperature=1.2, repetition_penalty=1.3, generation_seed=1, max_new_tokens=7),
    ]
    return [request(text, row, eos_token_ids=(2,)) for row in params for text in texts]


def tokens_of(engine: Engine, requests: Sequence[Request]) -> list[tuple[int, ...]]:
    """The tokens that an engine generates for each request."""
    return [completion.token_ids for completion in engine.generate(requests)]


def generated(model: Any, request: Request, **arguments: Any) -> tuple[int, ...]:
    """The tokens of plain ``model.generate`` for a prompt, greedy by default, up to the end token 2."""
    ids = torch.tensor([request.prompt_ids], device=model.device)
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=request.params.max_new_tokens,
        eos_token_id=2,
        pad_token_id=0,
        **{"do_sample": False, **arguments},
    )[0].tolist()
    tokens = output[1 if model.config.is_encoder_decoder else len(request.prompt_ids) :]
    return tuple(tokens[: tokens.index(2) + 1] if 2 in tokens else tokens)


class LimitedMemory:
    """A device with memory for a number of rows until the shortage is `over`: a forward hook on a real model."""

    def __init__(self, model: PreTrainedModel, rows: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.over = False
        self.shortages = self.largest_served = 0

        def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            size = kwargs["input_ids"].shape[0]
            if size > rows and not self.over:
                self.shortages += 1
                raise error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
            self.largest_served = max(self.largest_served, size)

        torch.nn.Module.register_forward_pre_hook(model, check, with_kwargs=True)
