"""Turn rows into samples: prompts as strings and as token ids, references, and length limits."""

import difflib
import inspect
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import datasets
from jinja2 import Environment, TemplateError
from jinja2.meta import find_undeclared_variables

from llmsearch_optuna.data.loading import from_columns
from llmsearch_optuna.data.nested import drop_nulls, exact_column, read_column
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.task import Sample, Task
from llmsearch_optuna.data.values import find_parts
from llmsearch_optuna.errors import TaskError, unknown_name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "check_rows",
    "check_splits",
    "encode_prompts",
    "make_task",
    "read_strata",
    "render_dataset",
]

_LOG = logging.getLogger(__name__)

_RENDERED_TWICE = 64
"""The maximum number of rows, evenly spaced, that are rendered twice to find prompts that change."""


def check_rows(dataset: datasets.Dataset, source: PromptSource) -> list[dict[str, Any]]:
    """Validate everything about the rows that needs no tokenizer, and return their references.

    Raises:
        TaskError: A column is missing, or a row has invalid chat messages, an invalid length limit, or a missing value
            in its prompt; the message names the column or the row.
    """
    references = []
    for index, row in enumerate(_read(dataset, source.columns, source.messages_col)):
        try:
            references.append(source.reference(row))
            source.token_limit(row)
            source.filled(row)
        except TaskError as error:
            raise TaskError(f"row {index}: {error}") from error
        except Exception as error:  # a format specification may raise anything
            raise _no_prompt(index, error) from error
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
    if source.has_messages and tokenizer is not None:
        _check_chat_template(tokenizer, source)
    rows = _read(dataset, source.columns, source.messages_col)
    _warn_of_gaps(rows, source)
    prompts = []
    for index, row in enumerate(rows):
        try:
            prompts.append(source.prompt(row, tokenizer))
            prompts[-1].encode()  # raises UnicodeEncodeError for lone surrogates
        except TaskError:
            raise
        except Exception as error:  # user code and chat templates may raise anything
            raise _no_prompt(index, error) from error
    _warn_of_changes(rows, prompts, source, tokenizer)
    added = from_columns({"_X": prompts, "_y": exact_column(references)})
    originals = dataset.with_format("arrow").select_columns(_original_columns(dataset))
    table = originals[:].replace_schema_metadata()
    for name in added.column_names:
        table = table.append_column(added.data.schema.field(name), added.data.column(name))
    info = datasets.DatasetInfo(features=datasets.Features({**originals.features, **added.features}))
    return datasets.Dataset(datasets.table.InMemoryTable(table), info=info)


def encode_prompts(
    dataset: datasets.Dataset, tokenizer: "PreTrainedTokenizerBase | None", source: DataOptions
) -> list[Sample]:
    """Tokenise the column `_X` of a rendered dataset.

    Args:
        dataset: The result of `render_dataset`.
        tokenizer: The model's tokenizer; if None, the samples have no token ids.
        source: How the rows became prompts, the column of their length limits, and the arguments of the tokenizer. Of
            these, `padding` and `return_tensors` are ignored: prompts are stored unpadded, and the engine pads them.

    Raises:
        TaskError: A prompt has no tokens, a length limit is invalid, the tokenizer rejects an argument, or truncation
            cuts off the end of chat messages.
    """
    prompts: list[str] = list(dataset["_X"])
    encoded = {} if tokenizer is None else _encoded(prompts, tokenizer, source)
    column = source.max_new_tokens_col
    limits = [source.token_limit(row) for row in _read(dataset, () if column is None else (column,))]
    samples = []
    for row, (prompt, reference, limit) in enumerate(zip(prompts, read_column(dataset, "_y"), limits, strict=True)):
        token_ids = tuple(encoded.get(row, ()))
        if not (prompt if tokenizer is None else token_ids):
            raise TaskError(f"the prompt of row {row} has no tokens: {prompt!r}")
        samples.append(Sample(row=row, prompt=prompt, token_ids=token_ids, reference=reference, max_new_tokens=limit))
    return samples


