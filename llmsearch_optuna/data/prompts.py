"""How a dataset row becomes a prompt, a reference and a length limit."""

import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
import reprlib
from typing import NamedTuple

__all__ = ["REFERENCE", "Conversation", "PromptSource", "SamplePreprocessor", "read_columns", "read_conversation"]


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


REFERENCE = "reference"
"""What the scorer finds the assistant's last message under, where that is the reference."""

SamplePreprocessor = Callable[..., str]
"""``(tokenizer, **columns) -> prompt``, as in llmsearch."""


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """How a dataset row becomes a prompt, in exactly one of four ways; and its reference and length limit.

    Attributes:
        input_cols: Columns that the prompt is made of.
        eval_cols: Columns that the scorer sees as the reference. May be left out with `messages_col`: then the
            reference is the assistant's last message, as the column ``reference``.
        prompt_template: ``str.format`` template over `input_cols`.
        messages: Chat messages (role and ``str.format`` content), put through the tokenizer's chat template; without a
            tokenizer, the prompt is the messages as JSON, for a server with a template of its own.
            A last message of the assistant is the beginning of its answer, which the completion goes on from.
        messages_col: Column that holds each row's own chat messages (role and content, taken as they are), which become
            a prompt as `messages` do. A last message of the assistant is the answer that the data know, and is left out
            of the prompt.
        sample_preprocessor: ``(tokenizer, **columns) -> prompt`` over `input_cols` and `eval_cols`.
        max_new_tokens_col: Column that holds the most tokens that each row's completion may have.

    Raises:
        TaskError: None or several ways are given, or a template names a column that is not in `input_cols`.
    """

    input_cols: tuple[str, ...] = ()
    eval_cols: tuple[str, ...] | None = None
    prompt_template: str | None = None
    messages: tuple[Mapping[str, str], ...] | None = None
    messages_col: str | None = None
    sample_preprocessor: SamplePreprocessor | None = None
    max_new_tokens_col: str | None = None

    def __post_init__(self) -> None:
        ways = {
            "prompt_template": self.prompt_template,
            "messages": self.messages,
            "messages_col": self.messages_col,
            "sample_preprocessor": self.sample_preprocessor,
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise TaskError(f"give exactly one of {', '.join(ways)}, got {' and '.join(given) or 'none'}")
        if self.messages_col is not None and self.input_cols:
            raise TaskError("input_cols has no effect with messages_col, which holds the whole prompt: leave it out")
        if self.messages_col is None and self.eval_cols is None:
            raise TaskError("eval_cols may be left out with messages_col only: name the columns of the reference")
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

    @property
    def has_messages(self) -> bool:
        """Whether the prompt is made of chat messages."""
        return self.messages is not None or self.messages_col is not None

    @property
    def begins_the_answer(self) -> bool:
        """Whether the prompt ends within the answer, which the completion goes on from."""
        return self.messages is not None and self.messages[-1]["role"] == "assistant"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        single = [name for name in (self.messages_col, self.max_new_tokens_col) if name is not None]
        return tuple(dict.fromkeys((*self.input_cols, *(self.eval_cols or ()), *single)))

    def reference(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the scorer sees of one row.

        Raises:
            TaskError: The row's messages are none, or are to end with the reference and do not.
        """
        answer = None if self.messages_col is None else self._conversation(row, self.messages_col).answer
        if self.eval_cols is not None:
            return {column: row[column] for column in self.eval_cols}
        if answer is None:
            raise TaskError(
                f"`{self.messages_col}` does not end with a message of the assistant, which would be the reference: "
                "name other columns in eval_cols"
            )
        return {REFERENCE: answer}

    def token_limit(self, row: Mapping[str, Any]) -> int | None:
        """The most tokens that the completion of one row may have; ``None`` if the data do not say.

        Raises:
            TaskError: The column holds something else.
        """
        if self.max_new_tokens_col is None:
            return None
        value = row[self.max_new_tokens_col]
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:  # as CSV files have it
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise TaskError(f"`{self.max_new_tokens_col}` must be an integer >= 1, got {value!r}")
        return value

    def prompt(self, row: Mapping[str, Any], tokenizer: "PreTrainedTokenizerBase | None") -> str:
        """The prompt of one row.

        Raises:
            TaskError: The preprocessor does not return text.
            Exception: Whatever the preprocessor or a template raises; see `render_dataset`.
        """
        if self.messages_col is not None:
            return _chat_prompt(self._conversation(row, self.messages_col).prompt, tokenizer)
        inputs = {column: row[column] for column in self.input_cols}
        if self.prompt_template is not None:
            return self.prompt_template.format(**inputs)
        if self.messages is not None:
            chat = [{"role": m["role"], "content": m["content"].format(**inputs)} for m in self.messages]
            return _chat_prompt(chat, tokenizer)
        assert self.sample_preprocessor is not None  # noqa: S101 - checked in __post_init__
        prompt = self.sample_preprocessor(
            tokenizer, **inputs, **{c: row[c] for c in self.eval_cols or () if c not in inputs}
        )
        if not isinstance(prompt, str):
            raise TaskError(f"sample_preprocessor must return a string, got {type(prompt).__name__}")
        return prompt

    def _conversation(self, row: Mapping[str, Any], column: str) -> Conversation:
        try:
            return read_conversation(row[column])
        except TaskError as error:
            raise TaskError(f"`{column}`: {error}") from error

    def _templates(self) -> list[str]:
        if self.prompt_template is not None:
            return [self.prompt_template]
        return [message["content"] for message in self.messages or ()]


def read_columns(mapping: Mapping[str, Sequence[str]], *, optional: bool) -> dict[str, tuple[str, ...]]:
    """The columns of a `column_mapping`, as llmsearch has it.

    Args:
        mapping: ``{"input_cols": [...], "eval_cols": [...]}``.
        optional: Whether they may be left out.

    Raises:
        TaskError: A key is missing or unknown, or holds no list.
    """
    needed = set() if optional else {"input_cols", "eval_cols"}
    if not needed <= set(mapping) <= {"input_cols", "eval_cols"}:
        raise TaskError(f"column_mapping needs the keys input_cols and eval_cols, got {', '.join(mapping) or 'none'}")
    for key, columns in mapping.items():
        if isinstance(columns, str):
            raise TaskError(f"column_mapping['{key}'] must be a list of columns, got the text {columns!r}")
    return {key: tuple(columns) for key, columns in mapping.items()}


def _chat_prompt(chat: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase | None") -> str:
    if tokenizer is None:
        return json.dumps(chat, ensure_ascii=False)
    goes_on = chat[-1]["role"] == "assistant"
    return str(
        tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=not goes_on, continue_final_message=goes_on
        )
    )


def _template_columns(template: str) -> list[str]:
    try:
        fields = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise TaskError(f"the template cannot be read: {error} (write {{{{ and }}}} for braces)") from error
    names = [name.split(".")[0].split("[")[0] for name, _ in fields]
    return [*names, *(nested for _, spec in fields for nested in _template_columns(spec))]
