"""The tokens that rows have seen, on the device of the logits, and the penalties on them.

`penalise` computes the same on the host, from lists. Here the formulas are those of the whole batch, chosen by the host
from what any row needs, so that nothing waits for the device.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.penalties import scale_logits
from llmsearch_optuna.engine.sampling.summary import LogitSummary

__all__ = ["Contexts", "Penalties", "occurring"]


class Penalties(NamedTuple):
    """The penalties of rows; see `penalise`.

    Attributes:
        prompt_factors: The factors of the prompts' tokens; float32 [rows]. None if all are 1.
        context_factors: The factors of the contexts' tokens; float32 [rows]. None if all are 1.
        ngram_sizes: `no_repeat_ngram_size`, 0 if off; int64 [rows].
        ngrams: The sizes that occur in any row, as the host knows them. It may hold more.
    """

    prompt_factors: Tensor | None
    context_factors: Tensor | None
    ngram_sizes: Tensor
    ngrams: frozenset[int]


class Contexts(NamedTuple):
    """The tokens of rows.

    Attributes:
        tokens: Prompt and completion, valid up to `lengths`; integers [rows, capacity].
        lengths: The number of tokens; int64 [rows].
        prompts: Whether each token of the vocabulary occurs in the prompt; bool [rows, vocab].
        seen: Whether each token of the vocabulary occurs in prompt or completion; bool [rows, vocab].
    """

    tokens: Tensor
    lengths: Tensor
    prompts: Tensor
    seen: Tensor

    def at(self, index: Tensor) -> Self:
        """Return these rows; int64 [selected]."""
        return type(self)(*(column[index] for column in self))

    def penalise(self, logits: Tensor, penalties: Penalties, token_ids: Tensor | None = None) -> Tensor:
        """Return the logits with the penalties; see `llmsearch_optuna.engine.sampling.penalise`.

        Args:
            logits: float32 [rows, columns].
            penalties: The penalties of the same rows.
            token_ids: The token id of each column; int64 [rows, columns]. By default, the whole vocabulary.
        """

        def of_columns(tokens: Tensor) -> Tensor:
            return tokens if token_ids is None else tokens.gather(1, token_ids)

        for factors, tokens in ((penalties.prompt_factors, self.prompts), (penalties.context_factors, self.seen)):
            if factors is not None:
                logits = torch.where(of_columns(tokens), scale_logits(logits, factors[:, None]), logits)
        for size in sorted(penalties.ngrams):
            ends = self._ngram_ends(size, penalties.ngram_sizes)
            logits = logits.masked_fill(of_columns(ends), -torch.inf)
        return logits

    def penalise_summary(self, summary: LogitSummary, penalties: Penalties) -> LogitSummary:
        """Apply the penalties to a summary without any; see `penalise_summary`, where the bounds are explained."""
        bound, raises = summary.bound, torch.zeros_like(summary.lowered)
        is_penalised = penalties.ngram_sizes > 0
        for factors in (penalties.prompt_factors, penalties.context_factors):
            if factors is not None:
                bound = torch.maximum(bound, scale_logits(bound, factors))
                raises |= factors < 1.0
                is_penalised |= factors != 1.0
        return summary._replace(
            logits=self.penalise(summary.logits, penalties, summary.token_ids),
            bound=bound,
            lowered=is_penalised,
            raised=(2 * self.lengths).where(raises, 0),  # the prompt's tokens and the context's
        )

    def _ngram_ends(self, size: int, sizes: Tensor) -> Tensor:
        """Return the tokens that would repeat an n-gram of this size, in rows with this size; bool [rows, vocab]."""
        device, lengths = self.tokens.device, self.lengths[:, None]
        windows = self.tokens.unfold(1, size, 1)  # of each row, its n-grams
        begun = (lengths + torch.arange(1 - size, 0, device=device)).clamp(min=0)
        is_repeated = (windows[..., :-1] == self.tokens.gather(1, begun)[:, None]).all(-1)
        is_repeated &= torch.arange(windows.shape[1], device=device) <= lengths - size
        is_repeated &= sizes[:, None] == size
        return occurring(windows[..., -1].where(is_repeated, -1), self.seen.shape[1])


def occurring(tokens: Tensor, vocabulary: int) -> Tensor:
    """Return whether each token of the vocabulary occurs in a row. Other ids are ignored.

    Args:
        tokens: Integers [rows, length].
        vocabulary: The number of tokens.

    Returns:
        bool [rows, vocabulary].
    """
    # One more column for the ids outside the vocabulary.
    is_token = (tokens >= 0) & (tokens < vocabulary)
    masks = torch.zeros(len(tokens), vocabulary + 1, dtype=torch.bool, device=tokens.device)
    return masks.scatter_(1, tokens.where(is_token, vocabulary).long(), value=True)[:, :-1]
