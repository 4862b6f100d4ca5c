"""Scores of one text against one reference, and the numbers that are read in texts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_texts import texts, value

from llmsearch_optuna.metrics import exact_match, numeric, token_f1
from llmsearch_optuna.metrics.text import last_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", "42"),
        ("1 then 2, 3", "3"),
        ("$1,234,567.50", "1234567.5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22125 degrees", "-5"),
        ("10-3", "3"),
        ("- 3", "3"),
        ("2024-01-05", "5"),
        ("50%", "50"),
        (".5", "0.5"),
        ("3.14.", "3.14"),
        ("1.2.3", "3"),
        ("1,2,3", "3"),
        ("1234,567", "567"),
        ("2.5e-3", "0.0025"),
        ("\\boxed{7}", "7"),
        ("**-7**", "-7"),
        ("reasoning 5 #### 1,234", "1234"),
        ("007", "7"),
        ("5th of 6km", "6"),
        ("\u0663", None),
        ("", None),
        ("none, at - all.", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == (None if number is None else Decimal(number))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3))
def test_numbers_survive_formatting(number: Decimal) -> None:
    assert numeric(f"We get ${number:,}.", str(number)) == 1.0
    assert numeric(f"We get {number + 1}", str(number)) == 0.0


@given(text=texts)
def test_an_exact_copy_of_any_text_scores_1(text: str) -> None:
    assert exact_match(text, text) == token_f1(text, text) == value("contains", text, text) == 1.0
