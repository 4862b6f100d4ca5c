"""Rows become samples: prompts as text and as token ids, references, and length limits."""

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
    """Refuses, without a tokenizer, rows that no samples can be made of.

    Returns:
        The rows' references.

    Raises:
        TaskError: A column is missing, or does not hold what it should; the message names the row.
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
    """Adds the columns `_X` (prompt) and `_y` (reference, a dict of the evaluation columns).

    Raises:
        TaskError: A column is missing or does not hold what it should, there is no chat template, or the preprocessor
            fails on a row.
    """
    references = check_rows(dataset, source)
    if source.has_messages and tokenizer is not None and not getattr(tokenizer, "chat_template", None):
        raise TaskError("the tokenizer has no chat template: set tokenizer.chat_template, or use a prompt_template")
    rows = _read(dataset, _own_columns(dataset))
    prompts = []
    for index, row in enumerate(rows):
        try:
            prompts.append(source.prompt(row, tokenizer))
            prompts[-1].encode()  # refuses lone surrogates, which are no text
        except TaskError:
            raise
        except Exception as error:  # user code and chat templates may raise anything
            raise TaskError(f"row {index} makes no prompt: {type(error).__name__}: {error}") from error
    columns = {name: [row[name] for row in rows] for name in _own_columns(dataset)}
    return from_columns({**columns, "_X": prompts, "_y": references})


def encode_prompts(
    dataset: datasets.Dataset,
    tokenizer: "PreTrainedTokenizerBase | None",
    *,
    is_chat: bool,
    encode_args: Mapping[str, Any] | None = None,
    limits: Sequence[int | None] | None = None,
) -> list[Sample]:
    """Tokenises the column `_X` of a rendered dataset.

    Args:
        dataset: The result of `render_dataset`.
        tokenizer: The model's tokenizer; without one, only a server knows the tokens, and samples have none.
        is_chat: Whether the prompts come with their special tokens.
        encode_args: The tokenizer's keyword arguments. By default special tokens are added to each plain prompt that
            does not begin with the BOS token. `padding` and `return_tensors` change nothing: prompts are kept unpadded,
            and the engine pads as it needs.
        limits: The most tokens that each row's completion may have; see `token_limits`.

    Raises:
        TaskError: A prompt has no tokens, or the tokenizer does not know or refuses an argument.
    """
    prompts: list[str] = list(dataset["_X"])
    encoded = {} if tokenizer is None else _encoded(prompts, tokenizer, encode_args, is_chat=is_chat)
    samples = [
        Sample(
            row=row,
            prompt=prompt,
            token_ids=tuple(encoded.get(row, ())),
            reference=reference,
            max_new_tokens=None if limits is None else limits[row],
        )
        for row, (prompt, reference) in enumerate(zip(prompts, dataset["_y"], strict=True))
    ]
    for sample in samples:
        if not sample.token_ids and not (tokenizer is None and sample.prompt):
            raise TaskError(f"the prompt of row {sample.row} has no tokens: {sample.prompt!r}")
    return samples


def _encoded(
    prompts: list[str],
    tokenizer: "PreTrainedTokenizerBase",
    encode_args: Mapping[str, Any] | None,
    *,
    is_chat: bool,
) -> dict[int, list[int]]:
    arguments = {key: value for key, value in (encode_args or {}).items() if key not in ("padding", "return_tensors")}
    # Tokenizers drop what they do not know; this one they know without naming it.
    known = {*inspect.signature(tokenizer.__call__).parameters, "split_special_tokens"}
    for argument in arguments:
        if argument not in known:
            raise TaskError(unknown_name("argument in tokenizer_encode_args", argument, known))
    bos = getattr(tokenizer, "bos_token", None)
    special = [not is_chat and not (bos and prompt.startswith(bos)) for prompt in prompts]
    encoded: dict[int, list[int]] = {}
    for add_special_tokens in set(special):
        rows = [row for row, wanted in enumerate(special) if wanted == add_special_tokens]
        try:
            token_ids = tokenizer(
                [prompts[row] for row in rows], **{"add_special_tokens": add_special_tokens, **arguments}
            )["input_ids"]
            encoded.update(zip(rows, token_ids, strict=True))
        except (TypeError, ValueError) as error:
            raise TaskError(f"the tokenizer refuses tokenizer_encode_args {arguments}: {error}") from error
    return encoded


def token_limits(dataset: datasets.Dataset, source: PromptSource) -> list[int | None]:
    """The most tokens that each row's completion may have; ``None`` where the data do not say.

    Raises:
        TaskError: The column is missing, or holds something else than integers >= 1.
    """
    return [source.token_limit(row) for row in _read(dataset, source.columns)]


def read_strata(dataset: datasets.Dataset, column: str) -> list[str]:
    """Each row's value in a column as text, the same for equal values; rows without one (null or NaN) are alike.

    Raises:
        TaskError: The column is missing.
    """
    values = (row[column] for row in _read(dataset, (column,)))
    return [
        json.dumps(None if isinstance(value, float) and math.isnan(value) else value, sort_keys=True, default=str)
        for value in values
    ]


def _own_columns(dataset: datasets.Dataset) -> list[str]:
    return [name for name in dataset.column_names if name not in ("_X", "_y")]


def _read(dataset: datasets.Dataset, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows as plain values, with these columns only."""
    names = _own_columns(dataset)
    missing = [column for column in columns if column not in names]
    if missing:
        raise TaskError(f"the dataset has no column {', '.join(map(repr, missing))}: it has {', '.join(names)}")
    plain = dataset.with_format(None)
    values = [list(plain[name]) for name in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)] or [{}] * len(dataset)
