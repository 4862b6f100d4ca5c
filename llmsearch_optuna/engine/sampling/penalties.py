"""Penalties on tokens that a row's context contains."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, Breakers
from llmsearch_optuna.engine.sampling.repetitions import dry_offsets, dry_settings, repetitions
from llmsearch_optuna.engine.sampling.summary import LogitSummary
from llmsearch_optuna.space.params import GenerationParams

__all__ = [
    "largest_raise",
    "penalise",
    "penalise_summary",
    "penalty_factors",
    "penalty_offsets",
    "scale_logits",
]

_Ids = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float32]

_NO_IDS: _Ids = np.empty(0, dtype=np.int64)
_NO_VALUES: _Floats = np.empty(0, dtype=np.float32)


class _Entries(NamedTuple):
    """Penalties on tokens of one row. A token that occurs more than once has the same value each time.

    Attributes:
        row: The row.
        ids: The token ids.
        values: A factor, an offset or a new logit for each of them.
    """

    row: int
    ids: _Ids
    values: _Floats


def penalise(
    logits: Tensor,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
    steps: Sequence[int],
    breakers: Sequence[Breakers] | None = None,
    *,
    token_ids: _Ids | None = None,
) -> Tensor:
    """Apply the penalties.

    In this order: `encoder_repetition_penalty` on the tokens of the prompt, `repetition_penalty` on those of the
    context, `presence_penalty` with `frequency_penalty` on those of the completion, DRY, `no_repeat_ngram_size`. What
    ``transformers`` has means the same as there, for a single row without padding. Token ids outside the vocabulary
    have no effect.

    Args:
        logits: float32 [rows, columns]; not modified.
        params: The parameters of each row.
        prompts: The token ids of each row's prompt.
        contexts: The token ids that each row's decoder has seen: prompt and completion, or start tokens and completion
            in an encoder-decoder model.
        steps: The number of tokens that each completion has so far: the last ones of the context.
        breakers: The breakers of DRY of each row; see `breakers_of`. By default, there are none.
        token_ids: The token id of each column, ascending in each row; a NumPy array, int64 [rows, columns]. By default,
            the columns are the whole vocabulary.

    Returns:
        float32 [rows, columns]; `logits` itself if no row has a penalty.
    """
    rows = [
        _entries_of(row, row_params, prompt, context, step, NO_BREAKERS if breakers is None else breakers[row])
        for row, (row_params, prompt, context, step) in enumerate(zip(params, prompts, contexts, steps, strict=True))
        if _has_penalty(row_params)
    ]
    if not rows:
        return logits
    favoured, repeated, counted, prolonging, banned = zip(*rows, strict=True)
    for entries in (favoured, repeated):
        index, factors = _joined(entries, logits, token_ids)
        if len(factors):
            logits = logits.index_put(index, scale_logits(logits[index], factors))
    for entries in (counted, prolonging):
        index, offsets = _joined(entries, logits, token_ids)
        if len(offsets):
            logits = logits.index_put(index, logits[index] - offsets)
    index, bans = _joined(banned, logits, token_ids)
    if len(bans):
        logits = logits.index_put(index, bans)
    return logits


def penalise_summary(
    summary: LogitSummary,
    params: Sequence[GenerationParams],
    prompts: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
    steps: Sequence[int],
    breakers: Sequence[Breakers] | None = None,
) -> LogitSummary:
    """Apply the penalties of `penalise` to a summary without penalties, with bit-identical logits.

    The bound, `lowered` and `raised` cover what the penalties may do to the discarded logits.
    """
    changed = [row for row, row_params in enumerate(params) if _has_penalty(row_params)]
    if not changed:
        return summary
    factors = torch.tensor([penalty_factors(row_params) for row_params in params]).T
    presence, frequency = torch.tensor([penalty_offsets(row_params) for row_params in params]).T
    lowered, raised, bound = torch.zeros_like(summary.lowered), torch.zeros_like(summary.raised), summary.bound
    lowered[changed] = True
    # A factor preserves the order of the logits, so the scaled bound is a bound of all scaled logits. The unscaled
    # bound is still one of the logits of all other tokens. The larger of the two is a bound of all.
    for factor in factors:
        bound = torch.maximum(bound, scale_logits(bound, factor))
    bound = bound + largest_raise(presence, frequency, torch.as_tensor(steps))
    # Even if no factor changes the bound because it is 0, factors < 1 raise the negative logits below it.
    for row in ((factors < 1.0).any(dim=0) | (presence < 0.0) | (frequency < 0.0)).nonzero()[:, 0].tolist():
        raised[row] = len(prompts[row]) + len(contexts[row])
    return summary._replace(
        logits=penalise(
            summary.logits, params, prompts, contexts, steps, breakers, token_ids=summary.token_ids.numpy()
        ),
        bound=bound,
        lowered=lowered,
        raised=raised,
    )


def _has_penalty(params: GenerationParams) -> bool:
    return (
        penalty_factors(params) != (1.0, 1.0)
        or penalty_offsets(params) != (0.0, 0.0)
        or bool(params.dry_multiplier)
        or bool(params.no_repeat_ngram_size)
    )


def penalty_factors(params: GenerationParams) -> tuple[float, float]:
    """Return the penalty factors of the prompt's tokens and of the context's tokens; 1 is off."""
    return 1.0 / (params.encoder_repetition_penalty or 1.0), params.repetition_penalty or 1.0


def penalty_offsets(params: GenerationParams) -> tuple[float, float]:
    """Return what is subtracted from the logits of the completion's tokens, once and for each occurrence; 0 is off."""
    return params.presence_penalty or 0.0, params.frequency_penalty or 0.0


