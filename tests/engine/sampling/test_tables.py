"""The draw from tables on the device equals that of the host, token by token."""

from typing import Any

import pytest
import torch
from host_completions import PARAMS, HostCompletion
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from torch import Tensor

from llmsearch_optuna.engine.sampling import summarise
from llmsearch_optuna.engine.sampling.tables import SlotTables
from llmsearch_optuna.space.params import GenerationParams

VOCABULARY = 60
CAPACITY = 24


def logits_of(step: int, slots: int) -> Tensor:
    return 3.0 * torch.randn(slots, VOCABULARY, generator=torch.Generator().manual_seed(step))


def check_steps(params: list[GenerationParams], prompts: list[list[int]], late: int, device: torch.device) -> None:
    """Admit the first completions at once and one more after some steps, in the place of the first."""
    completions = [HostCompletion(*pair) for pair in zip(params, prompts, strict=True)]
    slots = len(completions) - 1
    tables = SlotTables(slots, device)
    running = completions[:slots]
    tables.admit([(slot, completion.contents()) for slot, completion in enumerate(running)], CAPACITY)
    everywhere = torch.ones(slots, dtype=torch.bool, device=device)
    for step in range(6):
        if step == late:
            running[0] = completions[-1]
            tables.admit([(0, running[0].contents())], CAPACITY)
        logits = logits_of(step, slots)
        drawn = tables.draw(logits.to(device), width=VOCABULARY)
        tables.advance(drawn, everywhere)
        assert not drawn.undecided.any()
        assert drawn.tokens.tolist() == [completion.draw(row) for completion, row in zip(running, logits, strict=True)]


@given(st.data())
@settings(max_examples=scaled(60))
def test_tokens_equal_those_of_the_host(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 4))
    params = data.draw(st.lists(PARAMS, min_size=count, max_size=count))
    ids = st.lists(st.integers(0, VOCABULARY + 3), min_size=1, max_size=12)  # some outside of the vocabulary
    prompts = data.draw(st.lists(ids, min_size=count, max_size=count))
    check_steps(params, prompts, data.draw(st.integers(0, 5)), torch.device("cpu"))


@given(st.data())
@settings(max_examples=scaled(60))
def test_what_a_summary_decides_is_what_all_logits_give(data: st.DataObject) -> None:
    """The tables apply the same penalties to a summary as to all logits."""
    vocabulary = data.draw(st.sampled_from([200, 700]))  # all of it in the summary, or a part
    params = data.draw(st.lists(PARAMS, min_size=1, max_size=4))
    ids = st.lists(st.integers(0, 40), min_size=1, max_size=12)
    completions = [HostCompletion(row, data.draw(ids)) for row in params]
    spread = data.draw(st.sampled_from([1.0, 4.0]))
    tables = SlotTables(len(completions), "cpu")
    tables.admit([(slot, completion.contents()) for slot, completion in enumerate(completions)], CAPACITY)
    for step in range(4):
        generator = torch.Generator().manual_seed(step)
        logits = spread * torch.randn(len(completions), vocabulary, generator=generator)
        logits[:, :40] += 3.0
        drawn = tables.draw_from_summary(summarise(logits))
        if vocabulary == 200:
            assert drawn.decided.all()
        in_full = tables.draw(logits, width=vocabulary)
        assert torch.equal(drawn.tokens[drawn.decided], in_full.tokens[drawn.decided])
        assert torch.equal(drawn.surprises[drawn.decided], in_full.surprises[drawn.decided])
        tables.advance(in_full, torch.ones(len(completions), dtype=torch.bool))


MIXED: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0, "generation_seed": 1, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"temperature": 0.7, "top_p": 0.9, "encoder_repetition_penalty": 1.2},
    {"temperature": 1.0, "mirostat_tau": 3.0, "no_repeat_ngram_size": 1},
    {"temperature": 1.0, "dry_multiplier": 5.0, "dry_allowed_length": 1},
    {"temperature": 1.0, "dry_multiplier": 5.0, "dry_allowed_length": 1, "dry_sequence_breakers": ("ab", "abc")},
    {"temperature": 1.0, "xtc_probability": 0.5, "xtc_threshold": 0.02},
    {"temperature": 1.0, "presence_penalty": 1.0, "frequency_penalty": -0.4},
]


def test_tokens_are_the_same_on_a_device(device: torch.device) -> None:
    prompts = [[5, 6, 5, 7], [9], [1, 2, 3, 1, 2], [4, 4], [8, 8], [8, 4, 2, 8], [7], [9, 9, 8, 9]]
    check_steps([GenerationParams(**values) for values in MIXED], prompts, 3, device)


def test_slots_outside_of_the_mask_stay_as_they_are(device: torch.device) -> None:
    """A slot that is left out draws the same token again, as its step, context and mu have not changed."""
    completions = [HostCompletion(GenerationParams(**values), [1, 2, 1]) for values in MIXED]
    tables = SlotTables(len(MIXED), device)
    tables.admit([(slot, completion.contents()) for slot, completion in enumerate(completions)], CAPACITY)
    logits = logits_of(0, len(MIXED)).to(device)
    first = tables.draw(logits, width=VOCABULARY)
    tables.advance(first, torch.arange(len(MIXED), device=device) == 0)
    again = tables.draw(logits, width=VOCABULARY)
    assert torch.equal(again.tokens[1:], first.tokens[1:])
    assert torch.equal(again.surprises, first.surprises)


def test_new_kinds_invalidate_graphs() -> None:
    """Formulas and tables are those of all completions so far; known ones change nothing."""
    tables = SlotTables(2, "cpu")

    def is_new(**values: Any) -> bool:
        return tables.admit([(1, HostCompletion(GenerationParams(**values), [3]).contents())], CAPACITY)

    assert not is_new()
    assert is_new(temperature=1.0)
    assert is_new(temperature=1.0, top_p=0.5)
    assert not is_new(temperature=0.3, top_p=0.8)
    assert is_new(temperature=0.3, repetition_penalty=1.2)
    assert not is_new()
    assert not is_new(temperature=0.3, repetition_penalty=0.9)
    assert is_new(temperature=0.3, no_repeat_ngram_size=3)
    assert is_new(temperature=0.3, frequency_penalty=0.5)
    assert is_new(temperature=0.3, dry_multiplier=0.8)
    assert not is_new(temperature=0.3, dry_multiplier=0.7, dry_base=2.0)
    assert is_new(temperature=0.3, dry_multiplier=0.8, dry_sequence_breakers=())
    assert not is_new()
    assert is_new(temperature=0.3, xtc_probability=0.5)
    assert not is_new(temperature=0.3, presence_penalty=0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_host_does_not_wait() -> None:
    tables = SlotTables(len(MIXED), "cuda")
    contents = [
        (slot, HostCompletion(GenerationParams(**values), [1, 2, 1]).contents()) for slot, values in enumerate(MIXED)
    ]
    logits = logits_of(0, len(MIXED)).cuda()
    mask = torch.ones(len(MIXED), dtype=torch.bool, device="cuda")
    tables.admit(contents, CAPACITY)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        tables.admit(contents, CAPACITY)
        tables.advance(tables.draw(logits, width=VOCABULARY), mask)
    finally:
        torch.cuda.set_sync_debug_mode(before)
