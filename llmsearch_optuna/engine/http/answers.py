"""What a server answers, checked: it may be anything."""

from collections.abc import Mapping, Sequence
from typing import Any

from llmsearch_optuna.engine.base import Completion, FinishReason

__all__ = ["error_message", "read_completion"]

_LONGEST_MESSAGE = 300


def read_completion(answer: object, *, chat: bool, stops: Sequence[str], max_new_tokens: int) -> Completion:
    """The one completion that an answer holds.

    Args:
        answer: What the server sent, as JSON gives it.
        chat: Whether chat messages were asked.
        stops: The texts that end it; it is cut before the first of them, whether the server did that or not.
        max_new_tokens: The most tokens that were asked for.

    Raises:
        ValueError: The answer is not one to the request; the message says why.
    """
    if not isinstance(answer, Mapping):
        raise ValueError(f"the answer is no JSON object, but {type(answer).__name__}")  # noqa: TRY004
    choices = answer.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, Mapping) for choice in choices):
        raise ValueError(f"the answer has no choices: {error_message(answer)}")
    if len(choices) != 1:
        raise ValueError(f"the answer has {len(choices)} choices in place of 1")
    text = _text(choices[0], chat=chat)
    count = _token_count(answer, choices[0])
    if count > max_new_tokens + 1:  # some count the token that ends it
        raise ValueError(f"the answer has {count} tokens, though `max_tokens` was {max_new_tokens}")
    cuts = [text.index(stop) for stop in stops if stop in text]
    return Completion(
        text=text[: min(cuts)] if cuts else text,
        token_ids=(),
        finish_reason="stop" if cuts else _finish_reason(choices[0], has_stops=bool(stops)),
        token_count_reported=count,
    )


def error_message(answer: object) -> str:
    """What a server says went wrong, shortened."""
    said = answer
    for key in ("error", "message", "detail"):
        if isinstance(said, Mapping) and key in said:
            said = said[key]
    text = said if isinstance(said, str) else repr(said)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."


def _text(choice: Mapping[str, Any], *, chat: bool) -> str:
    where = choice
    if chat:
        message = choice.get("message")
        if not isinstance(message, Mapping):
            raise ValueError("the answer's choice has no message")
        where = message
    text = where.get("content" if chat else "text")
    if text is None and chat:  # a refusal, or reasoning that came to no end
        return ""
    if not isinstance(text, str):
        raise ValueError("the answer's choice has no text")  # noqa: TRY004
    return text


def _token_count(answer: Mapping[str, Any], choice: Mapping[str, Any]) -> int:
    """As many as the server tells; 0 where it does not."""
    usage = answer.get("usage")
    count = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, Mapping):
        for key in ("tokens", "content"):
            if isinstance(logprobs.get(key), list):
                return len(logprobs[key])
    return 0


def _finish_reason(choice: Mapping[str, Any], *, has_stops: bool) -> FinishReason:
    reason = choice.get("finish_reason")
    if reason in ("length", "max_tokens"):
        return "length"
    if reason in ("eos", "eos_token"):
        return "eos"
    # "stop" is either; vLLM and SGLang tell which string it was.
    matched = [choice[key] for key in ("stop_reason", "matched_stop") if key in choice]
    if matched:
        return "stop" if isinstance(matched[0], str) else "eos"
    return "stop" if has_stops or reason != "stop" else "eos"