def _encoded(prompts: list[str], tokenizer: "PreTrainedTokenizerBase", source: DataOptions) -> dict[int, list[int]]:
    ignored = ("padding", "return_tensors")
    arguments = {key: value for key, value in (source.encode_args or {}).items() if key not in ignored}
    # Tokenizers ignore unknown arguments. They accept this one although their signature lacks it.
    accepted = {*inspect.signature(tokenizer.__call__).parameters, "split_special_tokens", "truncation_side"}
    for argument in arguments:
        if argument not in accepted:
            raise TaskError(unknown_name("argument in tokenizer_encode_args", argument, accepted))
    side = tokenizer.truncation_side
    try:
        tokenizer.truncation_side = arguments.pop("truncation_side", side)
        encoded = _token_ids(prompts, tokenizer, arguments, source)
        if arguments.get("truncation") or "max_length" in arguments:
            _check_cuts(prompts, encoded, tokenizer, arguments, source)
    finally:
        tokenizer.truncation_side = side
    return encoded


def _token_ids(
    prompts: list[str], tokenizer: "PreTrainedTokenizerBase", arguments: Mapping[str, Any], source: PromptSource
) -> dict[int, list[int]]:
    bos = getattr(tokenizer, "bos_token", None)
    special = [not source.writes_special_tokens and not (bos and prompt.startswith(bos)) for prompt in prompts]
    encoded: dict[int, list[int]] = {}
    for add_special_tokens in set(special):
        rows = [row for row, adds in enumerate(special) if adds == add_special_tokens]
        try:
            token_ids = tokenizer(
                [prompts[row] for row in rows], **{"add_special_tokens": add_special_tokens, **arguments}
            )["input_ids"]
        except (TypeError, ValueError, OverflowError) as error:
            raise TaskError(f"the tokenizer rejects `tokenizer_encode_args` {arguments}: {error}") from error
        if len(token_ids) != len(rows):  # return_overflowing_tokens
            parts = f"they make {len(token_ids)} parts of {len(rows)} prompts"
            raise TaskError(f"the tokenizer rejects `tokenizer_encode_args` {dict(arguments)}: {parts}")
        encoded.update(zip(rows, token_ids, strict=True))
    return encoded


def _check_cuts(
    prompts: list[str],
    encoded: Mapping[int, list[int]],
    tokenizer: "PreTrainedTokenizerBase",
    arguments: Mapping[str, Any],
    source: PromptSource,
) -> None:
    """Say which prompts truncation has cut, and what is left at the cut.

    Raises:
        TaskError: It cuts off the end of chat messages: the question, and the beginning of the assistant's turn.
    """
    uncut = {name: value for name, value in arguments.items() if name not in ("max_length", "stride")}
    whole = _token_ids(prompts, tokenizer, {**uncut, "truncation": False}, source)
    cut = [row for row in sorted(encoded) if len(encoded[row]) < len(whole[row])]
    if not cut:
        return
    text = str(tokenizer.decode(encoded[cut[0]]))
    number = f"tokenizer_encode_args cut {len(cut)} of {len(prompts)} prompts"
    if tokenizer.truncation_side == "left":
        _LOG.warning("%s at their beginning: that of row %d now begins with %r", number, cut[0], text[:50])
    elif source.has_messages:
        raise TaskError(
            f"{number} at their end, with the beginning of the assistant's turn: that of row {cut[0]} ends with "
            f"{text[-50:]!r}. Shorten the columns, raise max_length, or add truncation_side = 'left'"
        )
    else:
        _LOG.warning("%s at their end: that of row %d now ends with %r", number, cut[0], text[-50:])


def _check_chat_template(tokenizer: "PreTrainedTokenizerBase", source: PromptSource) -> None:
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise TaskError("the tokenizer has no chat template: set tokenizer.chat_template, or use a prompt_template")
    named = template.values() if isinstance(template, Mapping) else [template]  # a tokenizer may have several by name
    read = {variable for part in named for variable in _variables(str(part))}
    for name in source.chat_template_args or ():
        if name not in read:
            raise TaskError(f"`chat_template_args` names `{name}`, which the chat template does not read: leave it out")


def _variables(template: str) -> set[str]:
    """Return the variables that a template reads; all of its words if it has tags of its own (`generation`)."""
    environment = Environment(extensions=["jinja2.ext.loopcontrols"])  # noqa: S701  # nothing is rendered
    try:
        return find_undeclared_variables(environment.parse(template))
    except TemplateError:
        return set(re.findall(r"\w+", template))


