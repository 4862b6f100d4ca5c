"""Constraints: how they are written, kept and broken, and what they make of the best trial."""

from typing import Any, Literal

import optuna
import pytest
from hand_made_studies import refused
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.study.attributes import CONSTRAINTS, FINGERPRINT
from llmsearch_optuna.study.constraints import (
    Constraint,
    check_labels,
    is_feasible,
    parse_constraints,
    stored_constraints,
    violation,
)
from llmsearch_optuna.study.ranking import best_trial, infeasibility, pareto_front, ranked


@pytest.mark.parametrize(
    ("text", "is_minimum", "bound", "shown"),
    [
        (">= 0.98", True, 0.98, "x >= 0.98"),
        ("<=200", False, 200.0, "x <= 200"),
        (" >= -1e-3 ", True, -1e-3, "x >= -0.001"),
        ("<= .5", False, 0.5, "x <= 0.5"),
    ],
)
def test_a_rule_is_read(text: str, is_minimum: bool, bound: float, shown: str) -> None:
    constraint = Constraint.parse("x", text)
    assert constraint == Constraint("x", is_minimum, bound)
    assert str(constraint) == shown
    assert Constraint.parse("x", constraint.rule) == constraint


@pytest.mark.parametrize("text", ["~0.98", ">0.98", "0.98", "= 1", ">= ", ">= nan", ">= 1e", ">= 0.5 %", 0.98, None])
def test_a_rule_that_cannot_be_read_is_refused_in_one_line(text: object) -> None:
    message = refused(ConfigurationError, lambda: parse_constraints({"json_valid": text}))
    assert message == (
        '`constraints` must be like { json_valid = ">= 0.98" } or { json_valid = "<= 0.02" }, '
        f"got json_valid = {text!r}"
    )


def test_no_table_is_refused() -> None:
    assert "`constraints` must be a table" in refused(ConfigurationError, lambda: parse_constraints("x >= 1"))


def test_an_unknown_label_is_refused_with_those_there_are() -> None:
    rules = parse_constraints({"score": ">= 0.5", "tokens": "<= 20", "jsn": ">= 0.5"})
    check_labels(rules[:2], ())
    message = refused(ConfigurationError, lambda: check_labels(rules, ("json_valid", "polite")))
    assert message.endswith("`score` or `tokens`, got `jsn`: metrics are json_valid, polite")
    assert "there are no further metrics" in refused(ConfigurationError, lambda: check_labels(rules, ()))


def test_rounding_breaks_no_rule() -> None:
    assert Constraint.parse("x", ">= 0.3").violation(0.1 + 0.2) == 0.0
    assert Constraint.parse("x", "<= 0.3").violation(0.1 + 0.2) == 0.0
    assert Constraint.parse("x", "<= 0.3").violation(0.31) == pytest.approx(0.01)
    assert Constraint.parse("x", ">= 0.3").violation(0.31) == pytest.approx(-0.01)


Direction = Literal["maximize", "minimize"]
_NUMBERS = st.sampled_from([-0.2, 0.0, 0.1, 0.25, 0.3])
_TRIALS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([5.0, 6.0, 7.0]), _NUMBERS, _NUMBERS, st.booleans()),
    max_size=8,
)


def study_of(trials: list[tuple[float, float, float, float, bool]], directions: list[Direction]) -> optuna.Study:
    study = optuna.create_study(directions=directions)
    for score, tokens, first, second, is_complete in trials:
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if is_complete else TrialState.FAIL,
                values=[score, tokens][: len(directions)] if is_complete else None,
                system_attrs={CONSTRAINTS: [first, second]},
            )
        )
    return study


@given(trials=_TRIALS, direction=st.sampled_from(["maximize", "minimize"]))
def test_the_best_is_the_best_of_the_feasible_ones(
    trials: list[Any], direction: Literal["maximize", "minimize"]
) -> None:
    """As by brute force, and as Optuna says."""
    study = study_of(trials, [direction])
    complete = [(number, *trial) for number, trial in enumerate(trials) if trial[-1]]
    feasible = [(number, score) for number, score, _, *excesses, _ in complete if max(excesses) <= 0.0]
    best = best_trial(study)
    if feasible:
        choose = max if direction == "maximize" else min
        assert best is not None
        assert is_feasible(best)
        assert best.value == choose(score for _, score in feasible) == study.best_value
    elif complete:
        least = min(sum(max(excess, 0.0) for excess in excesses) for _, _, _, *excesses, _ in complete)
        assert best is not None
        assert violation(best) == pytest.approx(least)
        with pytest.raises(ValueError, match="No feasible trials"):
            _ = study.best_trial
    else:
        assert best is None
    violations = list(map(violation, ranked(study)))
    assert violations == sorted(violations)
    assert len(violations) == len(complete)


@given(trials=_TRIALS)
def test_the_front_is_that_of_the_feasible_ones(trials: list[Any]) -> None:
    study = study_of(trials, ["maximize", "minimize"])
    front = pareto_front(study)
    feasible = [trial for trial in trials if trial[-1] and max(trial[2:4]) <= 0.0]
    if feasible:
        assert {tuple(trial.values) for trial in front} == {
            (score, tokens)
            for score, tokens, *_ in feasible
            if not any(
                other >= score and fewer <= tokens and (other, fewer) != (score, tokens)
                for other, fewer, *_ in feasible
            )
        }
    else:
        assert front == ranked(study)[:1]


def test_a_study_says_that_none_is_feasible() -> None:
    study = study_of([(0.1, 5.0, 0.3, -1.0, True), (0.2, 5.0, 0.1, 0.1, True)], ["maximize"])
    study.set_user_attr(FINGERPRINT, {"version": 2, "constraints": {"json_valid": ">= 0.98", "tokens": "<= 9"}})
    assert list(map(str, stored_constraints(study))) == ["json_valid >= 0.98", "tokens <= 9"]
    assert infeasibility(study) == (
        "no fully evaluated trial keeps json_valid >= 0.98 and tokens <= 9: the best is trial 1, which comes closest"
    )
    study.add_trial(create_trial(value=0.0, system_attrs={CONSTRAINTS: [0.0, -2.0]}))
    assert infeasibility(study) is None
