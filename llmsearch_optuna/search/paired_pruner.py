"""Pruning with a guarantee: a trial ends when its scores show that it cannot be the best."""

import logging
import math
from numbers import Real

import numpy as np
import numpy.typing as npt
import optuna
from optuna import pruners
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import ConfigurationError, TrialError
from llmsearch_optuna.metrics import ScoreRange, check_score_range
from llmsearch_optuna.search.scores import CompleteTrial, RememberedScores, ScoreReader, reported_scores
from llmsearch_optuna.statistics import log_evidence_below
from llmsearch_optuna.study.trials import began

__all__ = ["PairedPruner"]

_LOG = logging.getLogger(__name__)

_Floats = npt.NDArray[np.float64]

_MOST_COVARIATES = 32


class PairedPruner(pruners.BasePruner):
    """Prunes a trial once it is shown, sample by sample, that it does not beat the incumbent.

    The incumbent is the fully evaluated trial with the best mean score so far. A trial is pruned when its scores refute
    that its mean over all samples reaches the incumbent's (or exceeds it by `margin`). For a trial whose mean does, the
    chance of being pruned at any of its rungs, however many, is at most `alpha`: see `log_evidence_below`. The samples
    must come in an order that is drawn at random and shared by all trials, as a `Tuner` has it. What could not reach
    the incumbent even with the best score on every sample that is left is pruned for certain.

    The incumbent may change while a trial runs. Nothing has to be paid for that: what is tested is the trial's own
    mean, by one confidence sequence, in which the incumbents are but numbers. The pairing is done by covariates: what
    the trials that were complete when this one began (or, where there were none, the first to complete since) scored on
    each sample. They stay the same for as long as the trial runs.

    Two things bend the guarantee slightly. The incumbents and the proposals of a study depend on the same order of
    samples as the trial, by way of the trials that were pruned before. And without `score_range` it only holds if no
    score will lie outside the range of those that are known.

    A decision depends only on what is stored: studies may be interrupted, and several processes agree.

    Args:
        alpha: The chance at most of pruning a trial wrongly.
        margin: By how much a trial must be able to beat the incumbent, in units of the score. With more than 0, near
            ties are pruned, too.
        score_range: The least and the largest score there can be. By default the range of all scores that are known.
        population: The number of all samples; by default as many as a fully evaluated trial has scores.
        scores: Reads a trial's scores; what `report_scores` told by default.
        fallback: The pruner to ask about trials without scores of single samples; by default they are not pruned.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    def __init__(
        self,
        alpha: float = 0.05,
        margin: float = 0.0,
        *,
        score_range: ScoreRange | None = None,
        population: int | None = None,
        scores: ScoreReader = reported_scores,
        fallback: pruners.BasePruner | None = None,
    ) -> None:
        if not _is_number(alpha) or not 0.0 < alpha < 1.0:
            raise ConfigurationError(f"`alpha` must be in (0, 1), got {alpha!r}")
        if not _is_number(margin) or margin < 0.0:
            raise ConfigurationError(f"`margin` must be >= 0, got {margin!r}")
        if population is not None and population < 1:
            raise ConfigurationError(f"`population` must be >= 1, got {population}")
        self.alpha = alpha
        self.margin = margin
        self._range = None if score_range is None else check_score_range(score_range)
        self._population = population
        self._scores = scores if isinstance(scores, RememberedScores) else RememberedScores(scores)
        self._fallback = fallback
        self._said: set[str] = set()

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be given up.

        Raises:
            TrialError: A score is outside the declared range, or the trial has more scores than there are samples.
            ConfigurationError: A score of a fully evaluated trial is outside the declared range.
        """
        scores = self._scores(study, trial)
        if scores is None:
            return self._without_scores(study, trial)
        complete = self._scores.complete(study)
        population = self._population or max((len(one.scores) for one in complete), default=0)
        complete = [one for one in complete if len(one.scores) == population]
        if len(scores) > population > 0:
            raise TrialError(f"trial {trial.number} has {len(scores)} scores, there are only {population} samples")
        if not complete or len(scores) in (0, population):
            return False
        low, high = self._limits(trial, scores, complete)
        if low == high:
            return False
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        shown = self.shown_not_better(
            sign * scores,
            incumbent=max(sign * one.mean for one in complete),
            covariates=sign * _covariates(trial, complete),
            low=min(sign * low, sign * high),
            high=max(sign * low, sign * high),
        )
        return bool(shown[-1])

    def shown_not_better(
        self, scores: npt.ArrayLike, *, incumbent: npt.ArrayLike, covariates: npt.ArrayLike, low: float, high: float
    ) -> npt.NDArray[np.bool_]:
        """After each sample, whether the candidate is shown not to beat the incumbent by the margin.

        Larger scores are better here: negate those that are minimised.

        Args:
            scores: The candidate's scores, in the shared order. Shape: (..., seen).
            incumbent: The incumbent's mean over all samples. Shape: (...).
            covariates: What others scored on each sample, in the shared order. Shape: (..., others, population).
            low: The least score there can be.
            high: The largest score there can be.

        Returns:
            Shape: (..., seen).
        """
        evidence = log_evidence_below(
            scores,
            mean=np.asarray(incumbent) + self.margin,
            population=np.asarray(covariates).shape[-1],
            low=low,
            high=high,
            covariates=covariates,
        )
        return np.asarray(evidence >= -math.log(self.alpha))

    def _limits(self, trial: FrozenTrial, scores: _Floats, complete: list[CompleteTrial]) -> tuple[float, float]:
        known = np.concatenate([scores, *(one.scores for one in complete)])
        least, largest = float(known.min()), float(known.max())
        if self._range is None:
            self._say(
                "no `score_range` is declared: paired pruning keeps its level only if no score will lie outside the "
                "range of those known so far"
            )
            return least, largest
        low, high = self._range
        if not low <= least <= largest <= high:
            for one in complete:
                self._refuse(one.trial, one.scores, ConfigurationError)
            self._refuse(trial, scores, TrialError)
        return low, high

    def _refuse(self, trial: FrozenTrial, scores: _Floats, kind: type[ConfigurationError | TrialError]) -> None:
        """Names a score that is out of range."""
        low, high = self._range or (-math.inf, math.inf)
        outside = np.flatnonzero(~((scores >= low) & (scores <= high)))
        if len(outside):
            raise kind(
                f"`score_range` is [{low}, {high}], but trial {trial.number} scored {scores[outside[0]]} on sample "
                f"{outside[0]}"
            )

    def _without_scores(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        if self._fallback is None:
            self._say("trials have no scores of single samples, which paired pruning needs: nothing is pruned")
            return False
        self._say(
            f"trials have no scores of single samples, which paired pruning needs: {type(self._fallback).__name__} "
            "prunes in its place"
        )
        return self._fallback.prune(study, trial)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            _LOG.warning(message)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _covariates(trial: FrozenTrial, complete: list[CompleteTrial]) -> _Floats:
    """Scores of those that were complete when the trial began, or else of the first since. Shape: (trials, population).

    At most the last 32 of them: those are most like what a sampler proposes now, and more cost more than they tell.
    """
    start = began(trial)
    by_end = sorted(complete, key=lambda one: (one.ended, one.trial.number))
    before = [one for one in by_end if one.ended <= start][-_MOST_COVARIATES:] or by_end[:1]
    return np.stack([one.scores for one in before])
