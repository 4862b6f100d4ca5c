"""Mirostat against a plain reference, through the engines: its state belongs to a row and to nothing else."""

import math

import pytest
import torch
from engine_requests import request
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Request
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.sampling import gumbel_noise, prompt_key
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.space.params import GenerationParams

SETTINGS = [
    GenerationParams(mirostat_tau=2.0, max_new_tokens=24),
    GenerationParams(mirostat_tau=1.0, mirostat_eta=0.8, temperature=1.4, generation_seed=7, max_new_tokens=24),
    GenerationParams(mirostat_tau=0.2, mirostat_eta=1.5, top_k=30, max_new_tokens=24),
    GenerationParams(mirostat_tau=3.0, mirostat_eta=0.0, temperature=2.0, generation_seed=1, max_new_tokens=24),
]


def reference(model: PreTrainedModel, request: Request) -> tuple[tuple[int, ...], list[float]]:
    """Mirostat 2.0 as the paper writes it down, one plain forward pass per token; the tokens, and every mu."""
    params = request.params
    assert params.mirostat_tau is not None
    eta = 0.1 if params.mirostat_eta is None else params.mirostat_eta
    mus, tokens = [2.0 * params.mirostat_tau], list[int]()
    while len(tokens) < params.max_new_tokens:
        with torch.inference_mode():
            ids = torch.tensor([[*request.prompt_ids, *tokens]])
            logits = (model(input_ids=ids).logits[0, -1] / (params.temperature or 1.0)).tolist()
        ranked = sorted(range(len(logits)), key=lambda token: (-logits[token], token))[: params.top_k]
        weights = [math.exp(logits[token] - logits[ranked[0]]) for token in ranked]
        total = math.fsum(weights)
        allowed = sum(-math.log2(weight / total) <= mus[-1] for weight in weights)
        kept, weights = ranked[: max(allowed, 1)], weights[: max(allowed, 1)]
        arguments = (params.generation_seed, prompt_key(request.prompt_ids), len(tokens))
        seeds, keys, steps = (torch.tensor([value]) for value in arguments)
        noise = gumbel_noise(seeds, keys, steps, torch.tensor(kept))[0].tolist()
        drawn = max(range(len(kept)), key=lambda place: math.log(weights[place]) + noise[place])
        surprise = -math.log2(weights[drawn] / math.fsum(weights))
        mus.append(mus[-1] - eta * (surprise - params.mirostat_tau))
        tokens.append(kept[drawn])
    return tuple(tokens), mus


@pytest.mark.sampled(2)
@pytest.mark.parametrize("params", SETTINGS, ids=repr)
def test_every_engine_gives_what_the_paper_says(params: GenerationParams) -> None:
    model = tiny_model("llama")
    requests = [request(text, params) for text in TEXT]
    expected = [reference(model, item) for item in requests]
    if params.mirostat_eta != 0.0:
        assert len({round(mu, 6) for mu in expected[0][1]}) > 5
    slots = SlotEngine(ModelRunner(model), tiny_tokenizer())
    for engine in (GenerateEngine(model, tiny_tokenizer()), slots, slots):
        assert [completion.token_ids for completion in engine.generate(requests)] == [tokens for tokens, _ in expected]
    assert slots.statistics.replayed >= 0.4 * slots.statistics.drawn


@pytest.mark.full
def test_known_continuations_are_replayed_with_the_rows_own_state() -> None:
    model = tiny_model("llama")
    alone = GenerateEngine(model, tiny_tokenizer(), batch_size=1)
    slots = SlotEngine(ModelRunner(model), tiny_tokenizer())
    requests = [
        request(TEXT[0], GenerationParams(mirostat_tau=tau, mirostat_eta=eta, temperature=0.4, max_new_tokens=20))
        for tau in (0.5, 0.6, 2.0)
        for eta in (0.1, 0.3)
    ]
    expected = alone.generate(requests)
    assert len({completion.token_ids for completion in expected}) > 1
    for item, completion in zip(requests, expected, strict=True):
        assert slots.generate([item]) == [completion]
    assert slots.statistics.replayed > 0
