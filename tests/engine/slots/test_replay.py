"""Replay: the same tokens with it and without it, and no forward pass for stored prefixes."""

import functools
import itertools
import random
from typing import Any

import pytest
import torch
from cuts import cut_choices
from engine_requests import LimitedMemory, all_requests, request
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiers import partly_full
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.space.params import GenerationParams

FAMILIES = ["llama", "qwen3", "gpt2", "mistral", "gemma3", "phi3"]

# One summary of a step and some eighty pages; three summaries; all that there is.
BUDGETS = [0, 25_000, 70_000, 2**28]
PAGE_BYTES = 256

PARAMS = st.builds(
    GenerationParams,
    temperature=st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
    **cut_choices(
        top_k=[None, 1, 3, 50],
        top_p=[None, 0.5, 0.9],
        min_p=[None, 0.1],
        tfs=[None, 0.9],
        top_a=[None, 0.2],
        mirostat_tau=[None, 1.0, 3.0],
    ),
    mirostat_eta=st.sampled_from([None, 0.5]),
    repetition_penalty=st.sampled_from([None, 0.9, 1.2]),
    encoder_repetition_penalty=st.sampled_from([None, None, 1.1]),
    presence_penalty=st.sampled_from([None, None, -0.5, 0.8]),
    frequency_penalty=st.sampled_from([None, None, 0.4]),
    no_repeat_ngram_size=st.sampled_from([None, None, 2]),
    generation_seed=st.integers(0, 1),
    max_new_tokens=st.integers(1, 9),
) | st.builds(
    GenerationParams,
    temperature=st.sampled_from([0.3, 1.0]),
    min_p=st.sampled_from([None, 0.1]),
    xtc_probability=st.sampled_from([0.5, 1.0]),
    xtc_threshold=st.sampled_from([None, 0.02]),
    repetition_penalty=st.sampled_from([None, 1.2]),
    dry_multiplier=st.sampled_from([None, 2.0]),
    dry_allowed_length=st.sampled_from([None, 1]),
    dry_sequence_breakers=st.sampled_from([None, (), ("e", "o"), ("s t", "th")]),
    generation_seed=st.integers(0, 1),
    max_new_tokens=st.integers(1, 9),
)


@functools.cache
def model_of(family: str) -> PreTrainedModel:
    return tiny_model(family)


@functools.cache
def runner_of(family: str) -> ModelRunner:
    return ModelRunner(model_of(family))


def engine(family: str = "llama", slots: int = 8, replay_bytes: int | None = 2**28, **arguments: Any) -> SlotEngine:
    return SlotEngine(runner_of(family), tiny_tokenizer(), slots=slots, replay_bytes=replay_bytes, **arguments)


def requests_of(params: list[GenerationParams]) -> list[Request]:
    return [request(text, values, eos_token_ids=(2,)) for values, text in itertools.product(params, TEXT)]


def distinct_prefixes(completions: dict[Request, Completion]) -> int:
    """The (prompt, tokens) whose last token has to go through the model."""
    return len(
        {
            (request.prompt_ids, completion.token_ids[:length])
            for request, completion in completions.items()
            for length in range(1, len(completion.token_ids))
        }
    )


