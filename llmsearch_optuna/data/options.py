"""The options of a dataset, validated: arguments of `Tuner`, and keys of ``[data]`` in a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.task import Sample, Task
from llmsearch_optuna.errors import TaskError, check_minimum

__all__ = ["DataOptions"]


@dataclass(frozen=True, kw_only=True)
class DataOptions(PromptSource):
    """How rows become prompts, how prompts and completions are tokenised, and how the samples are split.

    Attributes:
        take: Use only the first `take` rows of the dataset. Required for a stream, of which no further rows are read.
        search_size: Number of samples that trials are scored on. By default all that are not held out.
        holdout_size: Number of samples that only the verdict uses.
        holdout_stratify_col: Column whose values have the same shares in the hold-out split as in all samples used, up
            to rounding.
        encode_args: Keyword arguments of the tokenizer for prompts; see `encode_prompts` for the defaults.
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
        if self.take is not None and (not isinstance(self.take, int) or isinstance(self.take, bool) or self.take < 1):
            raise TaskError(f"`take` must be an integer >= 1, got {self.take!r}")
        check_minimum("search_size", self.search_size, 1, TaskError)
        check_minimum("holdout_size", self.holdout_size, 0, TaskError)
        if self.holdout_stratify_col is not None and self.holdout_size == 0:
            raise TaskError(
                "`holdout_stratify_col` has no effect without `holdout_size`: hold samples out, or leave it out"
            )

    def make_task(self, samples: Sequence[Sample], strata: Sequence[str] | None, *, seed: int) -> Task:
        """Return the samples in their shared order, split; see `Task.split`."""
        return Task.split(
            samples,
            seed=seed,
            search_size=self.search_size,
            holdout_size=self.holdout_size,
            holdout_stratify_col=self.holdout_stratify_col,
            strata=strata,
        )
