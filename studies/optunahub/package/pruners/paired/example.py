"""Find the threshold of a noisy classifier on 200 samples, pruning what cannot be the best."""

import numpy as np
import optuna
import optunahub

module = optunahub.load_module(package="pruners/paired")

SAMPLES = np.random.default_rng(0).uniform(size=200)  # in one random order


def is_right(threshold: float, sample: float) -> float:
    """Score one sample: the closer the threshold is to 0.6, the more samples are on the right side of it."""
    return float((sample > threshold) == (sample > 0.6))


def objective(trial: optuna.Trial) -> float:
    """Score the samples in turn, and ask the pruner after every eighth."""
    threshold = trial.suggest_float("threshold", 0.0, 1.0)
    scores: list[float] = []
    for sample in SAMPLES:
        scores.append(is_right(threshold, sample))
        if len(scores) % 8 == 0 and len(scores) < len(SAMPLES):
            module.report_scores(trial, scores)
            trial.report(float(np.mean(scores)), step=len(scores))
            if trial.should_prune():
                raise optuna.TrialPruned
    module.report_scores(trial, scores)
    return float(np.mean(scores))


study = optuna.create_study(
    direction="maximize", sampler=optuna.samplers.TPESampler(seed=0), pruner=module.PairedPruner(score_range=(0.0, 1.0))
)
study.optimize(objective, n_trials=30)
pruned = study.get_trials(states=(optuna.trial.TrialState.PRUNED,))
print(f"best: {study.best_params}, {study.best_value:.3f}; {len(pruned)} of 30 trials were pruned")
