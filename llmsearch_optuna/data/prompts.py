"""How a dataset row becomes a prompt, a reference and a length limit."""

import functools
import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from llmsearch_optuna.data.chat import render_chat, writes_time
from llmsearch_optuna.data.jinja import JinjaTemplate
from llmsearch_optuna.data.templates import FormatTemplate, Template
from llmsearch_optuna.data.values import as_text, is_missing
from llmsearch_optuna.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "PROMPT_FORMS",
    "REFERENCE",
    "Conversation",
    "PromptSource",
    "SamplePreprocessor",
    "read_columns",
    "read_conversation",
]

_RESERVED_TEMPLATE_ARGS = (
    *("conversation", "messages", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize"),
    *("padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"),
    "tokenizer_kwargs",
)

_JINJA = "content_jinja"

PROMPT_FORMS = ("prompt_template", "prompt_jinja", "messages", "messages_col", "sample_preprocessor")
"""The ways to define a prompt; exactly one of them is given."""

REFERENCE = "reference"
"""The reference's key for the assistant's last message, if `messages_col` is set and `eval_cols` is not."""

SamplePreprocessor = Callable[..., str]
"""``(tokenizer, **columns) -> prompt``, as in the package ``llmsearch``."""


class Conversation(NamedTuple):
    """Chat messages, split into prompt and answer.

    Attributes:
        prompt: The messages that the model answers, at least one.
        answer: The content of the last message if it is the assistant's, else None. It is not part of the prompt.
    """

    prompt: list[dict[str, Any]]
    answer: str | None


def read_conversation(messages: object) -> Conversation:
    """Validate chat messages, and separate the reference answer from the messages before it.

    Each message has a `role` and a `content`, both strings. A list with one part of text, as multimodal models have it,
    is the string in it. A message with ``tool_calls`` may have no content, which is then the empty string; the last
    message needs one. Further keys (``name``, ``tool_calls``, ...) are passed on to the chat template or to the server,
    unless they are null: Arrow adds nulls for the keys of other messages.

    Args:
        messages: The messages, or their JSON.

    Raises:
        TaskError: `messages` are not valid chat messages; the error message does not name the row.
    """
    if isinstance(messages, str) and messages.lstrip().startswith("["):  # from a CSV or a Parquet file
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"the messages are a string that is not JSON: {error}") from error
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise TaskError(f"a list of messages with role and content is needed, got {reprlib.repr(messages)}")
    if not messages:
        raise TaskError("there are no messages")
    last = len(messages) - 1
    checked = [_message(number, message, is_last=number == last) for number, message in enumerate(messages)]
    answer = checked.pop()["content"] if checked[-1]["role"] == "assistant" else None
    if not checked:
        raise TaskError("there is no message before the assistant's answer")
    if checked[-1]["role"] == "assistant":
        raise TaskError(
            "it ends with two messages of the assistant, of which the model writes only the last: join them"
        )
    return Conversation(checked, answer)


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """How a dataset row becomes a prompt, a reference and a length limit.

    Exactly one of `prompt_template`, `prompt_jinja`, `messages`, `messages_col` and `sample_preprocessor` defines the
    prompt.

    Attributes:
        input_cols: Columns of the prompt, or parts of them such as ``answers.text``.
        eval_cols: Columns of the reference, or parts of them, which the scorer receives. Decimals are strings of their
            digits, and dates are strings in ISO format. Optional with `messages_col`: the reference is then the
            assistant's last message, as the column ``reference``.
        prompt_template: ``str.format`` template over `input_cols`.
        prompt_jinja: Jinja2 template over `input_cols`, which are its variables; ``row["a b"]`` is the column ``a b``.
            Blocks are trimmed as in chat templates, and an undefined name is an error.
        messages: Chat messages (role, and ``str.format`` template `content` or Jinja2 template `content_jinja`),
            rendered with the chat template of the tokenizer. Without a tokenizer, the prompt is the messages as JSON,
            for a server with a chat template of its own. If the last message is the assistant's, it is the beginning of
            the answer, which the completion continues.
        messages_col: Column with the chat messages of each row (role and content, without formatting), rendered as
            `messages` are. Nulls within messages of a `datasets.Dataset` are dropped, as Arrow adds them. If the last
            message is the assistant's, it is the reference answer and is left out of the prompt.
        sample_preprocessor: ``(tokenizer, **columns) -> prompt`` over `input_cols` and `eval_cols`.
        max_new_tokens_col: Column with the maximum number of tokens of each row's completion. The smaller of this and
            the trial's own `max_new_tokens` applies.
        chat_template_args: Arguments of the chat template, e.g. ``{"enable_thinking": False}``.
        rendered_at: The local time that a chat template writes.

    Raises:
        TaskError: Not exactly one of these five is given, columns are missing or have no effect, `messages` is invalid,
            or a template is invalid or names a column that is not in `input_cols`.
    """

    input_cols: tuple[str, ...] = ()
    eval_cols: tuple[str, ...] | None = None
    prompt_template: str | None = None
    prompt_jinja: str | None = None
    messages: tuple[Mapping[str, str], ...] | None = None
    messages_col: str | None = None
    sample_preprocessor: SamplePreprocessor | None = field(default=None, metadata={"key": None})
    max_new_tokens_col: str | None = None
    chat_template_args: Mapping[str, Any] | None = None
    rendered_at: datetime = field(default_factory=datetime.now, compare=False, metadata={"key": None})

    def __post_init__(self) -> None:
        given = [name for name in PROMPT_FORMS if getattr(self, name) is not None]
        if len(given) != 1:
            raise TaskError(f"give exactly one of {', '.join(PROMPT_FORMS)}, got {' and '.join(given) or 'none'}")
        if self.messages_col is not None and self.input_cols:
            raise TaskError(
                "`input_cols` has no effect with `messages_col`, which holds the whole prompt: leave it out"
            )
        if self.messages_col is None and self.eval_cols is None:
            raise TaskError("`eval_cols` is optional with `messages_col` only: name the columns of the reference")
        if self.messages is not None and not self.messages:
            raise TaskError("`messages` must contain at least one chat message")
        for message in self.messages or ():
            if not isinstance(message, Mapping) or set(message) not in ({"role", "content"}, {"role", _JINJA}):
                raise TaskError(f"a chat message needs the keys role and content (or {_JINJA}), got {message!r}")
            if not all(isinstance(text, str) for text in message.values()):
                raise TaskError(f"role and content of a chat message must be strings, got {dict(message)!r}")
        if self.chat_template_args is not None:
            self._check_template_args(self.chat_template_args)
        for template in self.templates:
            template.check(self.input_cols, self.eval_cols or ())

    def _check_template_args(self, arguments: object) -> None:
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            raise TaskError(f"`chat_template_args` must be a table of names and values, got {arguments!r}")
        if not self.has_messages:
            raise TaskError("`chat_template_args` has no effect without `messages` or `messages_col`: leave it out")
        if reserved := [name for name in arguments if name in _RESERVED_TEMPLATE_ARGS]:
            raise TaskError(f"`chat_template_args` must not hold {', '.join(reserved)}, which the package sets")

    @property
    def writes_special_tokens(self) -> bool:
        """Whether the prompt already contains its special tokens: a chat template or the preprocessor writes them."""
        return self.prompt_template is None and self.prompt_jinja is None

    @functools.cached_property
    def templates(self) -> tuple[Template, ...]:
        """The templates that are filled with the columns of a row, if any."""
        if self.prompt_template is not None:
            return (FormatTemplate(self.prompt_template),)
        if self.prompt_jinja is not None:
            return (JinjaTemplate(self.prompt_jinja),)
        return tuple(
            JinjaTemplate(message[_JINJA]) if _JINJA in message else FormatTemplate(message["content"])
            for message in self.messages or ()
        )

    @property
    def has_messages(self) -> bool:
        """Whether the prompt consists of chat messages."""
        return self.messages is not None or self.messages_col is not None

    @property
    def begins_the_answer(self) -> bool:
        """Whether the prompt ends with the beginning of the answer, which the completion continues."""
        return self.messages is not None and self.messages[-1]["role"] == "assistant"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in use, without repetitions."""
        single = [name for name in (self.messages_col, self.max_new_tokens_col) if name is not None]
        return tuple(dict.fromkeys((*self.input_cols, *(self.eval_cols or ()), *single)))

    def reference(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reference of one row: its evaluation columns or, without `eval_cols`, the assistant's answer.

        Raises:
            TaskError: The row has no valid chat messages, or they do not end with the answer that is the reference.
        """
        answer = None if self.messages_col is None else self._conversation(row).answer
        if self.eval_cols is not None:
            return {column: as_text(row[column]) for column in self.eval_cols}
        if answer is None:
            raise TaskError(
                f"`{self.messages_col}` does not end with a message of the assistant, which would be the reference: "
                "name other columns in `eval_cols`"
            )
        return {REFERENCE: answer}

    def token_limit(self, row: Mapping[str, Any]) -> int | None:
        """Return the maximum number of tokens of one row's completion; None without `max_new_tokens_col`.

        A string of decimal digits is converted, because all cells of CSV files are strings.

        Raises:
            TaskError: The value is not an integer >= 1.
        """
        if self.max_new_tokens_col is None:
            return None
        value = row[self.max_new_tokens_col]
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:  # from a CSV file
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise TaskError(f"`{self.max_new_tokens_col}` must be an integer >= 1, got {value!r}")
        return value

    def filled(self, row: Mapping[str, Any]) -> list[str]:
        """Return the templates, filled with the columns of one row.

        Raises:
            TaskError: A value is missing, or is no string or number.
            Exception: A format specification does not fit a value.
        """
        return [template.fill(self.input_cols, row) for template in self.templates]

    def gaps(self, row: Mapping[str, Any]) -> list[str]:
        """Return what is empty in the prompt of one row: parts of a template, columns of a preprocessor, or messages.

        The row is valid; see `check_rows`.
        """
        if self.messages_col is not None:
            question = self._conversation(row).prompt[-1]["content"]
            return [] if question.strip() else [self.messages_col]
        if self.sample_preprocessor is not None:
            return [column for column in self.input_cols if is_missing(row[column])]
        return [name for template in self.templates for name in template.blanks(self.input_cols, row)]

    def prompt(self, row: Mapping[str, Any], tokenizer: "PreTrainedTokenizerBase | None") -> str:
        """Return the prompt of one row.

        Raises:
            TaskError: The row has no valid chat messages, a value is missing, or the preprocessor does not return a
                string.
            Exception: The preprocessor or a template failed. `render_dataset` converts such errors to a TaskError.
        """
        if self.messages_col is not None:
            return self.chat_prompt(self._conversation(row).prompt, tokenizer)
        if not self.writes_special_tokens:
            return self.filled(row)[0]
        if self.messages is not None:
            contents = self.filled(row)
            chat = [{"role": m["role"], "content": text} for m, text in zip(self.messages, contents, strict=True)]
            return self.chat_prompt(chat, tokenizer)
        inputs = {column: row[column] for column in self.input_cols}
        assert self.sample_preprocessor is not None  # noqa: S101 - checked in __post_init__
        prompt = self.sample_preprocessor(
            tokenizer, **inputs, **{c: row[c] for c in self.eval_cols or () if c not in inputs}
        )
        if not isinstance(prompt, str):
            raise TaskError(f"sample_preprocessor must return a string, got {type(prompt).__name__}")
        return prompt

    def writes_time(self, tokenizer: "PreTrainedTokenizerBase | None") -> bool:
        """Return whether the chat template may write the time, e.g. the date of today."""
        return self.has_messages and writes_time(tokenizer)

    def chat_prompt(self, chat: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase | None") -> str:
        """Return chat messages as a string: rendered with the chat template of the tokenizer, or JSON without one.

        Raises:
            TaskError: The template leaves out the content of the last message.
            Exception: The template refuses the messages.
        """
        if tokenizer is None:
            return json.dumps(chat, ensure_ascii=False)
        return render_chat(chat, tokenizer, self.chat_template_args or {}, self.rendered_at)

    def _conversation(self, row: Mapping[str, Any]) -> Conversation:
        try:
            return read_conversation(row[str(self.messages_col)])
        except TaskError as error:
            raise TaskError(f"`{self.messages_col}`: {error}") from error


def read_columns(mapping: Mapping[str, Sequence[str]], *, optional: bool) -> dict[str, Any]:
    """Return the fields `input_cols` and `eval_cols` of a `PromptSource` from a `column_mapping` as in ``llmsearch``.

    Args:
        mapping: ``{"input_cols": [...], "eval_cols": [...]}``.
        optional: Whether keys may be missing.

    Raises:
        TaskError: A key is missing or unknown, or its value is a string.
    """
    needed = set() if optional else {"input_cols", "eval_cols"}
    if not needed <= set(mapping) <= {"input_cols", "eval_cols"}:
        raise TaskError(f"column_mapping needs the keys input_cols and eval_cols, got {', '.join(mapping) or 'none'}")
    for key, columns in mapping.items():
        if isinstance(columns, str):
            raise TaskError(f"column_mapping['{key}'] must be a list of columns, got the string {columns!r}")
    return {key: tuple(columns) for key, columns in mapping.items()}


def _message(number: int, message: object, *, is_last: bool) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise TaskError(f"message {number} needs the keys role and content, got {reprlib.repr(message)}")
    given = {key: value for key, value in message.items() if not is_missing(value)}
    if "from" in given and "role" not in given:
        raise TaskError(
            f"message {number} has the keys {' and '.join(map(str, given))}, as in ShareGPT: rename from and value to "
            "role and content, and human and gpt to user and assistant"
        )
    if given.get("tool_calls") and not is_last:  # a last one would be an empty reference
        given.setdefault("content", "")
    parts = given.get("content")
    if isinstance(parts, Sequence) and not isinstance(parts, str):
        given["content"] = _text_of_parts(number, parts)
    for key in ("role", "content"):
        if key not in given:
            raise TaskError(f"message {number} has no {key}: {reprlib.repr(given)}")
        if not isinstance(given[key], str):
            raise TaskError(f"the {key} of message {number} must be a string, got {reprlib.repr(given[key])}")
    return given


def _text_of_parts(number: int, parts: Sequence[Any]) -> object:
    """Return the string of a content that is a list with one part. Chat templates of text models read strings only.

    Raises:
        TaskError: There are several parts, or the part is no text.
    """
    part = parts[0] if len(parts) == 1 else None
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    raise TaskError(
        f"the content of message {number} must be a string or one part of text, got {reprlib.repr(parts)}: join its "
        "texts to one string"
    )
