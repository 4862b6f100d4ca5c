r"""Numbers as models and people write them.

How it works: `_plain` writes a text with ASCII digits and signs and without LaTeX. `_NUMBER` finds the numbers in it,
each with its sign, currency and scale. `_last` starts from the last of them, and joins it with those before it if the
text between is that of a power, a fraction or a mixed number.

Read are:
    - signs (hyphen, minus, en dash) before a number or its currency. With a space after it, a sign counts only after
      ``=``, ``:`` and opening brackets (``x = - 3``), and before a currency at the start of the text (``- $5``);
    - digits of any script, and groups of digits (``1,234``, ``12,34,567``, ``1.234.567``, ``1'234``, ``1 234``,
      ``1_234``, LaTeX's ``1{,}234``, ``1,\!234``, ``1\,234``, ``$1~234$``). A comma or a point before exactly three
      digits is ambiguous: ``1,234`` is 1234, and ``1.234`` is 1.234;
    - decimal points and commas (``12,50``, ``1.234,50``), and integers in hexadecimal, octal and binary (``0x1F``);
    - fractions (``3/4``, ``1 1/2``, ``1½``, ``\frac{3}{4}``) and powers (``1e-3``, ``3 * 10^5``, ``2**10``). A power
      that is too large to compute is no number;
    - the scales hundred, thousand, million, billion (bn), trillion, lakh, crore, Mio., Mrd., 万, 亿 after a number, and
      ``k``, ``K``, ``M`` if there is no space between (``5 M`` is 5).

Digits after a Latin letter (``CO2``) and the exponents of units (``m^2``) are not numbers. Of a date, a time, a ratio
or a range, only the last part is read; `is_date` detects them.
"""

import re
import unicodedata
from collections import deque
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

__all__ = ["is_date", "last_number"]

_SYMBOL = "[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20c0\ufdfc]"
_CURRENCY = (
    rf"(?:(?:(?<![A-Za-z])[A-Z]{{1,3}})?{_SYMBOL}"
    r"|(?<![A-Za-z])(?:[A-Z]{3}|(?:Rs|[Kk]r|RM|Rp|Fr)\.?|z\u0142|K\u010d|Ft|lei|\u043b\u0432|\u0440\u0443\u0431\.?)) ?"
)
# The lookbehinds tell a sign from the minus of "7-3" and the bullet of "- 3".
_SIGN = rf"(?:(?<![\w)\]%.])-|(?:(?<=[=:(\[{{])|(?<=[=:(\[{{] )|\A(?=- {_CURRENCY}))- )"
# Every repetition is bounded or follows a lookbehind for digits, so that the search takes linear time.
_BASED = r"0(?:[xX][0-9A-Fa-f]+|[oO][0-7]+|[bB][01]+)(?![0-9A-Za-z])"
_ENGLISH = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,2}(?:,[0-9]{2}){1,9},[0-9]{3}(?![0-9])"
_EUROPEAN = (
    r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9])"
    r"|(?<![0-9],)[0-9]+,(?![0-9]{3})[0-9]+(?!,[0-9])"
)
_SPACED = r"[0-9]{1,3}(?P<space>[ '_])[0-9]{3}(?:(?P=space)[0-9]{3})*(?![0-9])(?:[.,][0-9]+)?"
_EXPONENT = r"[eE][-+]?[0-9]{1,3}(?![0-9])"
_LETTERS = {"k": 3, "K": 3, "M": 6}
_WORDS = {
    "hundred": 2,
    "thousand": 3,
    "million": 6,
    "billion": 9,
    "bn": 9,
    "trillion": 12,
    "millions": 6,
    "billions": 9,
    "trillions": 12,
    "mio": 6,
    "mrd": 9,
    "lakh": 5,
    "lakhs": 5,
    "crore": 7,
    "crores": 7,
}
_IDEOGRAPHS = {"\u4e07": 4, "\u842c": 4, "\ub9cc": 4, "\u4ebf": 8, "\u5104": 8, "\uc5b5": 8}
_SCALES = {**_LETTERS, **_WORDS, **_IDEOGRAPHS}
_SCALE = (
    rf"(?P<scale>(?:{'|'.join(_LETTERS)})(?![A-Za-z0-9])|[{''.join(_IDEOGRAPHS)}])"
    rf"|[ -]?(?P<word>(?i:{'|'.join(_WORDS)}))(?![A-Za-z])"
)
_NUMBER = re.compile(
    rf"(?P<minus>{_SIGN})?(?:{_CURRENCY}|(?<![A-Za-z]))"
    rf"(?P<digits>(?<![0-9])(?:(?P<based>{_BASED})|(?:(?P<english>{_ENGLISH})|(?P<european>{_EUROPEAN})"
    rf"|(?P<spaced>{_SPACED})|[0-9]+(?:\.[0-9]+)?|(?<![A-Za-z])\.[0-9]+)(?:{_EXPONENT})?))(?:{_SCALE})?"
)

