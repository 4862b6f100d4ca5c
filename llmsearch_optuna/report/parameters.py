"""The effect of the parameters on the score: importances and slices, both with their uncertainty."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial

from llmsearch_optuna.report.record import StudyRecord, TrialRecord

__all__ = ["MINIMUM_TRIALS", "Importance", "Importances", "Slice", "Trend", "importances", "parameter_slice"]

_Floats = npt.NDArray[np.float64]

MINIMUM_TRIALS = 6
"""The minimum number of fully evaluated trials of the sampler for importances."""

_RESAMPLES = 60
_TREND_RESAMPLES = 200
_TREND_POINTS = 60
_MINIMUM_FOR_TREND = 6
_TOP_TRIALS = 5


class Importance(NamedTuple):
    """The importance of one parameter in separating the good trials from the others.

    Attributes:
        parameter: Its name.
        share: Its share of the total importance; the shares of all parameters sum to 1.
        low: The lower end of the 90 % bootstrap interval.
        high: The upper end of the interval.
    """

    parameter: str
    share: float
    low: float
    high: float


class Importances(NamedTuple):
    """The importances of all parameters, most important first.

    Attributes:
        rows: One for each parameter; empty if there are fewer than `MINIMUM_TRIALS` trials, or all score the same.
        trials: The number of trials that they are computed from.
        top: The share of these trials that counts as good, in (0, 0.5].
    """

    rows: tuple[Importance, ...]
    trials: int
    top: float


class Trend(NamedTuple):
    """A smoothed mean along a parameter.

    Attributes:
        at: Values of the parameter. Shape: (points,).
        mean: The mean score at these values. Shape: (points,).
        low: The lower ends of pointwise 95 % intervals. Shape: (points,).
        high: The upper ends. Shape: (points,).
    """

    at: _Floats
    mean: _Floats
    low: _Floats
    high: _Floats


class Slice(NamedTuple):
    """The score along one parameter.

    Attributes:
        parameter: Its name.
        is_log: Whether it was searched on a logarithmic scale.
        categories: Its choices as strings if it is categorical; else ``None``.
        complete: The fully evaluated trials with a sampled value of it.
        pruned: The pruned trials with a sampled value of it.
        trend: The trend of the fully evaluated trials; ``None`` for a categorical parameter, or if there are fewer than
            six trials, or all have the same value of the parameter.
    """

    parameter: str
    is_log: bool
    categories: tuple[str, ...] | None
    complete: tuple[TrialRecord, ...]
    pruned: tuple[TrialRecord, ...]
    trend: Trend | None


def importances(record: StudyRecord) -> Importances:
    """Return PED-ANOVA importances with intervals from a bootstrap over trials.

    PED-ANOVA measures how much a parameter's distribution in the good trials differs from that in all trials
    (S. Watanabe, A. Bansal and F. Hutter, "PED-ANOVA: Efficiently quantifying hyperparameter importance in arbitrary
    subspaces", IJCAI 2023). The good trials are the best tenth, but at least five and at most half of the trials.
    Pruned trials are left out because their values are means over fewer samples. Baselines, and presets outside the
    search space, are left out because they have no sampled parameters. The bootstrap draws trials with replacement (B.
    Efron, "Bootstrap methods", Annals of Statistics 7 (1979)) and has a fixed seed.
    """
    trials = [
        create_trial(params=dict(trial.chosen), distributions=dict(trial.distributions), value=trial.value)
        for trial in record.complete
        if trial.distributions and trial.value is not None
    ]
    top = min(0.5, max(0.1, _TOP_TRIALS / max(1, len(trials))))
    if len(trials) < MINIMUM_TRIALS or len({trial.value for trial in trials}) == 1:
        return Importances((), len(trials), top)
    names = sorted({name for trial in trials for name in trial.distributions})
    draws = np.random.default_rng(0).integers(len(trials), size=(_RESAMPLES, len(trials)))
    with _quiet():
        shares = _shares(trials, names, record, top)
        resampled = np.array([_shares([trials[index] for index in draw], names, record, top) for draw in draws])
    low, high = np.quantile(resampled, (0.05, 0.95), axis=0)
    # The statistics are one-sided, so the bootstrap interval need not contain the estimate.
    rows = [
        Importance(name, share, min(share, low_end), max(share, high_end))
        for name, share, low_end, high_end in zip(names, shares.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    return Importances(tuple(sorted(rows, key=lambda row: -row.share)), len(trials), top)


def _shares(trials: Sequence[FrozenTrial], names: Sequence[str], record: StudyRecord, top: float) -> _Floats:
    study = optuna.create_study(direction="maximize" if record.maximize else "minimize")
    study.add_trials(trials)
    shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=top))
    # A parameter that only some trials have may be missing in a resample.
    return np.array([shares.get(name, 0.0) for name in names])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's log line for every study and its warnings about rare parameters in resamples."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def parameter_slice(record: StudyRecord, parameter: str) -> Slice:
    """Return the score along one parameter.

    The trend is a kernel regression (E. A. Nadaraya, Theory of Probability 9 (1964)) over the fully evaluated trials,
    with a bandwidth by Scott's rule. Its intervals come from a bootstrap over these trials. It does not show the effect
    of this parameter alone, because samplers vary all parameters together.

    Args:
        record: The study.
        parameter: A key of `record.parameters`.
    """
    distribution = record.parameters[parameter]
    complete = tuple(trial for trial in record.complete if parameter in trial.chosen and trial.value is not None)
    pruned = tuple(trial for trial in record.pruned if parameter in trial.chosen and trial.value is not None)
    categories, is_log = None, False
    if isinstance(distribution, CategoricalDistribution):
        categories = tuple(str(choice) for choice in distribution.choices)
    elif isinstance(distribution, FloatDistribution | IntDistribution):
        is_log = distribution.log
    return Slice(
        parameter=parameter,
        is_log=is_log,
        categories=categories,
        complete=complete,
        pruned=pruned,
        trend=None if categories is not None else _trend(complete, parameter, is_log=is_log),
    )


def _trend(trials: Sequence[TrialRecord], parameter: str, *, is_log: bool) -> Trend | None:
    values = np.array([trial.value for trial in trials], dtype=np.float64)
    chosen = np.array([trial.chosen[parameter] for trial in trials], dtype=np.float64)
    along = np.log(chosen) if is_log else chosen
    if len(trials) < _MINIMUM_FOR_TREND or np.ptp(along) == 0.0:
        return None
    points = np.linspace(along.min(), along.max(), _TREND_POINTS)
    bandwidth = 1.059 * along.std(ddof=1) * len(trials) ** -0.2
    kernel = np.exp(-0.5 * ((points[:, None] - along) / bandwidth) ** 2)
    count = len(trials)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1.0 / count), _TREND_RESAMPLES)
    weights = np.concatenate([np.ones((1, count)), draws.astype(np.float64)])
    total = weights @ kernel.T
    # A resample without a trial near a point contributes its overall mean there.
    means = np.where(
        total > math.ulp(1.0),
        (weights * values) @ kernel.T / np.maximum(total, math.ulp(1.0)),
        (weights @ values / weights.sum(axis=1))[:, None],
    )
    low, high = np.quantile(means[1:], (0.025, 0.975), axis=0)
    return Trend(
        at=np.exp(points) if is_log else points,
        mean=means[0],
        low=np.minimum(low, means[0]),
        high=np.maximum(high, means[0]),
    )
