"""The problem: a proposal scores what the nearest recorded configuration did."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import optunahub

_DIRECTORY = Path(__file__).parent / "landscapes"

LANDSCAPES = tuple(sorted(path.stem for path in _DIRECTORY.glob("*.json")))
"""The names of the recorded landscapes."""

_STEP = 8


class Problem(optunahub.benchmarks.BaseProblem):
    """Search for generation parameters (temperature, top_p, ...) of a language model.

    Each landscape has the scores of at least 66 configurations on 96 or 400 samples of a task. A proposal scores what
    the nearest of them did. The mean over the samples is maximised. Intermediate values are means over the first 8, 16,
    ... samples, in an order that the seed determines, so that pruners have something to decide.

    Args:
        landscape: One of `LANDSCAPES`.
        seed: The seed of the order of the samples.

    Raises:
        ValueError: There is no such landscape.
    """

    def __init__(self, landscape: str = "sums", *, seed: int = 0) -> None:
        if landscape not in LANDSCAPES:
            raise ValueError(f"`landscape` must be one of {', '.join(LANDSCAPES)}, got {landscape!r}")
        recorded = json.loads((_DIRECTORY / f"{landscape}.json").read_text(encoding="utf-8"))
        self._space = {
            name: optuna.distributions.json_to_distribution(json.dumps(dimension))
            for name, dimension in recorded["space"].items()
        }
        scores = np.array([configuration["scores"] for configuration in recorded["configurations"]], dtype=np.float64)
        self._scores: npt.NDArray[np.float64] = scores[:, np.random.default_rng(seed).permutation(scores.shape[1])]
        self._points = self._embedded([configuration["params"] for configuration in recorded["configurations"]])
        self.baselines: Mapping[str, float] = recorded["baselines"]
        self.best = float(self._scores.mean(axis=1).max())

    @property
    def search_space(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """The distributions of the parameters."""
        return dict(self._space)

    @property
    def directions(self) -> list[optuna.study.StudyDirection]:
        """The score is maximised."""
        return [optuna.study.StudyDirection.MAXIMIZE]

    def sample_scores(self, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return the score of each sample. Shape: (samples,)."""
        distances = np.square(self._points - self._embedded([params])).sum(axis=1)
        scores: npt.NDArray[np.float64] = self._scores[int(distances.argmin())]
        return scores

    def evaluate(self, params: dict[str, Any]) -> float:
        """Return the mean score of all samples."""
        return float(self.sample_scores(params).mean())

    def __call__(self, trial: optuna.Trial) -> float:
        """Report the mean of a growing part of the samples, and end early if the pruner says so.

        Raises:
            optuna.TrialPruned: The pruner stopped the trial.
        """
        scores = self.sample_scores({name: _suggest(trial, name, space) for name, space in self._space.items()})
        for end in range(_STEP, len(scores), _STEP):
            trial.report(float(scores[:end].mean()), step=end)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(scores.mean())

    def _embedded(self, configurations: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        """Return configurations as points: numbers from 0 to 1 on their scale, one column per category."""
        columns: list[list[float]] = []
        for name, dimension in self._space.items():
            values = [params[name] for params in configurations]
            if isinstance(dimension, optuna.distributions.CategoricalDistribution):
                columns += [[0.5 * (value == choice) for value in values] for choice in dimension.choices]
                continue
            if not isinstance(dimension, optuna.distributions.FloatDistribution | optuna.distributions.IntDistribution):
                raise TypeError(f"{name} has an unknown distribution: {dimension}")
            scale = np.log if dimension.log else float
            low, high = scale(dimension.low), scale(dimension.high)
            columns.append([(scale(value) - low) / (high - low) for value in values])
        return np.array(columns, dtype=np.float64).T


def _suggest(trial: optuna.Trial, name: str, space: optuna.distributions.BaseDistribution) -> Any:
    if isinstance(space, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, space.choices)
    if isinstance(space, optuna.distributions.IntDistribution):
        return trial.suggest_int(name, space.low, space.high, step=space.step, log=space.log)
    if isinstance(space, optuna.distributions.FloatDistribution):
        return trial.suggest_float(name, space.low, space.high, step=space.step, log=space.log)
    raise TypeError(f"{name} has an unknown distribution: {space}")
