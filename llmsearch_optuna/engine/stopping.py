"""When a completion ends. Stop strings and sequences are searched in the generated tokens only, not in the prompt."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from llmsearch_optuna.engine.base import FinishReason, Request
from llmsearch_optuna.engine.generation_args import EndSequence
from llmsearch_optuna.errors import ParameterError

__all__ = ["MultiTokenStoppingCriteria", "StopChecker"]


class StopChecker:
    """Checks after every token whether a completion is finished.

    Args:
        request: Holds the length limit and the other stopping conditions.
        tokenizer: Decodes the last tokens, in which stop strings are searched.
    """

    def __init__(self, request: Request, tokenizer: PreTrainedTokenizerBase) -> None:
        self._prompt_ids = request.prompt_ids
        self._limit = request.params.max_new_tokens
        self._stopping = request.stopping
        self._tokenizer = tokenizer
        # The number of last tokens to decode. They contain every stop string that has just been completed, because each
        # token has at least one byte. The margin covers a few special tokens without bytes, and a stripped space.
        self._tail = max((len(string.encode()) for string in self._stopping.strings), default=0) + 8

    def finish_reason(self, token_ids: Sequence[int]) -> FinishReason | None:
        """Return why the last of `token_ids` finishes the completion; None if it does not."""
        if token_ids[-1] in self._stopping.eos_token_ids:
            return "eos"
        if self._is_stopped(token_ids):
            return "stop"
        return "length" if len(token_ids) >= self._limit else None

    def _is_stopped(self, token_ids: Sequence[int]) -> bool:
        if any(tuple(token_ids[-len(sequence) :]) == sequence for sequence in self._stopping.sequences):
            return True
        if self._stopping.strings:
            tail = self._tokenizer.decode(list(token_ids[-self._tail :]))
            if any(string in tail for string in self._stopping.strings):
                return True
        if self._stopping.criteria:
            ids = torch.tensor([[*self._prompt_ids, *token_ids]])
            return any(bool(torch.as_tensor(criterion(ids, None)).all()) for criterion in self._stopping.criteria)
        return False


class MultiTokenStoppingCriteria(StoppingCriteria, EndSequence):
    """Ends a completion when it generates a sequence of token ids, in this package's engines and ``model.generate``.

    ``generate`` first calls it with the prompt and one new token. The tokens before the new one are ignored. A new run
    of ``generate`` is detected by its tokens. Call `reset` before a run whose prompts are the output of the last one.

    Args:
        sequence_ids: The token ids that end a completion when they are generated in this order.

    Raises:
        ParameterError: `sequence_ids` is empty or contains something other than integers.
    """

    def __init__(self, sequence_ids: Sequence[int]) -> None:
        ids = tuple(sequence_ids)
        if not ids or not all(isinstance(token, int) for token in ids):
            raise ParameterError(f"sequence_ids must be a list of at least one token id, got {sequence_ids!r}")
        self.sequence_ids = ids
        self.reset()

    def reset(self) -> None:
        """Forget the current run of ``generate``."""
        self._seen: torch.Tensor | None = None
        self._done: torch.Tensor | None = None
        self._prompt_length = 0

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        """Return whether each row of the batch is finished, bool. Shape: (rows,).

        `input_ids` holds the prompts and the tokens generated so far, int64, shape (rows, length). Other arguments are
        ignored.
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
