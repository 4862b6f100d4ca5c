"""Reports of trials to studies with one and several objectives."""

import optuna

from llmsearch_optuna.search.reporting import report, should_prune


def test_scores_are_reported_and_nothing_pruned_with_several_objectives() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], pruner=optuna.pruners.ThresholdPruner(lower=1.0))
    trial = study.ask()
    report(trial, 0.5, step=8)
    report(trial, 0.25, step=16)
    assert not should_prune(trial)
    assert study.trials[0].intermediate_values == {8: 0.5, 16: 0.25}
    assert study.trials[0].last_step == 16
    alone = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=1.0))
    trial = alone.ask()
    report(trial, 0.5, step=8)
    assert should_prune(trial)
