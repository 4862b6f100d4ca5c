"""Words of any script."""

import re
import unicodedata

__all__ = ["characters", "is_unspaced", "normal_form", "separate", "unicode_words"]

# Thai, Lao, Tibetan, Myanmar, Khmer; kana and ideographs, with their extensions and compatibility forms.
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u0f40-\u0fbc\u1000-\u104f\u1780-\u17d3\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
)
_CHARACTER = re.compile(f"[{_UNSPACED}]")


def normal_form(text: str) -> str:
    """Return a text in one form for all compatible writings: full width, ligatures, case, soft hyphens, spaces."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = (character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", "".join(kept))


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a script without spaces between words."""
    return _CHARACTER.match(character) is not None


def separate(text: str) -> str:
    """Return a text without punctuation of any script, with spaces around the characters of scripts without spaces."""
    kept = (character for character in text if not unicodedata.category(character).startswith("P"))
    return _CHARACTER.sub(r" \g<0> ", "".join(kept))


def unicode_words(text: str) -> list[str]:
    """Return the words of a text in any script, in normal form.

    A word is a run of letters, marks and digits. Each character of a script without spaces between words is a word.
    """
    kept = (character if unicodedata.category(character)[0] in "LMN" else " " for character in normal_form(text))
    return _CHARACTER.sub(r" \g<0> ", "".join(kept)).split()


def characters(text: str) -> list[str]:
    """Return the letters, marks and digits of a text, in normal form."""
    return [character for word in unicode_words(text) for character in word]
