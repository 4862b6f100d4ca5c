"""Searches without a model: the real proposer and the real pruners, on scores that are known beforehand."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from optuna import samplers
from optuna.pruners import BasePruner, WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna import GenerationParams, SearchSpace
from llmsearch_optuna.search.baselines import InitialTrial, enqueue
from llmsearch_optuna.search.early_stop import EarlyStop
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.search.race import Race
from llmsearch_optuna.search.rungs import rung_sizes
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.study.attributes import BASELINE, FIXED_PARAMS, RESTED, ROUND
from llmsearch_optuna.study.trials import FINISHED, rounds_passed

__all__ = [
    "PRUNERS",
    "SAMPLERS",
    "Outcome",
    "Scores",
    "Searched",
    "Setting",
    "Terrain",
    "advance",
    "pruner_of",
    "simulate",
]

SAMPLERS = ("tpe", "gp", "random", "qmc")
PRUNERS = ("paired", "race", "median", "hyperband", "successive-halving", "wilcoxon", "none")

SCORE_RANGE = (0.0, 1.0)


class Outcome(NamedTuple):
    """A configuration on all samples.

    Attributes:
        scores: In [0, 1]; higher is better. Shape: (samples,).
        tokens: Shape: (samples,).
    """

    scores: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]


class Terrain(Protocol):
    """What is searched, with the samples in the order in which trials see them.

    Attributes:
        space: The parameters.
        samples: The number of samples.
        baselines: The outcomes of the first trials, by name.
        best: The mean score of the best configuration.
    """

    space: SearchSpace
    samples: int
    baselines: Mapping[str, Outcome]
    best: float

    def outcome(self, chosen: Mapping[str, Any]) -> Outcome:
        """What the configuration with these searched parameters scores and costs."""
        ...


class Setting(NamedTuple):
    """How to search.

    Attributes:
        sampler: One of `SAMPLERS`.
        pruner: One of `PRUNERS`, or ``"oracle"``.
        pruner_args: Its arguments.
        trials: Finished trials, with the baselines.
        concurrency: Trials in flight.
        rungs: Trials report every so many samples.
        held_out: Held-out samples, by which the search decides when to stop early; ``None`` if it does not.
        budget: The search ends once it has used this number of tokens; ``None`` for no limit.
    """

    sampler: str = "tpe"
    pruner: str = "paired"
    pruner_args: Mapping[str, Any] = {}
    trials: int = 50
    concurrency: int = 4
    rungs: int = 8
    held_out: int | None = None
    budget: int | None = None


class Progress(NamedTuple):
    """A search after one of its rounds.

    Attributes:
        tokens: The tokens of all samples that trials were scored on.
        regret: The best configuration's mean score less that of the best complete trial; infinite without one.
    """

    tokens: int
    regret: float


class Searched(NamedTuple):
    """A search that has ended.

    Attributes:
        study: The study.
        progress: The search after each round.
        regret: The best configuration's mean score less that of the chosen one.
        tokens: The tokens of all samples that trials were scored on.
        full_tokens: The tokens of the same trials on all samples.
    """

    study: optuna.Study
    progress: Sequence[Progress]
    regret: float
    tokens: int
    full_tokens: int


class Scores:
    """The scores that trials have shown so far, by their numbers."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.seen: dict[int, int] = {}

    def __call__(self, _study: optuna.Study, trial: FrozenTrial) -> npt.NDArray[np.float64]:
        """A `ScoreReader`."""
        return self.outcomes[trial.number].scores[: self.seen[trial.number]]

    def tokens(self, trial: FrozenTrial) -> int:
        """A `TokenCount`."""
        return int(self.outcomes[trial.number].tokens[: self.seen[trial.number]].sum())

    def all_tokens(self) -> int:
        """The tokens of all samples that trials were scored on."""
        return sum(int(self.outcomes[number].tokens[:seen].sum()) for number, seen in self.seen.items())


