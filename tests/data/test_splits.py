import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.data.splits import apportion, find_repeats, split_order


@given(st.dictionaries(st.integers(), st.integers(1, 40), min_size=1, max_size=8), st.data())
def test_shares_are_within_one_of_the_proportion(counts: dict[int, int], data: st.DataObject) -> None:
    total = sum(counts.values())
    seats = data.draw(st.integers(0, total))
    shares = apportion(counts, seats)
    assert sum(shares.values()) == seats
    for name, count in counts.items():
        exact = seats * count / total
        assert math.floor(exact + 1e-9) <= shares[name] <= math.ceil(exact - 1e-9) <= count


def test_the_largest_remainders_are_rounded_up_and_of_equal_ones_the_first() -> None:
    votes = {"a": 47, "b": 16, "c": 15, "d": 12, "e": 6, "f": 4}
    assert apportion(votes, 10) == {"a": 5, "b": 2, "c": 1, "d": 1, "e": 1, "f": 0}
    assert apportion(dict.fromkeys("abcd", 1), 2) == {"a": 1, "b": 1, "c": 0, "d": 0}


strata = st.lists(st.sampled_from("aaabbc"), min_size=1, max_size=40)


@given(strata, st.data())
def test_every_stratum_has_its_share_of_the_hold_out(kinds: list[str], data: st.DataObject) -> None:
    search_size = data.draw(st.integers(1, len(kinds)))
    holdout_size = data.draw(st.integers(0, len(kinds) - search_size))
    search, holdout = split_order(range(len(kinds)), kinds, search_size=search_size, holdout_size=holdout_size)
    used = search_size + holdout_size
    assert (len(search), len(holdout)) == (search_size, holdout_size)
    assert sorted({*search, *holdout}) == list(range(used))
    assert list(search) == sorted(search)
    assert list(holdout) == sorted(holdout)
    of_all, held_out = (Counter(kinds[position] for position in part) for part in (range(used), holdout))
    for kind, count in of_all.items():
        assert abs(held_out[kind] - holdout_size * count / used) < 1.0
        # They are the last ones of their stratum.
        of_kind = [position for position in range(used) if kinds[position] == kind]
        assert [position for position in holdout if kinds[position] == kind] == of_kind[count - held_out[kind] :]


@given(st.lists(st.sampled_from(range(12)), min_size=1, max_size=40), strata, st.data())
def test_no_prompt_is_in_both_splits(prompts: list[int], kinds: list[str], data: st.DataObject) -> None:
    kinds = (kinds * len(prompts))[: len(prompts)]
    search_size = data.draw(st.integers(1, len(prompts)))
    holdout_size = data.draw(st.integers(0, len(prompts) - search_size))
    search, holdout = split_order(prompts, kinds, search_size=search_size, holdout_size=holdout_size)
    assert len(search) <= search_size
    assert len(holdout) <= holdout_size
    assert not {prompts[position] for position in search} & {prompts[position] for position in holdout}
    for part in (search, holdout):  # all that have the prompt, or none
        in_part = {prompts[position] for position in part}
        assert len(part) == sum(prompt in in_part for prompt in prompts)


@given(st.integers(0, 6), st.integers(20, 40), st.data())
def test_a_few_pairs_cost_no_sample(pairs: int, singles: int, data: st.DataObject) -> None:
    prompts = data.draw(st.permutations([*range(singles), *range(pairs)]))
    holdout_size = data.draw(st.integers(0, singles - 1))
    search, holdout = split_order(
        prompts, [""] * len(prompts), search_size=len(prompts) - holdout_size, holdout_size=holdout_size
    )
    assert len(holdout) == holdout_size
    assert len(search) == len(prompts) - holdout_size


def test_rows_that_repeat_and_rows_that_share_a_prompt_are_told_in_one_line() -> None:
    prompts = "abcabdab"
    answers = "xyzxwvxy"
    kept, warning = find_repeats(range(8), prompts, list(zip(prompts, answers, strict=True)))
    assert kept == (0, 1, 2, 4, 5)
    assert warning == (
        "3 of 8 rows repeat another's prompt and reference and are left out (such as rows 0 and 3); 2 rows share "
        "their prompts with others of another reference and stay together in one split (such as rows 1 and 4)"
    )


def test_of_equal_rows_the_first_is_kept_in_whatever_order_they_come() -> None:
    assert find_repeats([7, 3, 5], "aaa", "xxx") == (
        (1,),
        "2 of 3 rows repeat another's prompt and reference and are left out (such as rows 3 and 5)",
    )


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"))))
def test_nothing_is_lost_and_nothing_is_kept_twice(samples: list[tuple[str, str]]) -> None:
    kept, warning = find_repeats(range(len(samples)), [prompt for prompt, _ in samples], samples)
    assert [samples[index] for index in kept] == list(dict.fromkeys(samples))
    assert (warning is None) == (len({prompt for prompt, _ in samples}) == len(samples))
