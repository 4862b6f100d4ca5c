"""Optuna samplers by name, reseeded for every trial."""

import hashlib
import inspect
import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna import samplers
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.space import SearchSpace
from llmsearch_optuna.study import FIXED_PARAMS

__all__ = ["Proposer", "sampler_names"]


class _QMCSampler(samplers.QMCSampler):
    """Numbers the points of the sequence by trial.

    Optuna counts them in the storage, where a point that an interrupted trial drew and lost stays counted.
    """

    def __init__(self, *, trial_number: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._trial_number = trial_number

    def _find_sample_id(self, *_: object) -> int:
        return self._trial_number


_SAMPLERS: Mapping[str, type[samplers.BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "gp": samplers.GPSampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "qmc": samplers.QMCSampler,
    "cmaes": samplers.CmaEsSampler,
}

_CONSTRUCTED_HERE = ("seed", "search_space", "independent_sampler")


def sampler_names() -> tuple[str, ...]:
    """The names that `Proposer` knows."""
    return tuple(_SAMPLERS)


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Makes the Optuna sampler that proposes one trial.

    A sampler made once per process repeats its start-up draws when a study resumes. Made anew for every trial, and
    seeded with (seed, trial number), it proposes the same whether the study was interrupted or not.

    Attributes:
        name: ``"tpe"`` (multivariate), ``"gp"``, ``"random"``, ``"grid"``, ``"qmc"`` or ``"cmaes"``.
        space: What is searched.
        seed: The study's seed.
        arguments: Arguments of the Optuna class.

    Raises:
        ConfigurationError: The name or an argument is unknown, a value is refused, or the space does not suit it.
    """

    name: str
    space: SearchSpace
    seed: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in _SAMPLERS:
            raise ConfigurationError(unknown_name("sampler", self.name, _SAMPLERS))
        known = [name for name in inspect.signature(_SAMPLERS[self.name]).parameters if name not in _CONSTRUCTED_HERE]
        for argument in self.arguments:
            if argument not in known:
                raise ConfigurationError(unknown_name(f"argument of the {self.name} sampler", argument, known))
        self.sampler(0)

    def sampler(self, trial_number: int) -> samplers.BaseSampler:
        """The sampler for one trial."""
        return _TrialSampler(lambda parameter: self._optuna_sampler(trial_number, parameter))

    def exhausted(self, study: optuna.Study) -> bool:
        """Whether there is nothing left to propose, which only a grid can reach."""
        sampler = self._optuna_sampler(0, "")
        return isinstance(sampler, samplers.GridSampler) and sampler.is_exhausted(study)

    def _optuna_sampler(self, trial_number: int, parameter: str) -> samplers.BaseSampler:
        text = f"{self.seed}:{trial_number}:{parameter}"
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")
        arguments: dict[str, Any] = {"seed": seed}
        match self.name:
            case "tpe":
                arguments |= {"multivariate": True, "group": True, "constant_liar": True}
            case "gp" | "cmaes":
                arguments |= {"independent_sampler": samplers.RandomSampler(seed), "warn_independent_sampling": False}
            case "qmc":
                arguments |= {"independent_sampler": samplers.RandomSampler(seed), "warn_independent_sampling": False}
                # One sequence for the whole study.
                arguments |= {"seed": self.seed, "scramble": True, "trial_number": trial_number}
            case "grid":
                # One order for the whole study: the seed shuffles the points, and trials know theirs by its number.
                arguments = {"seed": self.seed, "search_space": self.space.grid()}
        make: Callable[..., samplers.BaseSampler] = _QMCSampler if self.name == "qmc" else _SAMPLERS[self.name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                return make(**{**arguments, **self.arguments})
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"the {self.name} sampler refuses its arguments: {error}") from error


class _TrialSampler(samplers.BaseSampler):
    """Lets an Optuna sampler see what it can learn from, and draws each parameter the same after an interruption.

    Args:
        make: Makes the sampler, seeded for this trial and the name of a parameter (``""``: all of them at once).
    """

    def __init__(self, make: Callable[[str], samplers.BaseSampler]) -> None:
        self._make = make
        self._together = make("")

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Chooses the point of a grid."""
        self._together.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are sampled together."""
        return self._together.infer_relative_search_space(_SampledTrials(study, trial), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Samples parameters together."""
        return self._together.sample_relative(_SampledTrials(study, trial), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Samples one parameter; an interrupted trial has some of them already, and must not draw others now."""
        sampler = self._make(param_name)
        return sampler.sample_independent(_SampledTrials(study, trial), trial, param_name, param_distribution)


class _SampledTrials(optuna.Study):
    """A study without the trial that is being sampled, and without those whose parameters were given.

    Given parameters (of baselines) are not Optuna's. GP and CMA-ES model the parameters that all trials share, QMC
    those of the first trial: with one baseline that is none, and each of them draws at random for ever. TPE would fill
    its few best trials with them.
    """

    def __init__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        super().__init__(study.study_name, study._storage, sampler=study.sampler, pruner=study.pruner)  # noqa: SLF001
        self._number = trial.number

    # Optuna's samplers read the trials through this method alone.
    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        return [trial for trial in trials if trial.number != self._number and FIXED_PARAMS not in trial.user_attrs]
