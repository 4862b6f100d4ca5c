"""How a dataset row becomes a prompt."""

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptSource", "SamplePreprocessor"]

SamplePreprocessor = Callable[..., str]
"""``(tokenizer, **columns) -> prompt``, as in llmsearch."""


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """How a dataset row becomes a prompt; exactly one of the three ways.

    Attributes:
        input_cols: Columns that the prompt is made of.
        eval_cols: Columns that the scorer sees as the reference.
        prompt_template: ``str.format`` template over `input_cols`.
        messages: Chat messages (role and ``str.format`` content), put through the tokenizer's chat template; without a
            tokenizer, the prompt is the messages as JSON, for a server with a template of its own.
            A last message of the assistant is the beginning of its answer, which the completion goes on from.
        sample_preprocessor: ``(tokenizer, **columns) -> prompt`` over `input_cols` and `eval_cols`.

    Raises:
        TaskError: None or several ways are given, or a template names a column that is not in `input_cols`.
    """

    input_cols: tuple[str, ...]
    eval_cols: tuple[str, ...]
    prompt_template: str | None = None
    messages: tuple[Mapping[str, str], ...] | None = None
    sample_preprocessor: SamplePreprocessor | None = None

    def __post_init__(self) -> None:
        ways = {
            "prompt_template": self.prompt_template,
            "messages": self.messages,
            "sample_preprocessor": self.sample_preprocessor,
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise TaskError(f"give exactly one of {', '.join(ways)}, got {' and '.join(given) or 'none'}")
        if self.messages is not None and not self.messages:
            raise TaskError("messages is empty: give at least one chat message")
        for message in self.messages or ():
            if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
                raise TaskError(f"a chat message needs the keys role and content, got {message!r}")
            if not all(isinstance(text, str) for text in message.values()):
                raise TaskError(f"role and content of a chat message must be texts, got {dict(message)!r}")
        for template in self._templates():
            for column in _template_columns(template):
                if column not in self.input_cols:
                    columns = ", ".join(self.input_cols)
                    raise TaskError(f"the template names `{{{column}}}`, which is not among input_cols ({columns})")

    @property
    def is_chat(self) -> bool:
        """Whether the prompt comes with its special tokens, because a chat template or the user's code wrote them."""
        return self.prompt_template is None

    def prompt(self, row: Mapping[str, Any], tokenizer: "PreTrainedTokenizerBase | None") -> str:
        """The prompt of one row.

        Raises:
            TaskError: The preprocessor fails or does not return text, or the tokenizer has no chat template.
        """
        inputs = {column: row[column] for column in self.input_cols}
        if self.prompt_template is not None:
            return self.prompt_template.format(**inputs)
        if self.messages is not None:
            chat = [{"role": m["role"], "content": m["content"].format(**inputs)} for m in self.messages]
            if tokenizer is None:
                return json.dumps(chat, ensure_ascii=False)
            goes_on = chat[-1]["role"] == "assistant"
            return str(
                tokenizer.apply_chat_template(
                    chat, tokenize=False, add_generation_prompt=not goes_on, continue_final_message=goes_on
                )
            )
        assert self.sample_preprocessor is not None  # noqa: S101 - checked in __post_init__
        prompt = self.sample_preprocessor(tokenizer, **inputs, **{c: row[c] for c in self.eval_cols if c not in inputs})
        if not isinstance(prompt, str):
            raise TaskError(f"sample_preprocessor must return a string, got {type(prompt).__name__}")
        return prompt

    def _templates(self) -> list[str]:
        if self.prompt_template is not None:
            return [self.prompt_template]
        return [message["content"] for message in self.messages or ()]


def _template_columns(template: str) -> list[str]:
    try:
        fields = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise TaskError(f"the template cannot be read: {error} (write {{{{ and }}}} for braces)") from error
    names = [name.split(".")[0].split("[")[0] for name, _ in fields]
    return [*names, *(nested for _, spec in fields for nested in _template_columns(spec))]
