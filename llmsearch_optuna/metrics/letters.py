"""The letter of a choice in a completion, as models write it."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

__all__ = ["read_letter", "without_markup"]

_MARKUP = (
    (re.compile(r"\\(?:text\w*|math\w+|mbox)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\*|`|\$|__|\\[()\[\]]"), ""),
)
_SPACE = re.compile(r"\s+")
_ANSWER = (
    "(?:answer|antwort|r\u00e9ponse|respuesta|resposta|risposta|\u043e\u0442\u0432\u0435\u0442|\u7b54\u6848"
    "|\u6b63\u89e3|\uc815\ub2f5)s?"
)
_IS = (
    r"(?:(?:is|are|was|would be|should be|must be|will be|seems to be|ist|est|es)(?![A-Za-z])"
    "|\u00e9|\u00e8|\u662f|\u4e3a|\u306f|\uc740|\ub294|:|=|->|-)"
)
_FILLER = (
    rf"(?:\s?(?:{_IS}|(?:to (?:the|this) question|the|most likely|probably|clearly|therefore|thus|correct|best|final"
    r"|option|choice|letter)(?![A-Za-z])))"
)
_CUE = (
    rf"(?<![A-Za-z])(?i:{_ANSWER}{_FILLER}{{0,6}}|(?:option|choice)\s?{_IS}{_FILLER}{{0,4}}"
    rf"|(?:choose|pick|select|go with|opt for){_FILLER}{{0,3}})\s?[(\[\"'\u201c]*"
)
_CORRECT = r"(?:is|was|would be|must be|seems) (?:the )?(?:most likely |clearly )?(?:correct|right|best|true|answer)"
# Words after a letter that show that it is no article and no pronoun.
_NEXT = (
    r"(?:because|since|as|and|or|but|for|due|given|based|so|which|it|if|from"
    r"|is(?! (?:not|wrong|false|incorrect)\b))\b"
)
# Not before these words, which state that a letter is wrong: "Answer C is incorrect", "(C) isn't right".
_WRONG = r"(?:(?:is|was) (?:not(?! only)|wrong|incorrect)|(?:is|was)n['\u2019]t)"
_REJECTED = rf"(?![)\]\"'\u201d]{{0,2}} (?:{_WRONG}|(?:is|was) false)\b)"
_REFUTED = rf"(?![)\]\"'\u201d]{{0,2}} {_WRONG}\b)"  # "Answer B is false" may say that the answer is B, "false"
_LATIN = "A-Za-z0-9\u00c0-\u024f"
_BEFORE = rf"(?<![{_LATIN}])(?<![A-Za-z]['\u2019])"
_AFTER = rf"(?![{_LATIN}+#]|['\u2019-][A-Za-z])"
_NO_WORD = rf"(?!(?<=[AI]) (?!{_NEXT})[a-z])"


class _Rules(NamedTuple):
    boxed: re.Pattern[str]
    stated: re.Pattern[str]
    leading: re.Pattern[str]
    listed: re.Pattern[str]
    single: re.Pattern[str]


def read_letter(text: str, letters: str) -> str | None:
    r"""Return the letter that a text chooses; None if there is none, or more than one.

    Markup of Markdown and LaTeX is removed. The first of these rules that applies decides:

    1. the letter in the last ``\boxed{}``;
    2. the last letter that is stated: ``answer is B``, ``Answer: (b)``, ``the best choice is B``, ``I choose B``,
       ``B is correct`` (and ``answer`` in some other languages), but not ``Answer C is incorrect``;
    3. a letter at the beginning, if it is all (``b``), or ``)``, ``.``, ``:``, ``,``, a dash or a line end follows it,
       or a word such as ``because``, or, except for A and I, a word with a capital (``B Paris``); not if the text lists
       the choices from the first on (``A) ... B) ...``);
    4. the only letter that stands alone as a capital anywhere, if ``not`` or ``isn't`` does not precede it.

    ``A cat`` has an article, and ``I think`` a pronoun. Rules 2 and 3 find nothing in ``A or B``, ``A, B`` and ``A/B``.
    No rule but the first chooses a letter that is rejected: ``C is wrong``, ``(C) is not right``.

    Args:
        text: The completion.
        letters: The letters of the choices, in order, as capitals or digits.
    """
    text = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", without_markup(text))  # so that runs are short
    rules = _rules(letters)
    if boxed := rules.boxed.findall(text):
        return str(boxed[-1]).upper()
    if stated := list(rules.stated.finditer(text)):
        return _chosen(stated[-1])
    leading = rules.leading.match(text)
    listed = [letter.upper() for letter in rules.listed.findall(text)]
    if leading is not None and listed[:2] != list(letters[:2]):
        return _chosen(leading)
    alone = set(rules.single.findall(text))
    return alone.pop() if len(alone) == 1 else None


@lru_cache
def _rules(letters: str) -> _Rules:
    capital = rf"[{re.escape(letters)}]"
    small = f"[{re.escape(letters.lower())}]"
    free = rf"{_BEFORE}(?P<{{}}>{capital}){_AFTER}{_NO_WORD}"
    other = rf"(?:\s?[)\].]?\s?(?:[,/&]|\b(?:or|and|oder|und|ou|et)\b|\u548c|\u6216)\s?[(\[]?{free.format('other')})?"
    end = r"(?=\s?(?:[).,;:\]]|$)|\n)"
    follows = rf"(?=\s?(?:[).,;:\]/&\u2013\u2014-]|$)|\n| {_NEXT}|(?<![AI]) [A-Z0-9])"
    stated = rf"{_CUE}(?:{free.format('capital')}|{_BEFORE}(?P<small>{small}){end}){_REJECTED}"
    judged = rf"(?<!or )(?<!or \(){_BEFORE}(?P<judged>{capital})[)\].:]? {_CORRECT}"
    return _Rules(
        boxed=re.compile(rf"\\(?:boxed|fbox)\s?\{{\s?[(\[]?({capital}|{small})(?![A-Za-z0-9])"),
        stated=re.compile(rf"(?:{stated}|{judged}){other}"),
        leading=re.compile(
            rf"[\s(\[\"'\u201c]*(?:{_BEFORE}(?P<capital>{capital}){_AFTER}{follows}|{_BEFORE}(?P<small>{small})"
            rf"(?=\s?(?:[).:\]]|$)|\n)){_REFUTED}{other}"
        ),
        listed=re.compile(rf"(?:^|(?<=[\s(\[]))({capital}|{small})[).:]"),
        single=re.compile(
            rf"(?<![Nn]ot )(?<![Nn]ot \()(?<!n['\u2019]t ){_BEFORE}({capital}){_AFTER}{_REFUTED}{_NO_WORD}"
        ),
    )


def without_markup(text: str) -> str:
    """Return a text without the markup of Markdown and LaTeX, in one form of Unicode (NFKC)."""
    text = unicodedata.normalize("NFKC", text)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text


def _chosen(match: re.Match[str]) -> str | None:
    letter = next(group for name, group in match.groupdict().items() if group and name != "other").upper()
    return letter if match["other"] in (None, letter) else None
