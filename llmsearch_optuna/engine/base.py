"""What an engine takes and gives: the one seam between the search and the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["Completion", "Engine", "FinishReason", "Request", "Stopping", "TokenCallback"]

FinishReason = Literal["eos", "stop", "length"]

TokenCallback = Callable[[int], None]
"""Told how many tokens were generated since the last call."""


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """What ends a completion before its length limit.

    Attributes:
        eos_token_ids: Tokens that end it.
        strings: Texts that end it; the completion's text is cut before the first of them.
        sequences: Runs of token ids that end it; they stay in the completion's text.
        criteria: Stopping criteria of transformers, called for one row at a time with its unpadded token ids.
    """

    eos_token_ids: tuple[int, ...] = ()
    strings: tuple[str, ...] = ()
    sequences: tuple[tuple[int, ...], ...] = ()
    criteria: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion that is wanted.

    Attributes:
        prompt: The prompt as text.
        prompt_ids: The prompt as token ids, without padding.
        params: What to generate with.
        stopping: What ends the completion.
        row: Its row in the dataset, for messages.
    """

    prompt: str
    prompt_ids: tuple[int, ...]
    params: GenerationParams
    stopping: Stopping
    row: int | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model answered.

    Attributes:
        text: Decoded completion, without the prompt.
        token_ids: Every generated token, the ending one included; empty where an engine does not know them.
        finish_reason: ``"eos"`` (an end token), ``"stop"`` (a stop string or sequence) or ``"length"``.
        replayed: How many of the tokens needed no forward pass of the model, as an earlier row had been there.
        token_count_reported: The number of tokens, where an engine knows that alone.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    replayed: int = field(default=0, compare=False)
    token_count_reported: int = 0

    @property
    def token_count(self) -> int:
        """The number of its tokens; 0 where that is not known."""
        return len(self.token_ids) or self.token_count_reported


class Engine(Protocol):
    """Generates completions.

    A completion depends on the model and on its own request, and on nothing else: not on the other requests, their
    order, or earlier calls.
    """

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request, in the order of the requests.

        Args:
            requests: Any mixture of prompts and parameters.
            on_tokens: Called as tokens are generated.
            upcoming: What the next calls may ask for, the likeliest first: an engine with room to spare may begin on
                it.

        Raises:
            LogitsError: The model's logits hold NaN or inf.
            MemoryExhaustedError: Not even one row fits.
            TrialError: A request cannot be served.
            ServerError: The server that generates is gone.
        """
        ...
