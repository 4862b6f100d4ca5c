"""A pruner with a bound on its error: it prunes a trial once its scores show that it does not beat the best one."""

import logging
import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import numpy.typing as npt
import optuna
from optuna import pruners
from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import ConfigurationError, TrialError
from llmsearch_optuna.metrics import ScoreRange, check_score_range
from llmsearch_optuna.search.score_readers import CompleteTrial, RememberedScores, ScoreReader, reported_scores
from llmsearch_optuna.statistics.evidence import ControlMemory, log_evidence_below
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.trials import began

__all__ = ["PairedPruner"]

_LOG = logging.getLogger(__name__)

_Floats = npt.NDArray[np.float64]

_MAX_COVARIATES = 32

_REMEMBERED = 64
"""The number of trials whose regressions are kept: more than are in flight."""


class PairedPruner(pruners.BasePruner):
    """Prunes a trial once its per-sample scores show that it does not beat the incumbent.

    The incumbent is the fully evaluated trial with the best mean score so far. If the study has constraints, it is the
    best feasible one. Without an incumbent, nothing is pruned. A trial is pruned when its scores refute that its mean
    over all samples reaches the incumbent's mean (plus `margin`). If the mean does reach it, the chance that the trial
    is pruned at any of its rungs, regardless of their number, is at most `alpha`; see `log_evidence_below`. The order
    of the samples must be random and the same for all trials, as in a `Tuner`. A trial that could not reach the
    incumbent even with the best score on all remaining samples is always pruned.

    The incumbent may change while a trial runs. This needs no correction: a single confidence sequence tests the
    trial's own mean, and the incumbents' means are only numbers to which it is compared. The pairing is done by
    covariates. These are the scores, on each sample, of the trials that were complete when this one began; if there
    were none, of the first trial to complete later. The covariates do not change while the trial runs.

    Two facts slightly weaken the guarantee. First, earlier trials were pruned with the same order of samples, so the
    incumbents and the proposals are not independent of it. Second, without `score_range`, the guarantee holds only if
    no later score lies outside the range of the scores so far.

    A decision depends only on the stored study, so that it is the same after an interruption and in every process.

    Args:
        alpha: The maximum chance of pruning a trial wrongly.
        margin: The amount by which a trial must be able to beat the incumbent, in units of the score. With a margin
            above 0, near ties are pruned, too.
        score_range: The minimum and the maximum score. The default is the range of the scores so far.
        population: The number of all samples. The default is the number of scores of a fully evaluated trial.
        scores: Reads the scores of a trial. The default reads what `report_scores` recorded.
        fallback: Decides about trials without per-sample scores. By default they are not pruned.

    Raises:
        ConfigurationError: A value is out of range.
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
        self._warnings: set[str] = set()
        self._memories: dict[tuple[object, ...], ControlMemory] = {}

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to prune the trial.

        Raises:
            TrialError: A score is outside `score_range`, or the trial has more scores than there are samples.
            ConfigurationError: A score of a fully evaluated trial is outside `score_range`.
        """
        scores = self._scores(study, trial)
        if scores is None:
            return self._without_scores(study, trial)
        complete = self._scores.complete(study)
        population = self._population or max((len(other.scores) for other in complete), default=0)
        complete = [other for other in complete if len(other.scores) == population]
        if len(scores) > population > 0:
            raise TrialError(f"trial {trial.number} has {len(scores)} scores, there are only {population} samples")
        means = [other.mean for other in complete if is_feasible(other.trial)]
        if not means or len(scores) in (0, population):
            return False
        low, high = self._limits(trial, scores, complete)
        if low == high:
            return False
        sign = 1.0 if maximizes(study) else -1.0
        covariates = _covariates(trial, complete)
        shown = self.shown_not_better(
            sign * scores,
            incumbent=max(sign * mean for mean in means),
            covariates=sign * np.stack([other.scores for other in covariates]),
            low=min(sign * low, sign * high),
            high=max(sign * low, sign * high),
            memory=self._memory_of(study, trial, covariates, low, high),
        )
        return bool(shown[-1])

    def shown_not_better(
        self,
        scores: npt.ArrayLike,
        *,
        incumbent: npt.ArrayLike,
        covariates: npt.ArrayLike,
        low: float,
        high: float,
        memory: ControlMemory | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Return, after each sample, whether the scores so far refute that the candidate beats the incumbent.

        To beat it, the candidate's mean over all samples must reach the incumbent's mean plus the margin. Higher scores
        are better here: negate scores that are minimised.

        Args:
            scores: The candidate's scores, in the shared order of the samples. Shape: (..., seen).
            incumbent: The incumbent's mean over all samples. Shape: (...).
            covariates: The scores of other trials on all samples, in the same order. Shape: (..., others, population).
            low: The minimum score.
            high: The maximum score, greater than `low`.
            memory: See `log_evidence_below`.

        Returns:
            The decisions. Shape: (..., seen).

        Raises:
            ValueError: A score is outside [low, high], or there are more scores than samples.
        """
        evidence = log_evidence_below(
            scores,
            mean=np.asarray(incumbent) + self.margin,
            population=np.asarray(covariates).shape[-1],
            low=low,
            high=high,
            covariates=covariates,
            memory=memory,
        )
        return np.asarray(evidence >= -math.log(self.alpha))

    def _memory_of(
        self, study: optuna.Study, trial: FrozenTrial, covariates: Sequence[CompleteTrial], low: float, high: float
    ) -> ControlMemory:
        """Return what is remembered of a trial from its earlier rungs. Trials that ended are forgotten in time."""
        key = (study.study_name, trial.number, low, high, *(other.trial.number for other in covariates))
        memory = self._memories.pop(key, None) or ControlMemory()
        self._memories[key] = memory
        if len(self._memories) > _REMEMBERED:
            del self._memories[next(iter(self._memories))]
        return memory

    def _limits(self, trial: FrozenTrial, scores: _Floats, complete: list[CompleteTrial]) -> tuple[float, float]:
        """Return the minimum and the maximum score: `score_range`, or those of the scores so far."""
        all_scores = np.concatenate([scores, *(other.scores for other in complete)])
        low, high = float(all_scores.min()), float(all_scores.max())
        if self._range is None:
            self._warn_once(
                "no `score_range` is declared: paired pruning keeps its level only if no later score lies outside the "
                "range of the scores so far"
            )
            return low, high
        if not self._range[0] <= low <= high <= self._range[1]:
            for other in complete:
                _check_range(other.trial, other.scores, self._range, ConfigurationError)
            _check_range(trial, scores, self._range, TrialError)
        return self._range

    def _without_scores(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        fallback = self._fallback
        outcome = "nothing is pruned" if fallback is None else f"{type(fallback).__name__} prunes in its place"
        self._warn_once(f"trials have no scores of single samples, which paired pruning needs: {outcome}")
        return fallback is not None and fallback.prune(study, trial)

    def _warn_once(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings.add(message)
            _LOG.warning(message)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _check_range(
    trial: FrozenTrial, scores: _Floats, score_range: ScoreRange, kind: type[ConfigurationError | TrialError]
) -> None:
    low, high = score_range
    outside = np.flatnonzero(~((scores >= low) & (scores <= high)))
    if len(outside):
        place = f"trial {trial.number} scored {scores[outside[0]]} on sample {outside[0]}"
        raise kind(f"`score_range` is [{low}, {high}], but {place}")


def _covariates(trial: FrozenTrial, complete: list[CompleteTrial]) -> list[CompleteTrial]:
    """Return the trials that ended before this one began, whose scores are its covariates.

    If there are none, the first trial to end later is used. If there are more than 32, the last 32 are used, because
    they are the most similar to current proposals. Further covariates would cost more time than they save.
    """
    start = began(trial)
    by_end = sorted(complete, key=lambda other: (other.ended, other.trial.number))
    return [other for other in by_end if other.ended <= start][-_MAX_COVARIATES:] or by_end[:1]
