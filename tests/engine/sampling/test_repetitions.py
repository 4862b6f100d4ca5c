"""DRY against the algorithm of its author in plain Python."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiny_models import tiny_tokenizer

from llmsearch_optuna.engine.sampling import penalise
from llmsearch_optuna.engine.sampling.repetitions import (
    LONGEST_REPETITION,
    breakers_of,
    dry_offsets,
    repetitions,
)
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

VOCABULARY = 6


def expected_lengths(context: Sequence[int], breakers: set[int]) -> dict[int, int]:
    """Token -> the longest match that it would prolong, token by token, as in the pull request."""
    lengths: dict[int, int] = {}
    if not context or context[-1] in breakers:
        return lengths
    for place, token in enumerate(context[:-1]):
        following = context[place + 1]
        if token != context[-1] or following in breakers:
            continue
        length = 1
        while length < LONGEST_REPETITION:
            before, last = place - length, len(context) - 1 - length
            if before < 0 or context[before] != context[last] or context[last] in breakers:
                break
            length += 1
        lengths[following] = max(length, lengths.get(following, 0))
    return lengths


@given(
    st.lists(st.integers(0, VOCABULARY + 1), max_size=40) | st.lists(st.integers(0, 1), max_size=150),
    st.sets(st.integers(0, VOCABULARY - 1), max_size=2),
)
@settings(max_examples=scaled(300))
def test_lengths_are_those_of_the_algorithm(context: list[int], breakers: set[int]) -> None:
    mask = np.isin(np.arange(VOCABULARY), list(breakers))
    token_ids, lengths = repetitions(np.array(context, dtype=np.int64), mask)
    kept = {token: length for token, length in zip(token_ids.tolist(), lengths.tolist(), strict=True) if token >= 0}
    assert kept == expected_lengths(context, breakers)


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
    breakers = np.arange(VOCABULARY) == 2
    broken = penalise(logits, params, [context[:2]], [context], [6], breakers=breakers)
    assert broken[0].tolist() == [0.0] * VOCABULARY  # one token is left of the repetition


def test_breakers_are_tokens_with_certain_characters() -> None:
    tokenizer = tiny_tokenizer()
    mask = breakers_of(tokenizer)
    assert len(mask) == len(tokenizer)
    assert [bool(mask[tokenizer.convert_tokens_to_ids(token)]) for token in ("Ċ", ":", '"', "*", "a")] == [
        *[True] * 4,
        False,
    ]


def test_rules_of_the_settings() -> None:
    with pytest.raises(ParameterError, match=r"`dry_base` must be >= 1, got 0.9"):
        GenerationParams(dry_base=0.9)
    assert GenerationParams(dry_base=2.0, dry_allowed_length=3).canonical == GenerationParams(do_sample=False)
    assert GenerationParams(dry_multiplier=0.8).canonical.dry_multiplier == 0.8
