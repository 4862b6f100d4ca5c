"""The tokens and the cost of finalists, also of thoughts that a server does not limit."""

import numpy as np
import pytest

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import StoredCompletion
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.verdict.expenses import Expenses, expenses_of
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.judging import judge

PARAMS = GenerationParams(max_new_tokens=16)
RATES = Price.of({"input": 0.0, "output": 2000.0}).rates_of(PARAMS)


def rows_of(*tokens: int) -> list[StoredCompletion]:
    return [
        StoredCompletion(
            position=position,
            row=position,
            text="a",
            token_ids=(),
            finish_reason="stop",
            score=1.0,
            token_count_reported=count,
            thinking_token_count=count // 2,
        )
        for position, count in enumerate(tokens)
    ]


@pytest.mark.parametrize(("tokens", "highest"), [((4, 8, 12), 16), ((4, 8, 90), 90)])
def test_no_completion_exceeds_the_highest_expense(tokens: tuple[int, ...], highest: float) -> None:
    counted = expenses_of([rows_of(*tokens), rows_of(1, 2, 3)], PARAMS, "tokens", None)
    assert counted.values.tolist() == [[tokens[0], 1], [tokens[1], 2], [tokens[2], 3]]
    assert counted.highest == highest
    priced = expenses_of([rows_of(*tokens)], PARAMS, "cost", RATES)
    assert priced.highest == pytest.approx(2.0 * highest)


def test_the_interval_of_saved_tokens_begins_at_its_lower_end() -> None:
    """Each answer of the reference has 90 tokens, and each of the best 5: more is saved than 16 tokens."""

    def finalist(name: str, trial: int, expenses: Expenses) -> FinalistScores:
        return FinalistScores(
            name=name, scores=np.ones((3, 1)), expenses=expenses, trial=trial, search_score=0.5, params=PARAMS
        )

    long, short = (expenses_of([rows_of(*[count] * 3)], PARAMS, "tokens", None) for count in (90, 5))
    verdict = judge(
        [finalist("greedy", 1, long), finalist("best", 2, short)],
        best="best",
        reference="greedy",
        metric="exact_match",
        greater_is_better=True,
        held_out=True,
        samples=3,
        expense="tokens",
    )
    (saving,) = verdict.savings
    assert saving.low <= saving.gain == 85.0 <= saving.high
