"""Races: which trials continue, and that nothing is lost when they rest."""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from hand_made_studies import with_constraint
from interruptions import WriteCounter
from optuna.trial import FrozenTrial, TrialState, create_trial
from tiers import partly_full
from tiny_studies import everything, make_tuner, search

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search.race import Choice, Race
from llmsearch_optuna.study.attributes import BASELINE, RESTED, RESTING, ROUND, STOPPED
from llmsearch_optuna.study.trials import is_resting, rounds_passed

SAMPLES = 40


def begun(
    means: list[float], seen: list[int], *, direction: Literal["maximize", "minimize"] = "maximize"
) -> tuple[optuna.Study, dict[int, np.ndarray]]:
    """A study in which trials of these means were scored on the first `seen` samples; the first two are baselines."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction=direction)
    difficulty = rng.normal(0.0, 0.2, SAMPLES)
    scores = {}
    for number, (mean, count) in enumerate(zip(means, seen, strict=True)):
        row = mean + difficulty + rng.normal(0.0, 0.1, SAMPLES)
        scores[number] = (row if direction == "maximize" else -row)[:count]
        is_complete = count == SAMPLES
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if is_complete else TrialState.RUNNING,
                value=float(scores[number].mean()) if is_complete else None,
                user_attrs={BASELINE: f"baseline {number}"} if number < 2 else {},
            )
        )
    return study, scores


def choose(study: optuna.Study, scores: dict[int, np.ndarray], places: int = 4) -> Choice:
    def read(_study: optuna.Study, trial: FrozenTrial) -> np.ndarray:
        return scores[trial.number]

    trials = study.get_trials(deepcopy=False)
    return Race(scores=read).choose(study, trials, tokens=lambda trial: len(scores[trial.number]), places=places)


def test_the_most_promising_continue_and_the_others_rest() -> None:
    choice = choose(*begun([0.0, 0.0, 0.5, -0.5, 0.1, 0.6, -0.4, 0.0], [SAMPLES, SAMPLES, 16, 16, SAMPLES, 16, 16, 8]))
    assert {2, 5} <= set(choice.trials)
    assert not {3, 6} & set(choice.trials)
    assert choice.unfinished == 5 - len(choice.trials)
    assert choice.missed >= 0.0


def test_places_go_to_the_best() -> None:
    study = begun([0.0, 0.0, 0.5, 0.4, 0.6, 0.55], [SAMPLES, SAMPLES, 16, 16, 16, 16])
    assert choose(*study, places=1).trials == (4,)
    assert len(choose(*study, places=2).trials) == 2


def test_baselines_and_new_trials_never_rest() -> None:
    study = begun([0.0, -5.0, 0.5, -5.0], [SAMPLES, 8, SAMPLES, 0])
    assert choose(*study).trials == (1, 3)


def test_nothing_rests_before_a_trial_is_complete() -> None:
    assert choose(*begun([0.0, 0.0, 0.5, -0.5], [8, 8, 8, 8])).trials == (0, 1, 2, 3)


def test_proposals_wait_until_the_first_baseline_is_complete() -> None:
    def waits(seen: list[int]) -> bool:
        study, _ = begun([0.0] * len(seen), seen)
        return Race.waits_for_baselines(study.get_trials(deepcopy=False))

    assert waits([8, 8])
    assert not waits([SAMPLES, 8])
    assert not waits([])


@pytest.mark.parametrize("seed", range(5))
def test_a_minimised_score_is_a_negated_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, seen = rng.normal(0.0, 0.3, 10).tolist(), [SAMPLES, SAMPLES, *rng.integers(1, SAMPLES + 1, 8).tolist()]
    larger, smaller = (choose(*begun(means, seen, direction=direction)) for direction in ("maximize", "minimize"))
    assert larger.trials == smaller.trials
    assert larger.missed == pytest.approx(smaller.missed)


def test_which_trials_rest_does_not_matter() -> None:
    study, scores = begun([0.0, 0.0, 0.3, -0.1, 0.1, 0.2], [SAMPLES, SAMPLES, 16, 16, SAMPLES, 24])
    before = choose(study, scores)
    for number in (2, 5):
        trial = optuna.Trial(study, study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number))
        trial.set_user_attr(RESTING, True)
    assert choose(study, scores) == before


def test_an_engine_without_token_counts_counts_samples() -> None:
    study, scores = begun([0.0, 0.0, 0.3, -0.1, 0.1, 0.2], [SAMPLES, SAMPLES, 16, 16, SAMPLES, 24])
    trials = study.get_trials(deepcopy=False)
    uncounted = Race(scores=lambda _study, trial: scores[trial.number]).choose(
        study, trials, tokens=lambda _trial: 0, places=4
    )
    assert uncounted == choose(study, scores)


ROWS = [{"question": f"How many apples are {i}?", "answer": str(i)} for i in range(32)]
RACE: dict[str, Any] = {"concurrency": 3, "n_trials": 14, "pruner": "race", "stop_early": False}


def raced(path: Path, **changes: Any) -> optuna.Study:
    return search(make_tuner(dataset=ROWS), path, **{**RACE, **changes})


@pytest.mark.full
@pytest.mark.no_cover
@pytest.mark.parametrize("step", partly_full([149, 41], fast=[149]))
def test_a_race_interrupted_at_any_write_ends_as_the_uninterrupted_one(step: int, tmp_path: Path) -> None:
    with WriteCounter() as counter:
        expected = everything(raced(tmp_path / "whole.db"), tmp_path / "whole.db")
    for at in range(25, counter.writes, step):
        cut = tmp_path / f"cut{at}.db"
        with WriteCounter(at), pytest.raises(KeyboardInterrupt):
            raced(cut)
        assert everything(raced(cut), cut) == expected, f"interrupted at write {at}"


def test_trials_rest_and_are_pruned_at_the_end(tmp_path: Path) -> None:
    study = raced(tmp_path / "x.db")
    assert len(study.trials) == RACE["n_trials"]
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert pruned
    assert len(pruned) + len(complete) == len(study.trials)
    assert study.user_attrs[STOPPED].startswith(f"the search left {len(pruned)} trials unfinished, which might still ")
    assert any(trial.user_attrs.get(RESTED) for trial in complete)  # one was taken up again
    assert all(trial.last_step == len(ROWS) for trial in complete)
    assert len({rounds_passed(trial) for trial in pruned}) == 1
    assert not any(map(is_resting, study.trials))


def test_the_first_proposals_have_a_baseline_to_be_compared_with(tmp_path: Path) -> None:
    model_default, greedy, *proposals = raced(tmp_path / "x.db").trials
    assert model_default.user_attrs[ROUND] == greedy.user_attrs[ROUND] == 0
    assert min(trial.user_attrs[ROUND] for trial in proposals) == rounds_passed(model_default)


@pytest.mark.full
def test_resting_trials_wait_for_a_larger_budget(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    part = raced(path, max_tokens_total=1000)
    resting = [trial.number for trial in part.trials if is_resting(trial)]
    assert resting
    whole = raced(path)
    assert everything(whole, path) == everything(raced(tmp_path / "y.db"), tmp_path / "y.db")


@pytest.mark.full
def test_more_trials_can_follow(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    raced(path, n_trials=8)
    study = raced(path, n_trials=12)
    assert len(study.trials) == 12
    assert all(trial.state.is_finished() for trial in study.trials)


@pytest.mark.full
def test_another_pruner_ends_what_a_race_left(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    raced(path, max_tokens_total=1000)
    study = raced(path, pruner="paired")
    assert all(trial.state.is_finished() for trial in study.trials)


def test_a_race_needs_scores_of_single_samples_and_takes_no_arguments(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(ConfigurationError, match="the race pruner needs scores of single"),
    ):
        search(make_tuner(scorer="bleu"), None, 1, pruner="race")
    with pytest.raises(ConfigurationError, match="unknown argument of the race pruner `alpha`"):
        search(make_tuner(), None, 1, pruner="race", pruner_args={"alpha": 0.1})


def test_an_incumbent_that_breaks_a_constraint_lets_no_feasible_trial_rest() -> None:
    study, scores = begun([0.0, 0.0, 0.6, 0.3, -0.5, -0.6, -0.4], [SAMPLES] * 3 + [16] * 4)
    assert 3 not in choose(study, scores).trials  # trial 2 is far ahead
    assert choose(with_constraint(study, {2}), scores).trials == (3,)
    assert choose(with_constraint(study, {0, 1, 2}), scores).trials == (3, 4, 5, 6)  # nothing to compare with
