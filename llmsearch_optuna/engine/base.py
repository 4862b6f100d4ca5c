"""The interface between the search and the engines: requests in, completions out."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["Completion", "Engine", "FinishReason", "Request", "Stopping", "TokenCallback"]

FinishReason = Literal["eos", "stop", "length", "tool", "filter", "no_text", "thinking", "unknown"]
"""Why a completion ended: an end token, another condition of the request, the length limit, or, for an answer of a
server that is no ordinary text or for one without an answer, what it is; see `irregular.IRREGULAR`."""

TokenCallback = Callable[[int], None]
"""Receives the number of tokens generated since the last call."""


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """The conditions that end a completion before its length limit.

    Attributes:
        eos_token_ids: Token ids that end it.
        strings: Strings that end it. The completion's text is cut before the first of them.
        sequences: Sequences of token ids that end it. They stay in the completion's text.
        criteria: Stopping criteria of transformers. Each is called for one completion at a time, with the unpadded
            token ids of prompt and completion, int64, shape (1, length), and with None in place of the scores.
    """

    eos_token_ids: tuple[int, ...] = ()
    strings: tuple[str, ...] = ()
    sequences: tuple[tuple[int, ...], ...] = ()
    criteria: tuple[Callable[..., Any], ...] = ()

    def cut(self, text: str) -> str:
        """Return the text before the first of the strings; all of it if there is none."""
        return text[: min((text.index(string) for string in self.strings if string in text), default=None)]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request for one completion.

    Attributes:
        prompt: The prompt as a string. For a server that receives chat messages, it is their JSON.
        prompt_ids: The prompt as token ids, without padding; empty if only the server has the tokenizer.
        params: The generation parameters.
        stopping: The conditions that end the completion.
        row: The index of the prompt's row in the dataset, for error messages; ignored in comparisons of requests.
    """

    prompt: str
    prompt_ids: tuple[int, ...]
    params: GenerationParams
    stopping: Stopping
    row: int | None = field(default=None, compare=False)

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.prompt, self.prompt_ids, self.params, self.stopping))

    def __hash__(self) -> int:
        """Return the hash, which is computed once: engines look requests up in every step."""
        return self._hash


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The model's answer to one request.

    Attributes:
        text: The decoded completion, without the prompt, cut before a stop string.
        token_ids: All generated tokens, including the one that ends the completion; empty if the engine has only text.
        finish_reason: ``"eos"`` (an end token), ``"length"`` (the length limit) or ``"stop"`` (another condition, or
            a function of the user generated it). Answers of servers may have further ones; see `FinishReason`.
        replayed: The number of tokens that needed no forward pass of the model.
        thinking_token_count: The number of its tokens up to the end of its thought; see `ThinkingCutter`.
        token_count_reported: The number of tokens, as reported by a server that does not return token ids; otherwise 0.
        count_is_estimate: Whether `token_count_reported` was estimated from the text, because the server reports none.
        prompt_token_count: The number of tokens of the prompt, as reported by a server; 0 if it reports none. For other
            engines it is 0, as the request has the tokens.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    replayed: int = field(default=0, compare=False)
    thinking_token_count: int = 0
    token_count_reported: int = 0
    count_is_estimate: bool = field(default=False, compare=False)
    prompt_token_count: int = field(default=0, compare=False)

    @property
    def token_count(self) -> int:
        """The number of tokens; 0 if it is unknown."""
        return len(self.token_ids) or self.token_count_reported


class Engine(Protocol):
    """Generates completions.

    A completion depends only on the model and its own request, not on the other requests, their order, or earlier
    calls. This holds as far as the model or the server allows: for example, rounding may depend on the batch.
    """

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generate one completion per request, in the order of the requests.

        Args:
            requests: Any mixture of prompts and parameters.
            on_tokens: Called as tokens are generated.
            upcoming: Requests that the next calls may contain, the most likely first. An engine with spare capacity
                may start on them.

        Raises:
            ConfigurationError: The engine does not support a parameter or a stopping condition.
            LogitsError: The model's logits contain NaN or inf, or all tokens are banned.
            MemoryExhaustedError: Not even one completion at a time fits into memory.
            TrialError: A request failed.
            ServerError: The server is unreachable or accepts no requests at all.
        """
        ...
