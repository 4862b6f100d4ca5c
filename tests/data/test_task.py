import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_tokenizer import one_line

from llmsearch_optuna.data.task import Sample, Task, check_window
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.space.params import GenerationParams

# The window.


def make_sample(row: int, length: int = 4, reference: Mapping[str, Any] | None = None) -> Sample:
    return Sample(
        row=row, prompt=f"prompt {row}", token_ids=tuple(range(row, row + length)), reference=reference or {"row": row}
    )


def test_prompts_must_leave_room_for_their_completion() -> None:
    samples = [make_sample(0, 4), make_sample(1, 6), make_sample(2, 7)]
    check_window(samples, InputLimits(), 10**9)
    check_window(samples, InputLimits(together=10), 3)
    one_line(
        lambda: check_window(samples, InputLimits(together=10), 4),
        r"^the prompt of row 2 has 7 tokens, and 4 new ones exceed the model's window of 10: shorten it, leave "
        r"the row out, or lower max_new_tokens$",
    )


def test_the_lesser_of_two_limits_counts() -> None:
    limited = dataclasses.replace(make_sample(0, 6), max_new_tokens=3)
    params = GenerationParams(temperature=0.5, max_new_tokens=8)
    assert limited.limited(params) == GenerationParams(temperature=0.5, max_new_tokens=3)
    short = GenerationParams(max_new_tokens=2)
    assert limited.limited(short) is short
    assert make_sample(0).limited(params) is params
    check_window([limited], InputLimits(together=9), 8)
    one_line(
        lambda: check_window([limited], InputLimits(together=8), 8),
        "^the prompt of row 0 has 6 tokens, and 3 new ones exceed the model's",
    )
    one_line(
        lambda: check_window([limited], InputLimits(together=7), 2),
        "^the prompt of row 0 has 6 tokens, and 2 new ones exceed the model's",
    )


# The order and the splits.

rows = st.sets(st.integers(0, 10**6), min_size=1, max_size=40).map(sorted)


@given(rows, st.integers(), st.randoms(use_true_random=False))
def test_the_order_of_two_rows_does_not_depend_on_the_others(numbers: list[int], seed: int, random: Any) -> None:
    order = [sample.row for sample in Task.split([make_sample(row) for row in numbers], seed=seed).search]
    assert sorted(order) == numbers
    some = [row for row in numbers if random.random() < 0.5] or numbers[:1]
    shuffled = random.sample(some, len(some))
    kept = [sample.row for sample in Task.split([make_sample(row) for row in shuffled], seed=seed).search]
    assert kept == [row for row in order if row in some]


@given(rows, st.integers(), st.data())
def test_splits_are_disjoint_parts_of_one_order(numbers: list[int], seed: int, data: st.DataObject) -> None:
    samples = [make_sample(row) for row in numbers]
    order = Task.split(samples, seed=seed).search
    search_size = data.draw(st.integers(1, len(samples)))
    holdout_size = data.draw(st.integers(0, len(samples) - search_size))
    task = Task.split(samples, seed=seed, search_size=search_size, holdout_size=holdout_size)
    assert task.search == order[:search_size]
    assert task.holdout == order[search_size : search_size + holdout_size]
    if holdout_size < len(samples):
        rest = Task.split(samples, seed=seed, holdout_size=holdout_size)
        assert rest.search + rest.holdout == order
        assert len(rest.holdout) == holdout_size


def test_the_order_is_shuffled_stable_and_drawn_with_the_seed() -> None:
    samples = [make_sample(row) for row in range(12)]
    assert [sample.row for sample in Task.split(samples, seed=42).search] == [1, 10, 6, 9, 4, 2, 3, 11, 7, 0, 5, 8]
    orders = {tuple(sample.row for sample in Task.split(samples, seed=seed).search) for seed in range(20)}
    assert len(orders) == 20
    first = np.bincount([Task.split(samples, seed=seed).search[0].row for seed in range(1200)], minlength=12)
    # Every row comes first equally often: chi-square with 11 degrees of freedom, 0.1 % point.
    assert ((first - 100) ** 2 / 100).sum() < 31.3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"search_size": 3, "holdout_size": 2}, "^4 samples cannot be split into 3 to search on and 2 to hold out: "),
        (
            {"search_size": 0},
            "^4 samples cannot be split into 0 to search on and 0 to hold out: change search_size or ",
        ),
        ({"holdout_size": 4}, "^4 samples are too few to hold out 4 and search on the rest: lower holdout_size$"),
        ({"holdout_size": -1}, "^4 samples cannot be split into 5 to search on and -1 to hold out: "),
    ],
)
def test_splits_that_do_not_fit_are_refused(sizes: dict[str, Any], message: str) -> None:
    one_line(lambda: Task.split([make_sample(row) for row in range(4)], seed=0, **sizes), message)


def test_a_stratified_hold_out_is_drawn_with_the_seed() -> None:
    samples = [make_sample(row) for row in range(40)]
    strata = ["rare" if row < 10 else "common" for row in range(40)]

    def split(seed: int) -> Task:
        return Task.split(samples, seed=seed, holdout_size=8, holdout_stratify_col="kind", strata=strata)

    drawn = {seed: split(seed) for seed in range(20)}
    for seed, task in drawn.items():
        assert Counter(strata[sample.row] for sample in task.holdout) == {"rare": 2, "common": 6}
        assert {sample.row for sample in (*task.search, *task.holdout)} == set(range(40))
        assert task == split(seed)
        order = [sample.row for sample in Task.split(samples, seed=seed).search]
        for part in (task.search, task.holdout):
            assert [sample.row for sample in part] == [row for row in order if row in {sample.row for sample in part}]
    assert len({tuple(sample.row for sample in task.holdout) for task in drawn.values()}) == 20


