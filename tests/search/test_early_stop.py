"""When nothing is left to gain that the held-out samples could show."""

import logging
import re
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from hand_made_studies import with_constraint
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.search.early_stop import EarlyStop, Outlook
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.study.attributes import BASELINE, REPEATS

SAMPLES = 60

Scores = dict[int, np.ndarray]


def studied(
    *,
    spread: float,
    proposals: int = 20,
    ahead: float = 0.0,
    baselines: int = 2,
    direction: Literal["maximize", "minimize"] = "maximize",
    noise: float = 0.2,
    seed: int = 0,
) -> tuple[optuna.Study, Scores]:
    """A study of complete trials, and of pruned ones after every fourth; the first trials are the baselines.

    Args:
        spread: The standard deviation of the proposals' true means.
        proposals: Their number.
        ahead: By how much their mean is better than the baselines'.
        baselines: The number of baselines.
        direction: Of the study.
        noise: The standard deviation of scores.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    study = optuna.create_study(direction=direction)
    difficulty = rng.normal(0.0, 1.0, SAMPLES)
    scores: Scores = {}
    sign = 1.0 if direction == "maximize" else -1.0
    for number in range(baselines + proposals):
        is_baseline = number < baselines
        mean = 0.0 if is_baseline else ahead + rng.normal(0.0, spread)
        is_complete = is_baseline or number % 4 != 0
        row = sign * (mean + difficulty + rng.normal(0.0, noise, SAMPLES))
        scores[number] = row if is_complete else row[:24]
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
                value=float(scores[number].mean()),
                intermediate_values={len(scores[number]): float(scores[number].mean())},
                user_attrs={BASELINE: f"baseline {number}"} if is_baseline else {},
            )
        )
    return study, scores


def reason(study: optuna.Study, scores: Scores, **options: Any) -> str | None:
    def read(_study: optuna.Study, trial: FrozenTrial) -> np.ndarray | None:
        return scores.get(trial.number)

    arguments: dict[str, Any] = {"n_trials": 50, "held_out": SAMPLES}
    stop = EarlyStop(scores=read, **{**arguments, **options})
    return stop.reason(study, study.get_trials(deepcopy=False))


def test_equal_proposals_are_not_worth_more_trials() -> None:
    text = reason(*studied(spread=0.0))
    assert text is not None
    assert text.startswith("the proposals differ by about 0, the hold-out of 60 samples can show 0.0")


def test_small_differences_name_the_hold_out_that_would_show_them() -> None:
    text = reason(*studied(spread=0.02))
    assert text is not None
    assert text.startswith("the proposals differ by about 0.0")
    assert "; hold out about " in text
    assert text.endswith(" to see such a gain")


def test_large_differences_go_on() -> None:
    assert reason(*studied(spread=0.5)) is None


def test_a_gain_that_is_shown_already_is_enough_if_nothing_can_be_added() -> None:
    """The proposals are equal, and all better than the baselines."""
    text = reason(*studied(spread=0.0, ahead=1.0))
    assert text is not None
    assert "further ones are expected to gain 0.0" in text


def test_few_proposals_decide_nothing() -> None:
    assert reason(*studied(spread=0.0, proposals=11)) is None
    assert reason(*studied(spread=0.0, proposals=12)) is not None


def test_nothing_is_decided_as_long_as_nothing_can_be_compared_with_the_baseline() -> None:
    study, scores = studied(spread=0.0, baselines=1, proposals=60)
    kept = [trial for trial in study.trials if trial.state == TrialState.PRUNED or BASELINE in trial.user_attrs]
    without_others = optuna.create_study(direction="maximize")
    without_others.add_trials(kept)
    assert len(kept) == 16
    assert reason(without_others, {number: scores[trial.number] for number, trial in enumerate(kept)}) is None


def test_nothing_is_decided_without_a_baseline_or_scores_or_samples() -> None:
    assert reason(*studied(spread=0.0, baselines=0)) is None
    study, _ = studied(spread=0.0)
    assert reason(study, {}) is None
    options = SearchOptions()
    assert not EarlyStop.of(options, scores=lambda *_: None, held_out=1).is_on
    assert EarlyStop.of(options, scores=lambda *_: None, held_out=2).is_on


def test_the_last_trials_of_a_search_are_run_in_any_case() -> None:
    study, scores = studied(spread=0.0)
    assert reason(study, scores, n_trials=28) is not None
    assert reason(study, scores, n_trials=27) is None


def test_a_failed_trial_that_another_one_repeats_is_no_trial_of_the_search() -> None:
    study, scores = studied(spread=0.0)
    failed = len(study.trials)
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    study.add_trial(optuna.trial.create_trial(value=0.0, user_attrs={REPEATS: failed}))
    scores[failed + 1] = scores[failed - 1]
    assert reason(study, scores, n_trials=29) is not None
    assert reason(study, scores, n_trials=28) is None


@pytest.mark.parametrize(
    ("options", "is_on"),
    [
        ({}, True),
        ({"stop_early": False}, False),
        ({"objectives": ("score", "tokens")}, False),
    ],
)
def test_it_can_be_turned_off(options: dict[str, Any], is_on: bool) -> None:
    assert EarlyStop.of(SearchOptions(**options), scores=lambda *_: None, held_out=50).is_on == is_on
    if not is_on:
        assert reason(*studied(spread=0.0), is_on=False) is None


def test_what_is_worthwhile_can_be_told_without_held_out_samples() -> None:
    options = SearchOptions(worthwhile=0.3)
    assert EarlyStop.of(options, scores=lambda *_: None, held_out=0).is_on
    study, scores = studied(spread=0.1)
    text = reason(study, scores, held_out=0, worthwhile=0.5)
    assert text is not None
    assert text.endswith("(worthwhile: 0.5)")
    assert reason(study, scores, held_out=0, worthwhile=0.01) is None


def test_complete_trials_without_all_scores_are_left_out() -> None:
    study, scores = studied(spread=0.0)
    expected = reason(study, {number: row for number, row in scores.items() if number != 5})
    assert reason(study, {**scores, 5: scores[5][:0]}) == expected
    assert reason(study, {**scores, 1: scores[1][:20], 5: scores[5][:20]}) is not None


def test_what_remains_decides() -> None:
    study, scores = studied(spread=0.08, noise=0.3)
    assert reason(study, scores, n_trials=400) is None
    assert reason(study, scores, n_trials=30) is not None


def test_a_minimised_score_is_the_same() -> None:
    for spread in (0.0, 0.02, 0.5):
        assert reason(*studied(spread=spread)) == reason(*studied(spread=spread, direction="minimize"))


def test_differences_that_are_hopelessly_small_ask_for_no_hold_out() -> None:
    text = reason(*studied(spread=0.0, noise=0.2), n_trials=30)
    assert text is not None
    assert "hold out about" not in text


def test_the_outlook_follows_from_the_baselines() -> None:
    study, scores = studied(spread=0.0, proposals=0)
    stop = EarlyStop(scores=lambda _, trial: scores[trial.number], n_trials=50, held_out=60)
    text = stop.outlook(study, study.trials)
    assert text is not None
    assert re.fullmatch(
        r"the hold-out of 60 samples can show gains from about 0\.\d+; half as large a gain needs about 240", text
    )
    scores[1] = scores[0]  # the same completions: nothing is known of how trials differ
    assert stop.outlook(study, study.trials) is None


def test_the_outlook_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "llmsearch_optuna")
    study, scores = studied(spread=0.0, proposals=2)
    observer = Outlook(study, EarlyStop(scores=lambda _, trial: scores[trial.number], n_trials=50, held_out=60))
    for trial in study.trials:
        observer.trial_ended(trial, None, 0.0)
    (record,) = [record for record in caplog.records if record.name.startswith("llmsearch_optuna")]
    assert record.getMessage().startswith("the hold-out of 60 samples")


def test_a_search_without_a_feasible_trial_goes_on() -> None:
    study, scores = studied(spread=0.0)
    assert reason(with_constraint(study, set()), scores) == reason(study, scores) is not None
    assert reason(with_constraint(study, set(range(len(study.trials)))), scores) is None


def test_the_gain_of_a_trial_that_breaks_a_constraint_is_none() -> None:
    study, scores = studied(spread=0.0, ahead=2.0)
    text = reason(study, scores)
    assert text is not None
    assert "further ones are expected to gain" in text
    proposals = {trial.number for trial in study.trials if BASELINE not in trial.user_attrs}
    assert reason(with_constraint(study, proposals), scores) is None  # all that was shown is not feasible
    assert reason(with_constraint(study, proposals - {3}), scores) is not None  # one of them is
