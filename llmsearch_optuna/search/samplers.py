"""What to try next: Optuna's samplers by name, rehearsed anew for every trial."""

import contextlib
import hashlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import optuna
from optuna import samplers
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.search.scores import ScoreReader, reported_scores
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.statistics import shrunk_means
from llmsearch_optuna.study.attributes import FIXED_PARAMS, SAMPLER_STATE
from llmsearch_optuna.study.ranking import has_several

__all__ = ["Proposer", "Pruned", "sampler_names"]


_SAMPLERS: Mapping[str, type[samplers.BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "gp": samplers.GPSampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "qmc": samplers.QMCSampler,
    "cmaes": samplers.CmaEsSampler,
    "nsga2": samplers.NSGAIISampler,
}

Pruned = Literal["running mean", "shrunk", "ignored"]
"""How a sampler is shown a pruned trial: as pruned, with its running means; as fully evaluated, with an estimate of its
mean over all samples (`shrunk_means`); or not at all. With estimates, TPE is also shown trials in flight by theirs.
With several objectives nothing is pruned, and nothing estimated."""

# TPE ranks pruned trials by how far they came, the others here leave them out; grid, random and QMC learn nothing.
_PRUNED: Mapping[str, Pruned] = {"tpe": "shrunk", "gp": "shrunk", "cmaes": "shrunk", "nsga2": "shrunk"}

# TPE takes trials in flight for bad ones, and keeps away from them: but those in flight for long are good.
_ESTIMATED: Mapping[str, tuple[TrialState, ...]] = {
    "tpe": (TrialState.PRUNED, TrialState.RUNNING),
    "gp": (TrialState.PRUNED,),
    "cmaes": (TrialState.PRUNED,),
    "nsga2": (TrialState.PRUNED,),
}

_CONSTRUCTED_HERE = ("seed", "search_space", "independent_sampler")

_NOTING = ("grid", "cmaes", "nsga2")


def sampler_names() -> tuple[str, ...]:
    """The names that `Proposer` knows."""
    return tuple(_SAMPLERS)


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Proposes the trials of a study, one after the other.

    Each is proposed by a sampler made for it alone, seeded with (seed, trials proposed before), in a rehearsal: a study
    in memory that holds the trials so far. So a proposal is a function of what is stored, whether the study was
    interrupted or not, and reaches the storage in one piece. Trials with given parameters (baselines) are left out:
    they have no Optuna parameters, and one of them keeps GP, CMA-ES and QMC from finding any that all trials share.

    Attributes:
        name: ``"tpe"`` (multivariate), ``"gp"``, ``"random"``, ``"grid"``, ``"qmc"``, ``"cmaes"`` or ``"nsga2"``.
        space: What is searched.
        seed: The study's seed.
        arguments: Arguments of the Optuna class.
        pruned: How the sampler is shown pruned trials; for grid, random and QMC it makes no difference. By default the
            estimate for those that learn from results.
        scores: Reads the trials' scores, for the estimate; what `report_scores` told by default.

    Raises:
        ConfigurationError: The name or an argument is unknown, a value is refused, or the space does not suit it.
    """

    name: str
    space: SearchSpace
    seed: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pruned: Pruned | None = None
    scores: ScoreReader = reported_scores

    def __post_init__(self) -> None:
        if self.name not in _SAMPLERS:
            raise ConfigurationError(unknown_name("sampler", self.name, _SAMPLERS))
        known = [name for name in inspect.signature(_SAMPLERS[self.name]).parameters if name not in _CONSTRUCTED_HERE]
        for argument in self.arguments:
            if argument not in known:
                raise ConfigurationError(unknown_name(f"argument of the {self.name} sampler", argument, known))
        if self.pruned not in (None, *get_args(Pruned)):
            raise ConfigurationError(unknown_name("way to show pruned trials", str(self.pruned), get_args(Pruned)))
        self._sampler(0)

    def propose(self, study: optuna.Study) -> FrozenTrial | None:
        """The next trial, as running, with all its parameters; add it to the study.

        Args:
            study: The study, without trials that wait.

        Returns:
            The trial; ``None`` where there is none to propose: a grid ends.
        """
        proposed = self._replay_in_memory(study, study.get_trials(deepcopy=False))
        if proposed is None:
            return None
        state = proposed.system_attrs if self.name in _NOTING else {}
        return create_trial(
            state=TrialState.RUNNING,
            params=proposed.params,
            distributions=proposed.distributions,
            user_attrs={SAMPLER_STATE: state} if state else {},
        )

    def _replay_in_memory(self, study: optuna.Study, everything: Sequence[FrozenTrial]) -> FrozenTrial | None:
        trials = [trial for trial in everything if FIXED_PARAMS not in trial.user_attrs]
        sampler = self._sampler(len(trials))
        with _quiet():
            rehearsal = optuna.create_study(directions=study.directions, sampler=sampler)
        if self.name == "qmc":
            # QMC counts its points in the study, so that the one wanted comes after all that came before.
            for _ in trials:
                self.space.suggest(earlier := rehearsal.ask())
                rehearsal.tell(earlier, [0.0] * len(study.directions))
        else:
            rehearsal.add_trials(self._rehearsed(study, trials, everything))
        if isinstance(sampler, samplers.GridSampler) and sampler.is_exhausted(rehearsal):
            return None
        self.space.suggest(rehearsal.ask())
        return rehearsal.get_trials(deepcopy=False)[-1]

    def _rehearsed(
        self, study: optuna.Study, trials: Sequence[FrozenTrial], everything: Sequence[FrozenTrial]
    ) -> list[FrozenTrial]:
        """The trials as the sampler is shown them."""
        shown = self.pruned or _PRUNED.get(self.name, "running mean")
        is_estimated = shown == "shrunk" and self.name in _PRUNED and not has_several(study)
        estimates = self._estimates(study, trials, everything) if is_estimated else {}
        if shown == "ignored" and self.name in _PRUNED:
            trials = [trial for trial in trials if trial.state != TrialState.PRUNED]
        # The grid sampler proposes what is in flight once more where nothing else is left.
        in_flight = TrialState.FAIL if self.name == "grid" else TrialState.RUNNING
        return [_rehearsed(trial, estimates.get(trial.number), in_flight) for trial in trials]

    def _estimates(
        self, study: optuna.Study, trials: Sequence[FrozenTrial], everything: Sequence[FrozenTrial]
    ) -> dict[int, float]:
        """What pruned trials and those in flight would score on all samples, by number; of those that have scores."""
        complete = [
            np.asarray(scores)
            for trial in everything
            if trial.state == TrialState.COMPLETE and (scores := self.scores(study, trial)) is not None
        ]
        partial = {
            trial.number: np.asarray(scores)
            for trial in trials
            if trial.state in _ESTIMATED[self.name]
            and (scores := self.scores(study, trial)) is not None
            and len(scores)
        }
        if not complete or not partial:
            return {}
        return dict(zip(partial, shrunk_means(list(partial.values()), complete).tolist(), strict=True))

    def _sampler(self, number: int) -> samplers.BaseSampler:
        digest = hashlib.blake2b(f"{self.seed}:{number}".encode(), digest_size=4).digest()
        arguments: dict[str, Any] = {"seed": int.from_bytes(digest, "little")}
        shared = self.seed % 2**32  # numpy's generators take no others
        match self.name:
            case "tpe":
                arguments |= {"multivariate": True, "group": True, "constant_liar": True}
            case "gp" | "cmaes":
                arguments |= {"warn_independent_sampling": False}
            case "qmc":
                # One sequence for the whole study.
                independent = samplers.RandomSampler(shared)
                arguments = {"seed": shared, "scramble": True, "independent_sampler": independent}
                arguments |= {"warn_independent_sampling": False}
            case "grid":
                # One order for the whole study: the seed shuffles the points, and trials know theirs by its number.
                arguments = {"seed": shared, "search_space": self.space.grid()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                return _SAMPLERS[self.name](**{**arguments, **self.arguments})
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"the {self.name} sampler refuses its arguments: {error}") from error


def _rehearsed(trial: FrozenTrial, estimate: float | None, in_flight: TrialState) -> FrozenTrial:
    state = trial.state if trial.state.is_finished() else in_flight
    state = state if estimate is None else TrialState.COMPLETE
    return create_trial(
        state=state,
        values=trial.values if estimate is None else [estimate],
        params=trial.params,
        distributions=trial.distributions,
        # Optuna's samplers read those of pruned trials only, and all are copied.
        intermediate_values=trial.intermediate_values if state == TrialState.PRUNED else {},
        system_attrs=trial.user_attrs.get(SAMPLER_STATE, {}),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from announcing a new study for every trial."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
