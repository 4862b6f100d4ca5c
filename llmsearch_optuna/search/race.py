"""Races: no trial is given up; each round goes to the trials that promise most per token.

How it works. Between two rounds, `Race.choose` ranks all trials that are neither finished nor new, by their expected
improvement over the incumbent per token (`statistics.freeze_thaw`). Those that promise no less than a fresh proposal
take part in the next round, the best first; fresh proposals take the rest of the places. The other trials *rest*: they
stay RUNNING, with the attribute `RESTING`, and are taken up again at their last rung once they rank high enough. At the
end of the search, the trials that still rest are PRUNED. Only fully evaluated trials are recommended.

A choice depends only on the scores and tokens of trials, and not on which of them rest. It is therefore the same after
an interruption. Baselines never rest, and nothing rests before a trial is complete, as there is nothing to compare
with.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.score_readers import (
    CompleteTrial,
    RememberedScores,
    ScoreReader,
    reported_scores,
)
from llmsearch_optuna.statistics.freeze_thaw import Indices, freeze_thaw_indices
from llmsearch_optuna.study.attributes import BASELINE
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


class Race(NopPruner):
    """Chooses the trials that continue. As an Optuna pruner, it prunes nothing.

    Args:
        score_range: The minimum and the maximum score. The default is the range of the scores so far.
        scores: Reads the scores of a trial.
    """

    def __init__(self, *, score_range: ScoreRange | None = None, scores: ScoreReader = reported_scores) -> None:
        self._range = score_range
        self._scores = scores if isinstance(scores, RememberedScores) else RememberedScores(scores)

    def choose(self, study: optuna.Study, trials: Sequence[FrozenTrial], *, tokens: TokenCount, places: int) -> Choice:
        """Choose among the running trials.

        Args:
            study: The study, with one objective.
            trials: Its finished trials, and the running ones that this process may continue.
            tokens: Counts the tokens of a trial.
            places: The maximum number of trials to choose.
        """
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        complete = self._complete(study)
        rows = self._rows(study, trials)
        certain = [
            trial.number
            for trial in running
            if not complete or BASELINE in trial.user_attrs or trial.number not in rows
        ][:places]
        proposals = [trial for trial in trials if trial.number in rows and BASELINE not in trial.user_attrs]
        if not complete or not proposals:
            return Choice(tuple(certain))
        indices = self._indices(study, proposals, rows, complete, tokens)
        promising = sorted(
            (-index, trial.number)
            for trial, index in zip(proposals, indices.trials.tolist(), strict=True)
            if trial.state == TrialState.RUNNING and index >= indices.fresh
        )
        chosen = {*certain, *(number for _, number in promising[: places - len(certain)])}
        missed = [
            improvement
            for trial, improvement in zip(proposals, indices.improvements.tolist(), strict=True)
            if trial.state != TrialState.COMPLETE and trial.number not in chosen
        ]
        return Choice(tuple(sorted(chosen)), len(missed), sum(missed))

    def _indices(
        self,
        study: optuna.Study,
        proposals: Sequence[FrozenTrial],
        rows: Mapping[int, _Floats],
        complete: Sequence[CompleteTrial],
        tokens: TokenCount,
    ) -> Indices:
        sign = 1.0 if maximizes(study) else -1.0
        recent = sorted(complete, key=lambda other: (other.ended, other.trial.number))[-_COVARIATES:]
        costs = np.array([tokens(trial) / len(rows[trial.number]) for trial in proposals])
        fresh_cost = float(np.mean([tokens(other.trial) / len(other.scores) for other in recent]))
        if not costs.all() or not fresh_cost:  # the engine counts no tokens
            costs, fresh_cost = np.ones_like(costs), 1.0
        return freeze_thaw_indices(
            [sign * rows[trial.number] for trial in proposals],
            sign * np.stack([other.scores for other in recent]),
            best=max(sign * other.mean for other in complete),
            scale=self._scale(rows.values()),
            tokens=costs,
            fresh_tokens=fresh_cost,
        )

    def _complete(self, study: optuna.Study) -> list[CompleteTrial]:
        complete = self._scores.complete(study)
        population = max((len(trial.scores) for trial in complete), default=0)
        # Of a damaged database, complete trials without all scores are left out.
        return [trial for trial in complete if len(trial.scores) == population > 0]

    def _rows(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> dict[int, _Floats]:
        """Return the scores of all trials that have any, by number."""
        scores = {trial.number: self._scores(study, trial) for trial in trials if trial.state != TrialState.FAIL}
        return {number: np.asarray(row) for number, row in scores.items() if row is not None and len(row)}

    def _scale(self, rows: Iterable[_Floats]) -> float:
        if self._range is not None:
            return self._range[1] - self._range[0]
        everything = np.concatenate(list(rows))
        return float(np.ptp(everything))
