"""Turn rows into samples: prompts as strings and as token ids, references, and length limits."""

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import datasets

from llmsearch_optuna.data.loading import from_columns
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.errors import TaskError, unknown_name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["check_rows", "encode_prompts", "read_strata", "render_dataset", "token_limits"]


def check_rows(dataset: datasets.Dataset, source: PromptSource) -> list[dict[str, Any]]:
    """Validate everything about the rows that needs no tokenizer, and return their references.

    Raises:
        TaskError: A column is missing, or a row has invalid chat messages or an invalid length limit; the message names
            the column or the row.
    """
    references = []
    for index, row in enumerate(_read(dataset, source.columns)):
        try:
            references.append(source.reference(row))
            source.token_limit(row)
        except TaskError as error:
            raise TaskError(f"row {index}: {error}") from error
    return references


def render_dataset(
    dataset: datasets.Dataset, source: PromptSource, tokenizer: "PreTrainedTokenizerBase | None"
) -> datasets.Dataset:
    """Return the dataset with two additional columns: `_X` (prompt) and `_y` (reference, a dict by evaluation column).

    Columns that already have these names are replaced.

    Args:
        dataset: The rows.
        source: How a row becomes a prompt and a reference.
        tokenizer: Renders chat messages, and is passed to the preprocessor; None if only a server has it.

    Raises:
        TaskError: A column is missing or has a wrong value, there is no chat template, or the preprocessor or a
            template fails on a row.
    """
    references = check_rows(dataset, source)
    if source.has_messages and tokenizer is not None and not getattr(tokenizer, "chat_template", None):
        raise TaskError("the tokenizer has no chat template: set tokenizer.chat_template, or use a prompt_template")
    names = _original_columns(dataset)
    rows = _read(dataset, names)
    prompts = []
    for index, row in enumerate(rows):
        try:
            prompts.append(source.prompt(row, tokenizer))
            prompts[-1].encode()  # raises UnicodeEncodeError for lone surrogates
        except TaskError:
            raise
        except Exception as error:  # user code and chat templates may raise anything
            raise TaskError(f"row {index} makes no prompt: {type(error).__name__}: {error}") from error
    columns = {name: [row[name] for row in rows] for name in names}
    return from_columns({**columns, "_X": prompts, "_y": references})


def encode_prompts(
    dataset: datasets.Dataset,
    tokenizer: "PreTrainedTokenizerBase | None",
    source: PromptSource,
    *,
    encode_args: Mapping[str, Any] | None = None,
) -> list[Sample]:
    """Tokenise the column `_X` of a rendered dataset.

    Args:
        dataset: The result of `render_dataset`.
        tokenizer: The model's tokenizer; if None, the samples have no token ids.
        source: How the rows became prompts, and the column of their length limits.
        encode_args: Keyword arguments of the tokenizer. By default special tokens are added to each prompt of a
            `prompt_template` that does not begin with the BOS token, and to no other prompt. `padding` and
            `return_tensors` are ignored: prompts are stored unpadded, and the engine pads them.

    Raises:
        TaskError: A prompt has no tokens, a length limit is invalid, or the tokenizer rejects an argument.
    """
    prompts: list[str] = list(dataset["_X"])
    encoded = {} if tokenizer is None else _encoded(prompts, tokenizer, encode_args, is_chat=source.is_chat)
    limits = token_limits(dataset, source)
    samples = []
    for row, (prompt, reference, limit) in enumerate(zip(prompts, dataset["_y"], limits, strict=True)):
        token_ids = tuple(encoded.get(row, ()))
        if not (prompt if tokenizer is None else token_ids):
            raise TaskError(f"the prompt of row {row} has no tokens: {prompt!r}")
        samples.append(Sample(row=row, prompt=prompt, token_ids=token_ids, reference=reference, max_new_tokens=limit))
    return samples


def _encoded(
    prompts: list[str],
    tokenizer: "PreTrainedTokenizerBase",
    encode_args: Mapping[str, Any] | None,
    *,
    is_chat: bool,
) -> dict[int, list[int]]:
    arguments = {key: value for key, value in (encode_args or {}).items() if key not in ("padding", "return_tensors")}
    # Tokenizers ignore unknown arguments. They accept this one although their signature lacks it.
    accepted = {*inspect.signature(tokenizer.__call__).parameters, "split_special_tokens"}
    for argument in arguments:
        if argument not in accepted:
            raise TaskError(unknown_name("argument in tokenizer_encode_args", argument, accepted))
    bos = getattr(tokenizer, "bos_token", None)
    special = [not is_chat and not (bos and prompt.startswith(bos)) for prompt in prompts]
    encoded: dict[int, list[int]] = {}
    for add_special_tokens in set(special):
        rows = [row for row, adds in enumerate(special) if adds == add_special_tokens]
        try:
            token_ids = tokenizer(
                [prompts[row] for row in rows], **{"add_special_tokens": add_special_tokens, **arguments}
            )["input_ids"]
            encoded.update(zip(rows, token_ids, strict=True))
        except (TypeError, ValueError) as error:
            raise TaskError(f"the tokenizer rejects `tokenizer_encode_args` {arguments}: {error}") from error
    return encoded


def token_limits(dataset: datasets.Dataset, source: PromptSource) -> list[int | None]:
    """Return the maximum number of tokens of each row's completion; all None without `max_new_tokens_col`.

    Raises:
        TaskError: The column is missing, or a value is not an integer >= 1.
    """
    columns = [] if source.max_new_tokens_col is None else [source.max_new_tokens_col]
    return [source.token_limit(row) for row in _read(dataset, columns)]


def read_strata(dataset: datasets.Dataset, column: str) -> list[str]:
    """Return each row's value in a column as JSON, equal for equal values; null and NaN are equal.

    Raises:
        TaskError: The column is missing.
    """
    values = [row[column] for row in _read(dataset, (column,))]
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    return [json.dumps(value, sort_keys=True, default=str) for value in values]


def _original_columns(dataset: datasets.Dataset) -> list[str]:
    return [name for name in dataset.column_names if name not in ("_X", "_y")]


def _read(dataset: datasets.Dataset, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows as plain Python values, with these columns only."""
    names = _original_columns(dataset)
    missing = [column for column in columns if column not in names]
    if missing:
        raise TaskError(f"the dataset has no column {', '.join(map(repr, missing))}: it has {', '.join(names)}")
    plain = dataset.with_format(None)
    values = [list(plain[name]) for name in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)] or [{}] * len(dataset)
