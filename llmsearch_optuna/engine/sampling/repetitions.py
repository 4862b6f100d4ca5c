"""DRY, "don't repeat yourself": how long a repetition each token would prolong, and what is subtracted for it.

How it works: a token prolongs a repetition if the context ends with a sequence that it holds before as well, where the
token came next. The longest such sequence counts. It does not reach over a breaker; see
`llmsearch_optuna.engine.sampling.breakers`.

P. E. Weidmann, "DRY: A modern repetition penalty", 2024, github.com/oobabooga/text-generation-webui/pull/5677.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.breakers import LONGEST_REPETITION, Breakers
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import DRY_ALLOWED_LENGTH, DRY_BASE

__all__ = ["dry_offsets", "dry_settings", "repetitions"]

_Ids = npt.NDArray[np.int64]

_LARGEST_OFFSET = 1e30  # so that no token is banned


def repetitions(context: _Ids, breakers: Breakers) -> tuple[_Ids, _Ids]:
    """Find the tokens that would prolong a repetition of what a context (int64 [length]) ends with.

    Returns:
        The tokens, each once, and the length of the longest repetition that each prolongs; int64 [tokens] both.
    """
    limit = min(breakers.tokens_after(context), len(context))
    ends = np.flatnonzero(context[:-1] == context[-1]) if limit else np.empty(0, dtype=np.int64)
    ends = ends[~breakers.has(context[ends + 1])]
    lengths = np.ones(len(ends), dtype=np.int64)
    alive = np.arange(len(ends))
    for length in range(1, limit):
        alive = alive[ends[alive] >= length]
        alive = alive[context[ends[alive] - length] == context[-1 - length]]
        if not len(alive):
            break
        lengths[alive] += 1
    token_ids, places = np.unique(context[ends + 1], return_inverse=True)
    longest = np.zeros(len(token_ids), dtype=np.int64)
    np.maximum.at(longest, places, lengths)
    return token_ids, longest


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
