"""What a reasoning model thinks before it answers, which is counted but not scored.

How it works: the thought ends at the first end mark of the completion, and the answer follows it. A chat template may
have written the start mark already, so that the completion needs none. A thought without an end leaves an empty answer.
Marks that are special tokens are missing in the text of a completion. They are looked for in its token ids.
"""

import bisect
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.decoding import with_default
from llmsearch_optuna.errors import ConfigurationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Thinking", "ThinkingCutter", "check_thinking", "thinking_cutter"]


_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """The marks around a thought.

    Attributes:
        start: The mark before it.
        end: The mark between it and the answer.
    """

    start: str
    end: str


_FAMILIES = (
    Thinking(start="<think>", end="</think>"),  # Qwen3, DeepSeek-R1, SmolLM3, GLM-4.5, ...
    Thinking(start="[THINK]", end="[/THINK]"),  # Magistral
    Thinking(start="<seed:think>", end="</seed:think>"),  # Seed-OSS
    Thinking(start="<|START_THINKING|>", end="<|END_THINKING|>"),  # Command A
    Thinking(start="<|channel|>analysis<|message|>", end="<|channel|>final<|message|>"),  # gpt-oss
)


@dataclass(frozen=True, kw_only=True)
class ThinkingCutter:
    """Cuts thoughts from completions.

    Attributes:
        marks: The marks around a thought.
        tokenizer: The tokenizer of the completions' token ids; None if an engine returns none.
        is_given: Whether the user gave the marks; otherwise they come from the chat template.
        decode_args: The tokenizer's keyword arguments for completions, with `skip_special_tokens`.
    """

    marks: Thinking
    tokenizer: "PreTrainedTokenizerBase | None"
    is_given: bool
    decode_args: Mapping[str, Any]

    def cut(self, request: Request, completion: Completion) -> Completion:
        """Return a completion with the answer as its text.

        The text of a completion that ends within its thought is empty, and its finish reason is ``"thinking"``.

        Args:
            request: The request of the completion.
            completion: The completion as the engine returned it.
        """
        end, token_ids = self.marks.end, completion.token_ids
        is_visible = end in completion.text
        has_tokens = self.tokenizer is not None and len(token_ids) > 0
        text = completion.text if is_visible or not has_tokens else self._decode(token_ids, skip_special_tokens=False)
        thought, mark, answer = text.partition(end)
        if not mark:
            if not text.lstrip().startswith(self.marks.start) and not self._is_begun_by(request.prompt):
                return completion
            count = completion.token_count
            return dataclasses.replace(completion, text="", finish_reason="thinking", thinking_token_count=count)
        if has_tokens:
            count = self._end_of_thought(token_ids)
            answer = answer if is_visible else request.stopping.cut(self._decode(token_ids[count:]))
        else:
            # If the server reports no number: the thought's share of the text.
            share = (len(thought) + len(end)) / len(text)
            count = completion.thinking_token_count or round(share * completion.token_count)
        return dataclasses.replace(completion, text=answer, thinking_token_count=count)

    def _is_begun_by(self, prompt: str) -> bool:
        return prompt.rstrip().endswith(self.marks.start.rstrip())

    def _decode(self, token_ids: Sequence[int], **changes: bool) -> str:
        assert self.tokenizer is not None  # noqa: S101 - checked by the callers
        return str(self.tokenizer.decode(list(token_ids), **{**self.decode_args, **changes}))

    def _end_of_thought(self, token_ids: Sequence[int]) -> int:
        """Return the number of tokens up to and with the end mark."""

        def has_end(count: int) -> bool:
            return self.marks.end in self._decode(token_ids[:count], skip_special_tokens=False)

        return 1 + bisect.bisect_left(range(1, len(token_ids) + 1), True, key=has_end)


def check_thinking(given: object) -> Mapping[str, str] | bool | None:
    """Validate the marks of thoughts, and return them.

    Raises:
        ConfigurationError: They are not two different strings, False or None.
    """
    if given is None or given is False:
        return given
    if (
        not isinstance(given, Mapping)
        or set(given) != {"start", "end"}
        or not all(isinstance(mark, str) and mark.strip() for mark in given.values())
        or given["start"] == given["end"]
    ):
        raise ConfigurationError(
            '`thinking` must be two marks, as in {start = "<think>", end = "</think>"}, or false for none, got '
            f"{given!r}"
        )
    return given


def thinking_cutter(
    given: Mapping[str, str] | bool | None,
    tokenizer: "PreTrainedTokenizerBase | None",
    decode_args: Mapping[str, Any] | None,
    has_messages: bool,
) -> ThinkingCutter | None:
    """Return what cuts thoughts from completions; None if completions are answers as a whole.

    Args:
        given: The result of `check_thinking`. None chooses the marks that the chat template names.
        tokenizer: The tokenizer of prompts and completions; None if only a server has it.
        decode_args: The tokenizer's keyword arguments for completions.
        has_messages: Whether the prompts are chat messages.
    """
    marks = _marks_in(tokenizer) if given is None and has_messages else None
    if isinstance(given, Mapping):
        marks = Thinking(start=given["start"], end=given["end"])
    if marks is None:
        return None
    if given is None:
        _LOG.info("thoughts end at %r, as the chat template says: they are counted, and not scored", marks.end)
    return ThinkingCutter(
        marks=marks, tokenizer=tokenizer, is_given=given is not None, decode_args=with_default(decode_args)
    )


def _marks_in(tokenizer: "PreTrainedTokenizerBase | None") -> Thinking | None:
    """Return the marks of the first family whose marks the chat template names."""
    template = str(getattr(tokenizer, "chat_template", None) or "")
    return next((marks for marks in _FAMILIES if marks.start in template and marks.end in template), None)
