"""A dataset becomes prompts and references, in the one sample order that all trials share."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets

from llmsearch_optuna.errors import TaskError, unknown_name
from llmsearch_optuna.prompts import PromptSource
from llmsearch_optuna.storage import StoredSample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "Sample",
    "Task",
    "as_dataset",
    "check_columns",
    "check_window",
    "encode_prompts",
    "render_dataset",
]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One dataset row.

    Attributes:
        row: Its position in the dataset.
        prompt: The prompt as text.
        token_ids: The prompt as token ids, without padding; none where only a server has the tokenizer.
        reference: The evaluation columns.
    """

    row: int
    prompt: str
    token_ids: tuple[int, ...]
    reference: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """The samples that trials see, and those that only the verdict sees; both in the shared order.

    Attributes:
        search: Samples of the search split; every trial is scored on a prefix of them.
        holdout: Samples of the hold-out split.
        seed: What the order was drawn with.
    """

    search: tuple[Sample, ...]
    holdout: tuple[Sample, ...]
    seed: int

    @classmethod
    def split(
        cls, samples: Sequence[Sample], *, seed: int, search_size: int | None = None, holdout_size: int = 0
    ) -> "Task":
        """Orders the samples by a hash of (seed, row) and cuts the two splits off the front.

        The order of two rows depends on their numbers and the seed alone: not on which other rows there are, on the
        platform or on a library's version.

        Args:
            samples: All rows.
            seed: Seed of the order.
            search_size: Samples of the search split; all that the hold-out split leaves by default.
            holdout_size: Samples of the hold-out split.

        Raises:
            TaskError: There are fewer samples than the splits need.
        """
        if search_size is None:
            search_size = len(samples) - holdout_size
        if search_size < 1 or holdout_size < 0 or search_size + holdout_size > len(samples):
            raise TaskError(
                f"{len(samples)} samples cannot be split into {search_size} to search on and {holdout_size} to hold "
                "out: change search_size or holdout_size"
            )
        order = sorted(samples, key=lambda sample: _order_key(seed, sample.row))
        return cls(
            search=tuple(order[:search_size]),
            holdout=tuple(order[search_size : search_size + holdout_size]),
            seed=seed,
        )

    def stored(self) -> list[StoredSample]:
        """The search split as the database keeps it."""
        return [
            StoredSample(
                position=position,
                row=sample.row,
                prompt=sample.prompt,
                reference=json.loads(json.dumps(dict(sample.reference), default=str)),
            )
            for position, sample in enumerate(self.search)
        ]

    def fingerprint(self) -> dict[str, str]:
        """What the study's scores depend on: hashes of prompts and references, and the splits."""
        samples = (*self.search, *self.holdout)
        return {
            "prompts": _digest([(sample.prompt, sample.token_ids) for sample in samples]),
            "references": _digest([sample.reference for sample in samples]),
            "splits": f"{len(self.search)} search, {len(self.holdout)} hold-out",
            "sample order seed": str(self.seed),
        }


def as_dataset(data: object) -> datasets.Dataset:
    """A `datasets.Dataset` of a dataset, a list of rows or a mapping of columns.

    Raises:
        TaskError: The data are empty, of another kind, or not of one type per column.
    """
    if isinstance(data, datasets.DatasetDict):
        raise TaskError(
            f"the dataset has several splits: pass one of them, e.g. dataset[{next(iter(data), 'train')!r}]"
        )
    if isinstance(data, datasets.Dataset):
        dataset = data
    elif isinstance(data, Mapping):
        dataset = _from_columns(data)
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        dataset = _from_columns(_columns(data))
    else:
        raise TaskError(f"dataset must be a datasets.Dataset or a list of rows, got {type(data).__name__}")
    if len(dataset) == 0:
        raise TaskError("the dataset is empty: it needs at least one row")
    return dataset


