"""The matrix of model families: what serves each, and that it gives the tokens of rows that are generated alone."""

import dataclasses
import re
from typing import Any

import pytest
import torch
from engine_requests import generated, tokens_of, unlike_requests
from families import FAMILIES, NO_BEAMS, ONE_LENGTH, PADDED, ROW_BY_ROW, SLOTS, Family
from tiers import partly_full
from tiny_models import ForgetsTheMask, tiny_model, tiny_tokenizer
from transformers import (
    LlamaForCausalLM,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
)

from llmsearch_optuna.engine.base import Request
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.probes import probe_batching
from llmsearch_optuna.engine.sampling import gumbel_noise, prompt_key
from llmsearch_optuna.errors import ModelError, TrialError
from llmsearch_optuna.space.params import GenerationParams

PATHS = {
    SLOTS: r"\d+ slots, which support \w+: logits differ from those of a plain forward pass by \de-\d\d of their norm",
    PADDED: r"plain model\.generate, as slots do not support \w+: ",
    ONE_LENGTH: r"plain model\.generate in batches of one prompt length \(logits differ from those of a plain forward "
    r"pass by \de.\d\d of their norm\), as slots do not support \w+: ",
    ROW_BY_ROW: r"plain model\.generate one by one \(logits differ from those of a plain forward pass "
    r"by \de.\d\d of their norm\), as slots do not support \w+: ",
}

FAST = ("llama", "gemma3", "mixtral", "bloom", "jamba", "t5")
"""One family for each way in which families are served."""


@torch.inference_mode()
def alone(model: PreTrainedModel, request: Request) -> tuple[int, ...]:
    """One row's tokens by whole forward passes, without a cache, a batch, padding, or our sampler."""
    whole: Any = model
    params, config = request.params, model.generation_config
    encoded = model.config.is_encoder_decoder
    seen = [config.decoder_start_token_id] if encoded else list(request.prompt_ids)
    start = len(seen)
    while len(seen) < start + params.max_new_tokens and (len(seen) == start or seen[-1] != 2):
        given = {"input_ids": [request.prompt_ids], "decoder_input_ids": [seen]} if encoded else {"input_ids": [seen]}
        tensors = {name: torch.tensor(ids, device=model.device) for name, ids in given.items()}
        logits = whole(**tensors, use_cache=False).logits[:, -1].float().cpu()
        ids = torch.tensor([seen])
        if params.repetition_penalty is not None:
            logits = RepetitionPenaltyLogitsProcessor(params.repetition_penalty)(ids, logits)
        if params.temperature is not None:
            logits = TemperatureLogitsWarper(params.temperature)(ids, logits)
            if params.top_k is not None:
                logits = TopKLogitsWarper(params.top_k)(ids, logits)
            counters = params.generation_seed, prompt_key(request.prompt_ids), len(seen) - start
            seed, key, step = torch.tensor(counters)[:, None]
            logits = logits.double() + gumbel_noise(seed, key, step, torch.arange(logits.shape[1]))
        at_limit = len(seen) - start == params.max_new_tokens - 1
        forced = config.forced_eos_token_id if at_limit else None
        seen.append(int(logits.argmax()) if forced is None else forced)
    return tuple(seen[start:])


@pytest.mark.parametrize("name", partly_full(FAMILIES, fast=FAST))
def test_a_family_is_served_as_told_and_gives_the_tokens_of_rows_alone(name: str, device: torch.device) -> None:
    family: Family = FAMILIES[name]
    model: Any = tiny_model(name, device=device)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert re.match(PATHS[family.path] + re.escape(family.reason), backend.summary), backend.summary
    assert ("model.generate one by one, because" in backend.summary) == ("one by one" in family.note)
    batch = unlike_requests()
    greedy = [request for request in batch if request.params.greedy]
    expected = [alone(model, request) for request in batch]
    # A model that says the same whatever it has seen would pass in any engine.
    assert len(set(expected)) > len(expected) // 2
    assert len(set(expected[: len(greedy)])) >= len(greedy) - 1
    assert tokens_of(backend.engine, batch) == expected
    assert tokens_of(backend.engine, batch[::-3]) == expected[::-3]
    if model.config.is_encoder_decoder:
        assert [generated(model, request) for request in greedy] == expected[: len(greedy)]
    check_modes(model, family, backend.engine, greedy[3])


