"""The samples of a task in their shared order: those that trials use, and those that only the verdict uses."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from llmsearch_optuna.data.splits import find_repeats, split_order
from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["InputLimits", "Sample", "Task", "check_sizes", "check_window"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One dataset row.

    Attributes:
        row: Its position in the dataset.
        prompt: The prompt as a string.
        token_ids: The token ids of the prompt, without padding; empty if only a server has the tokenizer.
        reference: The values of the evaluation columns, by column.
        max_new_tokens: The maximum number of tokens of its completion; None if the data do not limit it.
    """

    row: int
    prompt: str
    token_ids: tuple[int, ...]
    reference: Mapping[str, Any]
    max_new_tokens: int | None = None

    def limited(self, params: GenerationParams) -> GenerationParams:
        """Return the parameters with the smaller of the two length limits: theirs and the sample's own."""
        if self.max_new_tokens is None or self.max_new_tokens >= params.max_new_tokens:
            return params
        return dataclasses.replace(params, max_new_tokens=self.max_new_tokens)


@dataclass(frozen=True, kw_only=True)
class Task:
    """The samples that trials use, and those that only the verdict uses.

    Both are in the shared order: a pseudo-random order that depends on the seed and is the same for all trials.

    Attributes:
        search: Samples of the search split; every trial is scored on a prefix of them.
        holdout: Samples of the hold-out split.
        seed: Seed of the order.
        holdout_stratify_col: The column by which the hold-out split is stratified; None if it is not.
    """

    search: tuple[Sample, ...]
    holdout: tuple[Sample, ...]
    seed: int
    holdout_stratify_col: str | None = None

    @classmethod
    def split(
        cls,
        samples: Sequence[Sample],
        *,
        seed: int,
        search_size: int | None = None,
        holdout_size: int = 0,
        holdout_stratify_col: str | None = None,
        strata: Sequence[str] | None = None,
    ) -> "Task":
        """Order the samples by a hash of (seed, row), and take the two splits from the front.

        The order of two rows depends only on their numbers and the seed. It does not depend on the other rows, the
        platform or the version of a library. Of samples with the same prompt, reference and length limit, only the
        first row is kept. Samples that share only the prompt are never in different splits. A split may therefore be
        smaller than requested. A warning reports each of these cases.

        Args:
            samples: All rows.
            seed: Seed of the order.
            search_size: Number of samples of the search split; by default all that are not held out.
            holdout_size: Number of samples of the hold-out split.
            holdout_stratify_col: The column that the strata come from.
            strata: The stratum of every row of the dataset, by row number. The hold-out split has the same shares of
                them as both splits together, up to rounding. None for a single stratum.

        Raises:
            TaskError: There are fewer samples than the splits need, or a requested split would be empty because equal
                prompts stay together.
        """
        kept, warning = find_repeats(
            [sample.row for sample in samples],
            [_prompt_key(sample) for sample in samples],
            [(sample.prompt, sample.max_new_tokens, _digest(sample.reference)) for sample in samples],
        )
        if warning is not None:
            _LOG.warning("%s", warning)
        left_out = len(samples) - len(kept)
        samples = [samples[index] for index in kept]
        requested = check_sizes(len(samples), search_size, holdout_size, left_out=left_out)
        order = sorted(samples, key=lambda sample: _order_key(seed, sample.row))
        search, holdout = split_order(
            [_prompt_key(sample) for sample in order],
            ["" if strata is None else strata[sample.row] for sample in order],
            search_size=len(samples) if search_size is None else search_size,
            holdout_size=holdout_size,
        )
        if (len(search), len(holdout)) != (requested, holdout_size):
            sizes = f"{len(search)} samples to search on and {len(holdout)} held out"
            if not search or (holdout_size and not holdout):
                raise TaskError(
                    f"rows with equal prompts stay together, which leaves {sizes}: change `search_size` or "
                    "`holdout_size`, or remove repeated prompts"
                )
            _LOG.warning("rows with equal prompts stay together, which leaves %s", sizes)
        return cls(
            search=tuple(order[position] for position in search),
            holdout=tuple(order[position] for position in holdout),
            seed=seed,
            holdout_stratify_col=holdout_stratify_col,
        )

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, those of the search split first."""
        return (*self.search, *self.holdout)

    def describe(self) -> dict[str, str]:
        """Return the sizes of the splits and the lengths of prompts and completions, by topic, as readable strings."""
        samples = self.samples
        has_tokens = bool(samples[0].token_ids)
        lengths = [len(sample.token_ids if has_tokens else sample.prompt) for sample in samples]
        limits = [sample.max_new_tokens for sample in samples if sample.max_new_tokens is not None]
        unit = "tokens" if has_tokens else "characters"
        return {
            "data": f"{len(self.search)} samples to search on, {len(self.holdout)} held out",
            "prompts": f"{min(lengths)} to {max(lengths)} {unit}, {sum(lengths) / len(lengths):.0f} on average",
            **({"length limits": f"{min(limits)} to {max(limits)} new tokens, by row"} if limits else {}),
        }

    def fingerprint(self) -> dict[str, Any]:
        """Return the parts of a study's fingerprint that depend on the data: hashes, and the sizes of the splits.

        Length limits and the stratified column are left out if there are none, as in older studies.
        """
        samples = self.samples
        limits = [sample.max_new_tokens for sample in samples]
        further: dict[str, str] = {} if limits.count(None) == len(limits) else {"length limits": _digest(limits)}
        if self.holdout_stratify_col is not None:
            further["hold-out stratified by"] = self.holdout_stratify_col
        return {
            "prompts": _digest([(sample.prompt, sample.token_ids) for sample in samples]),
            "references": _digest([sample.reference for sample in samples]),
            "splits": {"search": len(self.search), "holdout": len(self.holdout)},
            "sample order seed": self.seed,
            **further,
        }


def check_sizes(samples: int, search_size: int | None, holdout_size: int, *, left_out: int = 0) -> int:
    """Return the size of the search split.

    Args:
        samples: The number of samples.
        search_size: The requested size of the search split; None for all samples that are not held out.
        holdout_size: The size of the hold-out split.
        left_out: The number of rows that repeat others, for the error message.

    Raises:
        TaskError: There are fewer samples than the splits need.
    """
    requested = samples - holdout_size if search_size is None else search_size
    if requested < 1 or holdout_size < 0 or requested + holdout_size > samples:
        rest = f" ({left_out} rows repeat others and are left out)" if left_out else ""
        if search_size is None and holdout_size >= samples:
            raise TaskError(
                f"{samples} samples are too few to hold out {holdout_size} and search on the rest{rest}: lower "
                "holdout_size"
            )
        raise TaskError(
            f"{samples} samples cannot be split into {requested} to search on and {holdout_size} to hold out{rest}: "
            "change search_size or holdout_size"
        )
    return requested


class InputLimits(Protocol):
    """What a model can read."""

    def excess(self, row: int, token_ids: Sequence[int], max_new_tokens: int) -> str | None:
        """Return what of a prompt and its completion exceeds the limits, and the remedy; None if nothing does."""


def check_window(samples: Sequence[Sample], window: InputLimits, max_new_tokens: int) -> None:
    """Raise an error if a prompt leaves no room for its completion.

    Args:
        samples: The prompts.
        window: The limits of the model.
        max_new_tokens: Length limit of the completions.

    Raises:
        TaskError: A prompt or its completion exceeds a limit; the message names the row.
    """
    for sample in samples:
        limit = max_new_tokens if sample.max_new_tokens is None else min(max_new_tokens, sample.max_new_tokens)
        excess = window.excess(sample.row, sample.token_ids, limit)
        if excess is not None:
            raise TaskError(excess)


def _prompt_key(sample: Sample) -> tuple[int, ...] | str:
    """Return the prompt as the model reads it: two strings may have the same tokens after truncation."""
    return sample.token_ids or sample.prompt


def _order_key(seed: int, row: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=16).digest()


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
