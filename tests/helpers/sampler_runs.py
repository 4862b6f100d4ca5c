"""Studies with a sampler, but without a model."""

import itertools
from typing import Any

import optuna
from optuna.trial import TrialState

from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.space.dimensions import Categorical, Float, Int
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study.attributes import FIXED_PARAMS

SPACES = {
    "mixed": SearchSpace(
        temperature=Float(0.1, 1.5),
        top_k=Int(1, 100, log=True),
        top_p=Float(0.1, 0.9, step=0.2),
        generation_seed=Categorical([0, 1, 2]),
        max_new_tokens=64,
    ),
    "categorical": SearchSpace(do_sample=Categorical([True, False]), top_p=Categorical([None, 0.5, 0.9])),
    "conditional": SearchSpace(
        do_sample=Categorical([True, False]),
        temperature=Float(0.1, 1.5, when={"do_sample": True}),
        top_k=Categorical([10, 20], when={"do_sample": True}),
        top_p=Float(0.5, 1.0, when={"top_k": 10}),
        repetition_penalty=Float(1.0, 1.2),
    ),
    "one number": SearchSpace(temperature=Float(0.1, 1.5)),
    "nothing": SearchSpace(do_sample=True),
}

GRID = SearchSpace(
    temperature=Float(0.1, 0.7, step=0.2), top_k=Int(1, 3), top_p=Categorical([None, 0.9]), do_sample=True
)

POINTS = {
    (temperature, top_k, top_p)
    for temperature, top_k, top_p in itertools.product(GRID.grid()["temperature"], [1, 2, 3], [None, 0.9])
}

# Few start-up trials, so that the models are used.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 4},
    "cmaes": {"popsize": 4},
    "nsga2": {"population_size": 4},
}

# As long as it takes the slow one to use its model.
LENGTHS = {"gp": 9}

MODELS = ("tpe", "gp", "cmaes", "nsga2", "qmc")

SAMPLERS = ("random", *MODELS)


def proposer(name: str, space: SearchSpace, seed: int = 1) -> Proposer:
    return Proposer(name=name, space=space, seed=seed, arguments=ARGUMENTS.get(name, {}))


def score(params: GenerationParams) -> float:
    """A function to learn: the best temperature is 0.7, the best top_p 0.9."""
    return -(((params.temperature or 0.0) - 0.7) ** 2) - ((params.top_p or 0.0) - 0.9) ** 2


def begin(made: Proposer, study: optuna.Study) -> optuna.Trial:
    """Begin the next proposal as the search does."""
    proposed = made.propose(study)
    assert proposed is not None
    study.add_trial(proposed)
    return optuna.Trial(study, study.get_trials(deepcopy=False)[-1]._trial_id)


def run(study: optuna.Study, made: Proposer, n_trials: int, given: int = 0) -> list[dict[str, Any]]:
    """Propose, evaluate and report as the search does; the first `given` trials are baselines that beat all others."""
    for number in range(len(study.get_trials(deepcopy=False)), n_trials):
        if number < given:
            study.enqueue_trial({}, user_attrs={FIXED_PARAMS: "{}"})
        trial = study.ask() if number < given else begin(made, study)
        if number < given:
            study.tell(trial, 1.0)
        elif number % 5 == 4:
            made.space.suggest(trial)
            trial.report(-1.0, 8)
            study.tell(trial, None, state=TrialState.PRUNED)
        else:
            study.tell(trial, score(made.space.suggest(trial)))
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def in_memory() -> optuna.Study:
    return optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage(), study_name="s")


def reopened(study: optuna.Study) -> optuna.Study:
    return optuna.load_study(study_name="s", storage=study._storage)