def _warn_of_changes(
    rows: Sequence[Mapping[str, Any]],
    prompts: Sequence[str],
    source: PromptSource,
    tokenizer: "PreTrainedTokenizerBase | None",
) -> None:
    """Warn if the prompt of a row changes when it is rendered again, as with a random choice."""
    if source.writes_special_tokens:
        for index in range(0, len(rows), math.ceil(len(rows) / _RENDERED_TWICE)):
            if source.prompt(rows[index], tokenizer) != prompts[index]:
                _LOG.warning(
                    "row %d gives another prompt each time it is rendered (by the clock, or a random choice): a study "
                    "with such prompts cannot be resumed",
                    index,
                )
                return


def _warn_of_gaps(rows: Sequence[Mapping[str, Any]], source: PromptSource) -> None:
    """Warn of empty values, as empty cells of a CSV file are, that leave holes in the prompts."""
    by_name: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        for name in source.gaps(row):
            by_name.setdefault(name, []).append(index)
    for name, gaps in by_name.items():
        effect = "passed to sample_preprocessor" if source.sample_preprocessor else "which leaves a hole in the prompt"
        _LOG.warning("`%s` is empty in %d of %d rows (first: row %d), %s", name, len(gaps), len(rows), gaps[0], effect)


def _no_prompt(row: int, error: Exception) -> TaskError:
    return TaskError(f"row {row} makes no prompt: {type(error).__name__}: {error}")


def check_splits(dataset: datasets.Dataset, source: DataOptions) -> None:
    """Validate the splits of a dataset, and warn if there will be no verdict.

    Raises:
        TaskError: The column of the strata is missing, or there are fewer rows than the splits need.
    """
    if source.holdout_stratify_col is not None:
        read_strata(dataset, source.holdout_stratify_col)
    source.check_sizes(len(dataset))


def make_task(source: DataOptions, samples: Sequence[Sample], dataset: datasets.Dataset, *, seed: int) -> Task:
    """Return the samples of a dataset in their shared order, split; see `Task.split`.

    Raises:
        TaskError: The column of the strata is missing, or the samples cannot be split.
    """
    column = source.holdout_stratify_col
    return Task.split(
        samples,
        seed=seed,
        search_size=source.search_size,
        holdout_size=source.holdout_size,
        holdout_stratify_col=column,
        strata=None if column is None else read_strata(dataset, column),
    )


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


def _read(dataset: datasets.Dataset, columns: Sequence[str], messages_col: str | None = None) -> list[dict[str, Any]]:
    """Return the rows as plain Python values, with these columns only; the one of messages without added nulls."""
    names = _original_columns(dataset)
    paths = {column: [column] if column in names else column.split(".") for column in columns}
    if missing := [column for column, path in paths.items() if path[0] not in names]:
        raise TaskError(_missing_columns(missing, dataset))
    values = []
    for column, (name, *parts) in paths.items():
        whole = read_column(dataset, name)
        if column == messages_col:
            whole = [drop_nulls(value, dataset.features[name]) for value in whole]
        try:
            values.append(find_parts(whole, parts))
        except TaskError as error:
            raise TaskError(f"the dataset has no column {column!r}: in `{name}`, {error}") from error
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)] or [{}] * len(dataset)


def _missing_columns(missing: Sequence[str], dataset: datasets.Dataset) -> str:
    names = _original_columns(dataset)
    message = f"the dataset has no column {', '.join(map(repr, missing))}: it has {', '.join(names)}"
    if len(names) == 1 and (marks := [mark for mark in ",;\t|" if mark in names[0]]):
        message += f" (if its columns are separated by {marks[0]!r}: .csv means ',', and .tsv means tabs)"
    is_rendered = isinstance(dataset.features.get("_y"), Mapping)
    if not is_rendered and (reserved := [name for name in missing if name in dataset.column_names]):
        return f"{message}, as {' and '.join(reserved)} stands for what is made of a row: rename the column"
    near = [name for name in names if name.strip() in missing]
    near += [match for name in missing for match in difflib.get_close_matches(name, names, n=1) if match not in near]
    return f"{message}; did you mean {', '.join(map(repr, near))}?" if near else message
