"""Words of any script."""

import re
import unicodedata

__all__ = ["characters", "is_unspaced", "separate", "unicode_words"]

# Thai, Lao, Tibetan, Myanmar, Khmer; kana and ideographs, with their extensions and compatibility forms.
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u0f40-\u0fbc\u1000-\u104f\u1780-\u17d3\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
)
_CHARACTER = re.compile(f"[{_UNSPACED}]")


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a script without spaces between words."""
    return _CHARACTER.match(character) is not None


def separate(text: str) -> str:
    """Return a text without punctuation of any script, with spaces around the characters of scripts without spaces."""
    kept = (character for character in text if not unicodedata.category(character).startswith("P"))
    return _CHARACTER.sub(r" \g<0> ", "".join(kept))


def unicode_words(text: str) -> list[str]:
    """Return the words of a text in any script, without regard to case.

    A word is a run of letters, marks and digits. Each character of a script without spaces between words is a word.
    """
    text = unicodedata.normalize("NFC", text).casefold()
    kept = (character if unicodedata.category(character)[0] in "LMN" else " " for character in text)
    return _CHARACTER.sub(r" \g<0> ", "".join(kept)).split()


def characters(text: str) -> list[str]:
    """Return the letters, marks and digits of a text, without regard to case."""
    return [character for word in unicode_words(text) for character in word]
