"""Steps that draw on a device ahead of the host: no waits, few launches, and the tokens of the host."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import cuda_simulation
import pytest
import torch
from cuda_simulation import COUNTS
from cuts import CUT_VALUES
from engine_requests import PARAMS, all_requests, request
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiers import partly_full
from tiny_models import TEXT, tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.slots import device_steps
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.errors import LogitsError
from llmsearch_optuna.space.params import GenerationParams

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
simulated = pytest.mark.skipif(not cuda_simulation.is_installed(), reason="a real device counts nothing")

PENALTIES = {
    "repetition_penalty": 1.2,
    "encoder_repetition_penalty": 1.2,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.3,
    "dry_multiplier": 2.0,
    "no_repeat_ngram_size": 2,
}
EVERY_PARAMETER: dict[str, dict[str, Any]] = {
    "greedy": {},
    "generation_seed": {"temperature": 1.0, "generation_seed": 7},
    **{name: {"temperature": 0.9, name: value} for name, value in (CUT_VALUES | PENALTIES).items()},
    "dry_base": {"temperature": 0.9, "dry_multiplier": 1.0, "dry_base": 3.0},
    "dry_allowed_length": {"temperature": 0.9, "dry_multiplier": 3.0, "dry_allowed_length": 1},
    "dry_sequence_breakers": {
        "temperature": 0.9,
        "dry_multiplier": 3.0,
        "dry_allowed_length": 1,
        "dry_sequence_breakers": ["e", "s t"],
    },
    "xtc_probability": {"temperature": 0.9, "xtc_probability": 0.5},
    "xtc_threshold": {"temperature": 0.9, "min_p": 0.01, "xtc_probability": 1.0, "xtc_threshold": 0.02},
}


def engine_on(device: str, *, is_capturable: bool = True, **options: Any) -> SlotEngine:
    runner = ModelRunner(tiny_model(device=device))
    runner.is_capturable = is_capturable
    return SlotEngine(runner, tiny_tokenizer(), **({"slots": 8} | options))


def expected(requests: Sequence[Request]) -> list[Completion]:
    return engine_on("cpu", slots=16).generate(requests)


class StepCounts(NamedTuple):
    """What the simulated device did in a step of an engine, with the work of the host around it."""

    waits: list[tuple[str, str]]
    launches: int
    captures: int


def counted_steps(engine: Any) -> list[StepCounts]:
    """Return a list that gets the counts of each step of an engine from now on."""
    steps: list[StepCounts] = []
    advance = engine._advance

    def counted(*arguments: Any) -> None:
        COUNTS.reset()
        advance(*arguments)
        launches = COUNTS.kernels.total() + COUNTS.copies.total() + COUNTS.graph_launches
        steps.append(StepCounts([*COUNTS.waits.elements()], launches, COUNTS.captures))

    engine._advance = counted
    return steps


@simulated
@pytest.mark.parametrize("name", partly_full(EVERY_PARAMETER, fast=["no_repeat_ngram_size"]))
def test_a_step_waits_for_the_last_one_only_and_has_few_launches(name: str) -> None:
    """All steps but the first, which prefills, and those that capture."""
    engine = engine_on("cuda")
    steps = counted_steps(engine)
    requests = [request(text, GenerationParams(**EVERY_PARAMETER[name], max_new_tokens=9)) for text in TEXT[:2]]
    assert engine.generate(requests) == expected(requests)
    steady = [step for step in steps[1:] if not step.captures]
    assert len(steady) >= 5
    # The host waits for the step before, which ends while it works, and for nothing else.
    assert {cause for step in steady for cause, _ in step.waits} == {"event"}
    assert max(len(step.waits) for step in steady) == 1
    assert max(step.launches for step in steady) <= 20


@simulated
@pytest.mark.parametrize(
    "name",
    partly_full(
        # For the three others, a summary never suffices.
        [name for name in EVERY_PARAMETER if name not in ("top_n_sigma", "typical_p", "eta_cutoff")],
        fast=["repetition_penalty"],
    ),
)
def test_a_step_of_replay_waits_for_itself_only_and_has_few_launches(name: str) -> None:
    """All completions are replayed at the same time, one token per step."""
    engine = engine_on("cuda", replay_bytes=2**26)
    params = GenerationParams(**EVERY_PARAMETER[name], max_new_tokens=9)
    requests = [request(text, params) for text in TEXT[:2]]
    completions = engine.generate(requests)
    engine.generate(requests)  # captures
    computed = engine.statistics.computed
    COUNTS.reset()
    assert engine.generate(requests) == completions == expected(requests)
    assert engine.statistics.computed - computed <= 2  # a summary may leave a token undecided
    steps = COUNTS.graph_launches
    assert steps == max(len(completion.token_ids) for completion in completions)
    assert COUNTS.captures == 0
    assert {cause for cause, _ in COUNTS.waits} == {"event"}
    assert COUNTS.waits.total() == steps
    assert COUNTS.kernels.total() + COUNTS.copies.total() + steps <= 20 * steps


@pytest.mark.full
@pytest.mark.parametrize("width", [1, 3])
def test_what_the_device_leaves_undecided_is_drawn_by_the_host(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the last token of a completion, at the end of its slot."""
    monkeypatch.setattr(device_steps, "_CANDIDATES", width)
    undecided: list[int] = []
    collect = device_steps.DeviceSteps.collect

    def counted(self: device_steps.DeviceSteps) -> Any:
        result = collect(self)
        undecided.extend(token for token in result.tokens or () if token < 0)
        return result

    monkeypatch.setattr(device_steps.DeviceSteps, "collect", counted)
    requests = all_requests()[:16]
    assert engine_on("cuda", is_capturable=False).generate(requests) == expected(requests)
    assert len(undecided) > 10


