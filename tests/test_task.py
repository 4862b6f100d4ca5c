import re
from collections.abc import Callable, Mapping
from typing import Any

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.prompts import PromptSource
from llmsearch_optuna.task import (
    Sample,
    Task,
    as_dataset,
    check_window,
    encode_prompts,
    render_dataset,
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
WORDS = ["<unk>", "<s>", "<user>", "<system>", "<assistant>", "What", "is", "one", "two", "plus", "?", "Answer"]

COLUMNS = {"input_cols": ("question",), "eval_cols": ("answer",)}
ROWS = [{"question": "one plus one", "answer": "two"}, {"question": "two", "answer": "two"}]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One id per word; puts ``<s>`` first when asked for special tokens."""
    words = Tokenizer(models.WordLevel({word: id_ for id_, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>"
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def source(**way: Any) -> PromptSource:
    return PromptSource(**{**COLUMNS, **(way or {"prompt_template": "What is {question} ?"})})


def one_line(attempt: Callable[[], object], message: str) -> None:
    with pytest.raises(TaskError) as refusal:
        attempt()
    text = str(refusal.value)
    assert re.search(message, text), text
    assert len(text.splitlines()) == 1


# The source of prompts.


def test_a_template_makes_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    made = source(prompt_template="{question!s:>14} {{?}}")
    assert made.prompt(ROWS[0], tokenizer) == "  one plus one {?}"
    assert not made.is_chat


def test_messages_go_through_the_chat_template(tokenizer: PreTrainedTokenizerFast) -> None:
    made = source(
        messages=({"role": "system", "content": "Answer"}, {"role": "user", "content": "What is {question} ?"})
    )
    assert made.prompt(ROWS[0], tokenizer) == "<system> Answer <user> What is one plus one ? <assistant>"
    assert made.is_chat


def test_a_preprocessor_gets_the_tokenizer_and_all_columns(tokenizer: PreTrainedTokenizerFast) -> None:
    seen: dict[str, Any] = {}

    def preprocessor(tokenizer: object, **columns: str) -> str:
        seen.update(columns, tokenizer=tokenizer)
        return columns["question"] + " ?"

    made = PromptSource(input_cols=("question",), eval_cols=("question", "answer"), sample_preprocessor=preprocessor)
    assert made.prompt(ROWS[0], tokenizer) == "one plus one ?"
    assert seen == {**ROWS[0], "tokenizer": tokenizer}
    assert made.is_chat


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"prompt_template": None}, "^give exactly one of prompt_template, messages, sample_preprocessor, got none$"),
        (
            {"prompt_template": "{question}", "sample_preprocessor": str},
            "^give exactly one of .*, got prompt_template and sample_preprocessor$",
        ),
        (
            {"prompt_template": "{answer}"},
            r"^the template names `\{answer\}`, which is not among input_cols \(question\)$",
        ),
        ({"prompt_template": "{}"}, r"^the template names `\{\}`"),
        ({"prompt_template": "{0}"}, r"^the template names `\{0\}`"),
        ({"prompt_template": "{answer.text[0]}"}, r"^the template names `\{answer\}`"),
        ({"prompt_template": "{question:{width}}"}, r"^the template names `\{width\}`"),
        ({"prompt_template": "{question"}, r"^the template cannot be read: .* \(write \{\{ and \}\} for braces\)$"),
        ({"prompt_template": "} {question}"}, "^the template cannot be read: "),
        ({"messages": ()}, "^messages is empty: give at least one chat message$"),
        ({"messages": ({"role": "user"},)}, "^a chat message needs the keys role and content, got {'role': 'user'}$"),
        ({"messages": ("user",)}, "^a chat message needs the keys role and content, got 'user'$"),
        (
            {"messages": ({"role": "user", "content": ["x"]},)},
            r"^role and content of a chat message must be texts, got \{'role': 'user', 'content': \['x'\]\}$",
        ),
        ({"messages": ({"role": "user", "content": "{answer}"},)}, r"^the template names `\{answer\}`"),
    ],
)
def test_a_bad_source_is_refused(way: dict[str, Any], message: str) -> None:
    one_line(lambda: source(**way), message)


# Data of any kind.


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        {"question": ["one plus one", "two"], "answer": ["two", "two"]},
        datasets.Dataset.from_list(ROWS),
    ],
    ids=["list", "tuple", "columns", "dataset"],
)
def test_as_dataset(data: object) -> None:
    assert as_dataset(data).to_list() == ROWS


def test_rows_may_lack_columns() -> None:
    assert as_dataset([{"a": 1}, {"b": "x"}]).to_list() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "^the dataset is empty: it needs at least one row$"),
        ({}, "^the dataset is empty"),
        ({"a": []}, "^the dataset is empty"),
        ("rows", "^dataset must be a datasets.Dataset or a list of rows, got str$"),
        (b"rows", "^dataset must be a datasets.Dataset or a list of rows, got bytes$"),
        (None, "^dataset must be a datasets.Dataset or a list of rows, got NoneType$"),
        (iter(ROWS), "^dataset must be a datasets.Dataset or a list of rows, got list_iterator$"),
        ([*ROWS, "x"], "^row 2 of the dataset must be a mapping of column to value, got 'x'$"),
        ([{"a": 1}, {"a": "x"}], "^the dataset must have one type per column, and columns of one length: "),
        ({"a": [1, 2], "b": [1]}, "^the dataset must have one type per column, and columns of one length: "),
        ({"a": 1}, "^the dataset must have one type per column, and columns of one length: "),
        ([{"a": 10**30}], "^the dataset must have one type per column, and columns of one length: "),
        ([{"a": "\ud800"}], "^the dataset must have one type per column, and columns of one length: "),
        (
            datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)}),
            r"^the dataset has several splits: pass one of them, e.g. dataset\['test'\]$",
        ),
        (datasets.DatasetDict(), r"^the dataset has several splits: pass one of them, e.g. dataset\['train'\]$"),
    ],
)
def test_bad_data_are_refused(data: object, message: str) -> None:
    one_line(lambda: as_dataset(data), message)


# Rendered prompts.


def test_rendering_adds_prompt_and_reference(tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = render_dataset(as_dataset(ROWS), source(), tokenizer)
    assert rendered.to_list() == [
        {**row, "_X": f"What is {row['question']} ?", "_y": {"answer": row["answer"]}} for row in ROWS
    ]


def test_rendering_again_replaces_prompt_and_reference(tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = render_dataset(as_dataset(ROWS), source(), tokenizer)
    again = render_dataset(rendered, source(prompt_template="{question}"), tokenizer)
    assert again["_X"][:] == ["one plus one", "two"]
    assert again.column_names == rendered.column_names


def test_rendering_reads_plain_values_whatever_the_format(tokenizer: PreTrainedTokenizerFast) -> None:
    numbers = as_dataset([{"question": 1.5, "answer": [1, 2]}]).with_format("numpy")
    rendered = render_dataset(numbers, source(prompt_template="{question}"), tokenizer)
    assert rendered.to_list() == [{"question": 1.5, "answer": [1, 2], "_X": "1.5", "_y": {"answer": [1, 2]}}]


def test_rendering_without_reference_columns(tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = render_dataset(
        as_dataset(ROWS), PromptSource(input_cols=(), eval_cols=(), prompt_template="Answer"), tokenizer
    )
    assert [(row["_X"], row["_y"]) for row in rendered.to_list()] == [("Answer", {})] * 2


def failing(tokenizer: object, *, question: str, answer: str) -> str:
    if question == "two":
        raise KeyError("no\nway")
    return question


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"sample_preprocessor": failing}, r"^row 1 makes no prompt: KeyError: 'no\\nway'$"),
        (
            {"sample_preprocessor": lambda tokenizer, question: question},
            "^row 0 makes no prompt: TypeError: .* unexpected keyword argument 'answer'$",
        ),
        (
            {"sample_preprocessor": lambda tokenizer, **columns: 3},
            "^sample_preprocessor must return a string, got int$",
        ),
        (
            {"sample_preprocessor": lambda tokenizer, **columns: "\ud800"},
            "^row 0 makes no prompt: UnicodeEncodeError: .* surrogates not allowed$",
        ),
        ({"prompt_template": "{question:d}"}, "^row 0 makes no prompt: ValueError: "),
    ],
)
def test_a_row_without_a_prompt_is_named(way: dict[str, Any], message: str, tokenizer: PreTrainedTokenizerFast) -> None:
    one_line(lambda: render_dataset(as_dataset(ROWS), source(**way), tokenizer), message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"input_cols": ("question", "context"), "eval_cols": ("label",)},
            "^the dataset has no column 'context', 'label': it has question, answer$",
        ),
        ({"input_cols": ("_X",), "eval_cols": ()}, "^the dataset has no column '_X': it has question, answer$"),
        ({"input_cols": (), "eval_cols": ("_y",)}, "^the dataset has no column '_y': it has question, answer$"),
    ],
)
def test_missing_columns_are_named(columns: dict[str, Any], message: str, tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = render_dataset(as_dataset(ROWS), source(), tokenizer)
    missing = PromptSource(**columns, prompt_template="x")
    one_line(lambda: render_dataset(rendered, missing, tokenizer), message)


def test_a_tokenizer_without_chat_template_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = None
    chat = source(messages=({"role": "user", "content": "{question}"},))
    one_line(
        lambda: render_dataset(as_dataset(ROWS), chat, tokenizer),
        "^the tokenizer has no chat template: set tokenizer.chat_template, or use a prompt_template$",
    )


def test_what_a_chat_template_raises_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ raise_exception('no system\nmessages') }}"
    chat = source(messages=({"role": "system", "content": "{question}"},))
    one_line(
        lambda: render_dataset(as_dataset(ROWS), chat, tokenizer),
        "^row 0 makes no prompt: TemplateError: no system messages$",
    )


# Token ids.


def encoded(
    tokenizer: PreTrainedTokenizerFast, prompts: list[str], *, is_chat: bool = False, **encode_args: Any
) -> list[list[int]]:
    rendered = datasets.Dataset.from_dict({"_X": prompts, "_y": [{"answer": index} for index, _ in enumerate(prompts)]})
    samples = encode_prompts(rendered, tokenizer, is_chat=is_chat, encode_args=encode_args)
    assert [sample.prompt for sample in samples] == prompts
    assert [(sample.row, sample.reference) for sample in samples] == [
        (index, {"answer": index}) for index, _ in enumerate(prompts)
    ]
    return [list(sample.token_ids) for sample in samples]


def test_each_plain_prompt_begins_with_one_bos(tokenizer: PreTrainedTokenizerFast) -> None:
    assert encoded(tokenizer, ["one two", "<s> one", "two"]) == [[1, 7, 8], [1, 7], [1, 8]]
    assert encoded(tokenizer, ["<s> one", "two"]) == [[1, 7], [1, 8]]


def test_chat_prompts_get_no_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert encoded(tokenizer, ["<user> one", "<s> two"], is_chat=True) == [[2, 7], [1, 8]]


def test_encode_args_come_first_and_padding_is_left_to_the_engine(tokenizer: PreTrainedTokenizerFast) -> None:
    long = "one two one two"
    assert encoded(tokenizer, [long, "one"], add_special_tokens=False) == [[7, 8, 7, 8], [7]]
    assert encoded(tokenizer, ["one", "<s> one"], is_chat=True, add_special_tokens=True) == [[1, 7], [1, 1, 7]]
    assert encoded(tokenizer, [long, "one"], truncation=True, max_length=3) == [[1, 7, 8], [1, 7]]
    assert encoded(tokenizer, [long, "one"], padding="longest", return_tensors="pt") == [[1, 7, 8, 7, 8], [1, 7]]


@pytest.mark.parametrize(
    ("encode_args", "message"),
    [
        ({"truncate": True}, r"^unknown argument in tokenizer_encode_args `truncate`: did you mean `truncation`\?$"),
        ({"truncation": "both"}, r"^the tokenizer refuses tokenizer_encode_args \{'truncation': 'both'\}: "),
        (
            {"truncation": True, "max_length": "3"},
            r"^the tokenizer refuses tokenizer_encode_args \{'truncation': True, 'max_length': '3'\}: ",
        ),
        (
            {"truncation": True, "max_length": 2, "return_overflowing_tokens": True},
            "^the tokenizer refuses tokenizer_encode_args ",
        ),
    ],
)
def test_bad_encode_args_are_refused(
    encode_args: dict[str, Any], message: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    one_line(lambda: encoded(tokenizer, ["one two one two", "one"], **encode_args), message)


def test_a_prompt_without_tokens_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    one_line(
        lambda: encoded(tokenizer, ["one", " "], add_special_tokens=False), "^the prompt of row 1 has no tokens: ' '$"
    )


# The window.


def sample(row: int, length: int = 4, reference: Mapping[str, Any] | None = None) -> Sample:
    return Sample(row=row, prompt=f"prompt {row}", token_ids=tuple(range(length)), reference=reference or {"row": row})


def test_prompts_must_leave_room_for_their_completion() -> None:
    samples = [sample(0, 4), sample(1, 6), sample(2, 7)]
    check_window(samples, None, 10**9)
    check_window(samples, 10, 3)
    one_line(
        lambda: check_window(samples, 10, 4),
        r"^the prompt of row 2 has 7 tokens, and 4 new ones exceed the model's window of 10: shorten it, truncate "
        r"\(tokenizer_encode_args\), or lower max_new_tokens$",
    )


# The order and the splits.

rows = st.sets(st.integers(0, 10**6), min_size=1, max_size=40).map(sorted)


@settings(deadline=None)
@given(rows, st.integers(), st.randoms(use_true_random=False))
def test_the_order_of_two_rows_does_not_depend_on_the_others(numbers: list[int], seed: int, random: Any) -> None:
    order = [one.row for one in Task.split([sample(row) for row in numbers], seed=seed).search]
    assert sorted(order) == numbers
    some = [row for row in numbers if random.random() < 0.5] or numbers[:1]
    shuffled = random.sample(some, len(some))
    kept = [one.row for one in Task.split([sample(row) for row in shuffled], seed=seed).search]
    assert kept == [row for row in order if row in some]


@settings(deadline=None)
@given(rows, st.integers(), st.data())
def test_splits_are_disjoint_parts_of_one_order(numbers: list[int], seed: int, data: st.DataObject) -> None:
    samples = [sample(row) for row in numbers]
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
    samples = [sample(row) for row in range(12)]
    assert [one.row for one in Task.split(samples, seed=42).search] == [1, 10, 6, 9, 4, 2, 3, 11, 7, 0, 5, 8]
    orders = {tuple(one.row for one in Task.split(samples, seed=seed).search) for seed in range(20)}
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
        ({"holdout_size": 4}, "^4 samples cannot be split into 0 to search on and 4 to hold out: "),
        ({"holdout_size": -1}, "^4 samples cannot be split into 5 to search on and -1 to hold out: "),
    ],
)
def test_splits_that_do_not_fit_are_refused(sizes: dict[str, int], message: str) -> None:
    one_line(lambda: Task.split([sample(row) for row in range(4)], seed=0, **sizes), message)


# What is stored, and the fingerprint.


def test_stored_samples_hold_what_json_can() -> None:
    references: list[dict[str, Any]] = [
        {"answer": "x", "day": np.datetime64("2020-01-02"), "items": ["a"]},
        {"answer": None},
    ]
    task = Task.split([sample(row, reference=reference) for row, reference in enumerate(references)], seed=1)
    stored = task.stored()
    assert [one.position for one in stored] == [0, 1]
    assert [one.prompt for one in stored] == [one.prompt for one in task.search]
    assert {one.row: one.reference for one in stored} == {
        0: {"answer": "x", "day": "2020-01-02", "items": ["a"]},
        1: {"answer": None},
    }


def test_the_fingerprint_changes_with_all_that_scores_depend_on() -> None:
    samples = [sample(row) for row in range(6)]

    def fingerprint(changed: Sample | None = None, seed: int = 0, holdout_size: int = 2) -> dict[str, str]:
        parts = [changed if changed is not None and one.row == changed.row else one for one in samples]
        return Task.split(parts, seed=seed, holdout_size=holdout_size).fingerprint()

    base = fingerprint()
    assert fingerprint(sample(3)) == base
    assert base["splits"] == "4 search, 2 hold-out"

    def differing(other: dict[str, str]) -> set[str]:
        return {part for part in base if base[part] != other[part]}

    text = Sample(row=3, prompt="another text, unknown words alike", token_ids=(0, 1, 2, 3), reference={"row": 3})
    assert differing(fingerprint(text)) == {"prompts"}
    assert differing(fingerprint(sample(3, 5))) == {"prompts"}
    assert differing(fingerprint(sample(3, reference={"row": "\ud800"}))) == {"references"}
    assert differing(fingerprint(holdout_size=1)) == {"splits"}
    assert differing(fingerprint(seed=1)) == {"prompts", "references", "sample order seed"}
    assert all(re.fullmatch("[0-9a-f]{16}", base[part]) for part in ("prompts", "references"))
