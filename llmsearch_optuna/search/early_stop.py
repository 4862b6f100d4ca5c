"""When to end a search because nothing is left to gain that the held-out samples could show.

How it works. The variance between the true means of proposals is estimated from the scores of all finished ones. From
this variance follows the gain over the best trial that the remaining proposals can be expected to bring
(`statistics.prospects`). The smallest gain that the verdict can show follows from the differences between the best
proposals and the best baseline, sample by sample. The search ends in two cases: the verdict could not show the total
expected gain; or it would show the gain of the best trial, but could not show the further expected gain.

Further proposals are assumed to be like the recent ones, or like all so far. The assumption that promises more counts,
with the upper confidence limit of the variance. No statistics can exclude that a rare region of the space, in which no
proposal lies, is much better. Therefore the rule waits for a minimum number of proposals. Towards the end of a search,
it does not apply any more.

If trials have constraints, the best trial and the best baseline are feasible ones, and a search without a feasible
trial continues. The estimate ignores that further proposals may break constraints, so the search may end later than it
could.
"""

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.score_readers import ScoreReader
from llmsearch_optuna.statistics.estimates import MeanEstimates
from llmsearch_optuna.statistics.intervals import adjusted_alpha, round_up, showable_difference
from llmsearch_optuna.statistics.prospects import expected_gain, mean_spread, proposal_means, shrunk_best
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.trials import is_resting, without_repeated

__all__ = ["EarlyStop", "Outlook", "Prospects"]

_LOG = logging.getLogger(__name__)

_Floats = npt.NDArray[np.float64]

_EVALUATED = (TrialState.COMPLETE, TrialState.PRUNED)
_LEAST_ESTIMATED = 4
_LEAST_PROPOSALS = 12
_LEAST_SAVED = 0.2  # the share of the trials: the last few are expected to gain little in any search
_RECENT = 16
_MOST = 64  # proposals to look at: more of them change little, and cost time
_LEVEL = 0.8
_ALPHA = 0.05
_COMPARISONS = 4  # of a verdict: the best trial, two runners-up and a baseline, with the reference
_MAX_GROWTH = 20  # a hold-out of more than this many times the present samples is not asked for
_BEST = 4  # proposals whose differences from the reference tell what can be shown


class _Scores(NamedTuple):
    """The scores of finished trials, of which higher ones are better.

    Attributes:
        baselines: Those of the baselines; of the feasible ones only, if there are any.
        complete: Those of the last fully evaluated trials.
        proposals: Those of the last trials that are no baselines: complete, pruned or resting.
        are_feasible: Whether each of the proposals is feasible.
        has_feasible_baseline: Whether a baseline is feasible.
    """

    baselines: list[_Floats]
    complete: list[_Floats]
    proposals: list[_Floats]
    are_feasible: list[bool]
    has_feasible_baseline: bool

    @property
    def reference(self) -> _Floats:
        """The scores of the best baseline."""
        return max(self.baselines, key=np.mean)


