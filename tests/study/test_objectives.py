"""What may be optimised together, and who is best then."""

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from hand_made_studies import create
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import open_storage
from llmsearch_optuna.study.attributes import BASELINE, FINGERPRINT, PARAMS
from llmsearch_optuna.study.objectives import EXPENSES, check_combination, check_objectives, directions_of
from llmsearch_optuna.study.ranking import (
    best_trial,
    by_added_area,
    expense,
    expense_of,
    maximizes,
    pareto_front,
    ranked,
    score_of,
)

# Few different values, so that there are ties.
VALUES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20)


def study_of(values: Sequence[Sequence[float]], *, greater_is_better: bool = True) -> optuna.Study:
    names = ("score", "tokens")[: len(values[0])]
    study = optuna.create_study(directions=directions_of(names, greater_is_better=greater_is_better))
    study.add_trials([create_trial(values=list(map(float, point))) for point in values])
    return study


def numbers(trials: Sequence[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


@pytest.mark.parametrize("objectives", [["score"], ("score", "tokens")])
def test_what_may_be_optimised(objectives: Sequence[str]) -> None:
    assert check_objectives(objectives) == tuple(objectives)


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (
            ["tokens"],
            r'objectives must be \["score"\], \["score", "tokens"\] or \["score", "cost"\], got \[\'tokens\'\]',
        ),
        (["tokens", "score"], "objectives must be"),
        (["score", "score"], "objectives must be"),
        ([], "objectives must be"),
        ("score", "objectives must be .* got 'score'"),
        (["score", "lenght"], "unknown objective `lenght`: known are cost, score, tokens"),
        (["score", "latency"], "`latency` cannot be an objective: it depends on the machine.* use `tokens`"),
        (["score", "seconds"], "`seconds` cannot be an objective"),
    ],
)
def test_what_may_not_is_refused_in_one_line(objectives: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_objectives(objectives)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "cmaes"}, "the cmaes sampler does not work with several objectives: choose another"),
        ({"pruner": "paired"}, "the paired pruner does not work with several objectives.*: leave the pruner out"),
        ({"patience": 3}, "`patience` does not work with several objectives.*leave it out"),
    ],
)
def test_what_is_for_one_objective_is_refused_with_several(changes: dict[str, Any], message: str) -> None:
    arguments = {"sampler": "tpe", "pruner": None, "patience": None, **changes}
    with pytest.raises(ConfigurationError, match=message):
        check_combination(("score", "tokens"), **arguments)
    check_combination(("score",), **arguments)


@given(values=VALUES, greater_is_better=st.booleans())
@settings(max_examples=scaled(60))
def test_the_front_is_optunas_without_its_repetitions(values: list[tuple[int, int]], greater_is_better: bool) -> None:
    study = study_of(values, greater_is_better=greater_is_better)
    front = pareto_front(study)
    assert {tuple(trial.values) for trial in front} == {tuple(trial.values) for trial in study.best_trials}
    assert len({tuple(trial.values) for trial in front}) == len(front)
    first = {tuple(trial.values): trial.number for trial in reversed(study.trials)}
    assert numbers(front) == [first[tuple(trial.values)] for trial in front]
    assert front[0] == best_trial(study) == ranked(study)[0]
    scores, tokens = zip(*(trial.values for trial in front), strict=True)
    assert list(scores) == sorted(scores, reverse=greater_is_better)
    assert list(tokens) == sorted(tokens, reverse=True)


@given(values=VALUES, greater_is_better=st.booleans())
@settings(max_examples=scaled(30))
def test_with_one_objective_the_front_is_the_best_trial(values: list[tuple[int, int]], greater_is_better: bool) -> None:
    study = study_of([point[:1] for point in values], greater_is_better=greater_is_better)
    (best,) = pareto_front(study)
    assert best.value == study.best_value
    assert best.number == min(trial.number for trial in study.trials if trial.value == study.best_value)
    assert maximizes(study) == greater_is_better
    assert expense_of(best) is None


def test_only_fully_evaluated_trials_are_ranked() -> None:
    study = study_of([(1, 5), (3, 9)])
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert numbers(ranked(study)) == [1, 0]
    assert (score_of(study.trials[1]), expense_of(study.trials[1])) == (3.0, 9.0)
    assert (score_of(study.trials[2]), expense_of(study.trials[2])) == (None, None)
    assert best_trial(optuna.create_study()) is None
    assert pareto_front(optuna.create_study()) == []


def test_ties_go_to_the_simpler_configuration() -> None:
    study = optuna.create_study(direction="maximize")
    greedy, sampled = GenerationParams(do_sample=False), GenerationParams(temperature=0.5)
    for params, name, value in (
        (sampled, None, 0.5),
        (greedy, None, 0.5),
        (sampled, "model default", 0.5),
        (greedy, "greedy", 0.5),
        (sampled, None, 0.6),
        (sampled, None, 0.4),
        (greedy, "late", 0.4),
    ):
        attributes = {PARAMS: params.to_json()} | ({} if name is None else {BASELINE: name})
        study.add_trial(create_trial(value=value, user_attrs=attributes))
    assert numbers(ranked(study)) == [4, 3, 2, 1, 0, 6, 5]
    assert numbers(pareto_front(study)) == [4]


def test_a_renamed_study_still_minimises_the_cost() -> None:
    storage = open_storage(None)
    made = create(storage, "made", objectives=("score", "cost"))
    renamed = optuna.create_study(storage=storage, study_name="renamed", directions=made.directions)
    for name, value in made.user_attrs.items():  # all that optuna-dashboard copies
        renamed.set_user_attr(name, value)
    assert (made.metric_names, renamed.metric_names) == (["score", "cost"], None)
    assert expense(made) == expense(renamed) == EXPENSES["cost"]
    renamed.set_user_attr(FINGERPRINT, {"objectives": "score, tokens"})
    assert expense(renamed) == EXPENSES["tokens"]
    assert expense(study_of([(1, 2)])) == EXPENSES["tokens"]
    assert expense(study_of([(1,)])) is None


def test_what_stands_out_of_the_front_comes_first() -> None:
    # On the line between the ends, but for trial 2, which is much shorter than trial 0 and hardly worse.
    study = study_of([(10, 100), (9, 90), (9.5, 20), (5, 12), (0, 1)])
    front = pareto_front(study)
    assert numbers(front) == [0, 2, 3, 4]
    assert numbers(by_added_area(front, front[:1])) == [0, 2, 3, 4]
    assert numbers(by_added_area(front, [front[0], front[1]])) == [0, 2, 3, 4]
    worse = study_of([(-10, 100), (-9, 90), (-9.5, 20), (-5, 12), (0, 1)], greater_is_better=False)
    assert numbers(by_added_area(pareto_front(worse), pareto_front(worse)[:1])) == [0, 2, 3, 4]


@given(values=VALUES)
@settings(max_examples=scaled(40))
def test_units_change_nothing_and_nobody_is_lost(values: list[tuple[int, int]]) -> None:
    front = pareto_front(study_of(values))
    order = by_added_area(front, front[:1])
    assert sorted(numbers(order)) == sorted(numbers(front))
    assert order[0] == front[0]
    doubled = pareto_front(study_of([(score, 2.0 * other) for score, other in values]))
    assert numbers(by_added_area(doubled, doubled[:1])) == numbers(order)
