import json
import re
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast
from word_tokenizer import one_line, word_tokenizer

from llmsearch_optuna.data.prompts import REFERENCE, PromptSource

COLUMNS = {"input_cols": ("question",), "eval_cols": ("answer",)}
ROWS = [{"question": "one plus one", "answer": "two"}, {"question": "two", "answer": "two"}]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return word_tokenizer()


def source(**way: Any) -> PromptSource:
    return PromptSource(**{**COLUMNS, **(way or {"prompt_template": "What is {question} ?"})})


def test_a_template_makes_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    made = source(prompt_template="{question!s:>14} {{?}}")
    assert made.prompt(ROWS[0], tokenizer) == "  one plus one {?}"
    assert not made.writes_special_tokens


def test_messages_go_through_the_chat_template(tokenizer: PreTrainedTokenizerFast) -> None:
    made = source(
        messages=({"role": "system", "content": "Answer"}, {"role": "user", "content": "What is {question} ?"})
    )
    assert made.prompt(ROWS[0], tokenizer) == "<system> Answer <user> What is one plus one ? <assistant>"
    assert made.writes_special_tokens


def test_a_preprocessor_gets_the_tokenizer_and_all_columns(tokenizer: PreTrainedTokenizerFast) -> None:
    seen: dict[str, Any] = {}

    def preprocessor(tokenizer: object, **columns: str) -> str:
        seen.update(columns, tokenizer=tokenizer)
        return columns["question"] + " ?"

    made = PromptSource(input_cols=("question",), eval_cols=("question", "answer"), sample_preprocessor=preprocessor)
    assert made.prompt(ROWS[0], tokenizer) == "one plus one ?"
    assert seen == {**ROWS[0], "tokenizer": tokenizer}
    assert made.writes_special_tokens


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (
            {"prompt_template": None},
            "^give exactly one of prompt_template, prompt_jinja, messages, messages_col, sample_preprocessor, got none",
        ),
        (
            {"prompt_template": "{question}", "sample_preprocessor": str},
            "^give exactly one of .*, got prompt_template and sample_preprocessor$",
        ),
        (
            {"prompt_template": "{answer}"},
            r"^the template names `\{answer\}`, which is not among input_cols \(question\)$",
        ),
        ({"prompt_template": "{0}"}, r"^the template names `\{0\}`"),
        ({"prompt_template": "{answer.text[0]}"}, r"^the template names `\{answer\}`"),
        ({"prompt_template": "{question:{width}}"}, r"^the template names `\{width\}`"),
        ({"prompt_template": "} {question}"}, "^the template cannot be read: "),
        ({"messages": ()}, "^`messages` must contain at least one chat message$"),
        (
            {"messages": ({"role": "user"},)},
            r"^a chat message needs the keys role and content .*, got {'role': 'user'}$",
        ),
        ({"messages": ("user",)}, r"^a chat message needs the keys role and content .*, got 'user'$"),
        (
            {"messages": ({"role": "user", "content": ["x"]},)},
            r"^role and content of a chat message must be strings, got \{'role': 'user', 'content': \['x'\]\}$",
        ),
        (
            {"messages_col": "chat"},
            "^`input_cols` has no effect with `messages_col`, which holds the whole prompt: leave it ",
        ),
        ({"prompt_template": "x", "messages_col": "chat"}, "got prompt_template and messages_col$"),
        (
            {"prompt_template": "x", "eval_cols": None},
            "^`eval_cols` is optional with `messages_col` only: name the columns of the reference$",
        ),
        ({"messages": ({"role": "user", "content": "{answer}"},)}, r"^the template names `\{answer\}`"),
    ],
)
def test_a_bad_source_is_refused(way: dict[str, Any], message: str) -> None:
    one_line(lambda: source(**way), message)


# Conversations in a column.

CHAT = [
    {"role": "system", "content": "Answer {all}"},
    {"role": "user", "content": "one ?"},
    {"role": "assistant", "content": "one"},
    {"role": "user", "content": "two ?"},
]
ANSWER = {"role": "assistant", "content": "two"}


def conversations(**changes: Any) -> PromptSource:
    return PromptSource(**{"messages_col": "chat", **changes})


def test_a_conversation_is_taken_as_it_is_up_to_the_known_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    expected = "<system> Answer {all} <user> one ? <assistant> one <user> two ? <assistant>"
    for chat in (CHAT, [*CHAT, ANSWER]):
        assert conversations().prompt({"chat": chat}, tokenizer) == expected
        assert json.loads(conversations().prompt({"chat": chat}, None)) == CHAT
    assert conversations().writes_special_tokens
    assert conversations().has_messages
    assert not source().has_messages


def test_the_known_answer_is_the_reference_unless_other_columns_are() -> None:
    row = {"chat": [*CHAT, ANSWER], "n": 3}
    assert conversations().reference(row) == {REFERENCE: "two"} == {"reference": "two"}
    assert conversations(eval_cols=("n",)).reference(row) == {"n": 3}
    assert conversations(eval_cols=()).reference({"chat": CHAT}) == {}
    one_line(
        lambda: conversations().reference({"chat": CHAT}),
        "^`chat` does not end with a message of the assistant, which would be the reference: name other columns in "
        "`eval_cols`$",
    )
    assert conversations(eval_cols=("n",), max_new_tokens_col="n").columns == ("n", "chat")


def test_a_bad_conversation_is_refused_also_where_other_columns_are_the_reference() -> None:
    one_line(lambda: conversations(eval_cols=("n",)).reference({"chat": [], "n": 3}), "^`chat`: there are no messages$")


# Length limits.


def test_a_row_may_limit_its_completion() -> None:
    limited = source(prompt_template="x", max_new_tokens_col="n")
    assert [limited.token_limit({"n": value}) for value in (1, 64, "7", "064")] == [1, 64, 7, 64]
    assert source().token_limit({"n": 3}) is None


@pytest.mark.parametrize("value", [0, -3, None, True, 2.0, "2.0", "", "-1", " 3", "\u0663", "9" * 40, [3]])
def test_a_limit_that_is_none_is_refused(value: object) -> None:
    limited = source(prompt_template="x", max_new_tokens_col="n")
    one_line(lambda: limited.token_limit({"n": value}), "^`n` must be an integer >= 1, got " + re.escape(repr(value)))
