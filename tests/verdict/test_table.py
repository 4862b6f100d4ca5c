"""The rows of a verdict's table."""

import dataclasses

from llmsearch_optuna.verdict.comparison import Comparison, FinalistResult
from llmsearch_optuna.verdict.table import SAVED_HEADING, further_headings, verdict_rows
from llmsearch_optuna.verdict.verdict import Verdict

GAIN = Comparison(name="best", gain=0.2, low=0.1, high=0.3, seed_share=None, samples_needed=20)
SAVING = Comparison(name="best", gain=5.0, low=4.0, high=6.0, seed_share=None, samples_needed=20)
VERDICT = Verdict(
    metric="exact_match",
    greater_is_better=True,
    samples=50,
    seeds=1,
    held_out=True,
    confidence=0.95,
    finalists=(
        FinalistResult(name="greedy", score=0.5, seeds=1, seed_sd=None, tokens=9.0, trial=0, search_score=0.4),
        FinalistResult(name="best", score=0.7, seeds=1, seed_sd=None, tokens=4.0, trial=3, search_score=0.8),
    ),
    best="best",
    reference="greedy",
    comparisons=(GAIN,),
    savings=(SAVING,),
    expense="tokens",
)


def test_every_finalist_has_its_own_row() -> None:
    rows = [(row.name, row.trial, row.score, row.search_score, row.gain, *row.further) for row in verdict_rows(VERDICT)]
    assert rows == [
        ("greedy", 0, 0.5, 0.4, "reference", "9.0", "-"),
        ("best", 3, 0.7, 0.8, str(GAIN), "4.0", str(SAVING)),
    ]


def test_without_a_reference_nothing_is_compared() -> None:
    verdict = dataclasses.replace(VERDICT, reference=None, comparisons=(), savings=())
    assert [(row.gain, row.further[-1]) for row in verdict_rows(verdict)] == [("-", "-")] * 2


def test_the_columns_are_those_of_what_is_an_objective_or_has_a_price() -> None:
    assert further_headings(VERDICT) == ("tokens", SAVED_HEADING)
    finalists = tuple(dataclasses.replace(result, cost=0.123456) for result in VERDICT.finalists)
    priced = dataclasses.replace(VERDICT, finalists=finalists)
    assert further_headings(priced) == ("cost", "tokens", SAVED_HEADING)
    assert verdict_rows(priced)[1].further == ("0.1235", "4.0", str(SAVING))
    plain = tuple(dataclasses.replace(result, tokens=None) for result in finalists)
    alone = dataclasses.replace(priced, finalists=plain, savings=(), expense=None)
    assert further_headings(alone) == ("cost",)