class Prospects(NamedTuple):
    """What a search can still be expected to gain, in units of the score.

    Attributes:
        proposals: The number of finished proposals.
        spread: The standard deviation of their true means.
        further: The gain over the best trial that is expected of the remaining proposals.
        ahead: The gain of the best trial over the best baseline so far.
        showable: The smallest gain that the held-out samples can show.
    """

    proposals: int
    spread: float
    further: float
    ahead: float
    showable: float


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Decides from the stored study whether to propose further trials.

    Attributes:
        scores: Reads the scores of a trial.
        n_trials: The number of trials of the whole search.
        held_out: The number of held-out samples.
        seeds: The number of seeds of a verdict.
        worthwhile: The smallest further gain that is worth its cost, in units of the score. None for what the held-out
            samples can show.
        is_on: Whether there is ever a reason.
    """

    scores: ScoreReader
    n_trials: int
    held_out: int
    seeds: int = 4
    worthwhile: float | None = None
    is_on: bool = True

    @classmethod
    def of(cls, options: SearchOptions, *, scores: ScoreReader, held_out: int) -> Self:
        """Return what the options of a search ask for."""
        has_measure = held_out > 1 or options.worthwhile is not None
        return cls(
            scores=scores,
            n_trials=options.n_trials,
            held_out=held_out,
            worthwhile=options.worthwhile,
            is_on=options.stop_early and has_measure and len(options.objectives) == 1,
        )

    def reason(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> str | None:
        """Return why no further trial is proposed; None if there is no reason.

        Args:
            study: The study, with one objective.
            trials: All its trials.
        """
        is_worthwhile = self.is_on and self._trials_left(trials) >= _LEAST_SAVED * self.n_trials
        prospects = self.prospects(study, trials) if is_worthwhile else None
        if prospects is None or prospects.proposals < _LEAST_PROPOSALS or math.isinf(prospects.showable):
            return None
        total, limit, further = max(prospects.ahead, 0.0) + prospects.further, prospects.showable, prospects.further
        spread = f"the proposals differ by about {prospects.spread:.2g}"
        shown = f"the hold-out of {self.held_out} samples can show {limit:.2g}"
        if total < limit:
            text = f"{spread}, {shown}"
            needed = self.held_out * (limit / total) ** 2 if total > 0.0 else math.inf
            if needed <= _MAX_GROWTH * self.held_out:
                text += f"; hold out about {round_up(needed)} to see such a gain"
            return text
        expected = f"{spread}, further ones are expected to gain {further:.2g}"
        if self.worthwhile is not None:
            return f"{expected} (worthwhile: {self.worthwhile:g})" if further < self.worthwhile else None
        return f"{expected}, {shown}" if prospects.ahead >= limit > further else None

    def prospects(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> Prospects | None:
        """Return the prospects of the search.

        None without a complete baseline, four finished proposals, or a feasible trial.
        """
        scores = self._scores_of(study, trials)
        if not scores.baselines or len(scores.proposals) < _LEAST_ESTIMATED:
            return None
        rows, proposals, reference = np.stack(scores.complete), scores.proposals, scores.reference
        samples = rows.shape[1]
        estimates = proposal_means(proposals, rows)
        spread = mean_spread(estimates, level=_LEVEL)
        is_complete = np.array([len(row) == samples for row in proposals])
        is_candidate = is_complete & np.array(scores.are_feasible)
        if not is_candidate.any() and not scores.has_feasible_baseline:
            return None  # any feasible trial would be a gain
        best = float(reference.mean()) if scores.has_feasible_baseline else -math.inf
        if is_candidate.any():
            best = max(best, shrunk_best(estimates, spread, is_candidate))
        recent = MeanEstimates(*(values[-_RECENT:] for values in estimates))
        further = max(
            expected_gain(
                alike,
                best,
                sampling_variance=float(np.median(estimates.variances[is_complete])) if is_complete.any() else 0.0,
                proposals=max(0, self._trials_left(trials)),
            )
            for alike in (spread, mean_spread(recent, level=_LEVEL))
        )
        return Prospects(
            proposals=len(proposals),
            spread=spread.variance**0.5,
            further=further,
            ahead=best - float(reference.mean()),
            showable=self._showable(scores),
        )

    def outlook(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> str | None:
        """Return what the held-out samples can show, in one sentence; None as long as it is not known."""
        scores = self._scores_of(study, trials)
        if not self.is_on or not scores.baselines:
            return None
        limit = self._showable(scores)
        if not 0.0 < limit < math.inf:
            return None
        shown = f"the hold-out of {self.held_out} samples can show gains from about {limit:.2g}"
        return f"{shown}; half as large a gain needs about {round_up(4 * self.held_out)}"

    def _trials_left(self, trials: Sequence[FrozenTrial]) -> int:
        return self.n_trials - len(without_repeated(trials))

    def _scores_of(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> _Scores:
        baselines = [trial for trial in trials if BASELINE in trial.user_attrs and trial.state == TrialState.COMPLETE]
        complete = _last(trials, lambda trial: trial.state == TrialState.COMPLETE)
        proposals = _last(
            trials,
            lambda trial: (trial.state in _EVALUATED or is_resting(trial)) and BASELINE not in trial.user_attrs,
        )
        sign = 1.0 if maximizes(study) else -1.0
        by_number = {
            trial.number: sign * np.asarray(scores, dtype=np.float64)
            for trial in (*complete, *baselines, *proposals)
            if (scores := self.scores(study, trial)) is not None and len(scores)
        }
        samples = max((len(by_number[trial.number]) for trial in complete if trial.number in by_number), default=0)

        def scored(kind: Sequence[FrozenTrial], least: int) -> list[FrozenTrial]:
            return [trial for trial in kind if trial.number in by_number and len(by_number[trial.number]) >= least]

        def of(kind: Sequence[FrozenTrial]) -> list[_Floats]:
            return [by_number[trial.number] for trial in kind]

        # Of a damaged database, complete trials without all scores are left out.
        baselines, proposals = scored(baselines, samples), scored(proposals, 1)
        feasible = list(filter(is_feasible, baselines))
        return _Scores(
            of(feasible or baselines),
            of(scored(complete, samples)),
            of(proposals),
            list(map(is_feasible, proposals)),
            bool(feasible),
        )

    def _showable(self, scores: _Scores) -> float:
        """Return the smallest gain over the best baseline that a verdict can show.

        It is 0 if there will be no verdict, and infinite if no other trial is complete.
        """
        if self.held_out < 2:
            return 0.0
        others = sorted((row for row in scores.complete if row is not scores.reference), key=np.mean, reverse=True)
        if not others:
            return math.inf
        differences = np.stack(others[:_BEST]) - scores.reference
        alpha = adjusted_alpha(_ALPHA, _COMPARISONS)
        return showable_difference(differences, samples=self.held_out, seeds=self.seeds, alpha=alpha)


def _last(trials: Sequence[FrozenTrial], is_chosen: Callable[[FrozenTrial], bool]) -> list[FrozenTrial]:
    """Return the last `_MOST` of the trials that are chosen, in their order."""
    return list(itertools.islice(filter(is_chosen, reversed(trials)), _MOST))[::-1]


class Outlook(SearchObserver):
    """Logs what the held-out samples can show, once the baselines are complete and differ.

    Args:
        study: The study.
        early_stop: Knows what can be shown.
    """

    def __init__(self, study: optuna.Study, early_stop: EarlyStop) -> None:
        self._study = study
        self._early_stop = early_stop
        self._is_logged = not early_stop.is_on

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """Log the outlook, unless it is logged already."""
        if not self._is_logged and trial.state == TrialState.COMPLETE:
            sentence = self._early_stop.outlook(self._study, self._study.get_trials(deepcopy=False))
            if sentence is not None:
                _LOG.info("%s", sentence)
                self._is_logged = True