def render_dataset(
    dataset: datasets.Dataset, source: PromptSource, tokenizer: "PreTrainedTokenizerBase | None"
) -> datasets.Dataset:
    """Adds the columns `_X` (prompt) and `_y` (reference, a dict of the evaluation columns).

    Raises:
        TaskError: A column is missing, there is no chat template, or the preprocessor fails on a row.
    """
    names = check_columns(dataset, source)
    if source.messages is not None and tokenizer is not None and not getattr(tokenizer, "chat_template", None):
        raise TaskError("the tokenizer has no chat template: set tokenizer.chat_template, or use a prompt_template")
    plain = dataset.with_format(None)
    columns = {name: list(plain[name]) for name in names}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    prompts = []
    for index, row in enumerate(rows):
        try:
            prompts.append(source.prompt(row, tokenizer))
            prompts[-1].encode()  # refuses lone surrogates, which are no text
        except TaskError:
            raise
        except Exception as error:  # user code and chat templates may raise anything
            raise TaskError(f"row {index} makes no prompt: {type(error).__name__}: {error}") from error
    references = [{column: row[column] for column in source.eval_cols} for row in rows]
    return _from_columns({**columns, "_X": prompts, "_y": references})


def check_columns(dataset: datasets.Dataset, source: PromptSource) -> list[str]:
    """Refuses a dataset without the columns that are asked for.

    Returns:
        The names of all its own columns.

    Raises:
        TaskError: A column is missing.
    """
    names = [name for name in dataset.column_names if name not in ("_X", "_y")]
    missing = [column for column in (*source.input_cols, *source.eval_cols) if column not in names]
    if missing:
        raise TaskError(f"the dataset has no column {', '.join(map(repr, missing))}: it has {', '.join(names)}")
    return names


def encode_prompts(
    dataset: datasets.Dataset,
    tokenizer: "PreTrainedTokenizerBase | None",
    *,
    is_chat: bool,
    encode_args: Mapping[str, Any] | None = None,
) -> list[Sample]:
    """Tokenises the column `_X` of a rendered dataset.

    Args:
        dataset: The result of `render_dataset`.
        tokenizer: The model's tokenizer; without one, only a server knows the tokens, and samples have none.
        is_chat: Whether the prompts come with their special tokens.
        encode_args: The tokenizer's keyword arguments. By default special tokens are added to each plain prompt that
            does not begin with the BOS token. `padding` and `return_tensors` change nothing: prompts are kept unpadded,
            and the engine pads as it needs.

    Raises:
        TaskError: A prompt has no tokens, or the tokenizer does not know or refuses an argument.
    """
    prompts: list[str] = list(dataset["_X"])
    encoded = {} if tokenizer is None else _encoded(prompts, tokenizer, encode_args, is_chat=is_chat)
    samples = [
        Sample(row=row, prompt=prompt, token_ids=tuple(encoded.get(row, ())), reference=reference)
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


def check_window(samples: Sequence[Sample], window: int | None, max_new_tokens: int) -> None:
    """Refuses prompts that leave no room for their completion.

    Args:
        samples: The prompts.
        window: The most tokens of prompt and completion together; ``None`` if there is no limit.
        max_new_tokens: Length limit of the completions.

    Raises:
        TaskError: A prompt and its completion exceed the window; the message names the row.
    """
    for sample in samples:
        length = len(sample.token_ids)
        if window is not None and length + max_new_tokens > window:
            raise TaskError(
                f"the prompt of row {sample.row} has {length} tokens, and {max_new_tokens} new ones exceed the "
                f"model's window of {window}: shorten it, truncate (tokenizer_encode_args), or lower max_new_tokens"
            )


def _columns(rows: Sequence[object]) -> dict[str, list[object]]:
    names: dict[str, None] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TaskError(f"row {index} of the dataset must be a mapping of column to value, got {row!r}")
        names |= dict.fromkeys(row)
    return {name: [row.get(name) for row in rows if isinstance(row, Mapping)] for name in names}


def _from_columns(columns: Mapping[str, Any]) -> datasets.Dataset:
    try:
        return datasets.Dataset.from_dict(dict(columns))
    except (TypeError, ValueError, OverflowError) as error:  # Arrow's errors are among them
        raise TaskError(f"the dataset must have one type per column, and columns of one length: {error}") from error


def _order_key(seed: int, row: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=16).digest()


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
