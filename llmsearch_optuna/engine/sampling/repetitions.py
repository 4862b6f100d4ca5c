"""DRY, "don't repeat yourself": how long a repetition each token would prolong, and what is subtracted for it.

How it works: a token prolongs a repetition if the context ends with a sequence that it holds before as well, where the
token came next. The longest such sequence counts. A sequence does not reach over a breaker, a token whose text has a
line end, a colon, a quotation mark or an asterisk: breakers are replaced by numbers that equal no token.

P. E. Weidmann, "DRY: A modern repetition penalty", 2024, github.com/oobabooga/text-generation-webui/pull/5677. In
llama.cpp, a breaker of several tokens also ends sequences; here, each token is looked at alone.
"""

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.space.params import DRY_ALLOWED_LENGTH, DRY_BASE, GenerationParams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "BEFORE_CONTEXT",
    "FIRST_BREAKER",
    "LONGEST_REPETITION",
    "NO_BREAKERS",
    "Mask",
    "Repetitions",
    "breakers_of",
    "dry_offsets",
    "dry_settings",
    "repetitions",
]

LONGEST_REPETITION = 64
"""Longer repetitions count as this length. At the usual bases, no logit makes up for their penalty."""

BEFORE_CONTEXT = -2
"""Stands for what lies before a context. It equals no token and no place without one."""

FIRST_BREAKER = -3
"""The breaker at place p of a context is replaced by this minus p."""

_BREAKERS = ("\n", ":", '"', "*")  # llama.cpp's
_LARGEST_OFFSET = 1e30  # so that no token is banned


class Repetitions(NamedTuple):
    """The tokens that would prolong a repetition.

    Attributes:
        token_ids: Each once; int64 [tokens].
        lengths: The length of the longest repetition that each prolongs; int64 [tokens].
    """

    token_ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


Mask = npt.NDArray[np.bool_]
"""Whether each token ends repetitions; shape (tokens,). Tokens beyond do not."""

NO_BREAKERS: Mask = np.zeros(1, dtype=np.bool_)


@functools.lru_cache(maxsize=4)
def breakers_of(tokenizer: "PreTrainedTokenizerBase") -> Mask:
    """Return which tokens of a tokenizer end repetitions."""
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    return np.array([any(breaker in text for breaker in _BREAKERS) for text in texts], dtype=np.bool_)


def repetitions(context: npt.NDArray[np.int64], breakers: Mask) -> Repetitions:
    """Find the tokens that would prolong a repetition of what a context ends with.

    Args:
        context: The token ids; int64 [length].
        breakers: The tokens that end repetitions.
    """
    is_breaker = breakers[context.clip(0, len(breakers) - 1)] & (context >= 0) & (context < len(breakers))
    tokens = np.where(is_breaker, FIRST_BREAKER - np.arange(len(context)), context)
    ends = np.flatnonzero(tokens[:-1] == tokens[-1]) if len(tokens) else np.empty(0, dtype=np.int64)
    lengths = np.ones(len(ends), dtype=np.int64)
    alive = np.arange(len(ends))
    for length in range(1, min(LONGEST_REPETITION, len(tokens))):
        alive = alive[ends[alive] >= length]
        alive = alive[tokens[ends[alive] - length] == tokens[-1 - length]]
        if not len(alive):
            break
        lengths[alive] += 1
    following = tokens[ends + 1]
    token_ids, places = np.unique(following, return_inverse=True)
    longest = np.zeros(len(token_ids), dtype=np.int64)
    np.maximum.at(longest, places, lengths)
    return Repetitions(token_ids, longest)


def dry_settings(params: GenerationParams) -> tuple[float, float, int]:
    """Return multiplier, base and allowed length of DRY; a multiplier of 0 is off."""
    return (
        params.dry_multiplier or 0.0,
        DRY_BASE if params.dry_base is None else params.dry_base,
        DRY_ALLOWED_LENGTH if params.dry_allowed_length is None else params.dry_allowed_length,
    )


def dry_offsets(lengths: Tensor, multiplier: Tensor, base: Tensor, allowed_length: Tensor) -> Tensor:
    """Return what DRY subtracts from logits: ``multiplier * base ** (length - allowed_length)``, 0 for short ones.

    The power is a product of squares, which every device rounds alike.

    Args:
        lengths: The lengths of repetitions, at most `LONGEST_REPETITION`; int64.
        multiplier: float64, of a shape that broadcasts with that of `lengths`, as the others.
        base: float64.
        allowed_length: int64.

    Returns:
        float32, of the shape of `lengths`.
    """
    exponent = (lengths - allowed_length).clamp(min=0)
    power = torch.ones_like(exponent, dtype=torch.float64)
    square = base
    for bit in range(LONGEST_REPETITION.bit_length()):
        power = torch.where((exponent >> bit) & 1 == 1, power * square, power)
        square = (square * square).clamp(max=_LARGEST_OFFSET)
    offsets = (multiplier * power).clamp(max=_LARGEST_OFFSET)
    return torch.where((lengths >= allowed_length) & (lengths > 0), offsets, torch.zeros_like(offsets)).float()
