"""The scores sample by sample, and trial by trial: which samples are hard."""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.report.browsing import own_parts
from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.storage import StoredSample

__all__ = ["HardSample", "SampleScores", "hardest", "sample_scores"]

_Floats = npt.NDArray[np.float64]


class SampleScores(NamedTuple):
    """Every score there is.

    Attributes:
        samples: The samples, the hardest first: those whose mean over the fully evaluated trials is worst.
        trials: The numbers of the trials, those with the better value first; pruned ones last.
        scores: NaN where a trial has not been scored. Shape: (samples, trials).
        means: Of each sample over the fully evaluated trials. Shape: (samples,).
        complete: How many of the trials, the first ones, are fully evaluated.
    """

    samples: tuple[StoredSample, ...]
    trials: tuple[int, ...]
    scores: _Floats
    means: _Floats
    complete: int


class HardSample(NamedTuple):
    """A sample that few trials do well on.

    Attributes:
        sample: The sample.
        mean: Its mean score over the fully evaluated trials.
        best: The best score that any of them reached.
        prompt: The part of its prompt that is not the same in all of them.
    """

    sample: StoredSample
    mean: float
    best: float
    prompt: str


def sample_scores(record: StudyRecord) -> SampleScores | None:
    """All scores; ``None`` where the metric scores only a corpus, or no trial is fully evaluated."""
    sign = -1.0 if record.maximize else 1.0
    complete = [trial for trial in record.complete if trial.scores is not None and trial.value is not None]
    complete.sort(key=lambda trial: (sign * float(trial.value or 0.0), trial.number))
    pruned = [trial for trial in record.trials if not trial.is_complete and trial.scores is not None]
    pruned.sort(key=lambda trial: (-trial.seen, trial.number))
    if not complete or not record.samples:
        return None
    scores = np.full((len(record.samples), len(complete) + len(pruned)), np.nan)
    for column, trial in enumerate((*complete, *pruned)):
        if trial.scores is not None:
            scores[: trial.seen, column] = trial.scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a sample without any score, in a damaged database
        means = np.nanmean(scores[:, : len(complete)], axis=1)
    order = np.argsort(-sign * means, kind="stable")
    return SampleScores(
        samples=tuple(record.samples[index] for index in order),
        trials=tuple(trial.number for trial in (*complete, *pruned)),
        scores=scores[order],
        means=means[order],
        complete=len(complete),
    )


def hardest(record: StudyRecord, found: SampleScores, most: int = 8) -> tuple[HardSample, ...]:
    """The samples whose mean is worst."""
    own = found.scores[:most, : found.complete]
    best = np.nanmax(own, axis=1) if record.maximize else np.nanmin(own, axis=1)
    prompts = own_parts([sample.prompt for sample in found.samples])
    return tuple(
        HardSample(sample, float(mean), float(one), prompt)
        for sample, mean, one, prompt in zip(found.samples, found.means, best, prompts, strict=False)
    )
