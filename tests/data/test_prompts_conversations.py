import json
from typing import Any

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_tokenizer import one_line

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.prompts import PromptSource, read_conversation
from llmsearch_optuna.data.rendering import check_rows, render_dataset

texts = st.text(max_size=8)
messages = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": texts})


@given(st.lists(messages, max_size=5), st.booleans(), texts)
def test_the_answer_is_the_last_message_where_it_is_the_assistants(
    before: list[dict[str, str]], has_answer: bool, answer: str
) -> None:
    prompt = [*before, {"role": "user", "content": "?"}]
    chat = [*prompt, {"role": "assistant", "content": answer}] if has_answer else prompt
    assert read_conversation(chat) == (prompt, answer if has_answer else None)


def test_keys_that_only_other_messages_have_are_dropped_and_others_are_kept() -> None:
    chat = [
        {"role": "user", "content": "x", "name": "Ann"},
        {"role": "tool", "content": "3", "tool_call_id": "1"},
    ]
    row = datasets.Dataset.from_list([{"chat": chat}])[0]["chat"]
    assert set(row[0]) == {"role", "content", "name", "tool_call_id"}
    assert read_conversation(row).prompt == chat
    assert read_conversation(tuple(chat)).prompt == chat


def test_a_tool_call_needs_no_content_unless_it_is_the_last_message() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}
    question, result = {"role": "user", "content": "?"}, {"role": "tool", "content": "3"}
    answer = {"role": "assistant", "content": "It is 3."}
    prompt = [question, {**call, "content": ""}, result]
    assert read_conversation([question, call, result, answer]) == (prompt, "It is 3.")
    del call["content"]
    rows = as_dataset([{"chat": [question, call, result, answer]}, {"chat": [question, call, result]}])
    rendered = render_dataset(rows, PromptSource(messages_col="chat", eval_cols=()), None)
    assert list(map(json.loads, rendered["_X"])) == [prompt, prompt]
    for last in (call, {**call, "content": None}):
        one_line(lambda last=last: read_conversation([question, last]), "^message 1 has no content: {")  # type: ignore[misc]
    one_line(
        lambda: read_conversation([question, {**call, "tool_calls": []}, result, answer]), "^message 1 has no content"
    )


def test_messages_may_be_json_and_contents_one_part_of_text() -> None:
    part = {"type": "text", "text": "x"}
    chat = [{"role": "user", "content": [part]}, {"role": "assistant", "content": [{**part, "image_url": None}]}]
    expected = ([{"role": "user", "content": "x"}], "x")
    assert read_conversation(chat) == read_conversation(" " + json.dumps(chat)) == expected
    assert chat[0]["content"] == [part]
    rows = as_dataset([{"chat": json.dumps(chat)}, {"chat": json.dumps(chat[:1] * 2 + chat[1:])}])
    assert check_rows(rows, PromptSource(messages_col="chat")) == [{"reference": "x"}] * 2


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        ([], "^there are no messages$"),
        (None, "^a list of messages with role and content is needed, got None$"),
        ("hello", "^a list of messages with role and content is needed, got 'hello'$"),
        ({"role": ["user"], "content": ["x"]}, "^a list of messages with role and content is needed, got {'content': "),
        (["hello"], "^message 0 needs the keys role and content, got 'hello'$"),
        ([{"role": "user", "content": "x"}, None], "^message 1 needs the keys role and content, got None$"),
        ([{"role": "user"}], "^message 0 has no content: {'role': 'user'}$"),
        ([{"role": "user", "content": None}], "^message 0 has no content: {'role': 'user'}$"),
        ([{"content": "x"}], "^message 0 has no role: {'content': 'x'}$"),
        ([{}], "^message 0 has no role: {}$"),
        ([{"role": 3, "content": "x"}], "^the role of message 0 must be a string, got 3$"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]}],
            r"^the content of message 0 must be a string or one part of text, got .*: join its texts to one string$",
        ),
        (
            [{"role": "user", "content": [{"type": "image", "url": "x"}]}],
            "^the content of message 0 must be a string or ",
        ),
        (
            [{"role": "user", "content": []}],
            r"^the content of message 0 must be a string or one part of text, got \[\]",
        ),
        ('[{"role": "user"', "^the messages are a string that is not JSON: Expecting "),
        ('{"role": "user", "content": "x"}', "^a list of messages with role and content is needed, got '{"),
        ([{"role": "user", "content": "x" * 10**6, "n": 1}, {"role": "user", "content": 10**400}], "^the content of "),
        ([{"role": "assistant", "content": "x"}], "^there is no message before the assistant's answer$"),
        (
            [{"role": "user", "content": "x"}, *[{"role": "assistant", "content": "x"}] * 2],
            "^it ends with two messages of the assistant, of which the model writes only the last: join them$",
        ),
        (
            [{"from": "human", "value": "x"}],
            "^message 0 has the keys from and value, as in ShareGPT: rename from and value to role and content",
        ),
    ],
)
def test_what_is_no_conversation_is_refused(chat: Any, message: str) -> None:
    one_line(lambda: read_conversation(chat), message)


def test_refusals_are_short_whatever_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a string") as refusal:
        read_conversation([{"role": "user", "content": ["x" * 10**6] * 1000}])
    assert len(str(refusal.value)) < 300
