"""Counter-based Gumbel noise: a pure function of (seed, prompt, step, token) without state."""

import hashlib
from collections.abc import Sequence

import numpy as np
from torch import Tensor

__all__ = ["NO_TOKEN_ID", "gumbel_noise", "prompt_key", "uniform_noise"]

NO_TOKEN_ID = 0xFFFFFFFF
"""The id of no token, for noise that belongs to a step."""

_WORD = 0xFFFFFFFF
_GOLDEN_RATIO = 0x9E3779B9


def prompt_key(token_ids: Sequence[int]) -> int:
    """Return a stable 32-bit key of a prompt: BLAKE2b over its token ids as little-endian 64-bit integers.

    Args:
        token_ids: The prompt's token ids, without padding; may be empty.

    Returns:
        An integer in [0, 2**32), the same on every machine and in every version.
    """
    words = np.asarray(token_ids, dtype="<i8").tobytes()
    return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "little")


def gumbel_noise(seeds: Tensor, prompt_keys: Tensor, steps: Tensor, token_ids: Tensor) -> Tensor:
    """Return standard Gumbel noise for every row and token. The argmax of logits plus noise is a sample (Gumbel-max).

    It is -log(-log(u)) of `uniform_noise`, which lies in (-3.2, 22.9). The arguments are the same.
    """
    return uniform_noise(seeds, prompt_keys, steps, token_ids).log_().neg_().log_().neg_()


def uniform_noise(seeds: Tensor, prompt_keys: Tensor, steps: Tensor, token_ids: Tensor) -> Tensor:
    """Return uniform noise for every row and token.

    The four arguments are hashed to 32 bits, one after the other, with the "lowbias32" mixer (C. Wellons, "Prospecting
    for Hash Functions", 2018, nullprogram.com/blog/2018/07/31). The hash x gives (x + 0.5) / 2**32, which is never
    0 or 1 in float64.

    Args:
        seeds: The rows' generation seeds; int64 [rows], in [0, 2**32).
        prompt_keys: The rows' prompt keys (`prompt_key`); int64 [rows], in [0, 2**32).
        steps: The number of tokens generated so far in each row; int64 [rows], in [0, 2**32).
        token_ids: The tokens to draw noise for; int64 [rows, k], or [k] for the same tokens in every row.

    Returns:
        float64 [rows, k].
    """
    row_words = _mixed(_mixed(_mixed(seeds ^ _GOLDEN_RATIO) ^ prompt_keys) ^ steps)
    # Token ids are mixed separately first. Otherwise rows whose words differ in a few low bits would share their noise,
    # permuted among neighbouring token ids.
    words = _mixed(row_words[:, None] ^ _mixed(token_ids))
    return words.double().add_(0.5).mul_(2.0**-32)


def _mixed(words: Tensor) -> Tensor:
    """Apply the lowbias32 mixer to 32-bit words held in int64, as torch has no arithmetic on uint32."""
    words = words ^ (words >> 16)
    words *= 0x7FEB352D
    words &= _WORD
    words ^= words >> 15
    words *= 0x846CA68B - 2**32  # the same modulo 2**32, and the product fits an int64
    words &= _WORD
    words ^= words >> 16
    return words
