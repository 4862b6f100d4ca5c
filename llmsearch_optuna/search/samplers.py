"""Proposals of trials by Optuna's samplers, each from a copy of the study in memory."""

import contextlib
import hashlib
import importlib.util
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna import samplers
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.search.score_readers import ScoreReader, reported_scores
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.statistics.estimates import shrunk_means
from llmsearch_optuna.study.attributes import FIXED_PARAMS, SAMPLER_STATE
from llmsearch_optuna.study.ranking import has_several
from llmsearch_optuna.study.trials import is_resting

__all__ = ["SAMPLERS", "Proposer"]

SAMPLERS: Mapping[str, type[samplers.BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "gp": samplers.GPSampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "qmc": samplers.QMCSampler,
    "cmaes": samplers.CmaEsSampler,
    "nsga2": samplers.NSGAIISampler,
}

# The samplers that use the results of trials; grid, random and QMC do not. Given trials as pruned, TPE ranks them by
# their last step, and the other three ignore them. They therefore receive them as complete, with an estimated mean.
_USE_RESULTS = ("tpe", "gp", "cmaes", "nsga2")

_SET_HERE = ("seed", "search_space", "independent_sampler")

# These samplers read system attributes that they have set on earlier trials.
_STATEFUL = ("grid", "cmaes", "nsga2")


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Proposes the trials of a study, one after the other.

    Every proposal is made by a new sampler, in a copy of the study in memory. The sampler is seeded with the study's
    seed and the number of earlier trials; for grid and QMC, only with the study's seed. A proposal is therefore a
    function of the stored trials, whether or not the study was interrupted, and it can be stored in one transaction.
    Trials with fixed parameters (baselines, and presets outside the space) are not copied or counted. They have no
    Optuna parameters, and GP, CMA-ES and QMC use only the parameters that all trials share.

    Attributes:
        name: A key of `SAMPLERS`. TPE is multivariate.
        space: The search space.
        seed: The study's seed.
        arguments: Arguments of the Optuna class.
        scores: Reads the scores of a trial for the estimate. The default reads what `report_scores` recorded.

    Raises:
        ConfigurationError: The name or an argument is unknown, a value is invalid, the sampler does not support the
            space, or torch, which GP needs, is not installed.
    """

    name: str
    space: SearchSpace
    seed: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scores: ScoreReader = reported_scores

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise ConfigurationError(unknown_name("sampler", self.name, SAMPLERS))
        if self.name == "gp" and importlib.util.find_spec("torch") is None:
            raise ConfigurationError(
                f"sampler `gp` needs torch, which is not installed: choose `tpe`, or pip install {requirement('local')}"
            )
        names = [name for name in inspect.signature(SAMPLERS[self.name]).parameters if name not in _SET_HERE]
        for argument in self.arguments:
            if argument not in names:
                raise ConfigurationError(unknown_name(f"argument of the {self.name} sampler", argument, names))
        self._sampler(0)

    def propose(self, study: optuna.Study) -> FrozenTrial | None:
        """Return the next trial, in the state RUNNING and with all its parameters. The caller adds it to the study.

        Args:
            study: The study. No trial in it may be WAITING.

        Returns:
            The trial; None if the grid is exhausted.
        """
        proposed = self._replay_in_memory(study)
        if proposed is None:
            return None
        state = proposed.system_attrs if self.name in _STATEFUL else {}
        return create_trial(
            state=TrialState.RUNNING,
            params=proposed.params,
            distributions=proposed.distributions,
            user_attrs={SAMPLER_STATE: state} if state else {},
        )

    def _replay_in_memory(self, study: optuna.Study) -> FrozenTrial | None:
        """Ask a new sampler for a trial, in a study in memory that holds the earlier ones.

        Return None if the grid is exhausted.
        """
        all_trials = study.get_trials(deepcopy=False)
        trials = [trial for trial in all_trials if FIXED_PARAMS not in trial.user_attrs]
        sampler = self._sampler(len(trials))
        with _without_announcement():
            replay = optuna.create_study(directions=study.directions, sampler=sampler)
        if self.name == "qmc":
            # QMC derives the index of a point from the number of points asked for in the study.
            for _ in trials:
                self.space.suggest(earlier := replay.ask())
                replay.tell(earlier, [0.0] * len(study.directions))
        else:
            replay.add_trials(self._copies(study, trials, all_trials))
        if isinstance(sampler, samplers.GridSampler) and sampler.is_exhausted(replay):
            return None
        self.space.suggest(replay.ask())
        return replay.get_trials(deepcopy=False)[-1]

    def _copies(
        self, study: optuna.Study, trials: Sequence[FrozenTrial], all_trials: Sequence[FrozenTrial]
    ) -> list[FrozenTrial]:
        """Return the trials in the form that the sampler receives."""
        is_estimated = self.name in _USE_RESULTS and not has_several(study)  # with several objectives, none is pruned
        estimates = self._estimates(study, trials, all_trials) if is_estimated else {}
        # Once no other points are left, the grid sampler would propose those in flight again, unless they are finished.
        in_flight = TrialState.FAIL if self.name == "grid" else TrialState.RUNNING
        return [_copy(trial, estimates.get(trial.number), in_flight) for trial in trials]

    def _estimates(
        self, study: optuna.Study, trials: Sequence[FrozenTrial], all_trials: Sequence[FrozenTrial]
    ) -> dict[int, float]:
        """Estimate the means over all samples of pruned and resting trials; for TPE, also of those in flight.

        Return the estimates (`shrunk_means`) by trial number. They are empty without a complete trial that has scores.
        """
        complete = [
            np.asarray(scores)
            for trial in all_trials
            if trial.state == TrialState.COMPLETE and (scores := self.scores(study, trial)) is not None
        ]
        # TPE treats trials in flight as bad ones and avoids their region, although trials in flight for long are good.
        states = (TrialState.PRUNED, TrialState.RUNNING) if self.name == "tpe" else (TrialState.PRUNED,)
        partial = {
            trial.number: np.asarray(scores)
            for trial in trials
            if (trial.state in states or is_resting(trial))
            and (scores := self.scores(study, trial)) is not None
            and len(scores)
        }
        if not complete or not partial:
            return {}
        return dict(zip(partial, shrunk_means(list(partial.values()), complete).tolist(), strict=True))

    def _sampler(self, number: int) -> samplers.BaseSampler:
        """Return a new sampler, seeded with the number of earlier trials without fixed parameters."""
        digest = hashlib.blake2b(f"{self.seed}:{number}".encode(), digest_size=4).digest()
        arguments: dict[str, Any] = {"seed": int.from_bytes(digest, "little")}
        shared = self.seed % 2**32  # the range of seeds of numpy's generators
        match self.name:
            case "tpe":
                arguments |= {"multivariate": True, "group": True, "constant_liar": True}
            case "gp" | "cmaes":
                arguments |= {"warn_independent_sampling": False}
            case "qmc":
                # The whole study shares one sequence.
                independent = samplers.RandomSampler(shared)
                arguments = {"seed": shared, "scramble": True, "independent_sampler": independent}
                arguments |= {"warn_independent_sampling": False}
            case "grid":
                # The whole study shares one order: the seed shuffles the points, and trials store their point's index.
                arguments = {"seed": shared, "search_space": self.space.grid()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                return SAMPLERS[self.name](**{**arguments, **self.arguments})
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"the {self.name} sampler refuses its arguments: {error}") from error


def _copy(trial: FrozenTrial, estimate: float | None, in_flight: TrialState) -> FrozenTrial:
    """Return a copy of a trial for the sampler: complete with the estimate if there is one, else as it is.

    A trial that is not finished has the state `in_flight`.
    """
    state = trial.state if trial.state.is_finished() else in_flight
    state = state if estimate is None else TrialState.COMPLETE
    return create_trial(
        state=state,
        values=trial.values if estimate is None else [estimate],
        params=trial.params,
        distributions=trial.distributions,
        # Optuna's samplers read intermediate values of pruned trials only. Copying them takes time.
        intermediate_values=trial.intermediate_values if state == TrialState.PRUNED else {},
        system_attrs=dict(trial.user_attrs.get(SAMPLER_STATE, {})),  # Optuna adds the constraints to it
        constraints=trial.constraints,
    )


@contextlib.contextmanager
def _without_announcement() -> Iterator[None]:
    """Suppress Optuna's log message about the new study."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
