"""The scores sample by sample."""

import numpy as np
import pytest

from llmsearch_optuna.report.drawing import draw_samples
from llmsearch_optuna.report.record import read_study
from llmsearch_optuna.report.samples import hardest_samples, sample_scores
from studies.benchmarks.synthetic_studies import Plan, Written


@pytest.mark.parametrize("maximize", [True, False])
def test_every_score_is_in_its_place_and_the_hardest_on_top(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize)))
    scores = sample_scores(record)
    assert scores is not None
    by_number = {trial.number: trial for trial in record.trials}
    for column, number in enumerate(scores.trials):
        trial = by_number[number]
        assert trial.scores is not None
        for line, sample in enumerate(scores.samples):
            expected = trial.scores[sample.position] if sample.position < trial.seen else np.nan
            assert np.array_equal(scores.scores[line, column], expected, equal_nan=True)
    assert list(scores.means) == sorted(scores.means, reverse=not maximize)
    assert set(scores.trials[: scores.complete]) == {trial.number for trial in record.complete}
    assert record.best is not None
    assert scores.trials[0] == record.best.number
    first = hardest_samples(record, scores)[0]
    assert first.sample == scores.samples[0]
    assert first.mean == scores.means[0]
    extreme = max if maximize else min
    assert first.best == extreme(scores.scores[0, : scores.complete])


@pytest.mark.parametrize("plan", [Plan(by_sample=False), Plan(complete=False), Plan(trials=0, baselines=False)])
def test_nothing_to_show(plan: Plan, written: Written) -> None:
    assert sample_scores(read_study(*written(plan))) is None


def test_the_axis_tells_which_trials_are_shown(written: Written) -> None:
    """Pruned, failed and running ones come last, if there are any."""
    for plan, has_others in ((Plan(), True), (Plan(pruned=0, failed=0), False)):
        scores = sample_scores(read_study(*written(plan)))
        assert scores is not None
        title = draw_samples(scores, "score", maximize=True).layout.xaxis.title.text
        assert title == "trials, best to worst" + ", then those not fully evaluated" * has_others
