"""Prompts as the turns of a chat, without the tokens of the chat template, for reading only.

How it works: the tokens that chat templates write (``<|im_start|>``, ``[INST]``, ...) have a few recognisable forms.
They cut a prompt into pieces. A piece belongs to the role that its token names (``<|user|>``), or that is the first
word after the token (``<|im_start|>user``). A prompt without roles is one turn. A chat for a server is stored as JSON.
"""

import json
import re
from typing import NamedTuple

__all__ = ["Turn", "chat_turns"]


class Turn(NamedTuple):
    """A turn of a chat.

    Attributes:
        role: ``"system"``, ``"user"``, ``"assistant"`` or ``"tool"``, or another role as the chat names it; empty for a
            prompt that is no chat, and for text outside of all turns.
        text: The text, without white space at its ends.
    """

    role: str
    text: str


_TOKEN = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<\uff5c[^\uff5c<>]{1,40}\uff5c>|<\|[a-z_]{1,20}>|<[a-z_]{1,20}\|>"
    r"|</?s>|<[be]os>|<[BE]OS_TOKEN>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|\[/?SYSTEM_PROMPT\]|\[gMASK\]|<sop>"
)
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "tool": "tool",
    "ipython": "tool",
    "observation": "tool",
    "environment": "tool",
}
_ROLE_TOKENS = {
    "[INST]": "user",
    "[/INST]": "assistant",
    "<<SYS>>": "system",
    "<</SYS>>": "user",
    "[SYSTEM_PROMPT]": "system",
}
_HEADER = re.compile(rf"({'|'.join(_ROLES)})[ \t]*(?:\n|$)", re.IGNORECASE)


def chat_turns(prompt: str) -> tuple[Turn, ...]:
    """Return the turns of a prompt that have a text, from its beginning; one turn without a role if it is no chat."""
    turns = _stored_chat(prompt) or _rendered_chat(prompt)
    return turns if any(turn.role for turn in turns) else (Turn("", prompt),)


def _rendered_chat(prompt: str) -> tuple[Turn, ...]:
    role, start = "", 0
    turns: list[Turn] = []
    tokens = [*_TOKEN.finditer(prompt), None]
    for index, token in enumerate(tokens):
        piece = prompt[start : len(prompt) if token is None else token.start()]
        header = _HEADER.match(piece) if index else None
        if header is not None:
            role = _ROLES[header[1].lower()]
            piece = piece[header.end() :]
        if piece.strip():
            turns.append(Turn(role, piece.strip()))
        if token is not None:
            name = token[0].strip("<|\uff5c>").lower().removesuffix("_token")
            role = _ROLE_TOKENS.get(token[0]) or _ROLES.get(name, role)
            start = token.end()
    return tuple(turns)


def _stored_chat(prompt: str) -> tuple[Turn, ...]:
    """Return the turns of a chat in JSON; none if the prompt is something else."""
    if not prompt.startswith("[{"):
        return ()
    try:
        messages = json.loads(prompt)
        turns = [Turn(str(message["role"]), _text(message["content"])) for message in messages]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(turn for turn in turns if turn.text)


def _text(content: object) -> str:
    """Return the text of a message. Parts of its content that are no texts are shown as JSON."""
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    shown = [
        text if isinstance(text, str) else json.dumps(part, ensure_ascii=False)
        for part, text in zip(parts, texts, strict=True)
    ]
    return "\n".join(shown).strip()