def scale_logits(logits: Tensor, factors: Tensor) -> Tensor:
    """Return logits with penalty factors: negative ones multiplied by theirs, others divided; floating tensors."""
    return torch.where(logits < 0, logits * factors, logits / factors)


def largest_raise(presence: Tensor, frequency: Tensor, steps: Tensor) -> Tensor:
    """Return an upper bound of what negative offsets add to a logit of each row; float32 [rows].

    Args:
        presence: The first of `penalty_offsets`; float32 [rows].
        frequency: The second.
        steps: The number of tokens that each completion has, which no token can exceed; int64 [rows].
    """
    # Rounded as the offsets themselves, so that the bound is exact: rounding preserves the order of numbers.
    return -(frequency.clamp(max=0.0) * steps.float() + presence.clamp(max=0.0))


def _entries_of(
    row: int,
    params: GenerationParams,
    prompt: Sequence[int],
    context: Sequence[int],
    step: int,
    breakers: Breakers,
) -> tuple[_Entries, _Entries, _Entries, _Entries, _Entries]:
    """Return the entries of a row: factors of prompt and context, offsets of completion and repetitions, and bans."""
    prompt_factor, context_factor = penalty_factors(params)
    ids, none = np.asarray(context, dtype=np.int64), _Entries(row, _NO_IDS, _NO_VALUES)
    return (
        none if prompt_factor == 1.0 else _constant(row, np.asarray(prompt, dtype=np.int64), prompt_factor),
        none if context_factor == 1.0 else _constant(row, ids, context_factor),
        none if penalty_offsets(params) == (0.0, 0.0) else _counted(row, ids[len(ids) - step :], params),
        _prolonging(row, ids, params, breakers) if params.dry_multiplier else none,
        _constant(row, _ngram_ends(ids, size), -torch.inf) if (size := params.no_repeat_ngram_size) else none,
    )


def _constant(row: int, ids: _Ids, value: float) -> _Entries:
    return _Entries(row, ids, np.full(len(ids), value, dtype=np.float32))


def _counted(row: int, completion: _Ids, params: GenerationParams) -> _Entries:
    """Return the offsets of the completion's tokens. The device computes them in the same order, in float32."""
    ids, counts = np.unique(completion, return_counts=True)
    presence, frequency = (np.float32(offset) for offset in penalty_offsets(params))
    return _Entries(row, ids, frequency * counts.astype(np.float32) + presence)


def _prolonging(row: int, context: _Ids, params: GenerationParams, breakers: Breakers) -> _Entries:
    """Return the offsets of DRY."""
    multiplier, base, allowed_length = dry_settings(params)
    token_ids, lengths = repetitions(context, breakers)
    offsets = dry_offsets(
        torch.from_numpy(lengths),
        torch.tensor(multiplier, dtype=torch.float64),
        torch.tensor(base, dtype=torch.float64),
        torch.tensor(allowed_length),
    )
    return _Entries(row, token_ids, offsets.numpy())


def _joined(
    entries: Sequence[_Entries], logits: Tensor, token_ids: _Ids | None
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return the index (rows, columns) of all penalised logits, and the values of their entries."""
    indices, values = [np.empty((2, 0), dtype=np.int64)], [_NO_VALUES]
    for row, ids, row_values in entries:
        if not len(ids):
            continue
        columns, is_present = _columns(ids, logits.shape[1], None if token_ids is None else token_ids[row])
        indices.append(np.stack([np.full_like(ids, row), columns])[:, is_present])
        values.append(row_values[is_present])
    rows, columns = torch.from_numpy(np.concatenate(indices, axis=1)).to(logits.device)
    return (rows, columns), torch.from_numpy(np.concatenate(values)).to(logits.device)


def _columns(ids: _Ids, count: int, token_ids: _Ids | None) -> tuple[_Ids, npt.NDArray[np.bool_]]:
    """Return the column of each token, and whether it has one."""
    if token_ids is None:
        return ids, (ids >= 0) & (ids < count)
    columns = np.minimum(np.searchsorted(token_ids, ids), count - 1)
    return columns, token_ids[columns] == ids


def _ngram_ends(context: _Ids, size: int) -> _Ids:
    """Return the tokens that would repeat an n-gram of the context if they came next."""
    if len(context) < size:
        return context[:0]
    ngrams = np.lib.stride_tricks.sliding_window_view(context, size)
    begun = context[len(context) - size + 1 :]
    ends: _Ids = ngrams[(ngrams[:, :-1] == begun).all(-1), -1]
    return ends
