"""DRY against llama.cpp's algorithm in plain Python."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from allocations import Allocations
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiny_models import tiny_tokenizer
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.sampling import SlotContents, SlotTables, candidates, penalise
from llmsearch_optuna.engine.sampling.breakers import (
    LONGEST_REPETITION,
    NO_BREAKERS,
    Breakers,
    breaker_table,
    breakers_of,
    tokens_after_breakers,
)
from llmsearch_optuna.engine.sampling.repetitions import dry_offsets, repetitions
from llmsearch_optuna.space.params import GenerationParams

VOCABULARY = 6

TAILS = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3).map(tuple), max_size=3, unique=True)


@st.composite
def breakers(draw: st.DrawFn) -> Breakers:
    """Sequences over a small vocabulary; any token may begin any of them."""
    tails = [(), *draw(TAILS)]
    single = draw(st.sets(st.integers(0, VOCABULARY - 1), max_size=2))
    heads = [single, *(draw(st.sets(st.integers(0, VOCABULARY - 1), max_size=2)) for _ in tails[1:])]
    columns = [np.isin(np.arange(VOCABULARY), list(tokens)) for tokens in heads]
    return Breakers(heads=np.stack(columns, axis=1), tails=tuple(tails))


CONTEXTS = st.lists(st.integers(0, VOCABULARY + 1), max_size=40) | st.lists(st.integers(0, 1), max_size=150)


def expected_limit(context: Sequence[int], ends: Breakers) -> int:
    """The tokens after the last breaker, token by token from the end, as in llama.cpp."""
    for back in range(len(context)):
        head = context[len(context) - 1 - back]
        longest = -1
        for sequence, tail in enumerate(ends.tails):
            is_head = 0 <= head < VOCABULARY and ends.heads[head, sequence]
            if is_head and len(tail) <= back:
                following = [context[len(context) - back + offset] for offset in range(len(tail))]
                longest = max(longest, len(tail)) if following == list(tail) else longest
        if longest >= 0:
            return back - longest
    return len(context)


def expected_lengths(context: Sequence[int], ends: Breakers) -> dict[int, int]:
    """Token -> the longest match that it would prolong, token by token, as in llama.cpp."""
    lengths: dict[int, int] = {}
    limit = min(expected_limit(context, ends), LONGEST_REPETITION)
    for place in range(len(context) - 1):
        following, length = context[place + 1], 0
        while length <= place and context[place - length] == context[len(context) - 1 - length]:
            length += 1
        if min(length, limit) and not (0 <= following < VOCABULARY and ends.heads[following, 0]):
            lengths[following] = max(min(length, limit), lengths.get(following, 0))
    return lengths


@given(CONTEXTS, breakers())
@settings(max_examples=scaled(500))
def test_lengths_are_those_of_the_algorithm(context: list[int], ends: Breakers) -> None:
    token_ids, lengths = repetitions(np.array(context, dtype=np.int64), ends)
    assert dict(zip(token_ids.tolist(), lengths.tolist(), strict=True)) == expected_lengths(context, ends)


@given(st.lists(st.tuples(CONTEXTS, breakers()), min_size=1, max_size=4))
@settings(max_examples=scaled(300))
def test_a_device_finds_the_last_breakers_of_the_host(rows: list[tuple[list[int], Breakers]]) -> None:
    """Rows with other breakers, or with longer ones, do not matter."""
    contexts, sets = zip(*rows, strict=True)
    tokens = torch.full((len(rows), 160), -1)
    for row, context in enumerate(contexts):
        tokens[row, : len(context)] = torch.tensor(context)
    lengths, numbers = torch.tensor(list(map(len, contexts))), torch.arange(len(rows))
    found_after = tokens_after_breakers(tokens, lengths, breaker_table(sets, "cpu"), numbers)
    on_the_host = [ends.tokens_after(np.array(context, dtype=np.int64)) for context, ends in rows]
    assert found_after.tolist() == on_the_host
    limits = [min(expected_limit(*row), LONGEST_REPETITION) for row in rows]
    # Without a breaker there is no limit; the length of the context is one.
    assert [min(after, len(context)) for after, context in zip(on_the_host, contexts, strict=True)] == limits


@given(CONTEXTS.filter(bool), breakers(), st.sampled_from([1, 2, 4]))
@settings(max_examples=scaled(300))
def test_penalties_on_a_device_are_those_of_the_host(context: list[int], ends: Breakers, allowed: int) -> None:
    params = GenerationParams(dry_multiplier=0.8, dry_allowed_length=allowed)
    logits = torch.linspace(-1.0, 1.0, VOCABULARY)[None]
    expected = penalise(logits, [params], [context], [context], [0], breakers=[ends])
    tables = SlotTables(1, "cpu")
    tables.admit([(0, SlotContents(params, 0, context, context, 0, 0.0, ends))], 200)
    assert torch.equal(tables.inputs(logits).logits, expected)
    narrow = tables.inputs(logits, torch.tensor([0]), len(context))
    assert torch.equal(narrow.logits, expected)


def test_memory_on_a_device_is_that_of_the_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows that end at each place are 64 times as large, and are compared row by row."""
    rows, length = 8, 500
    params = GenerationParams(dry_multiplier=0.8, dry_allowed_length=1)
    tables = SlotTables(rows, "cpu")
    contexts = np.random.default_rng(0).integers(0, VOCABULARY, (rows, length)).tolist()
    contents = [SlotContents(params, 0, context, context, 0, 0.0, NO_BREAKERS) for context in contexts]
    tables.admit(list(enumerate(contents)), length)
    logits = torch.linspace(-1.0, 1.0, VOCABULARY).repeat(rows, 1)
    expected = tables.inputs(logits).logits
    assert (expected != logits).any(-1).all()
    monkeypatch.setattr(candidates, "_CORE_ELEMENTS", 1)
    with Allocations() as allocations:
        penalised = tables.inputs(logits).logits
    assert torch.equal(penalised, expected)
    of_tables = 2 * rows * length * torch.int64.itemsize
    assert allocations.largest == of_tables


