"""The course of the search as numbers: the best value so far, and the band of the best trial's learning curve."""

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.report.record import NORMAL_95, StudyRecord

__all__ = ["Band", "best_band", "best_so_far"]

_Floats = npt.NDArray[np.float64]


class Band(NamedTuple):
    """The range of the best trial's learning curve over other orders of the samples.

    Attributes:
        sizes: The numbers n of samples at which any trial reported. Shape: (sizes,).
        low: The lower ends of the range of the metric over n samples. Shape: (sizes,).
        high: The upper ends. Shape: (sizes,).
    """

    sizes: _Floats
    low: _Floats
    high: _Floats


def best_so_far(record: StudyRecord) -> list[tuple[int, float]]:
    """Return pairs of the number of a fully evaluated trial and the best value of the trials up to it."""
    feasible = [trial for trial in record.complete if trial.is_feasible]
    values = [(trial.number, trial.value) for trial in feasible if trial.value is not None]
    bests = itertools.accumulate((value for _, value in values), max if record.maximize else min)
    return [(number, best) for (number, _), best in zip(values, bests, strict=True)]


def best_band(record: StudyRecord) -> Band | None:
    """Return the band of the best trial at all numbers of samples at which any trial reported.

    The band holds about 95 % of the means of n of the best trial's N scores, drawn at random without replacement. The
    standard error of such a mean is s sqrt((1 / n) (1 - n / N)) (W. G. Cochran, "Sampling Techniques", ch. 2). A curve
    below the band is unlikely to belong to an equally good trial.

    Returns:
        ``None`` if no trial is fully evaluated, none has reported, there are fewer than two samples, or the metric
        scores only a corpus.
    """
    best = record.best
    if best is None or best.value is None or best.scores is None or len(best.scores) < 2:
        return None
    population = len(best.scores)
    reported = {size for trial in record.trials for size in trial.reported if size <= population}
    if not reported:
        return None
    sizes = np.array(sorted(reported), dtype=np.float64)
    half_width = NORMAL_95 * best.scores.std(ddof=1) * np.sqrt((1.0 / sizes) * (1.0 - sizes / population))
    return Band(sizes, best.value - half_width, best.value + half_width)
