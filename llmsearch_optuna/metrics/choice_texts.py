"""The choice of a question that a completion names by its text."""

import re
from collections.abc import Sequence

from llmsearch_optuna.metrics.letters import without_markup
from llmsearch_optuna.metrics.words import normal_form

__all__ = ["choice_form", "find_choice", "stated_choice"]

_EDGES = " .,;:!?\"'()[]{}\u2018\u2019\u201c\u201d"
_STATED = re.compile(r"(?i:answer(?: is|s? ?:))")
_SENTENCE_END = re.compile(r"\. |\n")
_JOINED = r"A-Za-z0-9\u00c0-\u024f+^/\-"  # characters beside which a text is a part of another one


def choice_form(text: str) -> str:
    """Return the form in which texts of choices are compared: in small letters, without punctuation at the ends."""
    return " ".join(normal_form(without_markup(text)).split()).strip(_EDGES)


def stated_choice(text: str, choices: Sequence[str]) -> int | None:
    """Return the index of the only choice that is the whole text, or what follows its last ``answer is``; else None.

    Args:
        text: The completion.
        choices: The texts of the choices, by `choice_form`.
    """
    _, *stated = _STATED.split(without_markup(text))
    parts = [_SENTENCE_END.split(tail.strip(" :\n"))[0] for tail in stated[-1:]]
    indices = [_only(choice_form(part), choices) for part in (*parts, text)]
    return next((index for index in indices if index is not None), None)


def find_choice(text: str, choices: Sequence[str]) -> int | None:
    """Return the index of the only choice that is the first line of a text or else occurs in it; else None.

    A choice that is a part of another one that occurs does not count. The arguments are those of `stated_choice`.
    """
    index = _only(choice_form(text.strip().partition("\n")[0]), choices)
    if index is not None:
        return index
    form = choice_form(text)
    there = {
        choice
        for choice in choices
        if choice and re.search(rf"(?<![{_JOINED}.]){re.escape(choice)}(?![{_JOINED}]|\.[0-9])", form)
    }
    longest = [choice for choice in there if not any(choice in other and choice != other for other in there)]
    return _only(longest[0], choices) if len(longest) == 1 else None


def _only(form: str, choices: Sequence[str]) -> int | None:
    return choices.index(form) if form and list(choices).count(form) == 1 else None
