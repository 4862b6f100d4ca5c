"""Simulated studies whose truth is known: how often a verdict claims too much, and how often its intervals hold."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.statistics.intervals import adjusted_alpha, difference_intervals

__all__ = ["SimulatedVerdicts", "simulate_verdicts"]

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

_CONFIGURATIONS = 16
_BASELINES = 2
_SEARCHED_FINALISTS = 3  # the best and two runners-up
_SEARCH_SAMPLES = 96
_ALPHA = 0.05
_DECIDED = 0.4  # the share of samples on which every configuration scores the same
_INTERACTION = 0.15  # by how much a configuration suits a sample better or worse than it suits others
_CONCENTRATION = 4.0  # of continuous scores: their variance between seeds is p (1 - p) / 5


class SimulatedVerdicts(NamedTuple):
    """What became of each study.

    Attributes:
        claimed: Whether an improvement over the reference baseline is claimed. Shape: (studies,).
        covered: Whether all intervals hold the true differences. Shape: (studies,).
    """

    claimed: _Flags
    covered: _Flags


def simulate_verdicts(
    studies: int = 1000,
    *,
    kind: Literal["binary", "continuous"] = "binary",
    spread: float = 0.0,
    holdout_samples: int = 48,
    seeds: int = 4,
) -> SimulatedVerdicts:
    """Search by score with one seed per configuration, and judge the finalists on held-out samples with fresh seeds.

    Two of the configurations are baselines, and one of these has no noise (greedy decoding). The finalists are both and
    the three best others; the reference is the baseline that did better on the search split. Some samples are decided:
    every configuration scores the same on them. On the others, configurations differ by what suits a sample, and scores
    vary from seed to seed.

    Args:
        studies: How many.
        kind: Scores of 0 and 1, or between them.
        spread: By how much the configurations' true means may lie from their middle, at most 0.3; 0 makes all equal.
        holdout_samples: Samples that only the verdict sees.
        seeds: Fresh seeds per finalist.
    """
    random = np.random.default_rng(0)
    means = random.uniform(-spread, spread, (studies, _CONFIGURATIONS))
    searched = _scores(random, means, _SEARCH_SAMPLES, 1, kind)[..., 0]
    order = np.argsort(-searched.mean(axis=-1), axis=-1)
    others = order[order >= _BASELINES].reshape(studies, -1)[:, :_SEARCHED_FINALISTS]
    baselines = order[order < _BASELINES].reshape(studies, -1)
    finalists = np.concatenate([baselines, others], axis=1)
    row = np.arange(studies)[:, None]

    held_out = _scores(random, means[row, finalists], holdout_samples, seeds, kind)
    greedy = finalists == _BASELINES - 1
    held_out = np.where(greedy[..., None, None], held_out[..., :1], held_out)
    differences = held_out[:, 1:] - held_out[:, :1]
    intervals = difference_intervals(
        differences, alpha=adjusted_alpha(_ALPHA, differences.shape[1]), max_difference=1.0
    )
    true = (1.0 - _DECIDED) * (means[row, finalists[:, 1:]] - means[row, finalists[:, :1]])
    is_better = order[:, 0] >= _BASELINES  # else the search found nothing better than a baseline, and says so
    return SimulatedVerdicts(
        claimed=(intervals.low[:, _BASELINES - 1 :] > 0.0).any(axis=1) & is_better,
        covered=((intervals.low <= true) & (true <= intervals.high)).all(axis=1),
    )


def _scores(
    random: np.random.Generator, means: _Floats, samples: int, seeds: int, kind: Literal["binary", "continuous"]
) -> _Floats:
    """Scores of some configurations on samples that they share. Shape: (studies, configurations, samples, seeds)."""
    studies, configurations = means.shape
    shape = (studies, configurations, samples)
    ease = random.uniform(0.45, 0.55, (studies, 1, samples))
    chance = ease + means[..., None] + random.uniform(-_INTERACTION, _INTERACTION, shape)
    everywhere = np.broadcast_to(chance[..., None], (*shape, seeds))
    if kind == "binary":
        open_scores = (random.random(everywhere.shape) < everywhere).astype(np.float64)
        decided_scores = (random.random((studies, 1, samples, 1)) < 0.5).astype(np.float64)
    else:
        open_scores = random.beta(_CONCENTRATION * everywhere, _CONCENTRATION * (1.0 - everywhere))
        decided_scores = random.random((studies, 1, samples, 1))
    is_decided = random.random((studies, 1, samples, 1)) < _DECIDED
    return np.where(is_decided, decided_scores, open_scores)
