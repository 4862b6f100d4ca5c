"""Races: no trial is given up; each round goes to the trials that promise most per token.

How it works. Between two rounds, `Race.choose` ranks all trials that are neither finished nor new, by their index: the
expected improvement over the incumbent (the best complete trial) per token (`statistics.freeze_thaw`). Trials whose
index is at least that of a fresh proposal take part in the next round, the best first. Fresh proposals fill the
remaining places. The other trials *rest*: they stay RUNNING, with the attribute `RESTING`, and are taken up again at
their last rung once they rank high enough. Trials that still rest when the search ends become PRUNED. If a budget or an
interruption ends the search, they stay RUNNING for a later run. Only fully evaluated trials are recommended.

A choice depends only on the scores and tokens of trials, and not on which of them rest. It is therefore the same after
an interruption. Baselines never rest, and nothing rests before a trial is complete, as there is nothing to compare
with. Proposals therefore wait until a baseline is complete. If trials have constraints, the incumbent is a feasible
one, and nothing rests before there is one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.score_readers import CompleteTrial, RememberedScores, ScoreReader, reported_scores
from llmsearch_optuna.statistics.estimates import Regressions, regress
from llmsearch_optuna.statistics.freeze_thaw import Indices, freeze_thaw_indices
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.ranking import maximizes

__all__ = ["Choice", "Race", "TokenCount"]

_Floats = npt.NDArray[np.float64]

_COVARIATES = 24

TokenCount = Callable[[FrozenTrial], int]
"""``(trial) -> the tokens of its completions so far``."""


class Choice(NamedTuple):
    """Which trials take part in the next round.

    Attributes:
        trials: The numbers of begun trials, in ascending order; those that are not named rest.
        unfinished: The number of the other trials that are not complete, including pruned ones.
        missed: The sum of their expected improvements over the best complete trial, in units of the score.
    """

    trials: tuple[int, ...]
    unfinished: int = 0
    missed: float = 0.0


class _Entry(NamedTuple):
    """What is kept of a trial as long as it does not change.

    Attributes:
        mark: The trial's state and number of reports.
        scores: Its scores, of which higher ones are better; empty if it has none.
        cost: Its tokens per sample.
        is_proposal: Whether it is no baseline and has scores.
    """

    mark: tuple[TrialState, int]
    scores: _Floats
    cost: float
    is_proposal: bool


class Race(NopPruner):
    """Chooses the trials that continue. As an Optuna pruner, it prunes nothing.

    A race chooses among thousands of trials in milliseconds, as it keeps what it computed of those that rest.

    Args:
        score_range: The minimum and the maximum score. The default is the range of the scores so far.
        scores: Reads the scores of a trial.
    """

    def __init__(self, *, score_range: ScoreRange | None = None, scores: ScoreReader = reported_scores) -> None:
        self._range = score_range
        self._scores = scores if isinstance(scores, RememberedScores) else RememberedScores(scores)
        self._entries: dict[int, _Entry] = {}
        # The trials whose scores are the covariates, and the regressions on them by trial.
        self._covariates: tuple[int, ...] = ()
        self._regressions: dict[int, tuple[float, ...]] = {}

    @staticmethod
    def waits_for_baselines(trials: Sequence[FrozenTrial]) -> bool:
        """Return whether proposals are to wait, because a baseline is under way that will be the first to compare with.

        Args:
            trials: All trials.
        """
        if any(trial.state == TrialState.COMPLETE for trial in trials):
            return False
        return any(trial.state == TrialState.RUNNING and BASELINE in trial.user_attrs for trial in trials)

    def choose(self, study: optuna.Study, trials: Sequence[FrozenTrial], *, tokens: TokenCount, places: int) -> Choice:
        """Choose among the running trials.

        Args:
            study: The study, with one objective. It is always the same one.
            trials: Its finished trials, and the running ones that this process may continue.
            tokens: Counts the tokens of a trial.
            places: The maximum number of trials to choose.
        """
        sign = 1.0 if maximizes(study) else -1.0
        entries = {trial.number: self._entry(study, trial, tokens, sign) for trial in trials}
        running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
        proposals = [number for number, entry in entries.items() if entry.is_proposal]
        complete = self._complete(study)
        if not any(is_feasible(trial.trial) for trial in complete):
            complete = []
        certain = [number for number in running if not complete or not entries[number].is_proposal][:places]
        if not complete or not proposals:
            return Choice(tuple(certain))
        indices = self._indices(proposals, complete, sign)
        is_open = {*running}
        promising = sorted(
            (-index, number)
            for number, index in zip(proposals, indices.trials.tolist(), strict=True)
            if index >= indices.fresh and number in is_open
        )
        chosen = {*certain, *(number for _, number in promising[: places - len(certain)])}
        missed = [
            improvement
            for number, improvement in zip(proposals, indices.improvements.tolist(), strict=True)
            if entries[number].mark[0] != TrialState.COMPLETE and number not in chosen
        ]
        return Choice(tuple(sorted(chosen)), len(missed), sum(missed))

    def _entry(self, study: optuna.Study, trial: FrozenTrial, tokens: TokenCount, sign: float) -> _Entry:
        """Return what is kept of a trial, read again if it has changed."""
        mark = (trial.state, len(trial.intermediate_values))
        entry = self._entries.get(trial.number)
        if entry is None or entry.mark != mark:
            read = None if trial.state == TrialState.FAIL else self._scores(study, trial)
            scores = np.zeros(0) if read is None else sign * read
            cost = tokens(trial) / len(scores) if len(scores) else 0.0
            entry = _Entry(mark, scores, cost, len(scores) > 0 and BASELINE not in trial.user_attrs)
            self._entries[trial.number] = entry
            self._regressions.pop(trial.number, None)
        return entry

    def _complete(self, study: optuna.Study) -> list[CompleteTrial]:
        complete = self._scores.complete(study)
        population = max((len(trial.scores) for trial in complete), default=0)
        # Of a damaged database, complete trials without all scores are left out.
        return [trial for trial in complete if len(trial.scores) == population > 0]

    def _indices(self, proposals: Sequence[int], complete: Sequence[CompleteTrial], sign: float) -> Indices:
        recent = sorted((trial.ended, trial.trial.number) for trial in complete)[-_COVARIATES:]
        covariates = tuple(number for _, number in recent)
        if covariates != self._covariates:
            self._covariates, self._regressions = covariates, {}
        new = [number for number in proposals if number not in self._regressions]
        if new:
            others = np.stack([self._entries[number].scores for number in covariates])
            columns = regress([self._entries[number].scores for number in new], others)
            self._regressions |= zip(new, zip(*(column.tolist() for column in columns), strict=True), strict=True)
        costs = np.array([self._entries[number].cost for number in proposals])
        fresh_cost = float(np.mean([self._entries[number].cost for number in covariates]))
        if not costs.all() or not fresh_cost:  # the engine counts no tokens
            costs, fresh_cost = np.ones_like(costs), 1.0
        return freeze_thaw_indices(
            Regressions(*np.array([self._regressions[number] for number in proposals]).T),
            population=len(complete[0].scores),
            best=max(sign * trial.mean for trial in complete if is_feasible(trial.trial)),
            scale=self._scale(),
            tokens=costs,
            fresh_tokens=fresh_cost,
        )

    def _scale(self) -> float:
        if self._range is not None:
            return self._range[1] - self._range[0]
        return float(np.ptp(np.concatenate([entry.scores for entry in self._entries.values()])))
