"""Scores of one prediction against one reference, with the standard library only."""

import re
import string
from collections import Counter, deque
from decimal import Decimal
from typing import Any

__all__ = ["bag_f1", "contains", "exact_match", "f_measure", "last_number", "numeric", "token_f1"]

_NUMBER = re.compile(
    r"(?:(?<![\w)\]%.])(?P<minus>[-\u2212]))?[$€£]?"
    r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+)"
    r"(?P<exponent>[eE][-+]?[0-9]{1,3}(?![0-9]))?"
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


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

    The reference may be a complete GSM8K answer, ``"reasoning #### 1,234"``. If either string has no number, return 0.
    """
    expected = last_number(reference)
    return float(expected is not None and last_number(prediction) == expected)


def last_number(text: str) -> Decimal | None:
    """Return the last number in a string, without rounding; ``None`` if there is none.

    Valid forms are ``-$1,234.50``, ``$-5``, ``.5``, ``50%`` (as 50), ``1e-3``, and ``42.`` at the end of a sentence.
    Neither the minus of ``7-3`` nor the bullet of ``- 3`` is a sign.
    """
    matches = deque(_NUMBER.finditer(text), maxlen=1)
    if not matches:
        return None
    match = matches[0]
    number = Decimal(match["digits"].replace(",", "") + (match["exponent"] or ""))
    return number.copy_negate() if match["minus"] else number


def token_f1(prediction: str, reference: str) -> float:
    """Return F1 of the two bags of words, normalised as for SQuAD (Rajpurkar et al. 2016).

    Strings are converted to lower case, and punctuation and articles are removed. If neither string has a word left,
    return 1 (as for SQuAD 2.0).
    """
    predicted, expected = _words(prediction), _words(reference)
    if not predicted and not expected:
        return 1.0
    return bag_f1(Counter(predicted), Counter(expected))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def bag_f1(predicted: Counter[Any], expected: Counter[Any]) -> float:
    """Return F1 of two multisets."""
    return f_measure((predicted & expected).total(), predicted.total(), expected.total())


def f_measure(common: int, predicted: int, expected: int) -> float:
    """Return the harmonic mean of precision and recall from counts; 0 if nothing is in common."""
    return 2.0 * common / (predicted + expected) if common else 0.0
