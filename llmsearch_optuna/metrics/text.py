"""Scores of one prediction against one reference, with the standard library only."""

import re
import string
from collections import Counter
from typing import Any

from llmsearch_optuna.metrics.numbers import is_date, last_number
from llmsearch_optuna.metrics.words import separate

__all__ = ["bag_f1", "contains", "exact_match", "f_measure", "numeric", "token_f1"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TOKEN = re.compile(r"\w+|[^\w\s]")


def exact_match(prediction: str, reference: str, *, ignore_case: bool = False) -> float:
    """Return 1 if both strings are equal without white space at the ends, else 0."""
    if ignore_case:
        prediction, reference = prediction.casefold(), reference.casefold()
    return float(prediction.strip() == reference.strip())


def contains(prediction: str, reference: str, *, ignore_case: bool = False) -> float:
    """Return 1 if the reference without white space at the ends occurs in the prediction, else 0."""
    if ignore_case:
        prediction, reference = prediction.casefold(), reference.casefold()
    return float(reference.strip() in prediction)


def numeric(prediction: str, reference: str) -> float:
    """Return 1 if the last numbers of both strings are equal, as for GSM8K (Cobbe et al. 2021), else 0.

    The reference may be a complete GSM8K answer, ``"reasoning #### 1,234"``. If either string has no number, or that of
    the reference is a part of a date or a time, return 0. `last_number` describes what is read as a number.
    """
    expected = last_number(reference)
    return float(expected is not None and last_number(prediction) == expected and not is_date(reference))


def token_f1(prediction: str, reference: str) -> float:
    """Return F1 of the two bags of words, normalised as for SQuAD (Rajpurkar et al. 2016).

    Strings are converted to lower case, and punctuation and articles are removed. Each character of a script without
    spaces between words is a word. If that leaves nothing of the reference ("A", "+"), articles count as words, and
    if it has none, punctuation marks do. If the reference is empty, return 1 for a prediction without words (as for
    SQuAD 2.0), else 0.
    """
    if not reference.strip():
        return float(not _words(prediction))
    expected = _words(reference)
    if expected:
        return bag_f1(Counter(_words(prediction)), Counter(expected))
    split = _words_and_articles if _words_and_articles(reference) else _TOKEN.findall
    return bag_f1(Counter(split(prediction.lower())), Counter(split(reference.lower())))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", _separated(text)).split()


def _words_and_articles(text: str) -> list[str]:
    return _separated(text).split()


def _separated(text: str) -> str:
    """Return a text in lower case without punctuation, with spaces around the characters of scripts without spaces."""
    text = text.lower().translate(_NO_PUNCTUATION)
    return text if text.isascii() else separate(text)


def bag_f1(predicted: Counter[Any], expected: Counter[Any]) -> float:
    """Return F1 of two multisets."""
    return f_measure((predicted & expected).total(), predicted.total(), expected.total())


def f_measure(common: int, predicted: int, expected: int) -> float:
    """Return the harmonic mean of precision and recall from counts; 0 if nothing is in common."""
    return 2.0 * common / (predicted + expected) if common else 0.0
