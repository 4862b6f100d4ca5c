import dataclasses
import logging
import re
from functools import partial
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast
from word_tokenizer import CHAT_TEMPLATE, one_line, word_tokenizer

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.rendering import encode_prompts, render_dataset

CHAT = ({"role": "user", "content": "{q}"},)
ROWS = [{"q": "one two one two ?", "a": ""}, {"q": "one", "a": ""}, {"q": "one two one two one", "a": ""}]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return word_tokenizer()


def options(**changes: Any) -> DataOptions:
    return DataOptions(**{"input_cols": ("q",), "eval_cols": ("a",), "prompt_template": "{q}", **changes})


# Truncation.


def token_ids(tokenizer: PreTrainedTokenizerFast, source: DataOptions, **encode_args: Any) -> list[tuple[int, ...]]:
    source = dataclasses.replace(source, encode_args=encode_args)
    rendered = render_dataset(as_dataset(ROWS), source, tokenizer)
    return [sample.token_ids for sample in encode_prompts(rendered, tokenizer, source)]


def test_truncated_prompts_are_reported(tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert token_ids(tokenizer, options(), truncation=True, max_length=6)[0] == (1, 7, 8, 7, 8, 10)
        assert caplog.messages == []
        assert token_ids(tokenizer, options(), truncation=True, max_length=4)[0] == (1, 7, 8, 7)
        assert token_ids(tokenizer, options(), truncation=True, max_length=4, truncation_side="left")[0] == (
            1,
            7,
            8,
            10,
        )
    assert caplog.messages == [
        "tokenizer_encode_args cut 2 of 3 prompts at their end: that of row 0 now ends with '<s> one two one'",
        "tokenizer_encode_args cut 2 of 3 prompts at their beginning: that of row 0 now begins with '<s> one two ?'",
    ]
    assert tokenizer.truncation_side == "right"


@pytest.mark.parametrize("truncation", [True, "longest_first", "only_first"])
def test_a_chat_keeps_its_end(
    truncation: object, tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture
) -> None:
    chat = options(prompt_template=None, messages=CHAT)
    one_line(
        lambda: token_ids(tokenizer, chat, truncation=truncation, max_length=6),
        r"^tokenizer_encode_args cut 2 of 3 prompts at their end, with the beginning of the assistant's turn: that of "
        r"row 0 ends with '<user> one two one two \?'. Shorten the columns, raise max_length, or add truncation_side",
    )
    whole = token_ids(tokenizer, chat)
    assert token_ids(tokenizer, chat, truncation=truncation, max_length=7) == whole
    assert caplog.messages == []
    tokenizer.truncation_side = "left"
    assert token_ids(tokenizer, chat, truncation=truncation, max_length=3)[0] == whole[0][-3:]
    assert "that of row 0 now begins with 'two ? <assistant>'" in caplog.messages[0]


def test_one_prompt_must_stay_one(tokenizer: PreTrainedTokenizerFast) -> None:
    arguments = {"truncation": True, "max_length": 3, "return_overflowing_tokens": True}
    one_line(lambda: token_ids(tokenizer, options(), **arguments), r"rejects .*: they make \d+ parts of 3 prompts$")


# Arguments of the chat template.

THINKING = CHAT_TEMPLATE + "{% if enable_thinking %}<think>{% else %}<no>{% endif %}{{ tools }}"


def test_a_chat_template_gets_its_arguments(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = THINKING
    for arguments, end in (
        ({"enable_thinking": True}, "<think>"),
        ({"enable_thinking": False}, "<no>"),
        (None, "<no>"),
    ):
        for way in ({"messages": CHAT}, {"messages_col": "chat", "input_cols": ()}):
            chat = options(prompt_template=None, chat_template_args=arguments, **way)
            row = {"q": "one", "a": "", "chat": [{"role": "user", "content": "one"}]}
            assert render_dataset(as_dataset([row]), chat, tokenizer)["_X"][0].startswith(
                f"<user> one <assistant>{end}"
            )
            assert chat.fingerprint() == ({} if arguments is None else {"chat_template_args": arguments})
    rows = as_dataset(ROWS)
    message = "^`chat_template_args` names `thinking_budget`, which the chat template does not read: leave it out$"
    for name in ("thinking_budget", "thinking", "message"):  # also a part of a name, and the variable of a loop
        wrong = options(prompt_template=None, messages=CHAT, chat_template_args={name: 1})
        one_line(partial(render_dataset, rows, wrong, tokenizer), message.replace("thinking_budget", name))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_template": "{q}"}, "^`chat_template_args` has no effect without `messages` or `messages_col`"),
        ({"sample_preprocessor": lambda tokenizer, **row: "x"}, "^`chat_template_args` has no effect"),
        (
            {"messages": CHAT, "chat_template_args": {"tokenize": True}},
            "must not hold tokenize, which the package sets$",
        ),
        ({"messages": CHAT, "chat_template_args": ["enable_thinking"]}, "must be a table of names and values, got "),
    ],
)
def test_arguments_without_effect_are_refused(changes: dict[str, Any], message: str) -> None:
    one_line(lambda: options(**{"prompt_template": None, "chat_template_args": {"x": 1}, **changes}), message)


# Sizes.


@pytest.mark.parametrize(
    ("rows", "sizes", "message"),
    [
        (9, {}, "^no samples are held out: a search will end without a verdict, which needs `holdout_size`$"),
        (9, {"holdout_size": 1}, "^1 sample is held out: a search will end without a verdict"),
        (9, {"holdout_size": 5}, "^5 samples held out are few: "),
        (1, {}, "^the dataset has 1 row: "),
        (90, {"holdout_size": 50}, None),
    ],
)
def test_a_verdict_that_will_not_be_is_announced(
    rows: int, sizes: dict[str, int], message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    options(**sizes).check_sizes(rows)
    assert len(caplog.messages) == (message is not None)
    assert message is None or re.search(message, caplog.messages[0])


@pytest.mark.parametrize(
    "sizes", [{"holdout_size": 9}, {"search_size": 10}, {"search_size": 5, "holdout_size": 5}, {"holdout_size": 50}]
)
def test_sizes_that_do_not_fit_are_refused_before_prompts_are_made(sizes: dict[str, int]) -> None:
    one_line(lambda: options(**sizes).check_sizes(9), "^9 samples (cannot be split into|are too few to hold out) ")
