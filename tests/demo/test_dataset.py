"""The demo's generated dataset."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from tiny_models import tiny_tokenizer

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import render_dataset
from llmsearch_optuna.demo.dataset import DemoSample, demo_categories, demo_samples
from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.metrics import distinct_items
from llmsearch_optuna.metrics.items import split_items
from llmsearch_optuna.study_file.file import StudyFile

CATEGORIES = demo_categories()
ALL = len(CATEGORIES) * 220  # three of twelve, for every category


def key(row: DemoSample) -> tuple[str, frozenset[str]]:
    """What a row asks for, without the order in which the beginning names things."""
    return row["instruction"], frozenset(split_items(row["start"]))


@settings(max_examples=scaled(20))
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 200))
def test_rows_depend_on_the_seed_alone_and_are_distinct(seed: int, size: int) -> None:
    rows = demo_samples(size, seed=seed)
    assert len(rows) == size
    assert demo_samples(size + 50, seed=seed)[:size] == rows
    assert len({key(row) for row in rows}) == size


def test_rows_stay_what_they_are() -> None:
    rows = demo_samples(2)
    assert [(row["instruction"], row["start"]) for row in rows] == [
        ("List twelve different vegetables, separated by commas.", "cabbage, celery, pea,"),
        ("List twelve different clothes, separated by commas.", "hat, coat, sock,"),
    ]


def test_another_seed_gives_other_rows() -> None:
    assert demo_samples(96) != demo_samples(96, seed=1)


def test_every_category_comes_once_a_round() -> None:
    rows = demo_samples(4 * len(CATEGORIES), seed=3)
    for first in range(0, len(rows), len(CATEGORIES)):
        part = rows[first : first + len(CATEGORIES)]
        assert {row["instruction"] for row in part} == {
            f"List twelve different {category}, separated by commas." for category in CATEGORIES
        }


def test_all_rows_are_distinct() -> None:
    assert len({key(row) for row in demo_samples(ALL)}) == ALL


@pytest.mark.parametrize("size", [0, -1, ALL + 1])
def test_a_size_without_rows_is_refused(size: int) -> None:
    with pytest.raises(TaskError, match=rf"1 to {ALL} samples, got size {size}"):
        demo_samples(size)


def test_the_start_names_three_things_that_are_no_members() -> None:
    for row in demo_samples(len(CATEGORIES)):
        named = split_items(row["start"])
        assert len(named) == 3
        assert row["start"].endswith(",")
        assert distinct_items(row["start"], row["members"], row["count"]) == 0.0


def test_the_requested_items_score_one_and_repeats_do_not() -> None:
    for row in demo_samples(len(CATEGORIES)):
        members, count = row["members"], row["count"]
        assert distinct_items(", ".join(members[:count]), members, count) == 1.0
        assert distinct_items(", ".join(members[:1] * count), members, count) == pytest.approx(1 / count)
        assert distinct_items(f"{row['start']} {', '.join(members[:count])}", members, count) == pytest.approx(9 / 12)


@pytest.mark.parametrize("category", CATEGORIES)
def test_words_are_plenty_and_distinct_for_the_metric(category: str) -> None:
    best_known, further = CATEGORIES[category]
    assert len(best_known) == 12
    assert len(best_known) + len(further) >= 40
    assert all(best_known)
    assert all(further)
    for item, other in itertools.combinations([split_items(word) for word in (*best_known, *further)], 2):
        assert item != other


def test_the_prompt_is_the_chat_with_the_answer_begun() -> None:
    rows = as_dataset(demo_samples(4))
    file = StudyFile.load(Path(__file__).parents[2] / "studies" / "demo.toml")
    source = PromptSource(
        input_cols=tuple(file.data.input_cols or ()),
        eval_cols=tuple(file.data.eval_cols or ()),
        messages=tuple(file.data.messages or ()),
    )
    tokenizer = tiny_tokenizer()
    for row, prompt in zip(rows, render_dataset(rows, source, tokenizer)["_X"], strict=True):
        assert prompt == (
            "<|im_start|>system\nYou write lists.<|im_end|>\n"
            f"<|im_start|>user\n{row['instruction']}<|im_end|>\n"
            f"<|im_start|>assistant\n{row['start']}"
        )