# What joins two numbers to one.
_SLASH = re.compile(r" ?/ ?")
_POWER = re.compile(r"(?:\^|\*\*)[{(]?(-?)")
_CHAIN = re.compile(rf"{_SLASH.pattern}|{_POWER.pattern}")
_SPACE = re.compile(" ")
_TIMES = re.compile(r" ?[\u00d7*\u00b7x] ?")
_LONGEST_OPERAND = 300  # digits; longer numbers are not joined
_MAX_BITS = 100_000  # larger powers are not computed

_MONTH = (
    r"(?:Jan(?:uary?)?|Feb(?:ruary?)?|Mar(?:ch)?|M\u00e4rz|Apr(?:il)?|Ma[yi]|Jun[ei]?|Jul[yi]?|Aug(?:ust)?"
    r"|Sep(?:t(?:ember)?)?|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?)\.?"
)
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_PART = r"[0-9][0-9.,]*"
_DATE = re.compile(
    # Dates, times, ratios, ranges and dimensions: 2024-05-01, 10:30, 3:4, 10 - 20, 5%-10%, 640x480
    rf"(?<![0-9.,]){_PART}(?:[%\u00b0A-Za-z]{{0,3}}(?: [-:~] |[-:~x\u00d7]){_SYMBOL}?{_PART})+"
    r"|(?<![0-9])(?:[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}|[0-9]{1,4}\.[0-9]{1,2}\.[0-9]{1,4})(?![0-9])"
    rf"|\b{_MONTH} (?:{_DAY}(?:,? [0-9]{{4}})?|[0-9]{{4}})\b|\b{_DAY}\.? {_MONTH}(?:,? [0-9]{{4}})?\b"
    r"|(?<![0-9])[0-9]{1,2} ?[AaPp]\.?[Mm](?![A-Za-z])"
    r"|(?<![0-9])(?:[0-9]{4} ?[\u5e74\ub144]|[0-9]{1,2} ?[\u6708\uc6d4](?: ?[0-9]{1,2} ?[\u65e5\u53f7\u865f\uc77c])?"
    r"|[0-9]{1,2} ?[\u65f6\u6642\u70b9\u9ede\uc2dc] ?[0-9]{1,2} ?[\u5206\ubd84])"
)

_FRACTION = re.compile(
    r"(-?)\\[cdt]?frac ?(?:\{ ?(-?)([0-9][0-9.,]{0,30}) ?\}|([0-9])) ?(?:\{ ?(-?)([0-9][0-9.,]{0,30}) ?\}|([0-9]))"
)
_LATEX = (
    (re.compile(r"(?:\\text ?)?\{,\}|(?<=[0-9])(?:,\\!|\\[,;:! ]|~)(?=[0-9]{3})"), ","),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\times|\\cdot"), "\u00d7"),
    (re.compile(r"\\[A-Za-z]{1,20}"), " "),
)
_UNIT_EXPONENT = re.compile(r"(?<=[A-Za-z)}])(?:\^|_)\{?-?[0-9]{1,9}\}?")
_SUPERSCRIPTS = re.compile(r"[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u207b]{1,5}")
_VULGAR_FRACTION = re.compile(
    r"(\d?)([\u00bc-\u00be\u2150-\u215f\u2189]|[\u00b2\u00b3\u00b9\u2070\u2074-\u2079]{1,9}\u2044[\u2080-\u2089]{1,9})"
)
_WIDE = str.maketrans(
    "\uff0e\u066b\u066c\uff04\uff05\uffe5\uffe1\uffe6\u2044\uff0f\uff1a\uff1d\u2019\u301c\uff5e"
    "\uff0d\ufe63\u2010\u2011\u2012\u2013\u2212",
    "..,$%\u00a5\u00a3\u20a9//:='~~" + "-" * 7,
)

_Value = Decimal | Fraction


class _Expression(NamedTuple):
    """A number with its place in a plain text; its value is None if it is too large to compute."""

    value: _Value | None
    start: int
    end: int


def last_number(text: str) -> Decimal | Fraction | None:
    """Return the last number in a string, without rounding; ``None`` if there is none.

    Valid forms are ``-$1,234.50``, ``$-5``, ``.5``, ``50%`` (as 50), ``1e-3``, ``42.`` at the end of a sentence, and
    those that the module lists. Neither the minus of ``7-3`` nor the bullet of ``- 3`` is a sign.
    """
    expression = _last(_plain(text))
    return None if expression is None else expression.value


def is_date(text: str) -> bool:
    """Return whether the last number of a string is a part of a date, a time, a ratio or a range.

    Examples are ``2024-05-01``, ``May 2024``, ``5月1日``, ``10:30``, ``4 PM``, ``3:4``, ``10-20`` and ``640x480``.
    """
    text = _plain(text)
    expression = _last(text)
    return expression is not None and any(
        date.start() <= expression.start < date.end()
        and (date.start() < expression.start or date.end() > expression.end)  # 3x10^5 is one number
        for date in _DATE.finditer(text)
    )


