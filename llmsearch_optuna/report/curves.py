"""The course of the search as numbers: its history and the learning curve of every trial."""

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
        complete: The fully evaluated trials of the sampler.
        baselines: The fully evaluated baselines.
        pruned: The pruned trials, with the metric over the samples that they were scored on.
        failed: The failed trials.
        best_so_far: The number of each fully evaluated trial with the best value up to it.
        best: The best trial.
    """

    complete: tuple[TrialRecord, ...]
    baselines: tuple[TrialRecord, ...]
    pruned: tuple[TrialRecord, ...]
    failed: tuple[TrialRecord, ...]
    best_so_far: tuple[tuple[int, float], ...]
    best: TrialRecord | None


class Curve(NamedTuple):
    """The learning curve of one trial.

    Attributes:
        trial: The trial.
        samples: The numbers of samples at which it reported.
        values: The metric over that many first samples.
    """

    trial: TrialRecord
    samples: tuple[int, ...]
    values: tuple[float, ...]


class LearningCurves(NamedTuple):
    """The metric over the first samples, by trial.

    Attributes:
        curves: The curves of all trials that reported.
        best: The number of the best trial; ``None`` if no trial is fully evaluated.
        band_samples: The numbers of samples at which the band is given; empty without a band.
        band_low: The lower end of the band. Shape: (len(band_samples),).
        band_high: The upper end of the band. Shape: (len(band_samples),).
    """

    curves: tuple[Curve, ...]
    best: int | None
    band_samples: tuple[int, ...]
    band_low: _Floats
    band_high: _Floats


def history(record: StudyRecord) -> History:
    """Return the values of all trials in the order of their numbers."""
    best_so_far: list[tuple[int, float]] = []
    for trial in record.complete:
        if trial.value is not None:
            previous = best_so_far[-1][1] if best_so_far else trial.value
            best_so_far.append((trial.number, trial.value if record.is_better(trial.value, previous) else previous))
    return History(
        complete=tuple(trial for trial in record.complete if trial.baseline is None),
        baselines=record.baselines,
        pruned=tuple(trial for trial in record.pruned if trial.value is not None),
        failed=tuple(trial for trial in record.trials if trial.state == TrialState.FAIL),
        best_so_far=tuple(best_so_far),
        best=record.best,
    )


def learning_curves(record: StudyRecord) -> LearningCurves:
    """Return all learning curves and the band of the best trial.

    The band holds 95 % of the means of n of the best trial's N scores, drawn at random without replacement. The
    standard error of such a mean is s sqrt((1 / n) (1 - n / N)) (W. G. Cochran, "Sampling Techniques", ch. 2). A curve
    below the band is unlikely to belong to an equally good trial. There is no band if the metric scores only a corpus.
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
