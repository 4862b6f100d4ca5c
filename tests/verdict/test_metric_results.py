"""Further metrics in verdicts: what the samples show of a constraint, and what follows from it."""

import dataclasses
import json
from typing import Any

import pytest

from llmsearch_optuna.verdict.comparison import Comparison, FinalistResult
from llmsearch_optuna.verdict.metric_results import MetricResult, constraint_clause
from llmsearch_optuna.verdict.table import further_headings, verdict_rows
from llmsearch_optuna.verdict.verdict import Verdict

RULE = ">= 0.98"
KEPT = {"value": 0.99, "low": 0.981, "high": 1.0}
BROKEN = {"value": 0.93, "low": 0.9, "high": 0.95}
OPEN = {"value": 0.97, "low": 0.95, "high": 0.99}


def compared(name: str, gain: float) -> Comparison:
    return Comparison(name=name, gain=gain, low=gain - 0.05, high=gain + 0.05, seed_share=None, samples_needed=100)


def result(name: str, ends: dict[str, float], constraint: str | None = RULE) -> MetricResult:
    comparison = None if name == "greedy" else compared(name, -0.01)
    return MetricResult(name=name, label="json_valid", constraint=constraint, comparison=comparison, **ends)


def verdict(gains: dict[str, float], standings: dict[str, dict[str, float]], **changes: Any) -> Verdict:
    """A verdict on `best`, against `greedy`."""
    trials = {"greedy": 0, "best": 4, "runner-up 1": 7}
    arguments: dict[str, Any] = {
        "metric": "numeric",
        "greater_is_better": True,
        "samples": 400,
        "seeds": 2,
        "held_out": True,
        "confidence": 0.95,
        "finalists": tuple(
            FinalistResult(name=name, score=0.5, seeds=2, seed_sd=None, trial=trials[name])
            for name in ("greedy", *gains)
        ),
        "best": "best",
        "reference": "greedy",
        "comparisons": tuple(compared(name, gain) for name, gain in gains.items()),
        "metrics": tuple(result(name, ends) for name, ends in standings.items()),
    }
    return Verdict(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("constraint", "ends", "standing"),
    [
        (RULE, KEPT, "keeps"),
        (RULE, BROKEN, "breaks"),
        (RULE, OPEN, "undecided"),
        (RULE, {"value": 0.99, "low": 0.98, "high": 1.0}, "keeps"),
        ("<= 0.98", BROKEN, "keeps"),
        ("<= 0.98", KEPT, "breaks"),
        ("<= 0.98", OPEN, "undecided"),
        (None, KEPT, None),
    ],
)
def test_standings(constraint: str | None, ends: dict[str, float], standing: str | None) -> None:
    assert result("best", ends, constraint).standing == standing


def test_clauses() -> None:
    both = [result("best", BROKEN), dataclasses.replace(result("best", BROKEN), label="polite")]
    assert constraint_clause(both, "breaks") == (
        "breaks json_valid >= 0.98 (0.930 [0.900, 0.950]) and polite >= 0.98 (0.930 [0.900, 0.950])"
    )
    assert constraint_clause(both, "keeps") == ""
    assert constraint_clause([result("best", OPEN)], "undecided").startswith("not shown to keep json_valid >= 0.98 (")


def test_better_but_broken_is_not_recommended() -> None:
    judged = verdict({"best": 0.2}, {"greedy": KEPT, "best": BROKEN})
    assert judged.sentence.startswith("better, but breaks json_valid >= 0.98 (0.930 [0.900, 0.950]): improved by 0.2")
    assert judged.sentence.count("json_valid") == 1
    assert judged.improved
    assert not judged.recommended
    assert judged.next_step == (
        "search again under another name with a stricter constraint or more samples, or keep `greedy`"
    )


def test_a_runner_up_that_keeps_it_is_told() -> None:
    judged = verdict({"best": 0.2, "runner-up 1": 0.1}, {"greedy": KEPT, "best": BROKEN, "runner-up 1": OPEN})
    assert "; yet `runner-up 1` (trial 7) improved by 0.1" in judged.sentence
    assert judged.next_step.startswith("narrow the space to parameters like those of trial 7")
    both = verdict({"best": 0.2, "runner-up 1": 0.1}, {"greedy": KEPT, "best": BROKEN, "runner-up 1": BROKEN})
    assert "runner-up" not in both.sentence


@pytest.mark.parametrize(
    ("ends", "clause"), [(KEPT, "; keeps json_valid >= 0.98 ("), (OPEN, "; not shown to keep json_valid >= 0.98 (")]
)
def test_what_is_not_broken_is_recommended(ends: dict[str, float], clause: str) -> None:
    judged = verdict({"best": 0.2}, {"greedy": KEPT, "best": ends})
    assert judged.sentence.startswith("improved by")
    assert clause in judged.sentence
    assert judged.recommended
    assert judged.next_step.startswith("export the parameters of trial 4")


def test_a_baseline_that_breaks_it_is_not_kept() -> None:
    judged = verdict({"best": -0.2}, {"greedy": BROKEN, "best": KEPT})
    assert "; `greedy` breaks json_valid >= 0.98 (" in judged.sentence
    assert not judged.improved
    assert judged.recommended
    assert judged.next_step.startswith("export the parameters of trial 4")
    neither = verdict({"best": -0.2}, {"greedy": BROKEN, "best": BROKEN})
    assert not neither.recommended
    assert neither.next_step == "stop here and find what keeps the constraints, which `greedy` breaks"


def test_no_gain_tells_the_constraint_too() -> None:
    judged = verdict({"best": 0.0}, {"greedy": KEPT, "best": BROKEN})
    assert judged.sentence.startswith("no gain shown")
    assert judged.sentence.endswith("; breaks json_valid >= 0.98 (0.930 [0.900, 0.950])")
    assert judged.next_step == "stop here and keep `greedy`"


def test_a_baseline_that_is_the_best() -> None:
    judged = verdict({}, {"greedy": OPEN}, best="greedy")
    assert judged.sentence.startswith(
        "no gain: the search found nothing better than the baseline `greedy`; not shown to"
    )
    assert not judged.recommended


def test_a_verdict_survives_json() -> None:
    judged = verdict({"best": 0.2}, {"greedy": KEPT, "best": BROKEN})
    values = json.loads(json.dumps(judged.to_dict()))
    assert values["recommended"] is False
    assert Verdict.from_dict(values) == judged
    del values["metrics"]
    assert Verdict.from_dict(values).metrics == ()


def test_columns() -> None:
    judged = verdict({"best": 0.2}, {"greedy": KEPT, "best": BROKEN})
    assert further_headings(judged) == ("json_valid >= 0.98", "gain in json_valid")
    assert [row.further for row in verdict_rows(judged)] == [
        ("0.990 [0.981, 1.000], keeps", "reference"),
        ("0.930 [0.900, 0.950], breaks", "-0.01 [-0.06, 0.04]"),
    ]
