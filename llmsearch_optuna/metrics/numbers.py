r"""Numbers as models and people write them.

Read are signs and currencies before a number, digits of any script, groups of digits (``1,234``, ``12,34,567``,
``1.234.567``, ``1'234``, ``1 234``, LaTeX's ``1{,}234``), decimal points and commas (``12,50``, ``1.234,50``),
fractions (``3/4``, ``1 1/2``, ``\frac{3}{4}``) and powers (``1e-3``, ``3 * 10^5``). A comma or a point before exactly
three digits is ambiguous: ``1,234`` is 1234, and ``1.234`` is 1.234. Digits after a Latin letter (``CO2``) and the
exponents of units (``m^2``) are not numbers. Of a date or a time, only the last part is read.
"""

import re
import unicodedata
from collections import deque
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

__all__ = ["is_date", "last_number"]

_CURRENCY = "$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20c0\ufdfc"
_NUMBER = re.compile(
    r"(?:(?<![\w)\]%.])(?P<minus>[-\u2212]))?"
    rf"(?:(?:(?<![A-Za-z])[A-Z]{{1,3}})?[{_CURRENCY}] ?|(?<![A-Za-z])(?:[A-Z]{{3}}|Rs) ?|(?<![A-Za-z]))"
    r"(?P<digits>(?<![0-9])(?:"
    r"(?P<english>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?![0-9]))"
    r"|(?P<european>[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9])"
    r"|(?<![0-9],)[0-9]+,(?![0-9]{3})[0-9]+(?!,[0-9]))"
    r"|(?P<spaced>[0-9]{1,3}(?:(?P<space>[ '\u2019\u00a0\u2009\u202f])[0-9]{3})(?:(?P=space)[0-9]{3})*(?![0-9])"
    r"(?:[.,][0-9]+)?)"
    r"|[0-9]+(?:\.[0-9]+)?|(?<![A-Za-z])\.[0-9]+)"
    r"(?P<exponent>[eE][-+]?[0-9]{1,3}(?![0-9]))?)"
    r"(?: ?/ ?(?P<denominator>[0-9]+(?![0-9]|\.[0-9])))?"
    r"(?: ?[\u00d7*\u00b7x] ?10 ?\^\{?(?P<times_ten>[-\u2212]?[0-9]{1,3})(?![0-9])\}?)?"
    r"(?:\^\{?(?P<power>[-\u2212]?[0-9]{1,2})(?![0-9])\}?)?"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,4}|[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}"
    r"|[0-9]{1,4}\.[0-9]{1,2}\.[0-9]{1,4}|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(?![0-9])"
    rf"|\b{_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? [0-9]{{4}})?\b"
    rf"|\b[0-9]{{1,2}}(?:st|nd|rd|th)?\.? {_MONTH}(?:,? [0-9]{{4}})?\b"
)
_LATEX = (
    (re.compile(r"\{,\}|(?<=[0-9])\\[,;:! ](?=[0-9]{3})"), ","),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[dt]?frac ?(?:\{ ?([0-9]{1,30}) ?\}|([0-9])) ?(?:\{ ?([0-9]{1,30}) ?\}|([0-9]))"), r" \1\2/\3\4 "),
    (re.compile(r"([-\u2212]) (?=[0-9]{1,30}/[0-9]{1,30} )"), r"\1"),
    (re.compile(r"\\times|\\cdot"), "\u00d7"),
    (re.compile(r"\\[A-Za-z]{1,20}"), " "),
)
_UNIT_EXPONENT = re.compile(r"(?<=[A-Za-z)}])(?:\^|_)\{?[-\u2212]?[0-9]{1,9}\}?")
_SUPERSCRIPTS = re.compile(r"[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u207b]{1,5}")
_WIDE = str.maketrans(
    "\uff0e\u066b\u066c\uff0d\ufe63\uff04\uff05\uffe5\uffe1\uffe6\u2044", "..,--$%\u00a5\u00a3\u20a9/"
)
_LONGEST_BASE = 20  # digits; longer ones are not raised to a power


def last_number(text: str) -> Decimal | Fraction | None:
    """Return the last number in a string, without rounding; ``None`` if there is none.

    Valid forms are ``-$1,234.50``, ``$-5``, ``.5``, ``50%`` (as 50), ``1e-3``, ``42.`` at the end of a sentence, and
    those that the module lists. Neither the minus of ``7-3`` nor the bullet of ``- 3`` is a sign.
    """
    text = _plain(text)
    matches = deque(_NUMBER.finditer(text), maxlen=2)
    if not matches:
        return None
    number = _value(matches[-1], text)
    for before, match in pairwise(matches):
        # A mixed number: the fraction follows a whole number after one space.
        whole = Fraction(_value(before, text))
        is_mixed = text[before.end() : match.start()] == " " and before["digits"].isdigit() and not match["minus"]
        if is_mixed and before["denominator"] is None and isinstance(number, Fraction) and 0 < number < 1:
            return whole - number if before["minus"] else whole + number
    return number


def is_date(text: str) -> bool:
    """Return whether the last number of a string is a part of a date or a time, such as ``2024-05-01`` or ``10:30``."""
    text = _plain(text)
    matches = deque(_NUMBER.finditer(text), maxlen=1)
    return bool(matches) and any(
        date.start() <= matches[0].start("digits") < date.end() for date in _DATE.finditer(text)
    )


def _value(match: re.Match[str], text: str) -> Decimal | Fraction:
    digits = match["digits"]
    if match["european"]:
        digits = digits.replace(".", "").replace(",", ".")
    elif match["spaced"]:
        digits = "".join(digits.replace(match["space"], "").replace(",", ".").split())
    number: Decimal | Fraction = Decimal(digits.replace(",", ""))
    if denominator := match["denominator"]:
        start, end = match.span("digits")[0], match.end("denominator")
        # A chain such as 5/1/2024 is a date and not a fraction.
        if text[max(0, start - 1) : start] == "/" or text[end : end + 1] == "/" or not int(denominator[:4300]):
            number = Decimal(denominator)
        else:
            number = Fraction(number) / Fraction(Decimal(denominator))
    if (power := match["power"]) and len(digits) <= _LONGEST_BASE and number:
        number = Fraction(number) ** int(power.replace("\u2212", "-"))
    if times_ten := match["times_ten"]:
        number = Fraction(number) * Fraction(10) ** int(times_ten.replace("\u2212", "-"))
    if isinstance(number, Fraction) and number.denominator == 1:
        number = Decimal(number.numerator)
    if not match["minus"]:
        return number
    return number.copy_negate() if isinstance(number, Decimal) else -number  # the minus of a Decimal rounds


def _plain(text: str) -> str:
    """Return a text with ASCII digits and signs, without LaTeX commands and exponents of units."""
    if not text.isascii():
        text = re.sub(r"(?<=\d)\uff0c(?=\d{3})", ",", text)
        text = text.translate(_WIDE)
        text = _SUPERSCRIPTS.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
        text = re.sub(r"[^\x00-\x7f]", lambda match: str(unicodedata.decimal(match[0], match[0])), text)
    if "\\" in text or "{" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return _UNIT_EXPONENT.sub("", text)