def simulate(terrain: Terrain, setting: Setting, *, seed: int) -> Searched:
    """Do what `Tuner.search` does with an engine that knows its answers, in memory.

    Args:
        terrain: What is searched.
        setting: How.
        seed: The study's.
    """
    scores = Scores()
    rungs = rung_sizes(setting.rungs, terrain.samples)
    proposer = Proposer(name=setting.sampler, space=terrain.space, seed=seed, scores=scores)
    study = optuna.create_study(
        study_name=str(seed),  # from which hyperband draws its brackets
        direction="maximize",
        pruner=pruner_of(setting, rungs, scores),
        sampler=samplers.RandomSampler(0),
    )
    enqueue(study, [InitialTrial(GenerationParams(), None, name) for name in terrain.baselines])
    early_stop = EarlyStop(
        scores=scores, n_trials=setting.trials, held_out=setting.held_out or 0, is_on=setting.held_out is not None
    )
    in_flight: list[optuna.Trial] = []
    begun = rounds = 0
    progress: list[Progress] = []
    resting: dict[int, optuna.Trial] = {}
    while setting.budget is None or not progress or progress[-1].tokens < setting.budget:
        if isinstance(study.pruner, Race):
            trials = study.get_trials(deepcopy=False, states=(*FINISHED, TrialState.RUNNING))
            resting |= {trial.number: trial for trial in in_flight}
            choice = study.pruner.choose(study, trials, tokens=scores.tokens, places=setting.concurrency)
            in_flight = [resting.pop(number) for number in choice.trials]
            for trial in in_flight:
                passed = rounds_passed(study.get_trials(deepcopy=False)[trial.number])
                if passed < rounds:
                    trial.set_user_attr(RESTED, trial.user_attrs.get(RESTED, 0) + rounds - passed)
        while len(in_flight) < setting.concurrency and begun < setting.trials:
            if begun >= len(terrain.baselines):
                trials = study.get_trials(deepcopy=False)
                if isinstance(study.pruner, Race) and study.pruner.waits_for_baselines(trials):
                    break
                if early_stop.reason(study, trials) is not None:
                    break
                _propose(proposer, study, setting.trials)
            trial = study.ask()
            trial.set_user_attr(ROUND, rounds)
            name = trial.user_attrs.get(BASELINE)
            if name is None:
                terrain.space.suggest(trial)
            scores.outcomes[trial.number] = terrain.outcome(trial.params) if name is None else terrain.baselines[name]
            scores.seen[trial.number] = 0
            in_flight.append(trial)
            begun += 1
        if not in_flight:
            break
        rounds += 1
        in_flight = [trial for trial in in_flight if not advance(study, trial, rungs, scores)]
        progress.append(Progress(scores.all_tokens(), terrain.best - _best(study)))
    for trial in resting.values():
        study.tell(trial, state=TrialState.PRUNED)
    return Searched(
        study=study,
        progress=progress,
        regret=terrain.best - _best(study),
        tokens=scores.all_tokens(),
        full_tokens=sum(int(outcome.tokens.sum()) for outcome in scores.outcomes.values()),
    )


def _best(study: optuna.Study) -> float:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max((trial.value for trial in complete if trial.value is not None), default=-np.inf)


def advance(
    study: optuna.Study, trial: optuna.Trial, rungs: Sequence[int], scores: Scores, *, to_the_end: bool = False
) -> bool:
    """Bring a trial to its next rung. Return whether it is finished.

    Args:
        study: Its study.
        trial: The trial.
        rungs: All rungs.
        scores: What it scores.
        to_the_end: Whether the trial goes on even if the pruner would end it.
    """
    trial_scores, before = scores.outcomes[trial.number].scores, scores.seen[trial.number]
    seen = next(size for size in rungs if size > before)
    scores.seen[trial.number] = seen
    mean = sum(trial_scores[:seen].tolist()) / seen  # as `Evaluation` adds them up
    # That pruner wants the score of each sample, and not their mean.
    if isinstance(study.pruner, WilcoxonPruner):
        for position in range(before, seen):
            trial.report(trial_scores[position], step=position)
    else:
        trial.report(mean, step=seen)
    if seen == len(trial_scores):
        study.tell(trial, mean)
        return True
    if BASELINE not in trial.user_attrs and trial.should_prune() and not to_the_end:
        study.tell(trial, state=TrialState.PRUNED)
        return True
    return False


class Oracle(BasePruner):
    """Knows every trial's mean, and prunes at the first rung whatever is no better than the incumbent.

    What it needs is what the best trials cost, and those that were in flight before there was anything to compare with.

    Args:
        scores: What all trials score on all samples.
    """

    def __init__(self, scores: Scores) -> None:
        self._scores = scores

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """See `BasePruner.prune`."""
        return bool(self._scores.outcomes[trial.number].scores.mean() <= _best(study))


def pruner_of(setting: Setting, rungs: Sequence[int], scores: Scores) -> BasePruner:
    """The pruner of a setting."""
    if setting.pruner == "oracle":
        return Oracle(scores)
    if setting.pruner == "wilcoxon":
        return WilcoxonPruner(**{"p_threshold": 0.1, **setting.pruner_args})
    return make_pruner(setting.pruner, rungs, setting.pruner_args, scores=scores, score_range=SCORE_RANGE)


def _propose(proposer: Proposer, study: optuna.Study, trials: int) -> None:
    """Queue the next trial. Trials that do not depend on results are made once for all pruners."""
    if proposer.name not in ("random", "qmc"):
        proposed = proposer.propose(study)
        if proposed is None:
            raise ValueError(f"{proposer.name} has nothing more to propose")
        study.enqueue_trial(proposed.params, user_attrs=proposed.user_attrs)
        return
    begun = sum(FIXED_PARAMS not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    study.enqueue_trial(_fixed_proposals(proposer.name, proposer.space, proposer.seed, trials)[begun])


@functools.cache
def _fixed_proposals(name: str, space: SearchSpace, seed: int, count: int) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=samplers.RandomSampler(0))
    proposer = Proposer(name=name, space=space, seed=seed)
    if name == "qmc":
        # One sequence, drawn at once; the proposer restarts it for every trial.
        study.sampler = proposer._sampler(0)  # noqa: SLF001
    for _ in range(count):
        proposed = None if name == "qmc" else proposer.propose(study)
        if proposed is not None:
            study.enqueue_trial(proposed.params)
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, 0.0)
    return [trial.params for trial in study.get_trials(deepcopy=False)]
