"""Penalties on tokens that a row's own context holds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.summary import LogitSummary
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["penalise", "penalise_summary"]

_Ids = npt.NDArray[np.int64]


def penalise(
    logits: Tensor,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
) -> Tensor:
    """Applies encoder_repetition_penalty, repetition_penalty and no_repeat_ngram_size, in this order.

    They mean what they mean in ``transformers`` for a row on its own, without padding: the first is about the tokens of
    the prompt, the others about those of the context. Token ids outside the vocabulary have no effect.

    Args:
        logits: float32 [rows, vocab]; not modified.
        params: The parameters of each row.
        prompts: The token ids of each row's prompt.
        contexts: The token ids that each row's decoder has seen: prompt and completion, or, in an encoder-decoder
            model, start token and completion.

    Returns:
        float32 [rows, vocab]; `logits` itself if no row has a penalty to pay.
    """
    return _penalised(logits, None, params, prompts, contexts)


def penalise_summary(
    summary: LogitSummary,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
) -> LogitSummary:
    """Applies to summaries what `penalise` applies to all logits, to the same bits.

    Args:
        summary: Without penalties.
        params: As for `penalise`.
        prompts: As for `penalise`.
        contexts: As for `penalise`.
    """
    changed = [row for row, wanted in enumerate(params) if _has_penalty(wanted)]
    if not changed:
        return summary
    factors = torch.tensor([_factors(wanted) for wanted in params]).T
    lowered, raised, bound = torch.zeros_like(summary.lowered), torch.zeros_like(summary.raised), summary.bound
    lowered[changed] = True
    # A factor keeps the order of the logits: what it makes of the bound bounds what it makes of all below. Only some
    # tokens pay, so that each factor may also have been left out.
    for factor in factors:
        bound = torch.maximum(bound, _scaled(bound, factor))
    # A bound of 0 is itself not raised, but what lies below it is.
    for row in (factors < 1.0).any(dim=0).nonzero()[:, 0].tolist():
        raised[row] = len(prompts[row]) + len(contexts[row])
    return summary._replace(
        logits=_penalised(summary.logits, summary.token_ids.numpy(), params, prompts, contexts),
        bound=bound,
        lowered=lowered,
        raised=raised,
    )


def _penalised(
    logits: Tensor,
    token_ids: _Ids | None,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
) -> Tensor:
    """Penalised logits, whose columns are those of `token_ids` (ascending) or of the whole vocabulary."""
    favoured, repeated, banned = [], [], []
    for row, (wanted, prompt, context) in enumerate(zip(params, prompts, contexts, strict=True)):
        if not _has_penalty(wanted):
            continue
        encoder_factor, repetition_factor = _factors(wanted)
        context_ids = np.asarray(context, dtype=np.int64)
        if encoder_factor != 1.0:
            favoured.append(_Entries(row, np.asarray(prompt, dtype=np.int64), encoder_factor))
        if repetition_factor != 1.0:
            repeated.append(_Entries(row, context_ids, repetition_factor))
        if wanted.no_repeat_ngram_size:
            banned.append(_Entries(row, _ngram_ends(context_ids, wanted.no_repeat_ngram_size), 0.0))

    for entries in (favoured, repeated):
        index, factors = _joined(entries, logits, token_ids)
        if len(factors):
            logits = logits.index_put(index, _scaled(logits[index], factors))
    index, factors = _joined(banned, logits, token_ids)
    if len(factors):
        logits = logits.index_put(index, logits.new_tensor(-torch.inf))
    return logits


def _has_penalty(params: GenerationParams) -> bool:
    return _factors(params) != (1.0, 1.0) or bool(params.no_repeat_ngram_size)


def _factors(params: GenerationParams) -> tuple[float, float]:
    """What the logits of the prompt's tokens, and then those of the context's, are scaled with; 1 is off."""
    return 1.0 / (params.encoder_repetition_penalty or 1.0), params.repetition_penalty or 1.0


def _scaled(logits: Tensor, factors: Tensor) -> Tensor:
    return torch.where(logits < 0, logits * factors, logits / factors)


class _Entries(NamedTuple):
    row: int
    token_ids: _Ids
    factor: float


def _joined(
    entries: Sequence[_Entries], logits: Tensor, token_ids: _Ids | None
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The (row, column) index of all entries, and the factor of each; repetitions are harmless, as they are equal."""
    inside = [_columns(ids, logits.shape[1], None if token_ids is None else token_ids[row]) for row, ids, _ in entries]
    lengths = [len(columns) for columns in inside]
    rows = np.repeat(np.array([entry.row for entry in entries], dtype=np.int64), lengths)
    columns = np.concatenate([np.empty(0, dtype=np.int64), *inside])
    factors = np.repeat(np.array([entry.factor for entry in entries], dtype=np.float32), lengths)
    device = logits.device
    index = (torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device))
    return index, torch.from_numpy(factors).to(device)


def _columns(ids: _Ids, count: int, token_ids: _Ids | None) -> _Ids:
    """The columns of those tokens that have one."""
    if token_ids is None:
        return ids[(ids >= 0) & (ids < count)]
    columns = np.minimum(np.searchsorted(token_ids, ids), count - 1)
    found: _Ids = columns[token_ids[columns] == ids]
    return found


def _ngram_ends(context: _Ids, size: int) -> _Ids:
    """The tokens that would complete an n-gram which the context already holds."""
    if len(context) < size:
        return context[:0]
    ngrams = np.lib.stride_tricks.sliding_window_view(context, size)
    begun = context[len(context) - size + 1 :]
    ends: _Ids = ngrams[(ngrams[:, :-1] == begun).all(-1), -1]
    return ends
