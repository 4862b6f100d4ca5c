"""What the parameters did to the score."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.report.parameters import MINIMUM_TRIALS, importances, parameter_slice
from llmsearch_optuna.report.record import read_study
from studies.benchmarks.synthetic_studies import SPACE, Plan, Written, write_study


@pytest.mark.full
def test_the_parameter_that_decides_is_the_most_important(written: Written) -> None:
    record = read_study(*written(Plan(trials=60, samples=64)))
    result = importances(record)
    assert result.rows[0].parameter == "temperature"
    assert sum(row.share for row in result.rows) == pytest.approx(1.0)
    assert all(0.0 <= row.low <= row.share <= row.high <= 1.0 for row in result.rows)
    assert result.trials == len([trial for trial in record.complete if trial.baseline is None])
    first, *others = result.rows
    assert first.low > max(row.share for row in others)


def test_importances_are_the_same_every_time_and_leave_no_trace(written: Written) -> None:
    record = read_study(*written())
    verbosity = optuna.logging.get_verbosity()
    assert importances(record) == importances(record)
    assert optuna.logging.get_verbosity() == verbosity


@pytest.mark.full
def test_pruned_trials_say_nothing_of_importance(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db", Plan(pruned=0))
    before = importances(read_study(study, storage))
    for top_k in range(1, 40):
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED,
                params={"temperature": 1.5, "top_k": top_k, "generation_seed": 0},
                distributions=SPACE,
                intermediate_values={4: 0.0},
            )
        )
    assert importances(read_study(study, storage)) == before


@pytest.mark.parametrize("plan", [Plan(trials=MINIMUM_TRIALS - 1, pruned=0, failed=0), Plan(complete=False)])
def test_few_trials_give_no_importances(plan: Plan, written: Written) -> None:
    assert importances(read_study(*written(plan))).rows == ()


@pytest.mark.full
@pytest.mark.parametrize("maximize", [True, False])
def test_the_trend_follows_the_score(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(trials=60, samples=64, maximize=maximize)))
    data = parameter_slice(record, "temperature")
    assert data.trend is not None
    assert (data.trend.mean[0] > data.trend.mean[-1]) == maximize
    assert np.all(data.trend.low <= data.trend.mean)
    assert np.all(data.trend.mean <= data.trend.high)
    values = [trial.value for trial in data.complete if trial.value is not None]
    assert min(values) <= data.trend.mean.min() <= data.trend.mean.max() <= max(values)
    assert (len(data.complete), len(data.pruned)) == (len(record.complete) - 2, len(record.pruned))


def test_a_logarithmic_parameter_has_its_trend_on_its_own_scale(written: Written) -> None:
    record = read_study(*written(Plan(trials=30)))
    data = parameter_slice(record, "top_k")
    assert data.is_log
    assert data.trend is not None
    given = [trial.chosen["top_k"] for trial in data.complete]
    assert data.trend.at[0] == pytest.approx(min(given))
    assert data.trend.at[-1] == pytest.approx(max(given))
    assert np.allclose(np.diff(np.log(data.trend.at)), np.diff(np.log(data.trend.at))[0])


def test_categories_have_no_trend(written: Written) -> None:
    data = parameter_slice(read_study(*written()), "generation_seed")
    assert data.categories == ("0", "1", "2", "3")
    assert data.trend is None