def check_modes(model: Any, family: Family, engine: Any, greedy: Request) -> None:
    """Beams are those of ``generate`` without a cache, or they are refused."""
    beams = dataclasses.replace(greedy, params=GenerationParams(num_beams=3, max_new_tokens=8))
    if family.note == NO_BEAMS:
        with pytest.raises(TrialError, match="has no beam search: RwkvForCausalLM cannot use beam search"):
            engine.generate([beams])
    else:
        assert engine.generate([beams])[0].token_ids == generated(model, beams, num_beams=3, use_cache=False)


class Raises(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Custom code that knows only how ``generate`` calls it."""

    def forward(self, *args: Any, past_key_values: Any = None, **kwargs: Any) -> Any:
        if past_key_values is not None and type(past_key_values).__name__ != "DynamicCache":
            raise TypeError("past_key_values must be a\nDynamicCache")
        return super().forward(*args, past_key_values=past_key_values, **kwargs)


class MiscountsTheCache(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Takes a token after cached ones for the one before."""

    def forward(self, input_ids: Any, past_key_values: Any = None, position_ids: Any = None, **kwargs: Any) -> Any:
        if past_key_values is not None and input_ids.shape[1] == 1:
            position_ids = position_ids - 1
        return super().forward(input_ids, past_key_values=past_key_values, position_ids=position_ids, **kwargs)


class MixesRows(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Lets every row see a little of the first."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        output.logits = output.logits + 0.1 * (output.logits[:1] - output.logits)
        return output


@pytest.mark.parametrize(
    ("custom", "summary"),
    [
        pytest.param(
            Raises,
            r"plain model\.generate, as slots do not support Raises: a decode step in slots raised TypeError: past",
            marks=pytest.mark.full,
        ),
        pytest.param(
            ForgetsTheMask,
            r"plain model\.generate in batches of one prompt length \(logits differ from ",
            marks=pytest.mark.full,
        ),
        (MixesRows, r"plain model\.generate one by one \(logits differ from "),
        pytest.param(
            MiscountsTheCache,
            r"plain model\.generate in padded batches and without a cache \(logits differ from ",
            marks=pytest.mark.full,
        ),
    ],
)
def test_custom_code_is_served_as_far_as_it_is_right(custom: type[LlamaForCausalLM], summary: str) -> None:
    model: Any = tiny_model()
    model.__class__ = custom
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert re.match(summary, backend.summary), backend.summary
    batch = unlike_requests()
    assert tokens_of(backend.engine, batch) == [alone(model, request) for request in batch]


class NeverRuns(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("only for training")


class GuessesInGenerate(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Turns by other angles than a forward pass would by itself, whatever the batch."""

    def forward(self, *args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return super().forward(*args, position_ids=None if position_ids is None else 2 * position_ids, **kwargs)


def test_a_model_that_cannot_generate_is_refused() -> None:
    model: Any = tiny_model()
    model.__class__ = NeverRuns
    with pytest.raises(
        ModelError, match=r"NeverRuns cannot generate: model\.generate raised NotImplementedError: only"
    ):
        model_backend(model, tiny_tokenizer(), batch_size=8)


def test_what_generate_does_otherwise_than_a_forward_pass_is_told() -> None:
    model: Any = tiny_model()
    model.__class__ = GuessesInGenerate
    path = model_backend(model, tiny_tokenizer(), batch_size=8).summary
    assert re.match(
        r"plain model\.generate one by one \(even so, logits differ from those of a plain forward pass", path
    )


@pytest.mark.parametrize(
    "name",
    partly_full(["llama", "mixtral", "bloom", "mamba2", "jamba", "bart", "deepseek_v4", "rwkv"], fast=["llama"]),
)
def test_sixteen_bits_do_not_change_what_is_found(name: str, device: torch.device) -> None:
    model: Any = tiny_model(name, device=device)
    expected, _ = probe_batching(model, 0)
    assert probe_batching(model.to(torch.bfloat16), 0)[0] == expected
