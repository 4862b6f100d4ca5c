"""The number of samples that a comparison needs, before it begins."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from llmsearch_optuna.errors import ConfigurationError, MetricError, check_minimum
from llmsearch_optuna.statistics.power import PairedSpread, binary_spread, pilot_spread, samples_to_show, smallest_gain
from llmsearch_optuna.verdict.judging import ALPHA, largest_difference, pair_scores, seeds_pair
from llmsearch_optuna.verdict.outputs import ScoredFiles

__all__ = ["Plan", "Target", "plan_from_numbers", "plan_from_pilot"]

_HALF_BY_SEED = "assumed: half of the variance of a difference with one seed comes from the seed"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked for: a number of samples, given a gain, or a gain, given a number of samples.

    Attributes:
        gain: The gain to show; None if it is asked for.
        samples: The number of samples; None if it is asked for.
        power: The chance of showing the gain.

    Raises:
        ConfigurationError: A value is out of range, or both or none of gain and samples are given.
    """

    gain: float | None = None
    samples: int | None = None
    power: float = 0.8

    def __post_init__(self) -> None:
        if (self.gain is None) == (self.samples is None):
            raise ConfigurationError("give one of `gain` and `samples`: the other is computed")
        if self.gain is not None and not 0.0 < self.gain < math.inf:
            raise ConfigurationError(f"`gain` must be > 0, got {self.gain}")
        check_minimum("samples", self.samples, 2)
        if not 0.5 <= self.power < 1.0:
            raise ConfigurationError(f"`power` must be in [0.5, 1), got {self.power}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A number of samples, and the gain that they show.

    Attributes:
        samples: The number of samples.
        gain: The gain that they show; None if they cannot show any.
        power: The chance of showing it.
        confidence: The level of the interval that shows it.
        seeds: The number of seeds of each sample.
        metric: The metric's name.
        assumptions: What the numbers rest on, one sentence each.
    """

    samples: int
    gain: float | None
    power: float
    confidence: float
    seeds: int
    metric: str
    assumptions: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        seeds = f"{self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"
        chance = f"with a chance of {100 * self.power:.3g} % (interval of {100 * self.confidence:.3g} %)"
        if self.gain is None:
            return f"{self.samples:,} samples x {seeds} show no possible gain {chance}"
        return f"{self.samples:,} samples x {seeds} show a gain of {self.gain:.3g} {chance}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-serialisable values, including its sentence."""
        return {"sentence": self.sentence, **asdict(self)}


def plan_from_numbers(
    target: Target,
    *,
    baseline: float,
    correlation: float | None = None,
    agreement: float | None = None,
    seeds: int = 1,
) -> Plan:
    """Plan a comparison of binary scores from two numbers: the score of the baseline, and the gain or the samples.

    Args:
        target: What is asked for.
        baseline: The mean score of the baseline, in (0, 1).
        correlation: The correlation of both scores of a sample, in [-1, 1]; 0 by default.
        agreement: The share of samples on which both score the same, in place of the correlation.
        seeds: The number of seeds of each sample.

    Raises:
        ConfigurationError: A value is out of range, or no two scores are like this.
    """
    check_minimum("seeds", seeds, 1)
    if not 0.0 < baseline < 1.0:
        raise ConfigurationError(f"`baseline` must be in (0, 1), the share of right answers, got {baseline}")
    if correlation is not None and agreement is not None:
        raise ConfigurationError("give one of `correlation` and `agreement`, not both")
    if target.gain is not None and baseline + target.gain > 1.0:
        raise ConfigurationError(f"`baseline` + `gain` must be <= 1, got {baseline} + {target.gain}")
    for name, value, low in (("correlation", correlation, -1.0), ("agreement", agreement, 0.0)):
        if value is not None and not low <= value <= 1.0:
            raise ConfigurationError(f"`{name}` must be in [{low:.0f}, 1], got {value}")

    def spread_of(gain: float) -> PairedSpread:
        return binary_spread(baseline, gain, correlation=correlation or 0.0, agreement=agreement, seeds=seeds)

    if target.gain is not None:
        try:
            spread_of(target.gain)
        except ValueError as error:
            raise ConfigurationError(f"{error}, for scores of {baseline} and {baseline + target.gain:.4g}") from error
    related = f"a correlation of {correlation or 0.0:.3g} between both scores of a sample"
    if agreement is not None:
        related = f"the same score on {100 * agreement:.3g} % of the samples"
    elif correlation is None:
        related += " (runs of one model often have more, which needs fewer samples: `--correlation`, `--agreement`)"
    assumptions = [f"assumed: scores 0 and 1, {baseline:.3g} on average for the baseline; {related}"]
    if seeds > 1:
        assumptions.append(_HALF_BY_SEED)
    return _plan(target, spread_of, limit=1.0 - baseline, seeds=seeds, metric="score", assumptions=assumptions)


def plan_from_pilot(target: Target, pilot: ScoredFiles, *, seeds: int | None = None) -> Plan:
    """Plan a comparison from a small one, whose paired differences vary as those to come.

    Args:
        target: What is asked for.
        pilot: The two files of the pilot.
        seeds: The number of seeds of each sample; by default as many as in the pilot.

    Raises:
        ConfigurationError: A value is out of range, or the files have different numbers of seeds above 1.
        MetricError: The metric scores only a corpus.
    """
    check_minimum("seeds", seeds, 1)
    first, second = (finalist.scores for finalist in pilot.finalists)
    if not isinstance(first, np.ndarray) or not isinstance(second, np.ndarray):
        raise MetricError(f"a plan needs a metric that scores every sample, but {pilot.metric} scores only a corpus")
    counts = first.shape[1], second.shape[1]
    if not seeds_pair(*counts):
        raise ConfigurationError(f"both files of a pilot must have the same number of seeds, or one, got {counts}")
    pilot_seeds = max(counts)
    differences, noise = pair_scores(second, first)
    spread = pilot_spread(differences, noise, seeds=seeds or pilot_seeds, clusters=pilot.clusters)
    clusters = None if pilot.clusters is None else len(np.unique(pilot.clusters))
    where = f"{pilot.samples} samples" + (f" in {clusters} clusters" if clusters else "")
    where += f" x {pilot_seeds} {'seed' if pilot_seeds == 1 else 'seeds'}"
    assumptions = [f"from the pilot: {where}; the standard deviation of a difference is {spread.variance**0.5:.3g}"]
    if clusters:
        assumptions.append("assumed: the clusters of the samples to come have the same sizes")
    if pilot_seeds == 1 and seeds is not None and seeds > 1:
        assumptions.append(_HALF_BY_SEED)
    return _plan(
        target,
        lambda _: spread,
        limit=largest_difference((first, second), pilot.max_difference),
        seeds=seeds or pilot_seeds,
        metric=pilot.metric,
        assumptions=assumptions,
    )


def _plan(
    target: Target,
    spread_of: Callable[[float], PairedSpread],
    *,
    limit: float,
    seeds: int,
    metric: str,
    assumptions: Sequence[str],
) -> Plan:
    samples, gain = target.samples, target.gain
    if gain is not None:
        samples = math.ceil(samples_to_show(gain, spread_of(gain), alpha=ALPHA, power=target.power))
    elif samples is not None:
        gain = smallest_gain(samples, spread_of, limit=limit, alpha=ALPHA, power=target.power)
    return Plan(
        samples=samples or 0,
        gain=gain,
        power=target.power,
        confidence=1.0 - ALPHA,
        seeds=seeds,
        metric=metric,
        assumptions=tuple(assumptions),
    )
