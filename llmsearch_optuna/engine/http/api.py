"""How a server is asked and how it answers: what differs between the APIs of servers.

How it works: the engine says what it asks for in an `Ask`, and an `API` makes the body of a request of it. Answers are
read in one way, in the form of OpenAI's API, to which each `API` brings its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from llmsearch_optuna.engine.http.answers import error_message
from llmsearch_optuna.engine.http.server import OpenAIServer

__all__ = ["API", "Ask", "OpenAIAPI"]

_UNFINISHED = "Could not finish the message because max_tokens or model output limit was reached"
"""The error of OpenAI's reasoning models in place of an empty answer."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a request asks for.

    Attributes:
        model: The model's name on the server.
        prompt: The fields with the prompt: ``messages`` and what goes with them, or ``prompt``.
        max_new_tokens: The maximum number of tokens.
        stops: The stop strings.
        seed: The seed; None if the server draws no noise of its own.
        sampling: The sampling fields; see `Dialect.sampling_fields`.
    """

    model: str
    prompt: Mapping[str, Any]
    max_new_tokens: int
    stops: tuple[str, ...]
    seed: int | None
    sampling: Mapping[str, Any]


class API(Protocol):
    """The requests and answers of one kind of server."""

    def path(self, *, chat: bool) -> str:
        """Return the path of completions after the server's base URL, for chat messages or for text."""
        ...

    def body(self, ask: Ask, server: OpenAIServer) -> dict[str, Any]:
        """Return the JSON body of a request, with the changes that the server's settings ask for."""
        ...

    def answer(self, content: object) -> object:
        """Return the parsed JSON of an answer in the form of OpenAI's API.

        Raises:
            ValueError: It is no answer; the message says why.
        """
        ...

    def is_answer(self, content: object) -> bool:
        """Return whether the parsed JSON of an error is an answer that a further attempt would not change."""
        ...

    def check_fields(self, names: Iterable[str]) -> None:
        """Raise an error for a field of requests that the server would ignore.

        Raises:
            ParameterError: The message names the field and says what to change.
        """
        ...


class OpenAIAPI:
    """The completions and chat completions of OpenAI's API."""

    def path(self, *, chat: bool) -> str:
        """Return the path of completions after the server's base URL."""
        return "chat/completions" if chat else "completions"

    def body(self, ask: Ask, server: OpenAIServer) -> dict[str, Any]:
        """Return the JSON body of a request."""
        payload = {"model": ask.model, "max_tokens": ask.max_new_tokens, **ask.prompt}
        if ask.stops:
            payload["stop"] = list(ask.stops)
        if ask.seed is not None:
            payload["seed"] = ask.seed
        return {**server.renamed({**payload, **ask.sampling}), **server.extra_body}

    def answer(self, content: object) -> object:
        """Return the answer as it is, and an unfinished thought as an answer without a text."""
        if not self.is_answer(content):
            return content
        return {"choices": [{"text": "", "message": {"content": ""}, "finish_reason": "length"}]}

    def is_answer(self, content: object) -> bool:
        """Return whether an error says that the length limit ended the thought of a reasoning model."""
        return isinstance(content, Mapping) and "error" in content and _UNFINISHED in error_message(content)

    def check_fields(self, names: Iterable[str]) -> None:
        """Accept all fields, because servers refuse or document what they do not know."""
