"""What is particular to the slot engine: the same tokens in any company, and no forward pass twice."""

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from engine_requests import PARAMS, all_requests, request
from families import ATTENTION
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiers import partly_full
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.routing import RoutingEngine
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.space.params import GenerationParams


def engine(model: PreTrainedModel, slots: int = 8, **arguments: Any) -> SlotEngine:
    return SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=slots, **arguments)


class Forwards:
    """Counts a model's forward passes by the number of new tokens per row."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.prompts, self.steps, self.rows = 0, 0, 0

        def count(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rows, tokens = kwargs["input_ids"].shape
            self.prompts += tokens > 1
            self.steps += tokens == 1
            self.rows += rows * (tokens == 1)

        torch.nn.Module.register_forward_pre_hook(model, count, with_kwargs=True)


@pytest.mark.parametrize("family", ATTENTION)
@pytest.mark.parametrize("attention", partly_full(["sdpa", "eager"], fast=["sdpa"]))
def test_the_same_tokens_as_the_plain_engine(family: str, attention: str, device: torch.device) -> None:
    model: Any = tiny_model(family, device=device)
    model.set_attn_implementation(attention)
    requests = [request(text * 3, params, eos_token_ids=(2,)) for text, params in itertools.product(TEXT, PARAMS)]
    expected = GenerateEngine(model, tiny_tokenizer(), batch_size=4).generate(requests)
    assert engine(model).generate(requests) == expected


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_the_same_tokens_in_any_company(dtype: torch.dtype, device: torch.device) -> None:
    model: Any = tiny_model(device=device)
    model.to(dtype)
    requests = all_requests()
    together = engine(model, 16).generate(requests)
    assert [engine(model, 16).generate([request])[0] for request in requests[:6]] == together[:6]
    assert engine(model, 16).generate(requests[::-1]) == together[::-1]


@pytest.mark.no_cover
@settings(max_examples=scaled(12))
@given(st.integers(8, 24), st.integers(1, 18), st.randoms(use_true_random=False))
def test_slots_orders_calls_and_neighbours_change_nothing(slots: int, calls: int, shuffle: random.Random) -> None:
    model = tiny_model(
        num_attention_heads=6, num_key_value_heads=2, hidden_size=48
    )  # three heads share their keys, as in the demo's model
    requests = all_requests()
    expected = dict(zip(requests, engine(model, 8).generate(requests), strict=True))
    shuffle.shuffle(requests)
    other = engine(model, slots)
    completions: dict[Request, Completion] = {}
    for part in (requests[start::calls] for start in range(calls)):
        upcoming = shuffle.sample(requests, 5)
        completions |= dict(zip(part, other.generate(part, None, upcoming), strict=True))
    assert completions == expected


def test_a_prompt_goes_through_the_model_once() -> None:
    model = tiny_model()
    slots = engine(model)
    requests = all_requests()
    forwards = Forwards(model)
    slots.generate(requests)
    slots.generate(requests[::-1])
    assert forwards.prompts == len(TEXT)


@pytest.mark.parametrize("room", [0, 1])
def test_prompts_are_computed_again_where_there_is_no_room(room: int) -> None:
    model = tiny_model()
    requests = sorted(all_requests(), key=lambda request: PARAMS.index(request.params))  # prompts take turns
    expected = engine(model).generate(requests)
    forwards = Forwards(model)
    small = engine(model, replay_bytes=0, prompts=PromptCache(ModelRunner(model), device_bytes=room * 8_000))
    assert small.generate(requests) == expected
    assert forwards.prompts > len(TEXT)
    before = forwards.prompts
    small.generate([requests[0]])  # the first that came
    assert forwards.prompts == before + (1 - room)


def test_prompts_kept_on_the_host_give_the_same(device: torch.device) -> None:
    model = tiny_model(device=device)
    expected = engine(model).generate(all_requests())
    on_host = engine(model, prompts=PromptCache(ModelRunner(model), device_bytes=0, host_bytes=2**30))
    assert on_host.generate(all_requests()) == expected
    assert on_host.generate(all_requests()) == expected


def test_a_model_spread_over_several_places_gives_the_same(tmp_path: Path) -> None:
    expected = engine(tiny_model()).generate(all_requests())
    places = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk", "model.norm": "cpu"}
    spread = dispatch_model(
        tiny_model(),
        {**places, "model.rotary_emb": "cpu", "lm_head": "cpu"},
        main_device="cpu",
        offload_dir=str(tmp_path),
    )
    backend = model_backend(spread, tiny_tokenizer(), batch_size=8)
    assert isinstance(backend.engine, RoutingEngine)
    assert isinstance(backend.engine.batch_engine, SlotEngine)
    assert backend.engine.generate(all_requests()) == expected


def test_equal_requests_are_generated_once() -> None:
    counts: list[int] = []
    same = request(TEXT[0], GenerationParams(temperature=1.0, max_new_tokens=5))
    first, second = engine(tiny_model()).generate([same, same], counts.append)
    assert first == second
    assert sum(counts) == 5


def test_upcoming_requests_fill_free_slots_and_are_kept() -> None:
    model = tiny_model()
    now, later = all_requests()[:4], all_requests()[4:8]
    expected = engine(model).generate(later)
    ahead, counts = engine(model), list[int]()
    ahead.generate(now, None, later)
    assert ahead.generate(later, counts.append) == expected
    assert sum(counts) < sum(len(completion.token_ids) for completion in expected)


def test_what_is_no_longer_wanted_is_dropped() -> None:
    model = tiny_model()
    slots = engine(model, replay_bytes=0)
    slow = [request(text, GenerationParams(temperature=1.0, max_new_tokens=300)) for text in TEXT]
    quick = request(TEXT[0], GenerationParams(max_new_tokens=3))
    slots.generate([quick], None, slow)
    forwards = Forwards(model)
    slots.generate([quick])
    assert forwards.rows == 2 * 8


def test_the_cache_grows_under_running_rows() -> None:
    model = tiny_model()
    long = request(TEXT[0] * 8, GenerationParams(temperature=1.0, max_new_tokens=80))
    requests = all_requests()[:4]
    expected = engine(model).generate([*requests, long])
    slots = engine(model)
    slots.generate(requests[:1], None, requests[1:])
    assert slots.generate([*requests[1:], long]) == expected[1:]


def test_an_interrupted_call_leaves_nothing_behind() -> None:
    model = tiny_model()
    expected = engine(model).generate(all_requests())
    slots = engine(model)

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slots.generate(all_requests(), interrupt)
    assert slots.generate(all_requests()) == expected