@pytest.mark.no_cover
@settings(max_examples=scaled(40))
@given(
    st.sampled_from(FAMILIES),
    st.lists(PARAMS, min_size=1, max_size=8),
    st.sampled_from(BUDGETS),
    st.integers(8, 16),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_replay_never_changes_a_token(
    family: str, params: list[GenerationParams], budget: int, slots: int, calls: int, shuffle: random.Random
) -> None:
    requests = requests_of(params)
    expected = dict(zip(requests, engine(family, replay_bytes=0).generate(requests), strict=True))
    replaying = engine(family, slots, replay_bytes=budget)
    completions: dict[Request, Completion] = {}
    for part in [requests[start::calls] for start in range(calls)]:
        upcoming = shuffle.sample(requests, min(3, len(requests)))
        completions |= dict(zip(part, replaying.generate(part, None, upcoming), strict=True))
        assert replaying._tree.nbytes <= budget
    assert completions == expected
    shuffle.shuffle(requests)
    assert replaying.generate(requests) == [expected[request] for request in requests]


@pytest.mark.parametrize("family", partly_full(FAMILIES, fast=["llama", "gemma3"]))
def test_every_prefix_goes_through_the_model_once(family: str) -> None:
    params = [
        GenerationParams(temperature=temperature, top_k=20, generation_seed=seed, max_new_tokens=12)
        for temperature, seed in itertools.product([0.0, 0.1, 0.2, 0.3], [0, 1])
    ]
    requests = requests_of(params)
    slots = engine(family)
    completions = dict(zip(requests, slots.generate(requests), strict=True))
    assert slots.statistics.computed == distinct_prefixes(completions)
    assert slots.statistics.rebuilt == 0
    assert slots.statistics.drawn == sum(len(completion.token_ids) for completion in completions.values())


def test_a_row_that_leaves_the_known_paths_goes_on_from_their_pages() -> None:
    short = requests_of([GenerationParams(max_new_tokens=6)])
    long = requests_of([GenerationParams(max_new_tokens=12)])
    expected = engine(replay_bytes=0).generate(long)
    slots = engine()
    slots.generate(short)
    before = slots.statistics.computed
    assert slots.generate(long) == expected
    # The last token of the short completions was drawn, but not seen by the model.
    assert slots.statistics.computed - before == sum(max(0, len(done.token_ids) - 6) for done in expected)
    assert slots.statistics.rebuilt == 0


def test_keys_and_values_that_made_room_are_computed_again() -> None:
    short = requests_of([GenerationParams(max_new_tokens=6)])
    long = requests_of([GenerationParams(max_new_tokens=12)])
    expected = engine(replay_bytes=0).generate(long)
    slots = engine()
    slots.generate(short)
    slots._scheduler.clear()
    slots._tree.reset_pages(PAGE_BYTES)
    assert slots.generate(long) == expected
    assert slots.statistics.rebuilt == sum(min(5, len(done.token_ids) - 1) for done in expected)


def test_rows_that_rebuild_the_same_path_serve_others_on_it_once() -> None:
    def sampled(seed: int, limit: int = 12) -> Request:
        return request(TEXT[0], GenerationParams(temperature=0.5, top_k=3, generation_seed=seed, max_new_tokens=limit))

    begun, late = [sampled(seed) for seed in range(8)], [sampled(seed) for seed in range(8, 16)]
    expected = engine(replay_bytes=0).generate([*begun, *late])
    slots = engine(slots=32)
    slots.generate([sampled(0, limit=5)], None, begun)
    # Everything is forgotten but where the rows are.
    slots._scheduler.clear()
    slots._tree._summaries.numbers.clear()
    slots._tree._pages.numbers.clear()
    assert slots.generate([*begun, *late]) == expected
    assert slots.statistics.rebuilt > 0
    assert slots.statistics.drawn == 5 + sum(len(completion.token_ids) for completion in expected)


def test_without_replay_every_row_is_on_its_own() -> None:
    requests = requests_of([GenerationParams(max_new_tokens=7), GenerationParams(top_k=1, max_new_tokens=7)])
    slots = engine(replay_bytes=0)
    completions = slots.generate(requests)
    assert slots.statistics.computed == sum(len(completion.token_ids) - 1 for completion in completions)
    assert slots.statistics.replayed == slots._tree.nbytes == 0


def test_an_interrupted_call_leaves_no_half_written_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = requests_of([GenerationParams(max_new_tokens=9)])
    expected = engine(replay_bytes=0).generate(requests)
    slots = engine()
    slots.generate([request("Something else that makes the tables.", GenerationParams(max_new_tokens=3))])
    first_unused = len(slots._tree._summaries.numbers) + 1
    for memory in (slots._tree.table._values, slots._tree.table._token_ids):
        memory[first_unused:] = torch.arange(memory.shape[1]).to(memory.dtype)  # what memory may hold

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(slots._tree.table, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            slots.generate(requests)
    assert slots.generate(requests) == expected


@pytest.mark.parametrize("budget", partly_full(BUDGETS, fast=[25_000]))
def test_memory_that_runs_out_changes_nothing(budget: int) -> None:
    expected = engine(replay_bytes=0).generate(all_requests())
    model = tiny_model()
    slots = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=32, replay_bytes=budget)
    slots.generate([request(TEXT[0], GenerationParams(max_new_tokens=2))], None, all_requests())
    LimitedMemory(model, 8)
    assert slots.generate(all_requests(), None, all_requests()[:5]) == expected
    assert slots.slots == 8


def test_a_known_row_needs_no_model_not_even_for_its_prompt() -> None:
    model = tiny_model()
    runner = ModelRunner(model)
    prompts = PromptCache(runner, device_bytes=0, host_bytes=0)
    slots = SlotEngine(runner, tiny_tokenizer(), replay_bytes=2**28, prompts=prompts)
    requests = requests_of([GenerationParams(max_new_tokens=6), GenerationParams(top_k=5, max_new_tokens=6)])
    expected = slots.generate(requests)
    before = slots.statistics.replayed

    def refuse(*_: object) -> None:
        raise AssertionError("a forward pass")

    torch.nn.Module.register_forward_pre_hook(model, refuse)
    assert slots.generate(requests) == expected
    assert slots.statistics.replayed - before == sum(len(completion.token_ids) for completion in expected)