# Rows that say the same.


def question(row: int, prompt: str, answer: str = "x", limit: int | None = None) -> Sample:
    ids = tuple(prompt.encode())
    return Sample(row=row, prompt=prompt, token_ids=ids, reference={"answer": answer}, max_new_tokens=limit)


def test_rows_that_repeat_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    samples = [question(row, "abcabd"[row]) for row in range(6)]
    task = Task.split(samples, seed=0, holdout_size=1)
    assert sorted(sample.row for sample in (*task.search, *task.holdout)) == [0, 1, 2, 5]
    assert caplog.messages == [
        "2 of 6 rows repeat another's prompt and reference and are left out (such as rows 0 and 3)"
    ]
    one_line(
        lambda: Task.split(samples, seed=0, search_size=5),
        r"^4 samples cannot be split into 5 to search on and 0 to hold out \(2 rows repeat others and are left out\): ",
    )


def test_data_without_repeats_are_split_as_ever_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    task = Task.split([make_sample(row) for row in range(12)], seed=42, holdout_size=4)
    assert [sample.row for sample in task.search] == [1, 10, 6, 9, 4, 2, 3, 11]
    assert [sample.row for sample in task.holdout] == [7, 0, 5, 8]
    assert caplog.messages == []
    assert task.fingerprint() == {
        "prompts": "30d43cd1f4e2949c",
        "references": "bcb1ae17f1a03097",
        "splits": {"search": 8, "holdout": 4},
        "sample order seed": 42,
    }


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")), min_size=4, max_size=30), st.integers())
def test_no_prompt_is_searched_on_and_held_out(pairs: list[tuple[str, str]], seed: int) -> None:
    samples = [question(row, prompt, answer) for row, (prompt, answer) in enumerate(pairs)]
    distinct = len({prompt for prompt, _ in pairs})
    if distinct < 3:
        return
    task = Task.split(samples, seed=seed, holdout_size=2)
    assert not {sample.prompt for sample in task.search} & {sample.prompt for sample in task.holdout}
    kept = [(sample.prompt, sample.reference["answer"]) for sample in (*task.search, *task.holdout)]
    assert sorted(kept) == sorted(set(pairs))


def test_prompts_of_one_reference_but_several_limits_are_kept_and_stay_together(
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = [question(row, "aabcdef"[row], limit=row + 1) for row in range(7)]
    for seed in range(10):
        task = Task.split(samples, seed=seed, holdout_size=2)
        assert len(task.search) == 5
        assert len({0, 1} & {sample.row for sample in task.search}) != 1
    assert "2 rows share their prompts" in caplog.messages[0]


def test_texts_that_are_truncated_to_the_same_tokens_stay_together_and_are_both_kept() -> None:
    samples = [*(question(row, chr(97 + row)) for row in range(5)), *(question(5 + i, "a" + "bc"[i]) for i in range(2))]
    samples[5:] = [dataclasses.replace(sample, token_ids=(97,)) for sample in samples[5:]]
    for seed in range(10):
        task = Task.split(samples, seed=seed, holdout_size=2)
        assert len((*task.search, *task.holdout)) == 7
        assert len({0, 5, 6} & {sample.row for sample in task.holdout}) in (0, 3)


def test_splits_that_equal_prompts_leave_short_are_told_and_empty_ones_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = [question(row, "aabbcc"[row], str(row)) for row in range(6)]
    task = Task.split(samples, seed=0, holdout_size=3)
    assert (len(task.search), len(task.holdout)) == (4, 2)
    leaves = "rows with equal prompts stay together, which leaves"
    assert caplog.messages[1:] == [f"{leaves} 4 samples to search on and 2 held out"]
    one_line(
        lambda: Task.split(samples, seed=0, holdout_size=1),
        f"^{leaves} 6 samples to search on and 0 held out: change `search_size` or ",
    )


# What is stored, and the fingerprint.


def test_the_fingerprint_changes_with_all_that_scores_depend_on() -> None:
    samples = [make_sample(row) for row in range(6)]

    def fingerprint(changed: Sample | None = None, seed: int = 0, holdout_size: int = 2) -> dict[str, Any]:
        parts = [changed if changed is not None and sample.row == changed.row else sample for sample in samples]
        return Task.split(parts, seed=seed, holdout_size=holdout_size).fingerprint()

    base = fingerprint()
    assert fingerprint(make_sample(3)) == base
    assert base["splits"] == {"search": 4, "holdout": 2}

    def differing(other: dict[str, Any]) -> set[str]:
        return {part for part in base if base[part] != other[part]}

    text = Sample(row=3, prompt="another text, unknown words alike", token_ids=(3, 4, 5, 6), reference={"row": 3})
    assert differing(fingerprint(text)) == {"prompts"}
    assert differing(fingerprint(make_sample(3, 5))) == {"prompts"}
    assert differing(fingerprint(make_sample(3, reference={"row": "\ud800"}))) == {"references"}
    assert differing(fingerprint(holdout_size=1)) == {"splits"}
    assert differing(fingerprint(seed=1)) == {"prompts", "references", "sample order seed"}
    assert all(re.fullmatch("[0-9a-f]{16}", base[part]) for part in ("prompts", "references"))
    limited = [dataclasses.replace(sample, max_new_tokens=4) for sample in samples]
    parts = Task.split(limited, seed=0, holdout_size=2).fingerprint()
    assert set(parts) - set(base) == {"length limits"}
    assert differing(parts) == set()
    stratified = Task.split(
        samples, seed=0, holdout_size=2, holdout_stratify_col="kind", strata=["x"] * 6
    ).fingerprint()
    assert stratified == {**base, "hold-out stratified by": "kind"}
