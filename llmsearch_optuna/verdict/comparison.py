"""The results of finalists, and the comparisons between them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["Comparison", "FinalistResult", "interval_text"]

_MAX_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class FinalistResult:
    """The result of one finalist.

    Attributes:
        name: ``"best"``, ``"runner-up 1"``, ``"front 1"``, the name of a baseline, or the path of a file.
        score: The metric, averaged over the seeds.
        seeds: The number of seeds; 1 for greedy decoding.
        seed_sd: The standard deviation of the score between seeds; None with one seed.
        tokens: The mean number of tokens per sample; None if they are not an objective.
        cost: The mean cost of 1,000 samples; None if it is unknown or the study has no price.
        trial: The number of the finalist's trial; None for a file.
        search_score: The score on the search split; None for a file.
        params: The generation parameters, with the seed of the trial; None for a file.
        irregular: The rows of answers of a server that are no ordinary text, by finish reason; see `IRREGULAR`.
        tied_votes: The number of tied votes on the answer to a sample, over all seeds.
    """

    name: str
    score: float
    seeds: int
    seed_sd: float | None
    tokens: float | None = None
    cost: float | None = None
    trial: int | None = None
    search_score: float | None = None
    params: GenerationParams | None = None
    irregular: Mapping[str, Sequence[int]] = field(default_factory=dict, hash=False)
    tied_votes: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of a finalist with the reference.

    Attributes:
        name: The finalist's name.
        gain: The improvement over the reference. Positive is better, whether the metric is maximised or minimised.
        low: The lower end of the gain's interval.
        high: The upper end of the gain's interval.
        seed_share: The seeds' share of the gain's variance, in [0, 1]. More seeds would reduce it; the rest is due to
            the samples. None with one seed.
        samples_needed: The number of samples with which a gain as large as the one observed would be shown with a
            chance of 80 %. None if the observed gain is 0 or close to it.
    """

    name: str
    gain: float
    low: float
    high: float
    seed_share: float | None
    samples_needed: int | None

    def __str__(self) -> str:
        """Return the gain with its sign and interval, as in ``+0.08 [0.03, 0.13]``; see `interval_text`."""
        return interval_text(self.gain, self.low, self.high, sign="+")

    @property
    def size(self) -> str:
        """The gain without a sign, and its interval, as in ``0.08 [0.03, 0.13]``; see `interval_text`."""
        return interval_text(self.gain, self.low, self.high)

    def reversed(self) -> Self:
        """Return the comparison with the opposite sign."""
        return dataclasses.replace(self, gain=0.0 - self.gain, low=0.0 - self.high, high=0.0 - self.low)


def interval_text(value: float, low: float, high: float, sign: str = "") -> str:
    """Return a value and its interval, rounded to the decimal place of the width's second significant digit."""
    decimals = 2 if high <= low else min(_MAX_DECIMALS, max(0, 1 - math.floor(math.log10(high - low))))
    # An end other than 0 must not be shown as 0, as the sign of the lower end is the verdict.
    ends = [end for end in (low, high) if end != 0.0]
    while decimals < _MAX_DECIMALS and any(float(f"{end:.{decimals}f}") == 0.0 for end in ends):
        decimals += 1
    return f"{value:{sign}.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
