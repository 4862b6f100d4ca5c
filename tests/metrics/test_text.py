"""Scores of one text against one reference, and the numbers that are read in texts."""

import re
import string
import time
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_texts import texts, value, word_texts

from llmsearch_optuna.metrics import contains, exact_match, numeric, rouge1, token_f1
from llmsearch_optuna.metrics.numbers import is_date, last_number

ascii_texts = word_texts | st.text(st.characters(max_codepoint=127), max_size=40)


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
        ("\u0663", "3"),
        # Groups, decimal commas and LaTeX
        ("$9{,}500", "9500"),
        ("12\\,345", "12345"),
        ("$16,\\!796$", "16796"),
        ("-1,\\!234,\\!567.5", "-1234567.5"),
        ("(1,\\!2)", "2"),
        ("12,34,567 rupees", "1234567"),
        ("1.234.567", "1234567"),
        ("1.234,5", "1234.5"),
        ("0,75 l", "0.75"),
        ("1 234 567,25", "1234567.25"),
        ("1\u202f234", "1234"),
        ("2'500.-", "2500"),
        ("In 2020 300 people", "300"),
        ("1.234", "1.234"),
        # Signs and currencies
        ("-\\$18", "-18"),
        ("-\u20b9500", "-500"),
        ("\u2212\u00a5500", "-500"),
        ("-US$7", "-7"),
        ("EUR500", "500"),
        ("Rs.500", "500"),
        # Digits of other scripts
        ("\u7b54\u6848\u662f\uff11\uff0c\uff12\uff13\uff14", "1234"),
        ("\u096a\u0968", "42"),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", "1234.5"),
        # Fractions and powers
        ("3/2", "1.5"),
        ("-1 1/2", "-1.5"),
        ("\\frac{3}{4}", "0.75"),
        ("-\\dfrac{3}{4}", "-0.75"),
        ("1\\frac{1}{2}", "1.5"),
        ("24/0", "0"),
        ("5/1/2024", "2024"),
        ("3 \u00d7 10^5", "300000"),
        ("3 \\times 10^{-2}", "0.03"),
        ("3\u00b710\u2075", "300000"),
        ("2^10", "1024"),
        ("2**10", "1024"),
        ("3*10**5", "300000"),
        ("2^9999999", None),
        ("1\u00bd cups", "1.5"),
        ("-\u00be", "-0.75"),
        ("3\u00b9\u2044\u2082", "3.5"),
        ("\\frac{-3}{4}", "-0.75"),
        ("-\\frac{-3}{4}", "0.75"),
        ("\\frac{3.5}{2}", "1.75"),
        ("3/2.5", "1.2"),
        # Other groups and bases
        ("1_000", "1000"),
        ("$9~500$", "9500"),
        ("9\\text{,}500", "9500"),
        ("0x1F", "31"),
        ("0b101", "5"),
        # Scales
        ("1.5 million", "1500000"),
        ("2k", "2000"),
        ("3 billion people", "3000000000"),
        ("2,5 Mio. Euro", "2500000"),
        ("1 1/2 million", "1500000"),
        ("$1.5M", "1500000"),
        ("5 M, then 5 km", "5"),
        ("3\u4e07", "30000"),
        ("1\u4e075000", "15000"),
        # Other signs
        ("\u20135", "-5"),
        ("pages 10\u201320", "20"),
        ("-kr 5", "-5"),
        ("-z\u0142 5", "-5"),
        ("-Rs. 500", "-500"),
        ("- $5", "-5"),
        ("- $5 and\n- $6", "6"),
        ("x = - 3", "-3"),
        ("7 - 3", "3"),
        ("-\u200e\u06f5", "-5"),
        # Digits that are no numbers
        ("20 m^2", "20"),
        ("20 m\u00b2 of CO2", "20"),
        ("H_2O", None),
        ("", None),
        ("none, at - all.", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == (None if number is None else Decimal(number))


def test_a_third_is_not_rounded_and_fractions_differ() -> None:
    assert numeric("1/3", "2/6") == 1.0
    assert (
        numeric("1/3", "0.3333333333333333") == numeric("3/2", "1/2") == numeric("\\frac{3}{4}", "\\frac{1}{4}") == 0.0
    )


@pytest.mark.parametrize(
    "date",
    [
        *("2023-05-01", "12.05.2024", "5/1/24", "May 5, 2024", "5 May 2024", "May 2024"),
        *("2024\u5e74", "5\u67081\u65e5", "10:30", "4 PM", "10:30 a.m."),
        *("3:4", "2.5 : 1", "10-20", "$10 \u2013 $20", "5%-10%", "100~200", "640x480"),
    ],
)
def test_a_part_of_a_date_or_a_range_is_not_compared(date: str) -> None:
    assert last_number(date) is not None
    assert numeric(date, date) == 0.0


@pytest.mark.parametrize(
    "text", ["2024", "Mark 5", "Step 3: 42", "- 5", "10-3=7 #### 7", "3x10^-5", "1/2", "5 minutes", "-5", "$9~500$"]
)
def test_a_number_is_no_date(text: str) -> None:
    assert numeric(text, text) == 1.0


@pytest.mark.parametrize(
    "repeated", ["1", "12,", "123,", "1.234.", "1 ", "1-", "9/", "10^", "12,34,", "\\frac{", "-", "1\u4e07"]
)
def test_the_time_for_a_long_text_is_linear(repeated: str) -> None:
    text = repeated * (50_000 // len(repeated))
    start = time.perf_counter()
    last_number(text)
    is_date(text)
    assert time.perf_counter() - start < 5.0


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("", "A", 0.0),
        ("the", "A", 0.0),
        ("The answer is A.", "A", 0.4),
        ("-", "+", 0.0),
        ("", "<", 0.0),
        ("<", "<", 1.0),
        ("", " ", 1.0),
        ("the", "", 1.0),
        ("no", "", 0.0),
        ("\u5317\u4eac\u3002", "\u5317\u4eac", 1.0),
        ("\u201cParis\u201d", "Paris", 1.0),
        ("\u5317\u4eac", "\u5357\u4eac", 0.5),
    ],
)
def test_token_f1_of_what_squad_removes(prediction: str, reference: str, expected: float) -> None:
    assert token_f1(prediction, reference) == pytest.approx(expected)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3))
