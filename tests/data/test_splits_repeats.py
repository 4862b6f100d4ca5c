from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.data.splits import find_repeats


def test_rows_that_repeat_and_rows_that_share_a_prompt_are_told_in_one_line() -> None:
    prompts = "abcabdab"
    answers = "xyzxwvxy"
    kept, warning = find_repeats(range(8), prompts, list(zip(prompts, answers, strict=True)))
    assert kept == (0, 1, 2, 4, 5)
    assert warning == (
        "3 of 8 rows repeat another's prompt and reference and are left out (rows 0 and 3); 2 rows share their prompts "
        "with others of another reference and stay together in one split (rows 1 and 4)"
    )


def test_of_equal_rows_the_first_is_kept_in_whatever_order_they_come() -> None:
    assert find_repeats([7, 3, 5], "aaa", "xxx") == (
        (1,),
        "2 of 3 rows repeat another's prompt and reference and are left out (rows 3 and 5)",
    )


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"))))
def test_nothing_is_lost_and_nothing_is_kept_twice(samples: list[tuple[str, str]]) -> None:
    kept, warning = find_repeats(range(len(samples)), [prompt for prompt, _ in samples], samples)
    assert [samples[index] for index in kept] == list(dict.fromkeys(samples))
    assert (warning is None) == (len({prompt for prompt, _ in samples}) == len(samples))
