"""A dataset's conversations: chat messages, checked, and parted into prompt and answer."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from llmsearch_optuna.errors import TaskError

__all__ = ["Conversation", "read_conversation"]


class Conversation(NamedTuple):
    """A conversation.

    Attributes:
        prompt: The messages that the model answers, at least one.
        answer: The assistant's last message, where the conversation ends with one; it is never part of the prompt.
    """

    prompt: list[dict[str, Any]]
    answer: str | None


def read_conversation(messages: object) -> Conversation:
    """Checks chat messages, and parts what the model is to answer from the answer that the data know.

    Each message has a `role` and a `content`, both texts. Further keys (``name``, ``tool_calls``, ...) are left to the
    chat template, or to the server; those that are null are what Arrow makes of keys that only other messages have.

    Raises:
        TaskError: They are no chat messages; the message does not name the row.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise TaskError(f"a list of messages with role and content is needed, got {reprlib.repr(messages)}")
    if not messages:
        raise TaskError("there are no messages")
    checked = [_message(number, message) for number, message in enumerate(messages)]
    answer: str | None = None
    if checked[-1]["role"] == "assistant":
        answer = checked.pop()["content"]
    if not checked:
        raise TaskError("there is no message before the assistant's answer")
    if checked[-1]["role"] == "assistant":
        raise TaskError(
            "it ends with two messages of the assistant, and the model is to write only the last: join them"
        )
    return Conversation(checked, answer)


def _message(number: int, message: object) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise TaskError(f"message {number} needs the keys role and content, got {reprlib.repr(message)}")
    told = {key: value for key, value in message.items() if value is not None}
    if "from" in told and "role" not in told:
        raise TaskError(
            f"message {number} has the keys {' and '.join(map(str, told))}, as in ShareGPT: rename from and value to "
            "role and content, and human and gpt to user and assistant"
        )
    for key in ("role", "content"):
        if key not in told:
            raise TaskError(f"message {number} has no {key}: {reprlib.repr(told)}")
        if not isinstance(told[key], str):
            raise TaskError(f"the {key} of message {number} must be a text, got {reprlib.repr(told[key])}")
    return told
