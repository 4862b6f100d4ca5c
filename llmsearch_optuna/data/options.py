"""The options of a dataset, validated: arguments of `Tuner`, and keys of ``[data]`` in a study file."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.task import check_sizes
from llmsearch_optuna.errors import TaskError, check_minimum

__all__ = ["DataOptions"]

_LOG = logging.getLogger(__name__)

_FEW = 20


@dataclass(frozen=True, kw_only=True)
class DataOptions(PromptSource):
    """How rows become prompts, how prompts and completions are tokenised, and how the samples are split.

    Attributes:
        take: Use only the first `take` rows of the dataset. Required for a stream, of which no further rows are read.
        search_size: Number of samples that trials are scored on. By default all that are not held out.
        holdout_size: Number of samples that only the verdict uses.
        holdout_stratify_col: Column whose values have the same shares in the hold-out split as in all samples used, up
            to rounding.
        encode_args: Keyword arguments of the tokenizer for prompts, and `truncation_side`, ``"left"`` or ``"right"``.
            By default special tokens are added to each prompt of `prompt_template` or `prompt_jinja` that does not
            begin with the BOS token, and to no other prompt.
        decode_args: Keyword arguments of the tokenizer for completions. Unless they say otherwise, special tokens are
            skipped.

    Raises:
        TaskError: A value is out of its range or has no effect, or the prompts are not defined; see `PromptSource`.
    """

    take: int | None = None
    search_size: int | None = None
    holdout_size: int = 0
    holdout_stratify_col: str | None = None
    encode_args: Mapping[str, Any] | None = None
    decode_args: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_minimum("take", self.take, 1, TaskError)
        check_minimum("search_size", self.search_size, 1, TaskError)
        check_minimum("holdout_size", self.holdout_size, 0, TaskError)
        if self.holdout_stratify_col is not None and self.holdout_size == 0:
            raise TaskError(
                "`holdout_stratify_col` has no effect without `holdout_size`: hold samples out, or leave it out"
            )
        self._check_use_of_columns()

    def _check_use_of_columns(self) -> None:
        """Refuse columns that no template uses, such as that of ``{{q}}``, the form of Jinja."""
        if not self.templates:
            return
        used = set().union(*(template.check(self.input_cols, ()) for template in self.templates))
        advice = {column: max((part.advice(column) for part in self.templates), key=len) for column in self.input_cols}
        if self.input_cols and not used:
            raise TaskError(
                f"the template uses no column of input_cols ({', '.join(self.input_cols)}), so that all prompts would "
                f"be equal: write {advice[self.input_cols[0]]}"
            )
        for column in self.input_cols:
            if column not in used:
                raise TaskError(
                    f"the column `{column}` of `input_cols` has no effect, as the template does not use it: write "
                    f"{advice[column]}, or leave it out of `input_cols`"
                )

    def check_sizes(self, rows: int) -> None:
        """Validate the sizes of the splits of a dataset, and warn of those with which there will be no verdict.

        Raises:
            TaskError: There are fewer rows than the splits need.
        """
        check_sizes(rows, self.search_size, self.holdout_size)
        if rows == 1:
            _LOG.warning("the dataset has 1 row: a search needs more, better 50 or more")
        elif self.holdout_size < 2:
            held_out = "no samples are" if self.holdout_size == 0 else "1 sample is"
            _LOG.warning("%s held out: a search will end without a verdict, which needs `holdout_size`", held_out)
        elif self.holdout_size < _FEW:
            _LOG.warning("%d samples held out are few: the verdict will see large gains only", self.holdout_size)

    def fingerprint(self) -> dict[str, Any]:
        """Return the parts of a study's fingerprint that neither prompts nor splits contain."""
        return {} if self.chat_template_args is None else {"chat_template_args": self.chat_template_args}

    def backend_arguments(self) -> dict[str, Any]:
        """Return the arguments of `choose_backend` that depend on the data."""
        return {
            "has_messages": self.has_messages,
            "begins_the_answer": self.begins_the_answer,
            "encode_args": self.encode_args,
            "decode_args": self.decode_args,
            "chat_template_args": self.chat_template_args,
        }