def test_numbers_survive_formatting(number: Decimal) -> None:
    assert numeric(f"We get ${number:,}.", str(number)) == 1.0
    assert numeric(f"We get {number + 1}", str(number)) == 0.0


@pytest.mark.parametrize(
    ("text", "other", "canonical", "ignoring_case", "f1"),
    [
        ("caf\u00e9", "cafe\u0301", 1.0, 1.0, 1.0),
        ("Stra\u00dfe", "STRASSE", 0.0, 1.0, 1.0),
        ("\uff21\uff11", "A1", 0.0, 0.0, 1.0),
        ("m\u00b2", "m2", 0.0, 0.0, 1.0),
        ("Donau\u00addampfer", "Donaudampfer", 0.0, 0.0, 1.0),
        ("New\u00a0York\u200b", "New York", 0.0, 0.0, 1.0),
        ("cafe", "caf\u00e9", 0.0, 0.0, 0.0),
    ],
)
def test_writings_of_the_same_text(text: str, other: str, canonical: float, ignoring_case: float, f1: float) -> None:
    for prediction, reference in ((text, other), (other, text)):
        assert exact_match(prediction, reference) == contains(f"{prediction}.", reference) == canonical
        assert exact_match(prediction, reference, ignore_case=True) == ignoring_case
        assert token_f1(prediction, reference) == rouge1(prediction, reference, tokenize="unicode") == f1


def squad_f1(prediction: str, reference: str) -> float:
    """As the script of SQuAD computes it."""
    words = [
        re.sub(r"\b(a|an|the)\b", " ", "".join(c for c in text.lower() if c not in string.punctuation)).split()
        for text in (prediction, reference)
    ]
    common = sum((Counter(words[0]) & Counter(words[1])).values())
    if not common:
        return 0.0
    precision, recall = common / len(words[0]), common / len(words[1])
    return 2 * precision * recall / (precision + recall)


@given(prediction=ascii_texts, reference=ascii_texts.map(lambda text: text + " word"))
def test_token_f1_of_ascii_is_that_of_squad(prediction: str, reference: str) -> None:
    assert token_f1(prediction, reference) == pytest.approx(squad_f1(prediction, reference))


@given(text=texts)
def test_an_exact_copy_of_any_text_scores_1(text: str) -> None:
    assert exact_match(text, text) == token_f1(text, text) == value("contains", text, text) == 1.0
