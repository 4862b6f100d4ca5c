"""ROUGE (Lin 2004): F-measures of n-grams and of the longest common subsequence of stemmed words.

Words come from ``rouge_score``, with its Porter stemmer, and the scores equal that package's. The subsequence is
computed with bit vectors here: its quadratic table does not survive a long completion. Only a-z and 0-9 make words, so
other scripts score 0.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from llmsearch_optuna.metrics.text import bag_f1, f_measure

__all__ = ["longest_common_subsequence", "rouge1", "rouge2", "rouge_l"]


class _Stemmer(NamedTuple):
    stem: Callable[[str], str]


def rouge1(prediction: str, reference: str) -> float:
    """ROUGE-1: F-measure of the words."""
    return bag_f1(Counter(_words(prediction)), Counter(_words(reference)))


def rouge2(prediction: str, reference: str) -> float:
    """ROUGE-2: F-measure of the pairs of neighbouring words; 0 for texts of fewer than two words."""
    return bag_f1(_pairs(_words(prediction)), _pairs(_words(reference)))


def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L: F-measure of the longest common subsequence of words."""
    predicted, expected = _words(prediction), _words(reference)
    return f_measure(longest_common_subsequence(predicted, expected), len(predicted), len(expected))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence by bit vectors (Hyyro 2004).

    Takes one addition of integers with as many bits as the shorter sequence has items, per item of the longer one.
    """
    shorter, longer = sorted((first, second), key=len)
    places: dict[str, int] = {}
    for j, item in enumerate(shorter):
        places[item] = places.get(item, 0) | 1 << j
    full = (1 << len(shorter)) - 1
    state = full  # bit j is 0 where the row of the usual table grows from column j to j + 1
    for item in longer:
        if item in places:
            matched = state & places[item]
            state = ((state + matched) | (state - matched)) & full
    return len(shorter) - state.bit_count()


def _pairs(words: Sequence[str]) -> Counter[tuple[str, str]]:
    return Counter(pairwise(words))


def _words(text: str) -> list[str]:
    from rouge_score.tokenize import tokenize  # noqa: PLC0415  # slow

    words: list[str] = tokenize(text, _stemmer())
    return words


@cache
def _stemmer() -> _Stemmer:
    """The stemmer of ``rouge_score``; remembering stems makes it 15 times as fast."""
    from rouge_score.tokenizers import porter  # noqa: PLC0415  # slow

    return _Stemmer(stem=lru_cache(maxsize=2**14)(porter.PorterStemmer().stem))
