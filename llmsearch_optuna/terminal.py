"""Safe output of foreign strings on a terminal or in a log file: control characters are shown and have no effect."""

import io
import os
import re
import sys
import unicodedata
from collections.abc import Sequence

__all__ = ["discard_output", "escape_unencodable", "excerpt", "listed", "printable"]

_MOST_LISTED = 6

_UNUSUAL = re.compile(r"[^ -~]")

# Control characters; format characters, which reorder or hide text; lone surrogates; separators of lines.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Zero-width non-joiner and joiner: the spelling of Persian, Indic scripts and emoji needs them.
_JOINERS = "\u200c\u200d"


def printable(text: str, *, newlines: bool = False) -> str:
    r"""Return a string with its control characters escaped, as in ``\x1b[31m``.

    Escape sequences of terminals (C0 and C1), bidirectional controls, invisible characters, NUL bytes and lone
    surrogates become Python's escape sequences. Line feeds are kept if `newlines`. The result can be encoded in UTF-8.
    """

    def visible(match: re.Match[str]) -> str:
        character = match[0]
        if unicodedata.category(character) not in _HIDDEN or character in _JOINERS or (newlines and character == "\n"):
            return character
        return character.encode("unicode_escape").decode("ascii")

    return _UNUSUAL.sub(visible, text)


def excerpt(text: str, max_length: int) -> str:
    """Return a string unchanged, or its first `max_length` characters and the number of those that are left out."""
    if len(text) <= max_length:
        return text
    return f"{text[:max_length]}... ({len(text) - max_length:,} more characters)"


def listed(items: Sequence[object]) -> str:
    """Return a string with the first few items and the number of the others, as in ``1, 2, 4, 5, 7, 8 and 4 more``."""
    more = len(items) - _MOST_LISTED
    return ", ".join(map(str, items[:_MOST_LISTED])) + (f" and {more} more" if more > 0 else "")


def discard_output() -> None:
    """Discard what standard output and standard error can no longer write: the reader has gone, or the disk is full.

    Otherwise, the interpreter tries to write it again when it exits, and reports that this failed.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
        except (AttributeError, ValueError):  # there is no such stream, or it is closed
            continue
    os.close(nowhere)


def escape_unencodable() -> None:
    """Make standard output write characters outside its encoding as backslash escapes, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
