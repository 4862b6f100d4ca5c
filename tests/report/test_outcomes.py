"""What came of the search as numbers."""

import dataclasses

import pytest

from llmsearch_optuna.report.outcomes import cost, quality_by_expense, seed_scores, summarize_finalists
from llmsearch_optuna.report.record import read_study
from studies.benchmarks.synthetic_studies import Plan, Written


@pytest.mark.parametrize("maximize", [True, False])
def test_finalists_begin_with_the_best_and_end_with_the_baselines(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize)))
    rows = summarize_finalists(record)
    assert [row.name for row in rows][:3] == ["best", "runner-up 1", "runner-up 2"]
    assert {row.name for row in rows[3:]} == {"greedy", "model default"}
    assert [row.trial is record.best for row in rows] == [True, False, False, False, False]
    searched = [row.search_score for row in rows[:3]]
    assert searched == sorted(searched, reverse=maximize)
    assert record.verdict is not None
    held_out = {row.name: row.held_out for row in rows if row.held_out is not None}
    assert {name: row.score for name, row in held_out.items()} == {
        finalist.name: finalist.score for finalist in record.verdict.finalists
    }
    assert [name for name, row in held_out.items() if row.gain == "reference"] == [record.verdict.reference]


@pytest.mark.parametrize("maximize", [True, False])
def test_nothing_beats_the_front_in_both(maximize: bool, written: Written) -> None:
    record = read_study(*written(Plan(maximize=maximize, trials=40)))
    qualities = quality_by_expense(record)
    assert len(qualities) == len(record.complete)
    for quality in qualities:
        is_beaten = any(
            (other.expense <= quality.expense and record.is_better(other.value, quality.value))
            or (other.expense < quality.expense and other.value == quality.value)
            for other in qualities
        )
        assert quality.is_efficient == (not is_beaten)


def test_seeds_are_those_of_the_verdict_or_else_of_the_trials(written: Written) -> None:
    record = read_study(*written())
    held_out = seed_scores(record)
    assert held_out.held_out
    assert {name: len(scores) for name, scores in held_out.groups.items()}["best"] == 4
    without = read_study(*written(Plan(held_out=0, trials=30)))
    searched = seed_scores(without)
    assert not searched.held_out
    assert list(searched.groups) == ["seed 0", "seed 1", "seed 2", "seed 3"]
    greedy = [trial for trial in without.complete if trial.params is not None and trial.params.greedy]
    assert sum(map(len, searched.groups.values())) == len(without.complete) - len(greedy)


def test_cost_counts_every_token_and_what_pruning_saved(written: Written) -> None:
    study, storage = written()
    record = read_study(study, storage)
    spent = cost(record)
    assert spent.tokens == sum(int(trial.token_counts.sum()) for trial in record.trials)
    assert spent.saved == pytest.approx(sum(8 * trial.token_counts.mean() for trial in record.pruned))
    assert [row.saved for row in spent.trials if not row.trial.is_pruned] == [0.0] * (14 - len(record.pruned))
    assert spent.held_out == sum(finalist.tokens for finalist in record.held_out) > 0
    assert spent.replayed is None


def test_the_replayed_share_weighs_trials_by_their_tokens(written: Written) -> None:
    record = read_study(*written())
    shares = {0: 0.5, 3: 0.0}
    replayed = dataclasses.replace(
        record,
        trials=tuple(dataclasses.replace(trial, replayed=shares.get(trial.number)) for trial in record.trials),
    )
    tokens = {trial.number: int(trial.token_counts.sum()) for trial in record.trials}
    assert cost(replayed).replayed == pytest.approx(0.5 * tokens[0] / (tokens[0] + tokens[3]))


def test_tokens_that_were_taken_over_are_not_generated(written: Written) -> None:
    record = read_study(*written())
    first, *others = record.trials
    reusing = dataclasses.replace(record, trials=(dataclasses.replace(first, reused=5), *others))
    assert cost(reusing).reused == 5
    assert cost(reusing).tokens == cost(record).tokens - 5
    assert cost(record).reused == 0
