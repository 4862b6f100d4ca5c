"""Penalties on tokens that a row's context contains."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.summary import LogitSummary
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["penalise", "penalise_summary", "penalty_factors", "scale_logits"]

_Ids = npt.NDArray[np.int64]
_Entries = tuple[int, _Ids, float]  # a row, token ids, and the penalty factor of their logits (unused for bans)


def penalise(
    logits: Tensor,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
    *,
    token_ids: _Ids | None = None,
) -> Tensor:
    """Apply encoder_repetition_penalty, repetition_penalty and no_repeat_ngram_size, in this order.

    They mean the same as in ``transformers`` for a single row without padding: the first applies to the tokens of the
    prompt, the others to those of the context. Token ids outside the vocabulary have no effect.

    Args:
        logits: float32 [rows, columns]; not modified.
        params: The parameters of each row.
        prompts: The token ids of each row's prompt.
        contexts: The token ids that each row's decoder has seen: prompt and completion, or start tokens and completion
            in an encoder-decoder model.
        token_ids: The token id of each column, ascending in each row; a NumPy array, int64 [rows, columns]. By default,
            the columns are the whole vocabulary.

    Returns:
        float32 [rows, columns]; `logits` itself if no row has a penalty.
    """
    favoured: list[_Entries] = []
    repeated: list[_Entries] = []
    banned: list[_Entries] = []
    for row, (row_params, prompt, context) in enumerate(zip(params, prompts, contexts, strict=True)):
        if not _has_penalty(row_params):
            continue
        encoder_factor, repetition_factor = penalty_factors(row_params)
        context_ids = np.asarray(context, dtype=np.int64)
        if encoder_factor != 1.0:
            favoured.append((row, np.asarray(prompt, dtype=np.int64), encoder_factor))
        if repetition_factor != 1.0:
            repeated.append((row, context_ids, repetition_factor))
        if row_params.no_repeat_ngram_size:
            banned.append((row, _ngram_ends(context_ids, row_params.no_repeat_ngram_size), 0.0))

    for entries in (favoured, repeated):
        index, factors = _joined(entries, logits, token_ids)
        if len(factors):
            logits = logits.index_put(index, scale_logits(logits[index], factors))
    index, factors = _joined(banned, logits, token_ids)
    if len(factors):
        logits = logits.index_put(index, logits.new_tensor(-torch.inf))
    return logits


def penalise_summary(
    summary: LogitSummary,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
) -> LogitSummary:
    """Apply the penalties of `penalise` to a summary without penalties, with bit-identical logits.

    The bound, `lowered` and `raised` cover what the penalties may do to the discarded logits.
    """
    changed = [row for row, row_params in enumerate(params) if _has_penalty(row_params)]
    if not changed:
        return summary
    factors = torch.tensor([penalty_factors(row_params) for row_params in params]).T
    lowered, raised, bound = torch.zeros_like(summary.lowered), torch.zeros_like(summary.raised), summary.bound
    lowered[changed] = True
    # A factor preserves the order of the logits, so the scaled bound is a bound of all scaled logits. The unscaled
    # bound is still one of the logits of all other tokens. The larger of the two is a bound of all.
    for factor in factors:
        bound = torch.maximum(bound, scale_logits(bound, factor))
    # Even if no factor changes the bound because it is 0, factors < 1 raise the negative logits below it.
    for row in (factors < 1.0).any(dim=0).nonzero()[:, 0].tolist():
        raised[row] = len(prompts[row]) + len(contexts[row])
    return summary._replace(
        logits=penalise(summary.logits, params, prompts, contexts, token_ids=summary.token_ids.numpy()),
        bound=bound,
        lowered=lowered,
        raised=raised,
    )


def _has_penalty(params: GenerationParams) -> bool:
    return penalty_factors(params) != (1.0, 1.0) or bool(params.no_repeat_ngram_size)


def penalty_factors(params: GenerationParams) -> tuple[float, float]:
    """Return the penalty factors of the prompt's tokens and of the context's tokens; 1 is off."""
    return 1.0 / (params.encoder_repetition_penalty or 1.0), params.repetition_penalty or 1.0


def scale_logits(logits: Tensor, factors: Tensor) -> Tensor:
    """Return logits with penalty factors: negative ones multiplied by theirs, others divided; floating tensors."""
    return torch.where(logits < 0, logits * factors, logits / factors)


def _joined(
    entries: Sequence[_Entries], logits: Tensor, token_ids: _Ids | None
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return the index (rows, columns) of all penalised logits, and their factors.

    A logit that occurs more than once has the same factor each time.
    """
    inside = [_columns(ids, logits.shape[1], None if token_ids is None else token_ids[row]) for row, ids, _ in entries]
    lengths = [len(columns) for columns in inside]
    rows = np.repeat(np.array([row for row, _, _ in entries], dtype=np.int64), lengths)
    columns = np.concatenate([np.empty(0, dtype=np.int64), *inside])
    factors = np.repeat(np.array([factor for _, _, factor in entries], dtype=np.float32), lengths)
    device = logits.device
    index = (torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device))
    return index, torch.from_numpy(factors).to(device)


def _columns(ids: _Ids, count: int, token_ids: _Ids | None) -> _Ids:
    """Return the columns of the tokens that have one."""
    if token_ids is None:
        return ids[(ids >= 0) & (ids < count)]
    columns = np.minimum(np.searchsorted(token_ids, ids), count - 1)
    present: _Ids = columns[token_ids[columns] == ids]
    return present


def _ngram_ends(context: _Ids, size: int) -> _Ids:
    """Return the tokens that would repeat an n-gram of the context if they came next."""
    if len(context) < size:
        return context[:0]
    ngrams = np.lib.stride_tricks.sliding_window_view(context, size)
    begun = context[len(context) - size + 1 :]
    ends: _Ids = ngrams[(ngrams[:, :-1] == begun).all(-1), -1]
    return ends
