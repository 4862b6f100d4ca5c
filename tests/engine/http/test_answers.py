import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.engine.base import Completion, Stopping
from llmsearch_optuna.engine.http.answers import error_message, generated_text, is_answered_by, read_completion


def read(answer: object, *, chat: bool = False, stops: tuple[str, ...] = ()) -> Completion:
    return read_completion(answer, chat=chat, stopping=Stopping(strings=stops), max_new_tokens=8)


def answer(text: object = "a b", reason: object = "stop", usage: object = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, "finish_reason": reason, **more}], "usage": usage}


def test_a_completion_is_read() -> None:
    completion = read(answer(usage={"completion_tokens": 3}))
    assert completion == Completion(text="a b", token_ids=(), finish_reason="eos", token_count_reported=3)


def test_a_chat_message_is_read() -> None:
    choice = {"message": {"role": "assistant", "content": "hello"}, "finish_reason": "length"}
    completion = read({"choices": [choice]}, chat=True)
    assert (completion.text, completion.finish_reason, completion.token_count) == ("hello", "length", 0)
    choice["message"] = {"role": "assistant", "content": None, "reasoning_content": "hm"}
    assert read({"choices": [choice]}, chat=True).text == ""
    choice["message"] = {
        "content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "he"}, {"text": "y"}]
    }
    assert read({"choices": [choice]}, chat=True).text == "hey"


CALL = [{"function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ({"content": None}, "stop", "no_text"),
        ({}, "stop", "no_text"),
        ({"content": ""}, "stop", "eos"),  # the model's own silence
        ({"content": "", "reasoning_content": "hm"}, "stop", "no_text"),
        ({"content": None, "tool_calls": CALL}, "tool_calls", "tool"),
        ({"content": "", "tool_calls": CALL}, "stop", "tool"),
        ({"content": None, "function_call": CALL[0]}, "function_call", "tool"),
        ({"content": "text", "tool_calls": CALL}, "tool_calls", "stop"),
        ({"content": None, "reasoning": "hm"}, "length", "thinking"),
        ({"content": ""}, "length", "thinking"),  # o-series hide it
        ({"content": None}, "content_filter", "filter"),
        ({"content": "half a"}, "content_filter", "filter"),
        ({"content": "half a"}, "SAFETY", "filter"),
        ({"content": None, "refusal": "I cannot"}, "stop", "filter"),
        ({"content": "text"}, "repetition", "unknown"),
        ({"content": "text"}, 7, "unknown"),
        ({"content": "text"}, None, "unknown"),
        ({"content": "text"}, "", "unknown"),
        ({"content": "text", "tool_calls": [], "refusal": None}, "stop", "eos"),
    ],
)
def test_what_is_no_ordinary_text_is_told_apart(message: dict[str, Any], reason: object, expected: str) -> None:
    assert read({"choices": [{"message": message, "finish_reason": reason}]}, chat=True).finish_reason == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"message": {"content": None, "reasoning": "hm"}, "stop_reason": "\n\n"}, "thinking"),  # vLLM
        ({"message": {"content": None, "reasoning_content": "hm"}, "matched_stop": "\n\n"}, "thinking"),  # SGLang
        ({"message": {"content": "", "reasoning_content": "hm"}, "stop_reason": "\n\n"}, "thinking"),
        ({"message": {"content": None, "reasoning": "hm"}, "stop_reason": None}, "no_text"),
        ({"message": {"content": None, "reasoning_content": "hm"}, "matched_stop": 151645}, "no_text"),
        ({"message": {"content": None}, "stop_reason": "\n\n"}, "no_text"),
        ({"message": {"content": "a", "reasoning": "hm"}, "stop_reason": "\n\n"}, "stop"),
    ],
)
def test_a_stop_string_may_end_a_thought(choice: dict[str, Any], expected: str) -> None:
    body = {"choices": [{"finish_reason": "stop", **choice}]}
    assert read(body, chat=True, stops=("\n\n",)).finish_reason == expected


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_a_completion_that_broke_off_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match=f"the server ended the completion with `{reason}`"):
        read(answer(reason=reason))


def test_everything_that_was_generated_counts() -> None:
    message = {"content": "an answer", "reasoning": "hm, "}
    assert generated_text({"choices": [{"message": message}]}, chat=True) == "hm, an answer"
    assert generated_text(answer("a b"), chat=False) == "a b"


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("org/model", "model", True),
        ("model", "org/model", True),
        ("Org/Model", "org/model@main", True),
        ("llama3", "llama3:latest", True),
        ("llama-3", "llama-3-8b", False),
        ("a/model", "b/model", False),
        ("model", "other", False),
        ("model", None, True),
        ("model", "", True),
        ("model", 3, True),
    ],
)
def test_another_model_is_told_from_a_version(asked: str, answered: object, expected: bool) -> None:
    assert is_answered_by({"model": answered}, (asked,)) is expected


