"""The tokens that rows have seen, on the device of the logits, and the penalties on them.

`penalise` computes the same on the host, from lists. Here the formulas are those of the whole batch, chosen by the host
from what any row needs, so that nothing waits for the device. Their cost grows with the contexts, not with the
vocabulary: logits are read and written only where a context has a token. (DRY also clears a table of the vocabulary.)
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.breakers import LONGEST_REPETITION, BreakerTable, tokens_after_breakers
from llmsearch_optuna.engine.sampling.candidates import row_slices
from llmsearch_optuna.engine.sampling.penalties import largest_raise, scale_logits
from llmsearch_optuna.engine.sampling.repetitions import dry_offsets
from llmsearch_optuna.engine.sampling.summary import LogitSummary

__all__ = ["NO_TOKEN", "Contexts", "Dry", "Penalties"]

NO_TOKEN = -1
"""Stands in the places of a row that hold no token."""

_BEFORE_CONTEXT = -2  # equals no token and no place without one


class Dry(NamedTuple):
    """The settings of DRY; see `dry_offsets`.

    Attributes:
        multiplier: 0 if off; float64 [rows].
        base: float64 [rows].
        allowed_length: int64 [rows].
        sets: The number of the set of breakers; int64 [rows].
        breakers: The breakers of all sets.
    """

    multiplier: Tensor
    base: Tensor
    allowed_length: Tensor
    sets: Tensor
    breakers: BreakerTable


class Penalties(NamedTuple):
    """The penalties of rows; see `penalise`.

    Attributes:
        prompt_factors: The factors of the prompts' tokens; float32 [rows]. None if all are 1.
        context_factors: The factors of the contexts' tokens; float32 [rows]. None if all are 1.
        presence: `presence_penalty`, 0 if off; float32 [rows]. None if it and `frequency` are 0 in all rows.
        frequency: `frequency_penalty`, 0 if off; float32 [rows]. None if `presence` is None.
        dry: The settings of DRY; None if it is off in all rows.
        ngram_sizes: `no_repeat_ngram_size`, 0 if off; int64 [rows].
        ngrams: The sizes that occur in any row, as the host knows them. It may hold more.
    """

    prompt_factors: Tensor | None
    context_factors: Tensor | None
    presence: Tensor | None
    frequency: Tensor | None
    dry: Dry | None
    ngram_sizes: Tensor
    ngrams: frozenset[int]


class Contexts(NamedTuple):
    """The tokens of rows, in places beyond which there is only `NO_TOKEN`.

    Attributes:
        prompts: The tokens of the prompts; int64 [rows, capacity].
        tokens: Those that the decoder has seen; int64 [rows, capacity].
        lengths: Their number; int64 [rows].
        steps: How many of them, the last ones, are the completion; int64 [rows].
    """

    prompts: Tensor
    tokens: Tensor
    lengths: Tensor
    steps: Tensor

    def at(self, index: Tensor) -> Self:
        """Return these rows; int64 [selected]."""
        return type(self)(*(column[index] for column in self))

    def penalise(self, logits: Tensor, penalties: Penalties, token_ids: Tensor | None = None) -> Tensor:
        """Return the logits with the penalties; see `llmsearch_optuna.engine.sampling.penalise`.

        Args:
            logits: float32 [rows, columns].
            penalties: The penalties of the same rows.
            token_ids: The token id of each column, ascending; int64 [rows, columns]. By default, the whole vocabulary.
        """
        for factors, tokens in ((penalties.prompt_factors, self.prompts), (penalties.context_factors, self.tokens)):
            if factors is not None:
                columns, has_column = _columns(tokens, logits, token_ids)
                scaled = scale_logits(logits.gather(1, columns), factors[:, None])
                logits = _put(logits, columns, has_column, scaled)
        if penalties.presence is not None and penalties.frequency is not None:
            completions, counts = self._counted_completions()
            columns, has_column = _columns(completions, logits, token_ids)
            offsets = penalties.frequency[:, None] * counts.float() + penalties.presence[:, None]
            logits = _put(logits, columns, has_column, logits.gather(1, columns) - offsets)
        if penalties.dry is not None:
            logits = self._penalise_repetitions(logits, penalties.dry, token_ids)
        for size in sorted(penalties.ngrams):
            columns, has_column = _columns(self._ngram_ends(size, penalties.ngram_sizes), logits, token_ids)
            logits = _put(logits, columns, has_column, torch.full_like(columns, -torch.inf, dtype=logits.dtype))
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
        if penalties.presence is not None and penalties.frequency is not None:
            bound = bound + largest_raise(penalties.presence, penalties.frequency, self.steps)
            raises |= (penalties.presence < 0.0) | (penalties.frequency < 0.0)
            is_penalised |= (penalties.presence != 0.0) | (penalties.frequency != 0.0)
        if penalties.dry is not None:
            is_penalised |= penalties.dry.multiplier > 0.0
        return summary._replace(
            logits=self.penalise(summary.logits, penalties, summary.token_ids),
            bound=bound,
            lowered=is_penalised,
            raised=(2 * self.lengths).where(raises, 0),  # the prompt's tokens and the context's
        )

    def _counted_completions(self) -> tuple[Tensor, Tensor]:
        """Return the completions' tokens in their places, and how often each occurs; int64 [rows, places] both."""
        places = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        begins = (self.lengths - self.steps)[:, None]
        tokens = self.tokens.where((places >= begins) & (places < self.lengths[:, None]), NO_TOKEN)
        ascending = tokens.sort(1).values
        ends = torch.searchsorted(ascending, tokens, right=True)
        return tokens, ends - torch.searchsorted(ascending, tokens)

    def _penalise_repetitions(self, logits: Tensor, dry: Dry, token_ids: Tensor | None) -> Tensor:
        """Return the logits with the offsets of DRY; see `repetitions`, which finds the same on the host."""
        device, capacity = self.tokens.device, self.tokens.shape[1]
        places = torch.arange(capacity, device=device)
        padded = torch.nn.functional.pad(self.tokens, (LONGEST_REPETITION - 1, 0), value=NO_TOKEN)
        windows = padded.unfold(1, LONGEST_REPETITION, 1)  # of each place, the tokens up to it
        back = self.lengths[:, None] - torch.arange(LONGEST_REPETITION, 0, -1, device=device)
        ending = self.tokens.gather(1, back.clamp(min=0)).where(back >= 0, _BEFORE_CONTEXT)
        # Compared at once, the windows of all rows would take many times the memory of the contexts.
        matched = [
            (windows[part] == ending[part, None]).flip(-1).cumprod(-1, dtype=torch.uint8).sum(-1)
            for part in row_slices(self.tokens[:, :1].expand(-1, capacity * LONGEST_REPETITION))
        ]
        lengths = torch.cat(matched)
        limits = tokens_after_breakers(self.tokens, self.lengths, dry.breakers, dry.sets)
        lengths = torch.minimum(lengths, limits[:, None]).where(places < self.lengths[:, None] - 1, 0)
        following = self.tokens.roll(-1, 1)
        lengths = lengths.where(~dry.breakers.has(following, dry.sets), 0)
        columns, has_column = _columns(following, logits, token_ids)
        lengths = lengths.where(has_column, 0)
        longest = torch.zeros(logits.shape, dtype=torch.int64, device=device)
        longest = longest.scatter_reduce(1, columns, lengths, "amax").gather(1, columns)
        offsets = dry_offsets(longest, dry.multiplier[:, None], dry.base[:, None], dry.allowed_length[:, None])
        return _put(logits, columns, has_column & (lengths > 0), logits.gather(1, columns) - offsets)

    def _ngram_ends(self, size: int, sizes: Tensor) -> Tensor:
        """Return the tokens that would repeat an n-gram of this size, in rows with this size; int64 [rows, places]."""
        device, lengths = self.tokens.device, self.lengths[:, None]
        windows = self.tokens.unfold(1, size, 1)  # of each row, its n-grams
        begun = (lengths + torch.arange(1 - size, 0, device=device)).clamp(min=0)
        is_repeated = (windows[..., :-1] == self.tokens.gather(1, begun)[:, None]).all(-1)
        is_repeated &= torch.arange(windows.shape[1], device=device) <= lengths - size
        is_repeated &= sizes[:, None] == size
        return windows[..., -1].where(is_repeated, NO_TOKEN)


def _columns(tokens: Tensor, logits: Tensor, token_ids: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the column of each token, and whether it has one: int64 and bool, both [rows, places]."""
    count = logits.shape[1]
    if token_ids is None:
        return tokens.clamp(0, count - 1), (tokens >= 0) & (tokens < count)
    columns = torch.searchsorted(token_ids, tokens).clamp(max=count - 1)
    return columns, token_ids.gather(1, columns) == tokens


def _put(logits: Tensor, columns: Tensor, has_column: Tensor, values: Tensor) -> Tensor:
    """Return the logits with these values in the columns of the tokens that have one.

    A token that occurs several times must have the same value each time: the order of writes is not defined.
    """
    # The places without a column repeat the first place with one. If there is none, all repeat a logit as it is.
    first = has_column.int().argmax(1, keepdim=True)
    place = torch.arange(columns.shape[1], device=columns.device).where(has_column, first)
    columns = columns.gather(1, place)
    unchanged = logits.gather(1, columns)
    return logits.scatter(1, columns, values.gather(1, place).where(has_column.any(1, keepdim=True), unchanged))
