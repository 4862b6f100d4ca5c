"""In both of vLLM's model runners, the plug-in draws the tokens that the host draws for each request alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from host_completions import PARAMS
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from vllm_batches import VOCABULARY, FirstRunner, SecondRunner, SimulatedRequest

from llmsearch_optuna.space.params import GenerationParams

SIZE = 5

RUNNERS: dict[str, Callable[[torch.device], Any]] = {
    "first": lambda device: FirstRunner(SIZE, device, is_async=False),
    "first, scheduled ahead": lambda device: FirstRunner(SIZE, device, is_async=True),
    "second": lambda device: SecondRunner(SIZE, device),
}

REQUESTS = st.builds(
    SimulatedRequest,
    params=st.one_of(st.none(), PARAMS),
    prompt=st.lists(st.integers(0, VOCABULARY - 1), min_size=4, max_size=10),
    chunks=st.integers(0, 3),
)


@pytest.mark.parametrize("runner", list(RUNNERS))
@given(st.data())
@settings(max_examples=scaled(100))
def test_tokens_are_those_of_the_host(runner: str, data: st.DataObject) -> None:
    """Requests come, go and come back, change their places, and are dropped while their prompts are computed."""
    waiting = data.draw(st.lists(REQUESTS, min_size=3, max_size=7))
    batches = RUNNERS[runner](torch.device("cpu"))
    running: list[SimulatedRequest] = []
    for _ in range(data.draw(st.integers(6, 12))):
        while waiting and len(running) < SIZE and data.draw(st.integers(0, 3)):
            running.append(waiting.pop())
        kept = [request for request in running if data.draw(st.integers(0, 3))]
        if not kept:  # vLLM takes no request out of its batch without a step
            continue
        put_back = [request for request in running if request not in kept]
        for request in put_back:
            request.chunks = data.draw(st.integers(0, 2))
        swaps = data.draw(st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=2))
        batches.step(kept, swaps)
        running = kept
        waiting = [request for request in (*waiting, *put_back) if len(request.tokens) < 12]


@pytest.mark.parametrize("seed", range(6))
def test_mirostat_goes_on_in_another_slot(seed: int) -> None:
    """Nothing has entered the old slot by then, so that its state was not put aside."""
    batches = SecondRunner(SIZE, torch.device("cpu"))
    params = GenerationParams(mirostat_tau=1.0, mirostat_eta=2.0, generation_seed=seed)
    request, neighbour, other = (SimulatedRequest(given, [1, 2, 3, 4], 0) for given in (params, None, None))
    for scheduled in (*[[request, neighbour, other]] * 3, [other], *[[other, request]] * 5):
        batches.step(scheduled, ())
    assert len(request.tokens) == 8


@given(st.data())
@settings(max_examples=scaled(100))
def test_draft_tokens_change_no_token(data: st.DataObject) -> None:
    """Proposals that are right, wrong, or right at first; no request has mirostat, which drafts make inexact."""
    requests = data.draw(st.lists(REQUESTS, min_size=1, max_size=SIZE))
    for request in requests:
        if request.params is not None and request.params.mirostat_tau is not None:
            request.__init__(GenerationParams(temperature=0.9, no_repeat_ngram_size=2), request.prompt, request.chunks)  # type: ignore[misc]
    runner = SecondRunner(SIZE, torch.device("cpu"), drafts=3)

    def proposes(request: SimulatedRequest) -> list[int]:
        ahead = SimulatedRequest(request.params, request.prompt, 0, tokens=list(request.tokens))
        ahead.expected.generated = list(request.tokens)
        for _ in range(data.draw(st.integers(0, 3))):
            ahead.tokens.append(ahead.expected.draw(ahead.logits()))
        if len(ahead.tokens) > len(request.tokens) and data.draw(st.booleans()):
            ahead.tokens[-1] = data.draw(st.integers(0, VOCABULARY - 1))
        return ahead.tokens[len(request.tokens) :]

    runner.proposes = proposes
    for _ in range(4):
        runner.step(requests, [])


@pytest.mark.parametrize("runner", list(RUNNERS))
def test_a_request_without_penalties_may_be_longer_than_those_with_penalties(runner: str, device: torch.device) -> None:
    """Its context is not kept, as it came before any penalty, but its length is."""
    free = SimulatedRequest(GenerationParams(temperature=1.0), list(range(40)), 0)
    params = GenerationParams(dry_multiplier=5.0, dry_allowed_length=1, no_repeat_ngram_size=2)
    penalised = SimulatedRequest(params, [5, 6, 5, 6], 0)
    batches = RUNNERS[runner](device)
    for requests in ([free], [free, penalised], [free, penalised], [penalised], [penalised]):
        batches.step(requests, [])


@pytest.mark.parametrize("is_async", [False, True])
def test_tables_have_room_for_what_requests_use(is_async: bool) -> None:
    """Not for what vLLM lets them grow to, which is its whole window unless they limit themselves."""
    batches = FirstRunner(SIZE, torch.device("cpu"), is_async=is_async)
    request = SimulatedRequest(GenerationParams(repetition_penalty=1.2), [1, 2, 3, 4], 0)
    places = []
    for _ in range(8):
        batches.step([request], [])
        places.append(batches._processor._tables._tokens.shape[2])
    assert places == [4, 8, 8, 8, 8, 16, 16, 16]


@pytest.mark.parametrize("runner", list(RUNNERS))
def test_tokens_are_the_same_on_a_device(runner: str, device: torch.device) -> None:
    params = [
        None,
        GenerationParams(temperature=1.0, generation_seed=1, repetition_penalty=1.3, no_repeat_ngram_size=2),
        GenerationParams(temperature=0.7, top_p=0.9, encoder_repetition_penalty=1.2, xtc_probability=0.5),
        GenerationParams(temperature=1.0, mirostat_tau=1.0, mirostat_eta=2.0, presence_penalty=0.8),
        GenerationParams(dry_multiplier=5.0, dry_allowed_length=1, dry_sequence_breakers=("ab", "abc")),
    ]
    requests = [SimulatedRequest(row, [5, 6, 5, 7, number], number % 2) for number, row in enumerate(params)]
    batches = RUNNERS[runner](device)
    for step in range(12):
        batches.step(requests[:3] if step in (3, 7) else requests, [(0, 2)])