@pytest.mark.parametrize(
    ("choice", "stops", "expected"),
    [
        ({"finish_reason": "length"}, (), "length"),
        ({"finish_reason": "stop"}, (), "eos"),
        ({"finish_reason": "stop"}, ("x",), "stop"),  # it may be either
        ({"finish_reason": "stop", "stop_reason": None}, ("x",), "eos"),
        ({"finish_reason": "stop", "stop_reason": 2}, ("x",), "eos"),
        ({"finish_reason": "stop", "stop_reason": "x"}, ("x",), "stop"),
        ({"finish_reason": "stop", "matched_stop": "x"}, ("x",), "stop"),
        ({"finish_reason": "eos_token"}, ("x",), "eos"),
        ({"finish_reason": "content_filter"}, (), "filter"),
        ({}, (), "unknown"),
        ({"finish_reason": None, "stop_reason": None}, ("x",), "unknown"),
        ({"finish_reason": None, "stop_reason": "x"}, ("x",), "stop"),
        ({"text": "a x b"}, ("x",), "stop"),  # the stop string ends it, however it goes on
    ],
)
def test_the_reason_to_finish_is_ours(choice: dict[str, Any], stops: tuple[str, ...], expected: str) -> None:
    assert read({"choices": [{"text": "a", **choice}]}, stops=stops).finish_reason == expected


def test_a_stop_text_that_the_server_left_is_cut_off() -> None:
    completion = read(answer("one\n\ntwo stop", "length"), stops=("stop", "\n\n"))
    assert (completion.text, completion.finish_reason) == ("one", "stop")


@pytest.mark.parametrize(
    ("usage", "logprobs", "expected"),
    [
        ({"completion_tokens": 5}, None, 5),
        ({"completion_tokens": "5"}, None, 0),
        ({"completion_tokens": -1}, None, 0),
        ({"completion_tokens": 0}, {"tokens": ["a", "b"]}, 2),
        ({"completion_tokens": 2.5}, None, 0),
        ({"completion_tokens": True}, {"tokens": ["a", "b"]}, 2),
        (None, {"content": [{}, {}, {}]}, 3),
        ("many", "none", 0),
    ],
)
def test_tokens_are_counted_where_that_is_told(usage: object, logprobs: object, expected: int) -> None:
    assert read(answer(usage=usage, logprobs=logprobs)).token_count == expected


@pytest.mark.parametrize(
    "usage",
    [
        {"completion_tokens": 900, "completion_tokens_details": {"reasoning_tokens": 895}},
        {"completion_tokens": 900, "reasoning_tokens": 895},
    ],
)
def test_reasoning_may_exceed_the_limit(usage: object) -> None:
    assert read(answer(usage=usage)).token_count == 900


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "the answer is not a JSON object but list"),
        ({}, "the answer has no choices"),
        ({"choices": None, "error": {"message": "out of memory"}}, "the answer has no choices: out of memory"),
        ({"choices": []}, "the answer has 0 choices instead of 1"),
        ({"choices": [{"text": "a"}, {"text": "b"}]}, "the answer has 2 choices instead of 1"),
        ({"choices": [{"text": None}]}, "the answer's choice has no text"),
        ({"choices": [{"message": {"content": "a"}}]}, "the answer's choice has no text"),
        (
            answer(usage={"completion_tokens": 900, "completion_tokens_details": {"reasoning_tokens": 5}}),
            "the answer has 900 tokens",
        ),
        (answer(usage={"completion_tokens": 10}), "the answer has 10 tokens, though `max_tokens` was 8"),
    ],
)
def test_what_is_no_completion_is_refused(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "text", "message", "content", "usage", "completion_tokens", "logprobs", "error"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_whatever_is_answered_is_a_completion_or_refused(body: object, chat: bool) -> None:
    try:
        completion = read(body, chat=chat)
    except ValueError:
        return
    assert isinstance(completion.text, str)
    assert 0 <= completion.token_count <= 9


@given(JSON)
def test_an_error_message_is_short(body: object) -> None:
    assert len(error_message(body)) <= 303


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"detail": "no"},
        {"message": "no"},
        {"error": "no"},
        "no",
        {"error": '{"error":{"code":400,"message":"no"}}'},  # Ollama
        {"error": '{\n  "error": {"message": "no"}\n}'},
    ],
)
def test_error_messages_are_found(body: object) -> None:
    assert error_message(body) == "no"


INNER = {"error": {"message": "Unsupported parameter: 'max_tokens'", "type": "invalid_request_error", "code": None}}


@pytest.mark.parametrize(
    "raw", [json.dumps(INNER), json.dumps(INNER, indent=2), f"\n{json.dumps(INNER)}", INNER, INNER["error"]["message"]]
)
def test_what_a_gateway_quotes_is_found(raw: object) -> None:
    """OpenRouter's errors have that of the provider in any form."""
    error = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw, "provider_name": "Azure"}}
    assert error_message({"error": error, "user_id": "user_1"}) == "Unsupported parameter: 'max_tokens'"


@pytest.mark.parametrize("metadata", [None, {}, {"raw": ""}, {"reasons": ["violence"]}])
def test_an_error_that_quotes_nothing_has_its_own_message(metadata: object) -> None:
    assert error_message({"error": {"message": "no", "code": 403, "metadata": metadata}}) == "no"
