"""XTC, "exclude top choices": in some steps, the most probable tokens are removed after the cuts.

How it works: whether it happens in a step depends on noise of the same kind as that of the tokens, so that a completion
can be repeated. A token is a top choice if its probability among the kept tokens is at least the threshold. All top
choices are removed but the least probable one, the one with the highest token id if tied. Cuts leave candidates in
descending order, where the top choices come first. Rows without a cut have all tokens, in the order of their ids.

P. E. Weidmann, "Exclude Top Choices (XTC)", 2024, github.com/oobabooga/text-generation-webui/pull/6335; without its
exception for special tokens, as in llama.cpp.
"""

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.candidates import Candidates, log_mass, masses, relative_mass, row_slices
from llmsearch_optuna.engine.sampling.noise import NO_TOKEN_ID, uniform_noise
from llmsearch_optuna.engine.sampling.rows import SamplingRows

__all__ = ["excluded", "kept_log_ratios", "smallest_top_choice", "without_top_choices", "xtc_thresholds"]


def xtc_thresholds(rows: SamplingRows, steps: Tensor) -> Tensor:
    """Return the threshold of each row in this step, inf if nothing is excluded; float64 [rows].

    Args:
        rows: The parameters.
        steps: The number of tokens that each completion has so far; int64 [rows].
    """
    nothing = torch.full((1,), NO_TOKEN_ID, device=steps.device)
    chance = uniform_noise(rows.seeds, rows.prompt_keys, steps, nothing)[:, 0]
    return rows.xtc_threshold.masked_fill(chance >= rows.xtc_probability, torch.inf)


def kept_log_ratios(candidates: Candidates, rows: SamplingRows, steps: Tensor) -> Tensor:
    """Return the `log_ratios` of candidates after all cuts, -inf if excluded; float64 [rows, k].

    The result of a row that is open is invalid.
    """
    ratios = candidates.log_ratios
    if not rows.kinds.has_xtc:
        return ratios
    _, total = masses(candidates)
    top_choices = (ratios >= smallest_top_choice(total, xtc_thresholds(rows, steps))[:, None]).sum(-1)
    column = torch.arange(ratios.shape[1], device=ratios.device)
    return ratios.masked_fill(column < top_choices[:, None] - 1, -torch.inf)


def without_top_choices(scores: Tensor, rows: SamplingRows, steps: Tensor) -> Tensor:
    """Return the scores of rows without a cut, -inf if excluded.

    Scores are logits divided by the temperature; float32 [rows, vocab].
    """
    if not rows.kinds.has_xtc:
        return scores
    thresholds = xtc_thresholds(rows, steps)
    parts = []
    for part in row_slices(scores):
        total = relative_mass(scores[part] - scores[part].amax(-1, keepdim=True)).sum(-1)
        is_excluded = excluded(scores[part], smallest_top_choice(total, thresholds[part]))
        parts.append(scores[part].masked_fill(is_excluded, -torch.inf))
    return torch.cat(parts)


def smallest_top_choice(total: Tensor, thresholds: Tensor) -> Tensor:
    """Return the log-probability, minus that of the most probable token, from which on a token is a top choice.

    Args:
        total: The sum of `relative_mass` over all kept tokens; int64 [rows].
        thresholds: See `xtc_thresholds`.

    Returns:
        float64 [rows].
    """
    return thresholds.log() + log_mass(total)


def excluded(scores: Tensor, smallest: Tensor) -> Tensor:
    """Return whether each token is excluded; bool [rows, tokens].

    Args:
        scores: Logits divided by the temperature, with all top choices, by ascending token id; float32 [rows, tokens].
        smallest: See `smallest_top_choice`; float64 [rows].
    """
    is_top = scores.double() - scores.amax(-1, keepdim=True).double() >= smallest[:, None]
    column = torch.arange(scores.shape[1], device=scores.device)
    least = scores.masked_fill(~is_top, torch.inf).amin(-1, keepdim=True)
    spared = column.where(is_top & (scores == least), -1).amax(-1, keepdim=True)
    return is_top & (column != spared)
