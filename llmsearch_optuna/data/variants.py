"""The prompts of a dataset for other arguments of the chat template."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import datasets

from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.rendering import encode_prompts, render_dataset
from llmsearch_optuna.data.task import InputLimits, Sample, check_window
from llmsearch_optuna.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptReader", "PromptVariants", "combinations"]


class PromptReader(Protocol):
    """What reads prompts."""

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase | None":
        """What renders and encodes the prompts; None if only a server has it."""

    @property
    def takes_messages(self) -> bool:
        """Whether prompts are chat messages for a server, which renders them with the arguments of the request."""


class PromptVariants:
    """Renders the prompts of each combination of template arguments once.

    Args:
        dataset: The rendered dataset; see `render_dataset`.
        source: How rows become prompts.
        reader: What reads the prompts.
    """

    def __init__(self, dataset: datasets.Dataset, source: DataOptions, reader: PromptReader) -> None:
        self._are_sent = reader.takes_messages
        self._tokenizer = reader.tokenizer
        self._dataset = dataset
        self._source = source
        self._samples: dict[str, list[Sample]] = {}

    def samples(self, arguments: Mapping[str, Any]) -> list[Sample]:
        """Return the samples of all rows, in the order of the rows.

        Args:
            arguments: Arguments of the chat template, in addition to or instead of those of the source.

        Raises:
            TaskError: The prompts are no chat messages, or the template does not read an argument.
        """
        if not self._source.has_messages:
            raise TaskError(
                f"`template.{next(iter(arguments))}` has no effect without chat messages: set `messages` or "
                "`messages_col`, or leave it out of the space"
            )
        key = json.dumps(arguments, sort_keys=True)
        if key not in self._samples:
            template_args = {**(self._source.chat_template_args or {}), **arguments}
            source = dataclasses.replace(self._source, chat_template_args=template_args)
            rendered = render_dataset(self._dataset, source, self._tokenizer)
            self._samples[key] = encode_prompts(rendered, self._tokenizer, source)
        return self._samples[key]

    def check(self, choices: Mapping[str, tuple[Any, ...]], window: InputLimits, max_new_tokens: int) -> None:
        """Render the prompts of all combinations of arguments.

        Args:
            choices: The values of each argument; see `combinations`.
            window: The limits of the model.
            max_new_tokens: Length limit of the completions.

        Raises:
            TaskError: See `samples`, or a prompt and its completion exceed a limit.
        """
        for arguments in () if self._are_sent else combinations(choices):
            check_window(self.samples(arguments), window, max_new_tokens)

    def variant(self, sample: Sample, arguments: Mapping[str, Any]) -> Sample:
        """Return a sample with the prompt for other arguments; see `samples`."""
        return sample if self._are_sent or not arguments else self.samples(arguments)[sample.row]


def combinations(choices: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Yield each combination of values, without the names whose value is None, and without the empty combination."""
    for values in itertools.product(*choices.values()):
        if chosen := {name: value for name, value in zip(choices, values, strict=True) if value is not None}:
            yield chosen
