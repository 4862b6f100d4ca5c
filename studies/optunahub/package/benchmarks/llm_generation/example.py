"""Compare two pruners on every landscape: the regret of the best trial, and the samples that were scored."""

import optuna
import optunahub

module = optunahub.load_module(package="benchmarks/llm_generation")
optuna.logging.set_verbosity(optuna.logging.WARNING)
PRUNERS = {"none": optuna.pruners.NopPruner(), "successive halving": optuna.pruners.SuccessiveHalvingPruner()}

for landscape in module.LANDSCAPES:
    problem = module.Problem(landscape, seed=1)
    for name, pruner in PRUNERS.items():
        sampler = optuna.samplers.TPESampler(seed=1)
        study = optuna.create_study(directions=problem.directions, sampler=sampler, pruner=pruner)
        study.optimize(problem, n_trials=30)
        samples = len(problem.sample_scores(study.best_params))
        complete = optuna.trial.TrialState.COMPLETE
        scored = sum(samples if trial.state == complete else trial.last_step or 0 for trial in study.trials)
        print(
            f"{landscape}, {name}: regret {problem.best - study.best_value:.3f}, "
            f"{scored / (samples * len(study.trials)):.0%} of the samples"
        )
