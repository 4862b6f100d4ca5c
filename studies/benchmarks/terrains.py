"""What simulated searches search: recorded landscapes, and larger ones that are drawn like them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from scipy import optimize, special

from llmsearch_optuna import Categorical, SearchSpace
from studies.benchmarks.landscape import Landscape
from studies.benchmarks.simulation import Outcome

__all__ = ["Model", "Recorded", "Synthetic", "embed", "fit", "flattened"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_FEATURES = 256
_CANDIDATES = 512


def embed(space: SearchSpace, chosen: Sequence[Mapping[str, Any]]) -> Floats:
    """Configurations as points: numbers go from 0 to 1 (on their scale), other values are half a unit apart per column.

    A number that is not chosen, as its condition does not hold, is in the middle, and one unit away in a column of its
    own; so two configurations of which only one has it are further apart than any two that both do.

    Args:
        space: The space.
        chosen: The searched parameters of each configuration.

    Returns:
        Shape: (configurations, columns).
    """
    columns: list[list[float]] = []
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, Categorical):
            columns += [
                [0.5 * (name in point and point[name] == choice) for point in chosen] for choice in dimension.choices
            ]
            continue
        scale = np.log if dimension.log else float
        low, high = scale(dimension.low), scale(dimension.high)
        columns.append(
            [(scale(point[name]) - low) / ((high - low) or 1.0) if name in point else 0.5 for point in chosen]
        )
        if dimension.when is not None:
            columns.append([float(name in point) for point in chosen])
    return np.array(columns, dtype=np.float64).T


class Recorded:
    """A recorded landscape: a proposal scores and costs what the nearest recorded configuration did.

    Args:
        landscape: What was recorded, with scores in [0, 1] of which higher ones are better.
        seed: Seed of the order of the samples.
    """

    def __init__(self, landscape: Landscape, *, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(landscape.scores.shape[1])
        self.space = landscape.space
        self.samples = len(order)
        self.best = float(landscape.scores.mean(axis=1).max())
        self.baselines: Mapping[str, Outcome] = _baselines(landscape, order)
        drawn = _drawn(landscape)
        self._outcomes = [
            Outcome(scores[order], tokens[order])
            for scores, tokens in zip(landscape.scores[drawn], landscape.tokens[drawn], strict=True)
        ]
        self._points = _points(landscape)

    def outcome(self, chosen: Mapping[str, Any]) -> Outcome:
        """See `Terrain`."""
        return self._outcomes[int(_nearest(self._points, embed(self.space, [chosen]))[0])]


class Model(NamedTuple):
    """What synthetic landscapes are drawn from, fitted to a recorded one by `fit`.

    Attributes:
        landscape: The recorded one.
        binary: Whether scores are 0 or 1.
        points: The recorded configurations, without the baselines. Shape: (configurations, columns).
        logits: Log-odds of their mean scores. Shape: (configurations,).
        variances: Of those, as the samples are few. Shape: (configurations,).
        spread: Standard deviation of the log-odds over the space.
        reach: How far apart points are, by column, whose log-odds have little in common. Shape: (columns,).
        below: What part of a configuration's scores is lower than this sample's. Shape: (configurations, samples).
        same: What part of them is the same. Shape: (configurations, samples).
        nearby: How far from one recorded configuration samples turn to the next.
        quantiles: Scores by recorded configuration, from the worst one to the best, and sample, from the lowest score
            to the highest; with all 0 before the first and all 1 after the last. Shape: (configurations, samples).
    """

    landscape: Landscape
    binary: bool
    points: Floats
    logits: Floats
    variances: Floats
    spread: float
    reach: Floats
    below: Floats
    same: Floats
    nearby: float
    quantiles: Floats


def fit(landscape: Landscape) -> Model:
    """Fit the model of `Synthetic` to a recorded landscape with scores in [0, 1].

    The response surface is a Gaussian process over the log-odds of the mean scores, whose spread and reach have the
    largest marginal likelihood (C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", 5.4).
    """
    drawn = _drawn(landscape)
    scores = landscape.scores[drawn]
    binary = bool(np.isin(landscape.scores, (0.0, 1.0)).all())
    points = _points(landscape)
    groups = _groups(landscape.space)
    count = scores.shape[1]
    means = (scores.sum(axis=1) + 0.5) / (count + 1.0)  # which no log-odds makes infinite
    variances = (scores.var(axis=1) + 0.25 / count) / count / (means * (1.0 - means)) ** 2
    logits = special.logit(means)
    spread, reach = _fit_surface(points, logits, variances, groups)
    apart = np.sqrt(np.square(points[:, None] - points[None]).sum(axis=2))
    np.fill_diagonal(apart, np.inf)
    everywhere = np.stack([np.zeros(count), *np.sort(landscape.scores, axis=1), np.ones(count)])
    return Model(
        landscape,
        binary,
        points,
        logits,
        variances,
        spread,
        reach,
        (scores[:, None, :] < scores[:, :, None]).mean(axis=2),
        (scores[:, None, :] == scores[:, :, None]).mean(axis=2),
        float(np.median(apart.min(axis=1))) / 2.0,
        everywhere[np.argsort(everywhere.mean(axis=1), kind="stable")],
    )


def flattened(model: Model, share: float) -> Model:
    """A model whose log-odds differ by this share of what was recorded: 0 for a landscape with nothing to find."""
    centre = model.logits.mean()
    spread = max(share, 1e-6) * model.spread
    return model._replace(logits=centre + share * (model.logits - centre), spread=spread)


class Synthetic:
    """A landscape drawn from a `Model`, with any number of samples.

    The mean score of a configuration follows a response surface: a draw of the Gaussian process given the recorded
    means. So it is as smooth, and has its heights where they were recorded, but is another one every time.

    The samples are recorded ones, drawn with replacement. On each of them, a configuration answers as one of the
    recorded configurations nearby does, the likelier, the nearer that one is (a bell curve); those that are close
    together mostly as the same one, as completions are equal until the first token that differs. So samples are as easy
    or hard, and scores go together as much, as it was recorded. What is taken over is the score's rank among its
    configuration's scores; the score itself is the one of this rank in a configuration with the mean that the surface
    wants (between those of the recorded ones with the next lower and higher means; for binary scores: whether it is
    among the 1s). Tokens are those of the recorded answer. The baselines answer as they did.

    Args:
        model: What it is drawn from.
        samples: The number of samples.
        seed: Seed of everything.
    """

    def __init__(self, model: Model, *, samples: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        landscape = model.landscape
        self.space = landscape.space
        self.samples = samples
        self._model = model
        self._like = rng.integers(landscape.scores.shape[1], size=samples)
        self._heights = _draw_heights(model, rng)
        self._within = rng.random(samples)
        self._gumbel = rng.gumbel(size=(len(model.points), samples))
        self._tokens = landscape.tokens[_drawn(landscape)]
        self.baselines: Mapping[str, Outcome] = _baselines(landscape, self._like)
        self.best = max(
            float(self._scores(candidates := _candidates(self.space), self._answering(candidates)).mean(axis=1).max()),
            *(float(outcome.scores.mean()) for outcome in self.baselines.values()),
        )

    def outcome(self, chosen: Mapping[str, Any]) -> Outcome:
        """See `Terrain`."""
        point = embed(self.space, [chosen])
        answering = self._answering(point)
        return Outcome(self._scores(point, answering)[0], self._tokens[answering, self._like][0])

    def _answering(self, points: Floats) -> Integers:
        """Which recorded configuration answers a sample. Shape: (points, samples)."""
        apart = np.square(points[:, None] - self._model.points[None]).sum(axis=2)
        closeness = -apart / (2.0 * self._model.nearby**2)
        # The largest of log-weights with Gumbel noise is a draw by the weights, and the same noise makes the same draw.
        return np.stack([(trial_closeness[:, None] + self._gumbel).argmax(axis=0) for trial_closeness in closeness])

    def _scores(self, points: Floats, answering: Integers) -> Floats:
        """Shape: (points, samples)."""
        means = special.expit(self._heights(points))
        model = self._model
        ranks = model.below[answering, self._like] + self._within * model.same[answering, self._like]
        if self._model.binary:
            return (ranks > 1.0 - means[:, None]).astype(np.float64)
        quantiles = self._model.quantiles
        quantile_means = quantiles.mean(axis=1)
        above = np.clip(np.searchsorted(quantile_means, means), 1, len(quantile_means) - 1)
        gap = quantile_means[above] - quantile_means[above - 1]
        share = np.clip((means - quantile_means[above - 1]) / np.where(gap > 0.0, gap, 1.0), 0.0, 1.0)[:, None]
        position = np.minimum((ranks * quantiles.shape[1]).astype(np.int64), quantiles.shape[1] - 1)
        lower = np.take_along_axis(quantiles[above - 1], position, axis=1)
        upper = np.take_along_axis(quantiles[above], position, axis=1)
        return (1.0 - share) * lower + share * upper


def _draw_heights(model: Model, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """A response surface, in log-odds: a draw given what was recorded, by Matheron's rule.

    J. T. Wilson et al., "Efficiently sampling functions from Gaussian process posteriors", ICML 2020.
    """
    frequencies = rng.standard_normal((_FEATURES, len(model.reach))) / model.reach  # draws from the kernel's spectrum
    phases = rng.uniform(0.0, 2.0 * np.pi, _FEATURES)

    def waves(points: Floats) -> Floats:
        """Random Fourier features (A. Rahimi and B. Recht, NeurIPS 2007). Shape: (points, features)."""
        return np.sqrt(2.0 / _FEATURES) * np.cos(points @ frequencies.T + phases)

    weights = model.spread * rng.standard_normal(_FEATURES)
    centre = model.logits.mean()
    noise = np.sqrt(model.variances) * rng.standard_normal(len(model.logits))
    covariance = _covariance(model.points, model.points, model.spread, model.reach) + np.diag(model.variances)
    missing = np.linalg.solve(covariance, model.logits - centre - waves(model.points) @ weights - noise)

    def heights(points: Floats) -> Floats:
        correction = _covariance(points, model.points, model.spread, model.reach) @ missing
        return centre + waves(points) @ weights + correction

    return heights


def _covariance(points: Floats, others: Floats, spread: float, reach: Floats) -> Floats:
    """Squared-exponential kernel. Shape: (points, others)."""
    apart = (points[:, None] - others[None]) / reach
    return spread**2 * np.exp(-0.5 * np.square(apart).sum(axis=2))


def _fit_surface(points: Floats, logits: Floats, variances: Floats, groups: Integers) -> tuple[float, Floats]:
    centred = logits - logits.mean()

    def loss(logs: Floats) -> float:
        covariance = _covariance(points, points, np.exp(logs[0]), np.exp(logs[1:])[groups]) + np.diag(variances)
        factor = np.linalg.cholesky(covariance)
        return float(np.square(np.linalg.solve(factor, centred)).sum() / 2 + np.log(np.diag(factor)).sum())

    count = groups.max() + 1
    start = np.log([centred.std(), *[0.7] * count])
    bounds = [(start[0] - 2.0, start[0] + 2.0), *[(np.log(0.2), np.log(20.0))] * count]
    fitted = np.exp(optimize.minimize(loss, start, bounds=bounds).x)
    return float(fitted[0]), fitted[1:][groups]


def _groups(space: SearchSpace) -> Integers:
    """Which columns of `embed` are alike: those of one categorical parameter. Shape: (columns,)."""
    groups: list[int] = []
    for dimension in space.dimensions.values():
        new = max(groups, default=-1) + 1
        if isinstance(dimension, Categorical):
            groups += [new] * len(dimension.choices)
        else:
            groups += [new] if dimension.when is None else [new, new + 1]
    return np.array(groups, dtype=np.int64)


@functools.cache
def _candidates(space: SearchSpace) -> Floats:
    """Points all over the space, the best of which counts as the best there is. Shape: (candidates, columns)."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    chosen = []
    for _ in range(_CANDIDATES):
        trial = study.ask()
        space.suggest(trial)
        chosen.append(trial.params)
    return embed(space, chosen)


def _drawn(landscape: Landscape) -> npt.NDArray[np.bool_]:
    """Which configurations are no baselines."""
    return np.array([configuration.baseline is None for configuration in landscape.configurations])


def _points(landscape: Landscape) -> Floats:
    """The configurations that are no baselines; see `embed`. Shape: (configurations, columns)."""
    chosen = [configuration.chosen for configuration in landscape.configurations if configuration.baseline is None]
    return embed(landscape.space, chosen)


def _baselines(landscape: Landscape, samples: Integers) -> dict[str, Outcome]:
    """The outcomes of the baselines on these samples, by name."""
    return {
        configuration.baseline: Outcome(scores[samples], tokens[samples])
        for configuration, scores, tokens in zip(
            landscape.configurations, landscape.scores, landscape.tokens, strict=True
        )
        if configuration.baseline is not None
    }


def _nearest(points: Floats, others: Floats) -> Integers:
    """The nearest of the points to each of the others. Shape: (others,)."""
    return np.square(points[None] - others[:, None]).sum(axis=2).argmin(axis=1)
