"""Penalties on tokens that a row's own context holds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.params import GenerationParams

__all__ = ["penalise"]

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
    favoured, repeated, banned = [], [], []
    for row, (wanted, prompt, context) in enumerate(zip(params, prompts, contexts, strict=True)):
        encoder_penalty = wanted.encoder_repetition_penalty or 1.0
        repetition_penalty = wanted.repetition_penalty or 1.0
        ngram_size = wanted.no_repeat_ngram_size or 0
        if encoder_penalty == 1.0 and repetition_penalty == 1.0 and not ngram_size:
            continue
        context_ids = np.asarray(context, dtype=np.int64)
        if encoder_penalty != 1.0:
            favoured.append(_Entries(row, np.asarray(prompt, dtype=np.int64), 1.0 / encoder_penalty))
        if repetition_penalty != 1.0:
            repeated.append(_Entries(row, context_ids, repetition_penalty))
        if ngram_size:
            banned.append(_Entries(row, _ngram_ends(context_ids, ngram_size), 0.0))

    for entries in (favoured, repeated):
        index, factors = _joined(entries, logits)
        if len(factors):
            values = logits[index]
            logits = logits.index_put(index, torch.where(values < 0, values * factors, values / factors))
    index, factors = _joined(banned, logits)
    if len(factors):
        logits = logits.index_put(index, logits.new_tensor(-torch.inf))
    return logits


class _Entries(NamedTuple):
    row: int
    token_ids: _Ids
    factor: float


def _joined(entries: Sequence[_Entries], logits: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The (row, token) index of all entries, and the factor of each; repetitions are harmless, as they are equal."""
    inside = [ids[(ids >= 0) & (ids < logits.shape[1])] for _, ids, _ in entries]
    lengths = [len(ids) for ids in inside]
    rows = np.repeat(np.array([entry.row for entry in entries], dtype=np.int64), lengths)
    token_ids = np.concatenate([np.empty(0, dtype=np.int64), *inside])
    factors = np.repeat(np.array([entry.factor for entry in entries], dtype=np.float32), lengths)
    device = logits.device
    index = (torch.from_numpy(rows).to(device), torch.from_numpy(token_ids).to(device))
    return index, torch.from_numpy(factors).to(device)


def _ngram_ends(context: _Ids, size: int) -> _Ids:
    """The tokens that would complete an n-gram which the context already holds."""
    if len(context) < size:
        return context[:0]
    ngrams = np.lib.stride_tricks.sliding_window_view(context, size)
    begun = context[len(context) - size + 1 :]
    ends: _Ids = ngrams[(ngrams[:, :-1] == begun).all(-1), -1]
    return ends
