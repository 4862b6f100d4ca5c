"""When a row ends, looking at its own completion and never at its prompt."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from llmsearch_optuna.engine.base import FinishReason, Request, Stopping
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["GenerationArguments", "MultiTokenStoppingCriteria", "RowStopper", "split_generation_args", "stop_texts"]


class RowStopper:
    """Decides after every token whether one row is finished.

    Args:
        request: The row's length limit and what else ends it.
        tokenizer: Decodes the tail in which stop strings are looked for.
    """

    def __init__(self, request: Request, tokenizer: PreTrainedTokenizerBase) -> None:
        self._prompt_ids = request.prompt_ids
        self._limit = request.params.max_new_tokens
        self._stopping = request.stopping
        self._tokenizer = tokenizer
        # A token carries at least one byte, but for a few special ones; the margin also covers a stripped first space.
        self._tail = max((len(text.encode()) for text in self._stopping.strings), default=0) + 8

    def finish_reason(self, token_ids: Sequence[int]) -> FinishReason | None:
        """Why the completion `token_ids` is finished by its last token, or ``None``."""
        if token_ids[-1] in self._stopping.eos_token_ids:
            return "eos"
        if self._stops(token_ids):
            return "stop"
        return "length" if len(token_ids) >= self._limit else None

    def _stops(self, token_ids: Sequence[int]) -> bool:
        if any(tuple(token_ids[-len(sequence) :]) == sequence for sequence in self._stopping.sequences):
            return True
        if self._stopping.strings:
            tail = self._tokenizer.decode(list(token_ids[-self._tail :]))
            if any(text in tail for text in self._stopping.strings):
                return True
        if self._stopping.criteria:
            row = torch.tensor([[*self._prompt_ids, *token_ids]])
            return any(bool(torch.as_tensor(criterion(row, None)).all()) for criterion in self._stopping.criteria)
        return False


class MultiTokenStoppingCriteria(StoppingCriteria):
    """Stops each row on a run of token ids, in this package's engines and in plain ``model.generate``.

    In ``model.generate``, the first call of a pass sees the prompt and one new token; nothing before that token is
    looked at. A new pass is recognised by its tokens, so that `reset` between passes is welcome but not needed.

    Args:
        sequence_ids: The token ids that end a row when they are generated one after the other.

    Raises:
        ParameterError: `sequence_ids` is empty or does not hold integers.
    """

    def __init__(self, sequence_ids: Sequence[int]) -> None:
        ids = tuple(sequence_ids)
        if not ids or not all(isinstance(token, int) for token in ids):
            raise ParameterError(f"sequence_ids must be a list of at least one token id, got {sequence_ids!r}")
        self.sequence_ids = ids
        self.reset()

    def reset(self) -> None:
        """Forgets the running pass."""
        self._seen: torch.Tensor | None = None
        self._done: torch.Tensor | None = None
        self._prompt_length = 0

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        """Says which rows are finished.

        Args:
            input_ids: Prompt and completion so far, int64. Shape: (rows, length).
            scores: Not looked at.
            kwargs: Not looked at.

        Returns:
            Finished rows, bool. Shape: (rows,).
        """
        if self._seen is None or self._done is None or not torch.equal(self._seen, input_ids[:, :-1]):
            self._prompt_length = input_ids.shape[1] - 1
            self._done = torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
        self._seen = input_ids
        length = len(self.sequence_ids)
        if input_ids.shape[1] - self._prompt_length >= length:
            sequence = torch.tensor(self.sequence_ids, device=input_ids.device)
            self._done = self._done | (input_ids[:, -length:] == sequence).all(dim=-1)
        return self._done


class GenerationArguments(NamedTuple):
    """What llmsearch calls generation arguments, taken apart.

    Attributes:
        params: What to generate with.
        stopping: What ends a completion.
    """

    params: GenerationParams
    stopping: Stopping


def stop_texts(stop: object) -> tuple[str, ...]:
    """The texts that end a completion.

    Raises:
        ParameterError: It is no list of texts, or one is empty.
    """
    if not isinstance(stop, list | tuple) or not all(isinstance(text, str) and text for text in stop):
        raise ParameterError(f"stop must be a list of texts that are not empty, got {stop!r}")
    return tuple(stop)


def split_generation_args(values: Mapping[str, Any], stopping: Stopping) -> GenerationArguments:
    """Parts parameters from what ends a completion.

    Args:
        values: Generation parameters by name; also `eos_token_id` (an id or a list; in place of the model's own),
            `stop` (further texts) and `stopping_criteria` (a list, as llmsearch takes it).
        stopping: What ends a completion by itself.

    Raises:
        ParameterError: A parameter is unknown or out of its range, or `stop` or `eos_token_id` is none.
    """
    rest = dict(values)
    eos = rest.pop("eos_token_id", None)
    if eos is not None:
        ids = eos if isinstance(eos, list | tuple) else [eos]
        if not all(isinstance(token, int) for token in ids):
            raise ParameterError(f"`eos_token_id` must be a token id or a list of them, got {eos!r}")
        stopping = dataclasses.replace(stopping, eos_token_ids=tuple(ids))
    strings = stop_texts(rest.pop("stop", ()))
    criteria = tuple(rest.pop("stopping_criteria", None) or ())
    stopping = dataclasses.replace(
        stopping,
        strings=(*stopping.strings, *strings),
        sequences=tuple(one.sequence_ids for one in criteria if isinstance(one, MultiTokenStoppingCriteria)),
        criteria=tuple(one for one in criteria if not isinstance(one, MultiTokenStoppingCriteria)),
    )
    return GenerationArguments(GenerationParams.from_dict(rest), stopping)
