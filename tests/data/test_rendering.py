from collections import Counter
from typing import Any

import datasets
import pytest
from transformers import PreTrainedTokenizerFast
from word_tokenizer import one_line, word_tokenizer

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import check_rows, encode_prompts, read_strata, render_dataset

COLUMNS = {"input_cols": ("question",), "eval_cols": ("answer",)}
ROWS = [{"question": "one plus one", "answer": "two"}, {"question": "two", "answer": "two"}]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return word_tokenizer()


def source(**way: Any) -> DataOptions:
    return DataOptions(**{**COLUMNS, **(way or {"prompt_template": "What is {question} ?"})})


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
    text = "{question}"
    way = {"messages": ({"role": "user", "content": text},)} if is_chat else {"prompt_template": text}
    samples = encode_prompts(rendered, tokenizer, source(**way, encode_args=encode_args))
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
        ({"truncation": "both"}, r"^the tokenizer rejects `tokenizer_encode_args` \{'truncation': 'both'\}: "),
        (
            {"truncation": True, "max_length": "3"},
            r"^the tokenizer rejects `tokenizer_encode_args` \{'truncation': True, 'max_length': '3'\}: ",
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


# Conversations, length limits, strata.

CHATS: list[dict[str, Any]] = [
    {"chat": [{"role": "user", "content": "one ?"}, {"role": "assistant", "content": "two"}], "n": 3},
    {"chat": [{"role": "user", "content": "two ?"}, {"role": "assistant", "content": "one"}], "n": 1},
]


def test_conversations_are_rendered_without_the_known_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    chats = DataOptions(messages_col="chat")
    rendered = render_dataset(as_dataset(CHATS), chats, tokenizer)
    assert rendered["_X"][:] == ["<user> one ? <assistant>", "<user> two ? <assistant>"]
    assert rendered["_y"][:] == [{"reference": "two"}, {"reference": "one"}]
    assert rendered.remove_columns(["_X", "_y"]).to_list() == CHATS
    assert [sample.token_ids for sample in encode_prompts(rendered, tokenizer, chats)] == [
        (2, 7, 10, 4),
        (2, 8, 10, 4),
    ]


@pytest.mark.parametrize(
    ("changes", "row", "message"),
    [
        ({}, {"chat": [], "n": 1}, "^row 2: `chat`: there are no messages$"),
        ({}, {"chat": None, "n": 1}, "^row 2: `chat`: a list of messages with role and content is needed, got None$"),
        ({}, {"chat": [{"role": "user", "content": None}], "n": 1}, "^row 2: `chat`: message 0 has no content"),
        ({}, {"chat": CHATS[0]["chat"][:1], "n": 1}, "^row 2: `chat` does not end with a message of the assistant"),
        ({"max_new_tokens_col": "n"}, {**CHATS[0], "n": 0}, "^row 2: `n` must be an integer >= 1, got 0$"),
        ({"max_new_tokens_col": "n"}, {**CHATS[0], "n": None}, "^row 2: `n` must be an integer >= 1, got None$"),
        ({"max_new_tokens_col": "m"}, CHATS[0], "^the dataset has no column 'm': it has chat, n$"),
        (
            {"messages_col": "chats"},
            CHATS[0],
            r"^the dataset has no column 'chats': it has chat, n; did you mean 'chat'\?$",
        ),
    ],
)
def test_rows_are_checked_before_there_is_a_tokenizer(
    changes: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    one_line(
        lambda: check_rows(as_dataset([*CHATS, row]), PromptSource(**{"messages_col": "chat", **changes})), message
    )


def test_limits_come_with_the_samples(tokenizer: PreTrainedTokenizerFast) -> None:
    chats = DataOptions(messages_col="chat", max_new_tokens_col="n")
    rendered = render_dataset(as_dataset(CHATS), chats, tokenizer)
    assert [sample.max_new_tokens for sample in encode_prompts(rendered, tokenizer, chats)] == [3, 1]
    unlimited = encode_prompts(rendered, tokenizer, DataOptions(messages_col="chat"))
    assert [sample.max_new_tokens for sample in unlimited] == [None, None]


def test_strata_are_the_values_of_a_column_and_what_is_missing_is_one() -> None:
    rows = as_dataset({"kind": ["a", None, "a", "b"], "x": [0.5, float("nan"), None, 0.5], "l": [[1], [2], [1], None]})
    assert read_strata(rows, "kind") == ['"a"', "null", '"a"', '"b"']
    assert read_strata(rows, "x") == ["0.5", "null", "null", "0.5"]
    assert read_strata(rows, "l") == ["[1]", "[2]", "[1]", "null"]
    one_line(
        lambda: read_strata(rows, "kinds"),
        r"^the dataset has no column 'kinds': it has kind, x, l; did you mean 'kind'\?$",
    )


# Gaps, and prompts that change.


@pytest.mark.parametrize(
    ("way", "values", "warning"),
    [
        (
            {"prompt_template": "{q}"},
            ["x", "", "y", " "],
            "`q` is empty in 2 of 4 rows (first: row 1), which leaves a ",
        ),
        ({"messages": ({"role": "user", "content": "{q[0]!s:>3}"},)}, [["x"], [""]], "`q[0]` is empty in 1 of 2 rows"),
        (
            {"sample_preprocessor": lambda tokenizer, q: str(q)},
            ["x", "", None],
            "`q` is empty in 1 of 3 rows (first: row 2), passed to sample_preprocessor",
        ),
        (
            {"messages_col": "q", "input_cols": ()},
            [[{"role": "system", "content": ""}, {"role": "user", "content": text}] for text in ("x", "\n")],
            "`q` is empty in 1 of 2 rows (first: row 1), which leaves a hole in the prompt",
        ),
        ({"prompt_template": "{q}"}, [0, 1], None),
    ],
)
def test_an_empty_value_in_a_prompt_is_reported_once(
    way: dict[str, Any], values: list[Any], warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    render_dataset(as_dataset({"q": values}), PromptSource(**{"input_cols": ("q",), "eval_cols": (), **way}), None)
    assert len(caplog.messages) == (warning is not None)
    assert warning is None or caplog.messages[0].startswith(warning)


@pytest.mark.parametrize(("rows", "changing", "reported"), [(1, 0, 0), (60, 59, 59), (1000, 700, 704)])
def test_a_prompt_that_changes_is_reported_wherever_it_is(
    rows: int, changing: int, reported: int, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Counter[int]()

    def preprocess(tokenizer: object, *, q: int) -> str:
        calls[q] += 1
        return f"{q} {calls[q] if q >= changing else ''}"

    source = PromptSource(input_cols=("q",), eval_cols=(), sample_preprocessor=preprocess)
    render_dataset(as_dataset({"q": range(rows)}), source, None)
    assert [message.split(" gives")[0] for message in caplog.messages] == [f"row {reported}"]
    assert calls.total() <= rows + 64
