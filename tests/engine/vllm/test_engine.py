"""Completions in a running batch are those of the slots, with a batch of a real model; vLLM's is in test_real.py."""

import pytest
from engine_requests import all_requests, request
from model_batches import ModelBatch
from tiers import partly_full
from tiny_models import TEXT, tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.base import Request
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.vllm.engine import NewTokens, VLLMEngine
from llmsearch_optuna.errors import ParameterError, ServerError, TrialError
from llmsearch_optuna.space.params import GenerationParams


def engine_of(batch: ModelBatch, capacity: int = 8) -> VLLMEngine:
    return VLLMEngine(batch, tiny_tokenizer(), capacity=capacity)


def make(capacity: int = 8) -> tuple[VLLMEngine, ModelBatch]:
    batch = ModelBatch(tiny_model(), capacity)
    return engine_of(batch, capacity), batch


def requests_of(count: int, tokens: int = 6) -> list[Request]:
    return [
        request(TEXT[0], GenerationParams(temperature=1.0, generation_seed=seed, max_new_tokens=tokens))
        for seed in range(count)
    ]


@pytest.mark.parametrize("capacity", partly_full([3, 32], fast=[3]))
def test_completions_are_those_of_the_slots(capacity: int) -> None:
    requests = all_requests()
    expected = SlotEngine(ModelRunner(tiny_model()), tiny_tokenizer(), slots=8).generate(requests)
    counts: list[int] = []
    assert make(capacity)[0].generate(requests, counts.append) == expected
    assert sum(counts) == sum(len(completion.token_ids) for completion in expected)


def test_stop_strings_and_end_tokens_end_a_completion_before_its_limit() -> None:
    engine, batch = make()
    free = GenerationParams(max_new_tokens=12)
    tokens = engine.generate([request(TEXT[1], free)])[0].token_ids
    before = batch.steps
    stopped = engine.generate([request(TEXT[1], free, eos_token_ids=(tokens[4],))])[0]
    assert stopped.finish_reason == "eos"
    assert stopped.token_ids == tokens[: tokens.index(tokens[4]) + 1]
    assert batch.steps - before == len(stopped.token_ids)
    assert not batch._requests


def test_equal_requests_are_computed_once() -> None:
    engine, batch = make()
    (only,) = requests_of(1)
    first, second = engine.generate([only, only])
    assert first == second
    assert len(batch.begun) == 1


def test_upcoming_requests_fill_the_batch_and_are_not_computed_again() -> None:
    engine, batch = make(capacity=4)
    requests = requests_of(8)
    expected = make()[0].generate(requests)
    assert engine.generate(requests[:2], upcoming=requests[2:]) == expected[:2]
    assert len(batch.begun) == 4
    before = batch.steps
    assert engine.generate(requests[2:4], upcoming=requests[4:]) == expected[2:4]
    assert batch.steps == before  # they had ended with the first call's
    assert engine.generate(requests[4:]) == expected[4:]
    assert len(batch.begun) == 8


def test_upcoming_requests_that_are_not_named_again_are_aborted() -> None:
    engine, batch = make(capacity=4)
    short, *pruned = requests_of(1, tokens=2) + requests_of(3, tokens=30)
    engine.generate([short], upcoming=pruned)
    assert len(batch._requests) == 3
    engine.generate([request(TEXT[1], GenerationParams(max_new_tokens=2))], upcoming=pruned[:1])
    assert len(batch._requests) == 1
    assert engine.generate(pruned) == make()[0].generate(pruned)


def test_an_interrupted_call_leaves_nothing_running() -> None:
    engine, batch = make()
    requests = requests_of(3)

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.generate(requests, interrupt)
    assert not batch._requests
    assert engine.generate(requests) == make()[0].generate(requests)


def test_a_criterion_that_raises_fails_one_trial() -> None:
    def fail(ids: object, scores: object) -> bool:
        raise IndexError("out of\nrange")

    engine, batch = make()
    with pytest.raises(TrialError, match=r"^generation raised IndexError: out of range$"):
        engine.generate([request(TEXT[0], GenerationParams(max_new_tokens=4), criteria=(fail,))])
    assert not batch._requests


def test_beams_are_refused() -> None:
    with pytest.raises(ParameterError, match="`num_beams` must be 1 with vLLM"):
        make()[0].generate([request(TEXT[0], GenerationParams(num_beams=2))])


def test_a_completion_that_vllm_cuts_is_an_error() -> None:
    class Cut(ModelBatch):
        def step(self) -> list[NewTokens]:
            return [tokens._replace(is_last=True) for tokens in super().step()]

    with pytest.raises(ServerError, match="vLLM ended a completion after 1 tokens"):
        engine_of(Cut(tiny_model(), 8)).generate(requests_of(1))