@pytest.mark.parametrize("base", [1.0, 1.1, 1.75, 4.0])
def test_offsets_are_powers(base: float) -> None:
    lengths = torch.arange(LONGEST_REPETITION + 1)
    multiplier, exact_base = (torch.tensor(value, dtype=torch.float64) for value in (0.8, base))
    offsets = dry_offsets(lengths, multiplier, exact_base, torch.tensor(3))
    assert offsets[:3].tolist() == [0.0, 0.0, 0.0]
    expected = torch.tensor([min(0.8 * base ** (length - 3), 1e30) for length in range(3, LONGEST_REPETITION + 1)])
    torch.testing.assert_close(offsets[3:], expected)


def test_a_repetition_is_penalised_and_the_rest_left_alone() -> None:
    logits = torch.zeros(1, VOCABULARY)
    context = [1, 2, 3, 4, 5, 1, 2, 3]  # 4 would prolong three tokens
    params = [GenerationParams(dry_multiplier=0.5, dry_base=2.0, dry_allowed_length=2)]
    expected = [0.0, 0.0, 0.0, 0.0, -1.0, 0.0]
    assert penalise(logits, params, [context[:2]], [context], [6])[0].tolist() == expected
    ends = Breakers(heads=np.arange(VOCABULARY)[:, None] == 2, tails=((),))
    broken = penalise(logits, params, [context[:2]], [context], [6], breakers=[ends])
    assert broken[0].tolist() == [0.0] * VOCABULARY  # one token is left of the repetition


def breakers_in(tokenizer: PreTrainedTokenizerBase, *strings: str) -> dict[tuple[int, ...], set[int]]:
    """Tail -> heads, token by token and place by place, as in llama.cpp."""
    sequences: dict[tuple[int, ...], set[int]] = {(): set()}
    for token, string in itertools.product(range(len(tokenizer)), strings):
        text = str(tokenizer.decode([token]))
        if string in text:
            sequences[()].add(token)
            continue
        for place in range(len(text)):
            if string.startswith(text[place:]):
                rest = tokenizer(string[len(text) - place :], add_special_tokens=False, split_special_tokens=True)
                sequences.setdefault(tuple(rest["input_ids"][:20]), set()).add(token)
    return sequences


@pytest.mark.parametrize(
    "strings",
    [(), ("e",), ("\n", ":"), ("the", "e"), ("s the d", "th"), ("aab", "abaa"), ("<|im_end|>\nUser:",), ("x" * 40,)],
)
def test_sequences_are_those_of_llamacpp(strings: tuple[str, ...]) -> None:
    tokenizer = tiny_tokenizer()
    ends = breakers_of(tokenizer, GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=strings))
    heads = {tail: set(np.flatnonzero(ends.heads[:, place])) for place, tail in enumerate(ends.tails)}
    assert heads == breakers_in(tokenizer, *strings)


def test_by_default_breakers_are_tokens_with_certain_characters() -> None:
    tokenizer = tiny_tokenizer()
    ends = breakers_of(tokenizer, GenerationParams(dry_multiplier=1.0))
    assert ends.tails == ((),)
    assert len(ends.heads) == len(tokenizer)
    tokens = tokenizer.convert_tokens_to_ids(["\u010a", ":", '"', "*", "a"])
    assert ends.has(np.array(tokens)).tolist() == [*[True] * 4, False]
    assert breakers_of(tokenizer, GenerationParams()) is NO_BREAKERS


def test_a_breaker_of_several_tokens_ends_a_repetition() -> None:
    tokenizer = tiny_tokenizer()
    again = tuple(tokenizer("xyz#!pq xyz#!p")["input_ids"])
    (following,) = tokenizer("q")["input_ids"]
    logits = torch.zeros(1, len(tokenizer))

    def offset(*strings: str) -> float:
        params = GenerationParams(dry_multiplier=1.0, dry_base=2.0, dry_sequence_breakers=strings)
        ends = [breakers_of(tokenizer, params)]
        return float(penalise(logits, [params], [again], [again], [0], breakers=ends)[0, following])

    assert offset() == -(2.0**4)
    assert offset("z#") == -1.0  # two tokens are left: "!p"
    assert offset("#!") == offset("q") == 0.0


def test_settings_of_dry_alone_do_nothing() -> None:
    assert GenerationParams(dry_base=2.0, dry_allowed_length=3).canonical == GenerationParams(do_sample=False)
    assert GenerationParams(dry_multiplier=0.8).canonical.dry_multiplier == 0.8
