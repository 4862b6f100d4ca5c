"""ROUGE (Lin 2004): F-measures of n-grams and of the longest common subsequence of stemmed words.

The tokenizer and the Porter stemmer are those of ``rouge_score``, and the scores equal that package's. The subsequence
is computed with bit vectors, because the usual quadratic table is too large for long completions. By default, words
consist of a-z and 0-9 only, so other scripts score 0: `TOKENIZERS` has others.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from types import SimpleNamespace

from llmsearch_optuna.metrics.text import bag_f1, f_measure
from llmsearch_optuna.metrics.words import characters, unicode_words

__all__ = ["ASCII", "TOKENIZERS", "longest_common_subsequence", "rouge1", "rouge2", "rouge_l"]

ASCII = "ascii"


def rouge1(prediction: str, reference: str, *, tokenize: str = ASCII) -> float:
    """Return ROUGE-1, the F-measure of the words.

    Args:
        prediction: The completion.
        reference: The reference.
        tokenize: What a word is: ``ascii`` for stemmed words of a-z and 0-9, ``unicode`` for words of any script, and
            ``char`` for characters, which suit scripts without spaces, too.
    """
    words = TOKENIZERS[tokenize]
    return bag_f1(Counter(words(prediction)), Counter(words(reference)))


def rouge2(prediction: str, reference: str, *, tokenize: str = ASCII) -> float:
    """Return ROUGE-2, the F-measure of the pairs of adjacent words; 0 for texts of fewer than two words.

    Args:
        prediction: The completion.
        reference: The reference.
        tokenize: What a word is; see `rouge1`.
    """
    words = TOKENIZERS[tokenize]
    return bag_f1(Counter(pairwise(words(prediction))), Counter(pairwise(words(reference))))


def rouge_l(prediction: str, reference: str, *, tokenize: str = ASCII) -> float:
    """Return ROUGE-L, the F-measure of the longest common subsequence of words.

    Args:
        prediction: The completion.
        reference: The reference.
        tokenize: What a word is; see `rouge1`.
    """
    words = TOKENIZERS[tokenize]
    predicted, expected = words(prediction), words(reference)
    return f_measure(longest_common_subsequence(predicted, expected), len(predicted), len(expected))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence by bit vectors (Hyyro 2004).

    Each item of the longer sequence costs one addition of integers with one bit per item of the shorter sequence.
    """
    shorter, longer = sorted((first, second), key=len)
    places: dict[str, int] = {}
    for j, item in enumerate(shorter):
        places[item] = places.get(item, 0) | 1 << j
    full = (1 << len(shorter)) - 1
    state = full  # bit j is 0 if the row of the usual table increases from column j to j + 1
    for item in longer:
        if item in places:
            matched = state & places[item]
            state = ((state + matched) | (state - matched)) & full
    return len(shorter) - state.bit_count()


def _words(text: str) -> list[str]:
    from rouge_score.tokenize import tokenize  # noqa: PLC0415  # slow

    words: list[str] = tokenize(text, _stemmer())
    return words


@cache
def _stemmer() -> SimpleNamespace:
    """Return the stemmer of ``rouge_score`` with a cache of stems, which makes it 15 times as fast."""
    from rouge_score.tokenizers import porter  # noqa: PLC0415  # slow

    return SimpleNamespace(stem=lru_cache(maxsize=2**14)(porter.PorterStemmer().stem))


TOKENIZERS: Mapping[str, Callable[[str], Sequence[str]]] = {ASCII: _words, "unicode": unicode_words, "char": characters}
"""The words of a text, by the name of the tokenizer: ``ascii`` is that of ``rouge_score``; see `unicode_words` and
`characters` for the others, which do not stem."""
