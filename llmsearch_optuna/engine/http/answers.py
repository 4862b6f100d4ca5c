"""Validate and read the answers of a server."""

import contextlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from llmsearch_optuna.engine.base import Completion, FinishReason, Stopping

__all__ = ["error_message", "finish_reason", "generated_text", "is_answered_by", "nested", "read_completion"]

_MAX_MESSAGE_LENGTH = 300

_LENGTH = ("length", "max_tokens", "max_output_tokens")
_EOS = ("eos", "eos_token")
_STOP = ("stop", "stop_sequence", "end_turn", "tool_calls", "tool_use", "function_call")
_FILTER = ("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "refusal")
_BROKEN = ("error", "abort", "aborted", "cancelled")

_REASONING = ("reasoning_content", "reasoning", "thinking")
"""The fields of a message that may hold the reasoning apart from the answer."""

# A name with the date, number, revision or tag that a server adds to the name it was asked for.
_VERSION = re.compile(r"-(\d{3,}|\d{4}-\d{2}-\d{2}|latest)|[@:][\w.-]+")


class _Message(NamedTuple):
    """What a choice holds.

    Attributes:
        text: The text of the answer; None if there is none.
        reasoning: The reasoning that is reported apart from the text; empty if there is none.
        has_call: Whether there is a tool call.
        is_refused: Whether there is a refusal in place of a text.
    """

    text: str | None
    reasoning: str = ""
    has_call: bool = False
    is_refused: bool = False


def read_completion(answer: object, *, chat: bool, stopping: Stopping, max_new_tokens: int) -> Completion:
    """Return the completion in an answer.

    Args:
        answer: The parsed JSON of the answer.
        chat: Whether the request had chat messages.
        stopping: The request's conditions. The completion is cut before a stop string, even if the server did not
            cut it.
        max_new_tokens: The requested maximum number of tokens.

    Raises:
        ValueError: The answer does not fit the request; the message says why.
    """
    choice = _choice(answer)
    message = _message(choice, chat=chat)
    text = message.text or ""
    count = _token_count(answer, choice)
    thinking_count = min(_thinking_count(answer), count)
    # Some servers count the end token, and some do not limit the reasoning.
    if count - thinking_count > max_new_tokens + 1:
        raise ValueError(f"the answer has {count} tokens, though `max_tokens` was {max_new_tokens}")
    cut = stopping.cut(text)
    return Completion(
        text=cut,
        token_ids=(),
        finish_reason="stop" if cut != text else _finish_reason(choice, message, stopping, chat=chat),
        token_count_reported=count,
        thinking_token_count=thinking_count,
        prompt_token_count=_reported(answer, "usage", "prompt_tokens"),
    )


def generated_text(answer: object, *, chat: bool) -> str:
    """Return everything in an answer that the model wrote: the reasoning, if it is reported, and the text.

    Raises:
        ValueError: The answer has no message or text.
    """
    message = _message(_choice(answer), chat=chat)
    return message.reasoning + (message.text or "")


def finish_reason(answer: object) -> object:
    """Return the finish reason of an answer as the server calls it."""
    return _choice(answer).get("finish_reason")


def is_answered_by(answer: object, names: Collection[str]) -> bool:
    """Return whether an answer comes from one of some models, or does not say where it comes from.

    A server may add a version to a name (``"gpt-4o-2024-08-06"``, ``"model@main"``, ``"llama3:latest"``) or write the
    name with or without the folders before it.
    """
    model = nested(answer, "model")
    if not isinstance(model, str) or not model:
        return True
    return any(_is_same_model(name.casefold(), model.casefold()) for name in names)


def _is_same_model(name: str, answered: str) -> bool:
    return (
        name == answered
        or name.endswith(f"/{answered}")
        or answered.endswith(f"/{name}")
        or (answered.startswith(name) and _VERSION.fullmatch(answered, len(name)) is not None)
    )


def error_message(answer: object) -> str:
    """Return the error message in an answer, shortened to 300 characters.

    Ollama quotes the JSON of the server that it runs, and OpenRouter the answer of the provider in ``metadata.raw``.
    """
    message = answer
    for key in ("error", "error", "error", "message", "detail"):
        if isinstance(message, str) and message.lstrip().startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(message)
        if isinstance(message, Mapping):
            message = nested(message, "metadata", "raw") or message.get(key, message)
    text = message if isinstance(message, str) else repr(message)
    return text if len(text) <= _MAX_MESSAGE_LENGTH else f"{text[:_MAX_MESSAGE_LENGTH]}..."


def nested(answer: object, *keys: str) -> Any:
    """Return the value in nested objects of parsed JSON, None if there is none."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return answer


def _choice(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping):
        raise ValueError(f"the answer is not a JSON object but {type(answer).__name__}")  # noqa: TRY004
    choices = answer.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, Mapping) for choice in choices):
        raise ValueError(f"the answer has no choices: {error_message(answer)}")
    if len(choices) != 1:
        raise ValueError(f"the answer has {len(choices)} choices instead of 1")
    choice: Mapping[str, Any] = choices[0]
    return choice


def _message(choice: Mapping[str, Any], *, chat: bool) -> _Message:
    if not chat:
        if not isinstance(choice.get("text"), str):
            raise ValueError("the answer's choice has no text")
        return _Message(choice["text"], _reasoning(choice))
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise ValueError("the answer's choice has no message")  # noqa: TRY004
    content = message.get("content")
    if isinstance(content, list):  # parts of several types
        parts = [part for part in content if isinstance(part, Mapping)]
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        content = "".join(texts) if texts else None
    if content is not None and not isinstance(content, str):
        raise ValueError("the answer's choice has no text")
    return _Message(
        content,
        _reasoning(message),
        has_call=bool(message.get("tool_calls") or message.get("function_call")),
        is_refused=not content and bool(message.get("refusal")),
    )


def _reasoning(message: Mapping[str, Any]) -> str:
    return next((message[key] for key in _REASONING if isinstance(message.get(key), str) and message[key]), "")


def _token_count(answer: object, choice: Mapping[str, Any]) -> int:
    """Return the number of tokens that the server reports, 0 if it reports none."""
    if count := _reported(answer, "usage", "completion_tokens"):
        return count
    lists = (nested(choice, "logprobs", key) for key in ("tokens", "content"))
    return next((len(tokens) for tokens in lists if isinstance(tokens, list)), 0)


def _thinking_count(answer: object) -> int:
    """Return how many of the tokens are reasoning, 0 if the server does not report it."""
    return _reported(answer, "usage", "completion_tokens_details", "reasoning_tokens") or _reported(
        answer, "usage", "reasoning_tokens"
    )


def _reported(answer: object, *keys: str) -> int:
    """Return the positive integer in nested objects, 0 if there is none."""
    number = nested(answer, *keys)
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else 0


def _finish_reason(choice: Mapping[str, Any], message: _Message, stopping: Stopping, *, chat: bool) -> FinishReason:
    reason = choice.get("finish_reason")
    name = reason.lower() if isinstance(reason, str) else reason
    if name in _BROKEN:
        raise ValueError(f"the server ended the completion with `{name}`")
    if name in _FILTER or message.is_refused:
        return "filter"
    # "stop" may be a stop string or the end token. vLLM and SGLang report which string it was.
    matched = [choice[key] for key in ("stop_reason", "matched_stop") if key in choice]
    if not message.text and (chat or message.reasoning):
        if message.has_call:
            return "tool"
        if name in _LENGTH or (message.reasoning and any(stop in stopping.strings for stop in matched)):
            return "thinking"
        if message.text is None or message.reasoning:
            return "no_text"
    if name in _LENGTH:
        return "length"
    if name in _EOS:
        return "eos"
    # Without a reason the completion may be incomplete.
    if name not in _STOP and (name is not None or matched in ([], [None])):
        return "unknown"
    if matched:
        return "stop" if isinstance(matched[0], str) else "eos"
    return "stop" if stopping.strings or name != "stop" else "eos"
