"""The scores sample by sample."""

import numpy as np
import pytest

from llmsearch_optuna.report.record import read_study
from llmsearch_optuna.report.samples import hardest_samples, sample_scores
from studies.benchmarks.synthetic_studies import Plan, Written


@pytest.mark.parametrize("maximize", [True, False])
def test_every_score_is_in_its_place_and_the_hardest_on_top(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize)))
    rows = sample_scores(record)
    assert rows is not None
    by_number = {trial.number: trial for trial in record.trials}
    for column, number in enumerate(rows.trials):
        trial = by_number[number]
        assert trial.scores is not None
        for line, sample in enumerate(rows.samples):
            expected = trial.scores[sample.position] if sample.position < trial.seen else np.nan
            assert np.array_equal(rows.scores[line, column], expected, equal_nan=True)
    assert list(rows.means) == sorted(rows.means, reverse=not maximize)
    assert set(rows.trials[: rows.complete]) == {trial.number for trial in record.complete}
    assert record.best is not None
    assert rows.trials[0] == record.best.number
    first = hardest_samples(record, rows, count=3)[0]
    assert first.sample == rows.samples[0]
    assert first.mean == rows.means[0]
    extreme = max if maximize else min
    assert first.best == extreme(rows.scores[0, : rows.complete])
    assert first.prompt == str(first.sample.position) + ":"


@pytest.mark.parametrize("plan", [Plan(by_sample=False), Plan(complete=False), Plan(trials=0, baselines=False)])
def test_nothing_to_show(plan: Plan, written: Written) -> None:
    assert sample_scores(read_study(*written(plan))) is None
