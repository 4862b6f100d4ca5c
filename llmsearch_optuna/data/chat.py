"""Render chat messages with the chat template of a tokenizer."""

import itertools
import json
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["render_chat", "writes_time"]

_Chat = Sequence[Mapping[str, Any]]


def writes_time(tokenizer: "PreTrainedTokenizerBase | None") -> bool:
    """Return whether a tokenizer's chat template may write the time, e.g. the date of today."""
    return "strftime_now" in str(getattr(tokenizer, "chat_template", ""))


def render_chat(
    chat: list[dict[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    arguments: Mapping[str, Any],
    rendered_at: datetime,
) -> str:
    """Return chat messages, whose contents are strings, as a prompt.

    Args:
        chat: The messages. If the last one is the assistant's, the prompt ends with it.
        tokenizer: Has the chat template.
        arguments: Further arguments of the chat template.
        rendered_at: The time that the template writes.

    Raises:
        TaskError: The template reads contents, but leaves out that of the last message.
        Exception: The template refuses the messages.
    """
    continues = chat[-1]["role"] == "assistant"
    template: dict[str, Any] = {}
    if writes_time(tokenizer):
        clock = _stopped_clock(rendered_at)
        template = {"chat_template": clock + tokenizer.get_chat_template(tools=arguments.get("tools"))}
    untyped: Any = tokenizer
    render = partial(
        untyped.apply_chat_template,
        tokenize=False,
        add_generation_prompt=not continues,
        continue_final_message=continues,
        **template,
        **arguments,
    )
    # A template that does not read contents at all is meant to.
    roles = _roles_with_parts(chat, render) if "content" in str(tokenizer.chat_template) else frozenset()
    return str(render(_with_parts(chat, roles)))


def _roles_with_parts(chat: _Chat, render: Callable[..., Any]) -> frozenset[str]:
    """Return the roles whose content the template reads as a list of parts, as those of multimodal models do.

    Such templates silently leave out a content that is a string. So short marks in place of the contents show what a
    template writes. Strings are preferred.

    Raises:
        TaskError: The template leaves out the content of the last message in either form.
    """
    marks = [f"qx{number}xq" for number in range(len(chat))]
    marked = [{**message, "content": mark} for message, mark in zip(chat, marks, strict=True)]
    best: tuple[frozenset[str], list[str]] | None = None
    for roles in _candidates({str(message["role"]) for message in chat}):
        try:
            rendered = str(render(_with_parts(marked, roles))).casefold()
        except Exception:  # noqa: BLE001, S112 - templates raise anything, and so does the rendering of the chat itself
            continue
        # A template for strings may write the list itself.
        written = [] if roles and "'text':" in rendered else [mark for mark in marks if mark in rendered]
        if best is None or len(written) > len(best[1]):
            best = roles, written
        if len(written) == len(marks):
            break
    if best is None:
        return frozenset()
    if marks[-1] not in best[1]:
        raise TaskError(
            f"the chat template leaves out the content of the last message, whose role is {chat[-1]['role']!r}: change "
            "the template, or use a prompt_template"
        )
    return best[0]


def _candidates(roles: set[str]) -> Iterator[frozenset[str]]:
    """Yield the sets of roles that may have parts: none, all, then the others."""
    yield frozenset()
    for size in range(len(roles), 0, -1):
        yield from map(frozenset, itertools.combinations(sorted(roles), size))


def _with_parts(chat: _Chat, roles: frozenset[str]) -> list[dict[str, Any]]:
    """Return the messages, with a list of one part as the content of those with these roles."""
    parts = ([{"type": "text", "text": m["content"]}] if m["role"] in roles else m["content"] for m in chat)
    return [{**message, "content": content} for message, content in zip(chat, parts, strict=True)]


def _stopped_clock(time: datetime) -> str:
    """Return the beginning of a chat template in which `strftime_now` gives a fixed time.

    The function of transformers reads the clock: a study that goes on tomorrow would get other prompts.
    """
    formatted = {f"%{letter}": time.strftime(f"%{letter}") for letter in string.ascii_letters}
    values = {directive: text for directive, text in formatted.items() if "%" not in text}  # others do not exist
    numbers = {f"%-{directive}": str(int(time.strftime(f"%{directive}"))) for directive in "dmyHIMSj"}
    # The second percent sign of %% begins no directive.
    replaced = {"%%": "\0", **numbers, **values, "\0": "%"}
    changes = "".join(f".replace({json.dumps(old)}, {json.dumps(new)})" for old, new in replaced.items())
    # The empty string keeps a line end at the beginning of the template.
    return f"{{% macro strftime_now(format) -%}}{{{{ format{changes} }}}}{{%- endmacro %}}{{{{ '' }}}}"
