"""Text of others on a terminal or in a log file: what it holds is shown, and never obeyed."""

import io
import re
import sys
import unicodedata

__all__ = ["escape_unencodable", "excerpt", "printable"]

_UNUSUAL = re.compile(r"[^ -~]")

# Control characters; format characters, which reorder or hide text; lone surrogates; separators of lines.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Zero-width non-joiner and joiner: Persian, Indic scripts and emoji are spelled with them.
_JOINERS = "\u200c\u200d"


def printable(text: str, *, newlines: bool = False) -> str:
    r"""A text whose control characters are written out, as in ``\x1b[31m``, so that a terminal does not obey them.

    Escape sequences of terminals (C0 and C1), bidirectional controls, invisible characters, NUL bytes and lone
    surrogates are all shown as Python writes them. What is left can be encoded in UTF-8.

    Args:
        text: Any text.
        newlines: Leave line feeds as they are.
    """

    def visible(match: re.Match[str]) -> str:
        character = match[0]
        if unicodedata.category(character) not in _HIDDEN or character in _JOINERS or (newlines and character == "\n"):
            return character
        return character.encode("unicode_escape").decode("ascii")

    return _UNUSUAL.sub(visible, text)


def excerpt(text: str, most: int) -> str:
    """The beginning of a text of more than so many characters, and how many are left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]}... ({len(text) - most:,} more characters)"


def escape_unencodable() -> None:
    """Lets standard output write what its encoding lacks as standard error does, with backslashes, and not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
