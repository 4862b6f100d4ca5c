"""Sequence breakers of DRY: strings over which no repetition reaches.

How it works: a breaker is one token whose text contains the string, or a *head*, a token whose text ends with a
beginning of the string, followed by the *tail*, the tokens of the rest of the string. Looking back from its end, a
context has a last head that is followed by one of its tails. Only the tokens after the longest such tail count. A token
that is a breaker by itself is never penalised.

This is the rule of llama.cpp (``llama_sampler_init_dry``, ``get_overlapping_token_sequences``), with its bounds of
strings and tails. It compares bytes; here, characters are compared, which differs for breakers beyond ASCII that a
tokenizer splits within a character.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.engine.transfer import to_device
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import DRY_SEQUENCE_BREAKERS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "LONGEST_REPETITION",
    "NO_BREAKERS",
    "BreakerTable",
    "Breakers",
    "breaker_table",
    "breakers_of",
    "tokens_after_breakers",
]

LONGEST_REPETITION = 64
"""Longer repetitions count as this length. At the usual bases, no logit makes up for their penalty."""

_LONGEST_TAIL = 20  # llama.cpp's, in tokens
_WINDOW = LONGEST_REPETITION + _LONGEST_TAIL + 1  # a head before these tokens leaves more than the longest repetition
_ANY = -1  # matches every token
_NOTHING = -2  # matches no token


@dataclass(frozen=True, kw_only=True, eq=False)
class Breakers:
    """The sequences of tokens that end repetitions. The first sequence has no tail.

    Attributes:
        heads: Whether each token begins each sequence; bool [tokens, sequences]. Tokens beyond begin none.
        tails: The tokens that follow in each sequence; at most 20.
    """

    heads: npt.NDArray[np.bool_]
    tails: tuple[tuple[int, ...], ...]

    def has(self, token_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return whether each token is a breaker by itself; bool, of the shape of `token_ids`."""
        return self._begins(token_ids)[..., 0]

    def tokens_after(self, context: npt.NDArray[np.int64]) -> int:
        """Return how many tokens a context has after its last breaker, at most `LONGEST_REPETITION`.

        Args:
            context: The token ids; int64 [length].
        """
        recent = context[-_WINDOW:]
        begins = self._begins(recent)
        for place in np.flatnonzero(begins.any(-1))[::-1].tolist():
            tails = [self.tails[sequence] for sequence in np.flatnonzero(begins[place]).tolist()]
            following = recent[place + 1 :].tolist()
            lengths = [len(tail) for tail in tails if following[: len(tail)] == list(tail)]
            if lengths:
                return min(len(following) - max(lengths), LONGEST_REPETITION)
        return LONGEST_REPETITION

    def _begins(self, token_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return whether each token begins each sequence; bool, with one more axis."""
        count = len(self.heads)
        is_known = (token_ids >= 0) & (token_ids < count)
        begins: npt.NDArray[np.bool_] = self.heads[token_ids.clip(0, count - 1)] & is_known[..., None]
        return begins


NO_BREAKERS = Breakers(heads=np.zeros((1, 1), dtype=np.bool_), tails=((),))


def breakers_of(tokenizer: "PreTrainedTokenizerBase", params: GenerationParams) -> Breakers:
    """Return the breakers of a completion with these parameters; `NO_BREAKERS` without DRY."""
    if not params.dry_multiplier:
        return NO_BREAKERS
    strings = params.dry_sequence_breakers
    return _breakers(tokenizer, DRY_SEQUENCE_BREAKERS if strings is None else strings)


@functools.lru_cache(maxsize=16)
def _breakers(tokenizer: "PreTrainedTokenizerBase", strings: tuple[str, ...]) -> Breakers:
    texts = _texts(tokenizer)
    heads: dict[tuple[int, ...], npt.NDArray[np.bool_]] = {(): np.zeros(len(texts), dtype=np.bool_)}
    for string in strings:
        heads[()] |= [string in text for text in texts]
        candidates = [token for token, text in enumerate(texts) if string[0] in text and string not in text]
        for count in range(1, len(string)):
            begun = [token for token in candidates if texts[token].endswith(string[:count])]
            if begun:
                rest = _token_ids(tokenizer, string[count:])
                heads.setdefault(tuple(rest[:_LONGEST_TAIL]), np.zeros(len(texts), dtype=np.bool_))[begun] = True
    return Breakers(heads=np.stack(list(heads.values()), axis=1), tails=tuple(heads))


def _token_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Return the tokens of a text. As in llama.cpp, no part of it is taken for a special token."""
    try:
        token_ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    except (TypeError, ValueError):  # Mistral's tokenizer refuses the argument, and never takes text for special tokens
        token_ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return token_ids


@functools.lru_cache(maxsize=2)
def _texts(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    return tokenizer.batch_decode([[token] for token in range(len(tokenizer))])


class BreakerTable(NamedTuple):
    """The sequences of several sets of breakers on a device.

    Attributes:
        heads: Whether each token begins each sequence; bool [tokens, sequences].
        tails: The tokens that follow, then -1; int64 [sequences, longest].
        lengths: The number of tokens that follow; int64 [sequences].
        sets: The number of the set of each sequence; int64 [sequences].
        firsts: The first sequence of each set, which has no tail; int64 [sets].
    """

    heads: Tensor
    tails: Tensor
    lengths: Tensor
    sets: Tensor
    firsts: Tensor

    def begins(self, token_ids: Tensor, sets: Tensor) -> Tensor:
        """Return whether each token begins each sequence of its row's set; bool [rows, places, sequences].

        Args:
            token_ids: int64 [rows, places].
            sets: The number of the set of each row; int64 [rows].
        """
        count = len(self.heads)
        is_known = (token_ids >= 0) & (token_ids < count)
        is_of_set = sets[:, None] == self.sets
        return self.heads[token_ids.clamp(0, count - 1)] & is_known[..., None] & is_of_set[:, None]

    def has(self, token_ids: Tensor, sets: Tensor) -> Tensor:
        """Return whether each token is a breaker by itself; bool [rows, places]. See `begins` for the arguments."""
        count = len(self.heads)
        is_known = (token_ids >= 0) & (token_ids < count)
        return self.heads[token_ids.clamp(0, count - 1), self.firsts[sets][:, None]] & is_known


def breaker_table(sets: Sequence[Breakers], device: torch.device | str) -> BreakerTable:
    """Return the sets as one table on a device."""
    tokens = max(len(breakers.heads) for breakers in sets)
    tails = [tail for breakers in sets for tail in breakers.tails]
    longest = max(map(len, tails))
    heads = [np.pad(breakers.heads, ((0, tokens - len(breakers.heads)), (0, 0))) for breakers in sets]
    columns = (
        torch.from_numpy(np.concatenate(heads, axis=1)),
        torch.tensor([[*tail, *[_ANY] * (longest - len(tail))] for tail in tails], dtype=torch.int64),
        torch.tensor(list(map(len, tails))),
        torch.tensor([number for number, breakers in enumerate(sets) for _ in breakers.tails]),
        torch.tensor([place for place, tail in enumerate(tails) if not tail]),
    )
    return BreakerTable(*(to_device(column, device) for column in columns))


def tokens_after_breakers(tokens: Tensor, lengths: Tensor, table: BreakerTable, sets: Tensor) -> Tensor:
    """Return how many tokens each context has after its last breaker, as `Breakers.tokens_after` does on the host.

    Args:
        tokens: The contexts; int64 [rows, capacity].
        lengths: Their lengths; int64 [rows].
        table: The breakers.
        sets: The number of the set of each row; int64 [rows].

    Returns:
        int64 [rows], at most `LONGEST_REPETITION`.
    """
    longest = table.tails.shape[1]
    back = torch.arange(LONGEST_REPETITION + longest + 1, device=tokens.device)  # the last token first
    places = lengths[:, None] - 1 - back
    recent = tokens.gather(1, places.clamp(min=0)).where(places >= 0, _NOTHING)
    matches = table.begins(recent, sets)
    if longest:
        before = torch.nn.functional.pad(recent, (longest, 0), value=_NOTHING)
        following = before.unfold(1, longest, 1)[:, :-1].flip(-1)  # of each place, the tokens that follow
        matches &= ((following[:, :, None] == table.tails) | (table.tails == _ANY)).all(-1)
    tails = table.lengths.where(matches, -1).amax(-1)
    is_breaker = tails >= 0
    first = is_breaker.int().argmax(1, keepdim=True)
    after = (first - tails.gather(1, first)).where(is_breaker.any(1, keepdim=True), LONGEST_REPETITION)
    return after[:, 0].clamp(max=LONGEST_REPETITION)
