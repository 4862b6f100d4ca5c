"""When searches stop early: what it saves where there is nothing to find, and what it costs elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna

from llmsearch_optuna import SearchSpace
from llmsearch_optuna.statistics.intervals import adjusted_alpha, showable_difference
from llmsearch_optuna.study.attributes import BASELINE
from studies.benchmarks.simulation import Outcome, Searched, Setting, simulate
from studies.benchmarks.terrains import Model, Synthetic, flattened

__all__ = ["Flat", "Stopped", "stop"]

_TRUTH = 1500
"""Samples beside the searched ones, whose mean score counts as the true one."""

_SEEDS = 4
_ALPHA = adjusted_alpha(0.05, 4)


class Stopped(NamedTuple):
    """A search that may stop early, beside the same one that does not.

    Attributes:
        trials: Those that it began.
        saved: The share of the tokens that it saved.
        gain: The true gain of its best trial over the best baseline.
        full_gain: That of the search that does not stop.
        showable: The gain that the hold-out can show.
    """

    trials: int
    saved: float
    gain: float
    full_gain: float
    showable: float

    @property
    def is_wrong(self) -> bool:
        """Whether a gain that the hold-out could have shown was cut short."""
        return self.full_gain >= self.showable and (
            self.gain < self.showable or self.full_gain - self.gain >= self.showable
        )


class Flat:
    """A landscape of which the first samples are searched and the others tell the truth.

    Its baselines are two of its configurations, so that nothing is to be found if all are alike.

    Args:
        model: What it is drawn from.
        share: See `flattened`.
        samples: The number of samples to search on.
        seed: Seed of everything.
    """

    def __init__(self, model: Model, share: float, *, samples: int, seed: int) -> None:
        self._drawn = Synthetic(flattened(model, share), samples=samples + _TRUTH, seed=seed)
        self.space: SearchSpace = self._drawn.space
        self.samples = samples
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        self._chosen: dict[str, Mapping[str, Any]] = {}
        for name in self._drawn.baselines:
            trial = study.ask()
            self.space.suggest(trial)
            self._chosen[name] = trial.params
        self.baselines: Mapping[str, Outcome] = {name: self.outcome(chosen) for name, chosen in self._chosen.items()}
        self.best = self._drawn.best

    def outcome(self, chosen: Mapping[str, Any]) -> Outcome:
        """See `Terrain`."""
        scores, tokens = self._drawn.outcome(chosen)
        return Outcome(scores[: self.samples], tokens[: self.samples])

    def truth(self, trial: optuna.trial.FrozenTrial) -> npt.NDArray[np.float64]:
        """The scores of a trial on the other samples."""
        name = trial.user_attrs.get(BASELINE)
        return self._drawn.outcome(trial.params if name is None else self._chosen[name]).scores[self.samples :]


def stop(model: Model, share: float, *, samples: int, held_out: int, seed: int, trials: int = 50) -> Stopped:
    """Search a flattened landscape with and without stopping early, from the same seed."""
    terrain = Flat(model, share, samples=samples, seed=seed)
    full, stopped = (
        simulate(terrain, Setting(trials=trials, held_out=number), seed=seed) for number in (None, held_out)
    )
    baselines = [trial for trial in full.study.trials if BASELINE in trial.user_attrs]
    reference = terrain.truth(max(baselines, key=lambda trial: trial.value or 0.0))
    gains = [terrain.truth(search.study.best_trial) - reference for search in (stopped, full)]
    return Stopped(
        trials=len(stopped.study.trials),
        saved=1.0 - stopped.tokens / full.tokens,
        gain=float(gains[0].mean()),
        full_gain=float(gains[1].mean()),
        showable=showable_difference(
            np.stack([terrain.truth(trial) - reference for trial in _leading(full)]),
            samples=held_out,
            seeds=_SEEDS,
            alpha=_ALPHA,
        ),
    )


def _leading(search: Searched) -> Sequence[optuna.trial.FrozenTrial]:
    complete = search.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    proposals = [trial for trial in complete if BASELINE not in trial.user_attrs]
    return sorted(proposals or complete, key=lambda trial: -(trial.value or 0.0))[:4]
