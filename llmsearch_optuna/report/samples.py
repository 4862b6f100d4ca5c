"""The scores by sample and by trial, and the hardest samples."""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.report.browsing import readable_turns
from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.report.turns import Turn
from llmsearch_optuna.storage import StoredSample

__all__ = ["HardSample", "SampleScores", "hardest_samples", "sample_scores"]

_HARDEST = 8
_MAXIMUM_TURN = 400

_Floats = npt.NDArray[np.float64]


class SampleScores(NamedTuple):
    """The scores of all samples in all trials.

    Attributes:
        samples: The samples, ordered by their mean over the fully evaluated trials, worst first.
        trials: The numbers of the trials: the fully evaluated ones, best first, followed by the others that have scores
            (pruned, running or failed), most samples first.
        scores: The scores; NaN if a trial has not scored a sample. Shape: (samples, trials).
        means: The mean of each sample over the fully evaluated trials. Shape: (samples,).
        complete: The number of fully evaluated trials.
    """

    samples: tuple[StoredSample, ...]
    trials: tuple[int, ...]
    scores: _Floats
    means: _Floats
    complete: int


class HardSample(NamedTuple):
    """A sample with a low mean score.

    Attributes:
        sample: The sample.
        mean: Its mean score over the fully evaluated trials.
        best: Its best score in any fully evaluated trial.
        turns: Its prompt as the turns of a chat, shortened.
    """

    sample: StoredSample
    mean: float
    best: float
    turns: tuple[Turn, ...]


def sample_scores(record: StudyRecord) -> SampleScores | None:
    """Return all scores; ``None`` if the metric scores only a corpus, or no trial is fully evaluated."""
    sign = -1.0 if record.maximize else 1.0
    complete = [trial for trial in record.complete if trial.scores is not None and trial.value is not None]
    complete.sort(key=lambda trial: (sign * float(trial.value or 0.0), trial.number))
    others = [trial for trial in record.trials if not trial.is_complete and trial.scores is not None]
    others.sort(key=lambda trial: (-trial.seen, trial.number))
    if not complete or not record.samples:
        return None
    scores = np.full((len(record.samples), len(complete) + len(others)), np.nan)
    for column, trial in enumerate((*complete, *others)):
        if trial.scores is not None:
            scores[: trial.seen, column] = trial.scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a damaged database may hold a sample without any score
        means = np.nanmean(scores[:, : len(complete)], axis=1)
    order = np.argsort(-sign * means, kind="stable")
    return SampleScores(
        samples=tuple(record.samples[index] for index in order),
        trials=tuple(trial.number for trial in (*complete, *others)),
        scores=scores[order],
        means=means[order],
        complete=len(complete),
    )


def hardest_samples(record: StudyRecord, scores: SampleScores) -> tuple[HardSample, ...]:
    """Return the few samples with the worst mean scores, worst first."""
    complete = scores.scores[:_HARDEST, : scores.complete]
    best = np.nanmax(complete, axis=1) if record.maximize else np.nanmin(complete, axis=1)
    return tuple(
        HardSample(sample, float(mean), float(best_score), readable_turns(sample.prompt, _MAXIMUM_TURN))
        for sample, mean, best_score in zip(scores.samples, scores.means, best, strict=False)
    )
