"""Answers that are no ordinary text."""

import pytest

from llmsearch_optuna.engine.irregular import check_answers
from llmsearch_optuna.errors import TrialError


def test_the_error_names_only_the_rows_without_a_text() -> None:
    rows = [*((row, "no_text") for row in range(4)), (4, "tool"), (5, "thinking"), (6, "unknown"), (7, "eos")]
    with pytest.raises(TrialError) as failure:
        check_answers(rows, {}, is_last=False)
    assert str(failure.value) == (
        "5 of 8 answers are no text to score: 4 x no text (rows 0, 1, 2, 3); 1 x a tool call in place of a text (row 4)"
    )


@pytest.mark.parametrize(
    ("reasons", "before", "is_last"),
    [
        (["no_text"] * 7, {}, False),  # too few to tell
        (["no_text"] * 3, {"eos": 4}, True),
        (["thinking"] * 8, {}, True),
        (["eos"] * 8, {}, True),
    ],
)
def test_a_trial_with_enough_texts_goes_on(reasons: list[str], before: dict[str, int], is_last: bool) -> None:
    check_answers(list(enumerate(reasons)), before, is_last=is_last)