@pytest.mark.parametrize("replay_bytes", partly_full([0, 40_000, 2**26], fast=[40_000]))
def test_completions_that_part_token_by_token(replay_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many seeds of one prompt share prefixes; the device decides none of their tokens, and memory is short."""
    monkeypatch.setattr(device_steps, "_CANDIDATES", 1)
    requests = [
        request(TEXT[0], GenerationParams(temperature=1.0, top_k=2, generation_seed=seed, max_new_tokens=9))
        for seed in range(14)
    ]
    engine = engine_on("cuda", is_capturable=False, replay_bytes=replay_bytes)
    assert engine.generate(requests) == expected(requests)


@pytest.mark.full
def test_completions_that_end_while_the_device_is_ahead() -> None:
    """By an end token, a stop string and the maximum length, each with the tokens of the host and no more."""
    free = GenerationParams(temperature=1.3, max_new_tokens=12)
    requests = [
        *all_requests()[:4],
        *(
            request(text, dataclasses.replace(free, generation_seed=seed), strings=("e", "x"))
            for text, seed in itertools.product(TEXT, range(2))
        ),
    ]
    assert engine_on("cuda", is_capturable=False).generate(requests) == engine_on("cpu").generate(requests)


@pytest.mark.full
def test_calls_take_over_what_is_in_flight() -> None:
    """The device is one step into the upcoming requests when a call ends; some are dropped by the next call."""
    requests = all_requests()
    engine = engine_on("cuda", is_capturable=False)
    first = engine.generate(requests[:6], upcoming=requests[6:16])
    second = engine.generate(requests[10:20], upcoming=requests[20:24])
    third = engine.generate(requests[4:12])
    on_host = expected(requests)
    assert [first, second, third] == [on_host[:6], on_host[10:20], on_host[4:12]]


@pytest.mark.full
def test_an_error_in_a_step_leaves_nothing_behind() -> None:
    requests = all_requests()[:12]
    engine = engine_on("cuda", is_capturable=False)

    def interrupt(count: int) -> None:
        if engine.statistics.drawn > 20:
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            engine.generate(requests, interrupt)
    assert engine.generate(requests) == expected(requests)


@pytest.mark.full
def test_slots_made_anew_of_prompts_in_host_memory_are_on_the_device() -> None:
    runner = ModelRunner(tiny_model(device="cuda"))
    runner.is_capturable = False
    prompts = PromptCache(runner, device_bytes=0, host_bytes=2**28)
    engine = SlotEngine(runner, tiny_tokenizer(), slots=8, prompts=prompts)
    requests = all_requests()[:8]
    engine.generate(requests)
    engine._tree.clear()
    engine._scheduler.clear()
    engine._scheduler._drop_slots()
    assert engine.generate(requests) == expected(requests)
    decoder = engine._scheduler._decoder
    assert decoder is not None
    assert {layer.slot_keys.device.type for layer in decoder.cache._slot_layers} == {"cuda"}


def test_logits_that_are_no_numbers_are_an_error() -> None:
    model: Any = tiny_model(device="cuda")
    calls = itertools.count()

    def spoil(module: Any, args: Any, output: Any) -> None:
        if next(calls) > 4:
            output.logits.fill_(torch.nan)

    runner = ModelRunner(model)
    runner.is_capturable = False
    torch.nn.Module.register_forward_hook(model, spoil)
    with pytest.raises(LogitsError, match="holds NaN"):
        SlotEngine(runner, tiny_tokenizer(), slots=8).generate(all_requests()[:4])


@pytest.mark.full
@given(st.data())
@settings(max_examples=scaled(6))
def test_tokens_are_those_of_the_host(data: st.DataObject) -> None:
    """Whatever the number of slots, the memory for replay, the width of the draw and the division into calls."""
    texts = st.sampled_from([*TEXT, TEXT[0] + TEXT[1]])
    params = st.builds(
        dataclasses.replace,
        st.sampled_from(PARAMS),
        generation_seed=st.integers(0, 2),
        max_new_tokens=st.integers(1, 8),
    )
    rows = data.draw(st.lists(st.tuples(texts, params), min_size=1, max_size=24))
    requests = [request(text, row, eos_token_ids=(2, 5)) for text, row in rows]
    engine = engine_on(
        "cuda",
        is_capturable=False,
        slots=data.draw(st.sampled_from([8, 16])),
        replay_bytes=data.draw(st.sampled_from([0, 30_000, 300_000, 2**26])),
    )
    cut = data.draw(st.integers(0, len(requests)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_steps, "_CANDIDATES", data.draw(st.sampled_from([2, 1024])))
        drawn = [*engine.generate(requests[:cut], upcoming=requests[cut:]), *engine.generate(requests[cut:])]
    assert drawn == expected(requests)
