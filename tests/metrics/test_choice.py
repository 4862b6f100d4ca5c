"""Which choice a completion makes, and what is the right one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from scored_texts import hostile_texts

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.metrics.letters import read_letter

CITIES = ["York", "New York", "Paris", "Rome"]


def score_of(prediction: str, reference: object, choices: object = None, **arguments: Any) -> float:
    row = {"answer": reference}
    if choices is not None:
        row["choices"] = choices
        arguments["choices_column"] = "choices"
    return make_metric("choice", **arguments)([row], [prediction]).value


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        # Alone, and with what follows
        ("B", "B"),
        ("b", "B"),
        ("  B\n", "B"),
        ("(B)", "B"),
        ("[B]", "B"),
        ("B.", "B"),
        ("b)", "B"),
        ("'B'", "B"),
        ("**B**", "B"),
        ("`B`", "B"),
        ("$B$", "B"),
        ("\uff22", "B"),
        ("B) Paris", "B"),
        ("B Paris", "B"),
        ("B: because", "B"),
        ("B - because", "B"),
        ("B, because", "B"),
        ("B\nBecause of the river.", "B"),
        ("A because it is", "A"),
        ("B) Paris\n\nExplanation: A) London is wrong", "B"),
        # Boxed
        ("\\boxed{B}", "B"),
        ("A or B? $\\boxed{\\text{B}}$", "B"),
        ("\\(\\boxed{(b)}\\)", "B"),
        ("\\boxed{A}, no, \\boxed{B}", "B"),
        # Stated
        ("Answer: B", "B"),
        ("Answer:\nB", "B"),
        ("**Answer:** B", "B"),
        ("### Answer\nB) Paris", "B"),
        ("Final answer: **(B)** Paris", "B"),
        ("<answer>B</answer>", "B"),
        ("\uff21\uff2e\uff33\uff37\uff25\uff32\uff1a\uff22", "B"),
        ("The answer is B because A is wrong.", "B"),
        ("The answer is A.", "A"),
        ("the answer is (b)", "B"),
        ("The correct answer is option (B).", "B"),
        ("The answer to the question is B", "B"),
        ("The best choice is B", "B"),
        ("I would go with B", "B"),
        ("I'd pick (B)", "B"),
        ("B is correct, since A is false", "B"),
        ("Option B is the right answer", "B"),
        ("A and C are wrong. The answer is B", "B"),
        ("I think the answer is A. No, wait: the answer is B.", "B"),
        ("A) Paris\nB) London\nAnswer: B", "B"),
        ("Answer: B\n\nAnswer C is incorrect because it has no river.", "B"),
        ("Answer: B\nAnswer (C) was wrong, and answer (a) isn't right", "B"),
        ("The answer is **B**. Choice: **D** is not in France.", "B"),
        ("The answer is B, which is not obvious", "B"),
        ("Die Antwort ist B.", "B"),
        ("La r\u00e9ponse est B", "B"),
        ("La respuesta es (B)", "B"),
        ("\u041e\u0442\u0432\u0435\u0442: B", "B"),
        ("\u7b54\u6848\u662fB\u3002", "B"),
        ("\u7b54\u6848\uff1aB", "B"),
        # The only one
        ("It must be B", "B"),
        ("Answer B is false.", "B"),  # which one is false?
        ("Not A, but B", "B"),
        ("A is not the answer, it's B", "B"),
        ("I think it is a cat (B)", "B"),
        # None
        ("", None),
        ("none of them", None),
        ("E", None),
        ("A cat sat", None),
        ("The answer is a cat", None),
        ("The answer is A cat", None),
        ("C++", None),
        ("vitamin C-rich", None),
        # None that is not rejected
        ("Answer C is incorrect", None),
        ("Option C is incorrect because it has no river.", None),
        ("(C) is incorrect.", None),
        ("(c) is incorrect.", None),
        ("C) is wrong", None),
        ("C was not right", None),
        ("The answer isn't C", None),
        ("Option B is wrong, as Rome is elsewhere. The capital is Paris.", None),
        ("(C) is incorrect. So it must be (B).", "B"),
        ("C is not the answer, it's B", "B"),
        ("(B) is not only large, but the capital", "B"),
        # None, or several
        ("A or B", None),
        ("A, B", None),
        ("A/B", None),
        ("A and B", None),
        ("The answer is A or B.", None),
        ("Answer: (A) or (B)", None),
        ("A or B is correct", None),
        ("A) Paris\nB) London\nC) Rome\nD) Oslo", None),
    ],
)
def test_a_letter_as_models_write_it(text: str, letter: str | None) -> None:
    assert read_letter(text, "ABCD") == letter
    assert make_metric("choice").answer(text) == letter  # type: ignore[attr-defined]
    assert score_of(text, "B") == (letter == "B")


@pytest.mark.parametrize(
    ("text", "letter"), [("I", "I"), ("I think it is J", "J"), ("I'm sure: J", "J"), ("The answer is I", "I")]
)
def test_a_pronoun_is_no_letter(text: str, letter: str) -> None:
    assert read_letter(text, "ABCDEFGHIJ") == letter


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("Paris", 2),
        ("paris.", 2),
        ("**Paris**", 2),
        ("The answer is Paris.", 2),
        ("The answer is A. No, the answer is Paris. It has a river.", 2),
        ("The answer is C", 2),
        ("C) New York", 2),
        ("Paris\nIt is not Rome.", 2),
        ("It is Paris, of course.", 2),
        ("It is New York", 1),
        ("Option B is wrong, as it is small. The capital is Paris.", 2),
        ("Parisian, perhaps", None),
        ("Rome or Paris", None),
        ("London", None),
    ],
)
def test_the_text_of_a_choice(text: str, index: int | None) -> None:
    assert [score_of(text, answer, CITIES) for answer in range(4)] == [float(index == answer) for answer in range(4)]


def test_texts_that_look_like_letters_or_contain_each_other() -> None:
    assert score_of("A cat", "B", ["A dog", "A cat"]) == 1.0
    assert score_of("D. H. Lawrence", "A", ["D. H. Lawrence", "Woolf", "Joyce", "Eliot"]) == 1.0
    assert score_of("B", "B", ["B", "A", "C", "D"]) == 1.0
    assert score_of("it is -5", "B", ["5", "-5"]) == 1.0
    assert score_of("C", "A", ["C", "C++", "C#", "Java"]) == 0.0
    assert score_of("\u7b54\u6848\u662f\u5317\u4eac", "A", ["\u5317\u4eac", "\u4e0a\u6d77"]) == 1.0
    assert score_of("same", "A", ["same", "same"]) == 0.0


@pytest.mark.parametrize(
    ("reference", "arguments"),
    [
        ("B", {}),
        ("b", {}),
        ("(B)", {}),
        (1, {}),
        ("1", {}),
        (2, {"index_base": 1}),
        ("Rome", {"choices": ["Paris", "Rome"]}),
        (["D", "B"], {}),
        ([1], {}),
    ],
)
def test_a_reference_is_a_letter_an_index_or_a_text(reference: object, arguments: dict[str, Any]) -> None:
    assert score_of("B", reference, **arguments) == 1.0
    assert score_of("A", reference, **arguments) == 0.0


def test_choices_may_be_numbered() -> None:
    assert score_of("Answer: 2", "2", letters="1234") == score_of("2)", 1, letters="1234") == 1.0


@pytest.mark.parametrize(
    ("reference", "choices", "message"),
    [
        (
            "E",
            None,
            "the answer of sample 0 must be a letter of 'ABCD', an index from 0 or the text of a choice, got 'E'",
        ),
        (4, None, "got 4"),
        (-1, None, "got -1"),
        (True, None, "got True"),
        (1.0, None, "got 1.0"),
        ([], None, r"got \[\]"),
        (2, ["x", "y"], "a letter of 'AB'"),
        ("z", ["x", "y"], "got 'z'"),
        ("A", ["x"], r"`choices` of sample 0 must be a list of 2 to 4 texts \(`letters` = 'ABCD'\), got \['x'\]"),
        ("A", list("vwxyz"), "2 to 4 texts"),
        ("A", "x, y", "got 'x, y'"),
    ],
)
def test_references_that_fit_no_choice_are_refused(reference: object, choices: object, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        score_of("anything", reference, choices)


@pytest.mark.parametrize("letters", ["", "A", "AA", "abcd", "A B", "\u0410\u0411"])
def test_letters_are_capitals_or_digits(letters: str) -> None:
    with pytest.raises(MetricError, match="`letters` must be two or more different capitals or digits, got"):
        make_metric("choice", letters=letters)


def test_the_first_index_is_0_or_1() -> None:
    with pytest.raises(MetricError, match="`index_base` must be 0 or 1, got 2"):
        make_metric("choice", index_base=2)


@given(text=hostile_texts, letter=st.sampled_from("ABCD"))
@settings(max_examples=scaled(200))
def test_laws(text: str, letter: str) -> None:
    assert read_letter(text, "ABCD") in (None, *"ABCD")
    assert read_letter(f"{text}\n\nThe answer is: ({letter})", "ABCD") in (letter, read_letter(text, "ABCD"))
    assert read_letter(f"  {letter}.\n", "ABCD") == letter
    assert score_of(letter, letter) == 1.0


@pytest.mark.parametrize("unit", ["answer ", "answer: ", "\\text{", "A) ", "A or ", " ", "is ", "the answer is the "])
def test_long_texts_take_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert score_of(text, "B", CITIES) == 0.0