def _last(text: str) -> _Expression | None:
    """Return the last number of a plain text; None if there is none."""
    matches = deque(_NUMBER.finditer(text), maxlen=4)
    if not matches:
        return None
    gaps = ["", *(text[before.end() : match.start("digits")] for before, match in pairwise(matches))]
    first = len(matches) - 1
    end = matches[first].end()

    def joined(joint: re.Pattern[str]) -> re.Match[str] | None:
        is_operand = first > 0 and all(
            len(match["digits"]) <= _LONGEST_OPERAND for match in (matches[first - 1], matches[first])
        )
        return joint.fullmatch(gaps[first]) if is_operand and not _scale(matches[first - 1]) else None

    number: _Value | None = _magnitude(matches[first])
    if power := joined(_POWER):
        first -= 1
        number = _power(matches[first], matches[first + 1]["digits"], is_negative=bool(power[1]))
        if number is not None and matches[first]["digits"] == "10" and joined(_TIMES):
            first -= 1
            number *= Fraction(_magnitude(matches[first]))
    elif number and joined(_SLASH) and not (first > 1 and _CHAIN.fullmatch(gaps[first - 1])):
        # A chain such as 5/1/2024 is a date and not a fraction.
        first -= 1
        number = Fraction(_magnitude(matches[first])) / Fraction(number)
        is_whole = joined(_SPACE) and matches[first - 1]["digits"].isdigit()
        if number < 1 and is_whole and not (first > 1 and _SLASH.fullmatch(gaps[first - 1])):
            first -= 1
            number += Fraction(_magnitude(matches[first]))
    if number is not None and (scale := _scale(matches[-1])):
        number = Fraction(number) * 10**scale
    while number is not None and first > 0 and not gaps[first] and (scale := _scale(matches[first - 1])):
        first -= 1  # 1万5000
        number = Fraction(number) + Fraction(_magnitude(matches[first])) * 10**scale
    if number is not None and matches[first]["minus"]:
        number = number.copy_negate() if isinstance(number, Decimal) else -number  # the minus of a Decimal rounds
    return _Expression(number, matches[first].start("digits"), end)


def _magnitude(match: re.Match[str]) -> Decimal:
    """Return a number without its sign and its scale."""
    digits = match["digits"]
    if match["based"]:
        return Decimal(int(digits, base=0))
    if match["european"]:
        digits = digits.replace(".", "").replace(",", ".")
    elif match["spaced"]:
        digits = digits.replace(match["space"], "").replace(",", ".")
    return Decimal(digits.replace(",", ""))


def _scale(match: re.Match[str]) -> int:
    """Return the power of ten of the scale after a number; 0 if there is none."""
    return _SCALES[match["scale"] or match["word"].lower()] if match["scale"] or match["word"] else 0


def _power(base: re.Match[str], exponent: str, *, is_negative: bool) -> Fraction | None:
    """Return a power; None if it is too large to compute, or its exponent is not an integer."""
    number = Fraction(_magnitude(base))
    if not re.fullmatch(r"[0-9]{1,6}", exponent) or (not number and is_negative):
        return None
    if int(exponent) * (number.numerator.bit_length() + number.denominator.bit_length()) > _MAX_BITS:
        return None
    return number ** (-int(exponent) if is_negative else int(exponent))


def _plain(text: str) -> str:
    """Return a text with ASCII digits, signs and spaces, without LaTeX commands and exponents of units."""
    text = text.strip()
    if not text.isascii():
        text = re.sub(r"(?<=\d)\uff0c(?=\d{3})", ",", text)
        text = _VULGAR_FRACTION.sub(
            lambda match: f"{match[1]} {unicodedata.normalize('NFKC', match[2])}".lstrip(), text
        )
        text = _SUPERSCRIPTS.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
        text = re.sub(r"[^\x00-\x7f]", lambda match: _ascii(match[0]), text.translate(_WIDE))
    if "\\" in text or "{" in text or text.count("$") > 1:
        text = _FRACTION.sub(_slashed, text)
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return _UNIT_EXPONENT.sub("", text)


def _ascii(character: str) -> str:
    """Return a digit or a space as ASCII, an invisible format character as nothing, others unchanged."""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category == "Zs" else str(unicodedata.decimal(character, character))


def _slashed(match: re.Match[str]) -> str:
    r"""Return LaTeX's ``\frac{3}{4}`` as ``3/4``, with one sign before it."""
    minus, numerator_minus, numerator, digit, denominator_minus, denominator, other_digit = match.groups()
    sign = "-" * ((len(minus) + len(numerator_minus or "") + len(denominator_minus or "")) % 2)
    is_whole_before = not minus and match.string[max(0, match.start() - 1) : match.start()].isdigit()
    return f"{' ' if is_whole_before or sign != minus else ''}{sign}{numerator or digit}/{denominator or other_digit} "
