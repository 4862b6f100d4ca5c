"""Scores of one prediction against one reference, with the standard library only."""

import re
import string
import unicodedata
from collections import Counter
from typing import Any

from llmsearch_optuna.metrics.numbers import is_date, last_number
from llmsearch_optuna.metrics.words import normal_form, separate

__all__ = ["bag_f1", "contains", "exact_answer", "exact_match", "f_measure", "numeric", "token_f1"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TOKEN = re.compile(r"\w+|[^\w\s]")


def exact_match(prediction: str, reference: str, *, ignore_case: bool = False) -> float:
    """Return 1 if both strings are equal without white space at the ends, else 0.

    Composed and decomposed letters are equal, as Unicode defines it (NFC).

    Args:
        prediction: The completion.
        reference: The reference.
        ignore_case: Whether upper and lower case are equal.
    """
    return float(exact_answer(prediction, ignore_case=ignore_case) == exact_answer(reference, ignore_case=ignore_case))


def exact_answer(prediction: str, *, ignore_case: bool = False) -> str | None:
    """Return what `exact_match` compares with the reference; None for an empty text."""
    return _canonical(prediction, ignore_case).strip() or None


def contains(prediction: str, reference: str, *, ignore_case: bool = False) -> float:
    """Return 1 if the reference without white space at the ends occurs in the prediction, else 0.

    A completion that lists all labels contains the right one, too: `exact_match` suits labels better. Composed and
    decomposed letters are equal, as for `exact_match`.

    Args:
        prediction: The completion.
        reference: The reference.
        ignore_case: Whether upper and lower case are equal.
    """
    return float(_canonical(reference, ignore_case).strip() in _canonical(prediction, ignore_case))


def _canonical(text: str, ignore_case: bool) -> str:
    text = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", text.casefold()) if ignore_case else text


def numeric(prediction: str, reference: str) -> float:
    """Return 1 if the last numbers of both strings are equal, as for GSM8K (Cobbe et al. 2021), else 0.

    The reference may be a complete GSM8K answer, ``"reasoning #### 1,234"``. If either string has no number, or the
    number of the reference is part of a date, a time, a ratio or a range (`is_date`), return 0. The module `numbers`
    describes what is read as a number.
    """
    expected = last_number(reference)
    return float(expected is not None and last_number(prediction) == expected and not is_date(reference))


def token_f1(prediction: str, reference: str) -> float:
    """Return F1 of the two bags of words, normalised as for SQuAD (Rajpurkar et al. 2016).

    Strings are converted to lower case and one form of Unicode (NFKC, without invisible format characters), and
    punctuation and articles are removed. Each character of a script without spaces between words is a word. If nothing
    of the reference is left ("A", "+"), articles count as words. If it has no articles either, punctuation marks do. If
    the reference is empty, return 1 for a prediction without words (as for SQuAD 2.0), else 0.
    """
    prediction, reference = normal_form(prediction), normal_form(reference)
    for split in (_words, _words_and_articles, _TOKEN.findall):
        if expected := split(reference):
            return bag_f1(Counter(split(prediction)), Counter(expected))
    return float(not _words(prediction))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", _separated(text)).split()


def _words_and_articles(text: str) -> list[str]:
    return _separated(text).split()


def _separated(text: str) -> str:
    """Return a text without punctuation, with spaces around the characters of scripts without spaces."""
    text = text.translate(_NO_PUNCTUATION)
    return text if text.isascii() else separate(text)


def bag_f1(predicted: Counter[Any], expected: Counter[Any]) -> float:
    """Return F1 of two multisets."""
    return f_measure((predicted & expected).total(), predicted.total(), expected.total())


def f_measure(common: int, predicted: int, expected: int) -> float:
    """Return the harmonic mean of precision and recall from counts; 0 if nothing is in common."""
    return 2.0 * common / (predicted + expected) if common else 0.0
