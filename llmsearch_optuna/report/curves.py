"""The course of the search as numbers: its history, and every trial's learning curve."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState

from llmsearch_optuna.report.record import NORMAL_95, StudyRecord, TrialRecord

__all__ = ["Curve", "History", "LearningCurves", "history", "learning_curves"]

_Floats = npt.NDArray[np.float64]


class History(NamedTuple):
    """The optimisation history.

    Attributes:
        complete: The trials of the sampler that were fully evaluated.
        baselines: The fully evaluated baselines.
        pruned: Those that were pruned, with the metric over the samples that they were scored on.
        failed: Those that failed.
        best_so_far: Numbers of fully evaluated trials, and the best value up to each.
        best: The best trial.
    """

    complete: tuple[TrialRecord, ...]
    baselines: tuple[TrialRecord, ...]
    pruned: tuple[TrialRecord, ...]
    failed: tuple[TrialRecord, ...]
    best_so_far: tuple[tuple[int, float], ...]
    best: TrialRecord | None


class Curve(NamedTuple):
    """One trial's learning curve.

    Attributes:
        trial: The trial.
        samples: After how many samples it reported.
        values: The metric over these samples.
    """

    trial: TrialRecord
    samples: tuple[int, ...]
    values: tuple[float, ...]


class LearningCurves(NamedTuple):
    """The metric over the first samples, trial by trial.

    Attributes:
        curves: Of all trials that reported.
        best: The number of the best trial.
        band_samples: Numbers of samples, for the band.
        band_low: Where the best trial's curve would begin to be unusually low. Shape: as `band_samples`.
        band_high: The same, high.
    """

    curves: tuple[Curve, ...]
    best: int | None
    band_samples: tuple[int, ...]
    band_low: _Floats
    band_high: _Floats


def history(record: StudyRecord) -> History:
    """The values of all trials in the order of their numbers."""
    best_so_far: list[tuple[int, float]] = []
    for trial in record.complete:
        if trial.value is not None:
            known = best_so_far[-1][1] if best_so_far else trial.value
            better = trial.value if record.is_better(trial.value, known) else known
            best_so_far.append((trial.number, better))
    return History(
        complete=tuple(trial for trial in record.complete if trial.baseline is None),
        baselines=record.baselines,
        pruned=tuple(trial for trial in record.pruned if trial.value is not None),
        failed=tuple(trial for trial in record.trials if trial.state == TrialState.FAIL),
        best_so_far=tuple(best_so_far),
        best=record.best,
    )


def learning_curves(record: StudyRecord) -> LearningCurves:
    """All learning curves, and the band of the incumbent's.

    The band is where 95 % of the means of so many of its scores lie if samples are drawn at random and without
    replacement (W. G. Cochran, "Sampling Techniques", ch. 2: the standard error is s sqrt((1 / n) (1 - n / N))): a
    curve below it is unlikely to be that of an equal. There is none where the metric scores only a corpus.
    """
    curves = tuple(
        Curve(trial, tuple(trial.reported), tuple(trial.reported.values())) for trial in record.trials if trial.reported
    )
    best, sizes, half_width = record.best, np.zeros(0), np.zeros(0)
    if best is not None and best.scores is not None and len(best.scores) > 1:
        population = len(best.scores)
        sizes = np.unique([size for curve in curves for size in curve.samples if size <= population])
        spread = best.scores.std(ddof=1)
        half_width = NORMAL_95 * spread * np.sqrt((1.0 / sizes) * (1.0 - sizes / population))
    middle = 0.0 if best is None or best.value is None else best.value
    return LearningCurves(
        curves=curves,
        best=None if best is None else best.number,
        band_samples=tuple(int(size) for size in sizes),
        band_low=middle - half_width,
        band_high=middle + half_width,
    )
