import asyncio
import json
import logging
import signal
import threading
import time
from collections import Counter
from email.utils import formatdate
from typing import Any

import pytest
from fake_server import FakeServer, Fault
from hypothesis import given
from hypothesis import strategies as st
from server_requests import connected, engine_of, message, request
from tiers import partly_full

from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.http import HTTPEngine, run
from llmsearch_optuna.engine.http.engine import request_seed
from llmsearch_optuna.errors import ConfigurationError, RequestRefusedError, ServerError, TrialError
from llmsearch_optuna.space.params import GenerationParams

REQUESTS = [request(row, temperature=temperature) for temperature in (0.7, 1.5) for row in range(12)]


@pytest.fixture
def expected(server: FakeServer) -> list[Completion]:
    """What a faultless server answers."""
    answers = engine_of(server).generate(REQUESTS)
    server.requests.clear()
    return answers


@pytest.mark.full
def test_answers_come_in_the_order_of_the_requests(server: FakeServer, expected: list[Completion]) -> None:
    assert len({completion.text for completion in expected}) > 12
    counts: list[int] = []
    backwards = engine_of(server).generate(REQUESTS[::-1], counts.append)
    assert backwards == expected[::-1]
    assert sum(counts) == sum(completion.token_count for completion in expected) > 0
    assert all(completion.token_ids == () for completion in expected)


def test_a_completion_does_not_depend_on_the_company(server: FakeServer, expected: list[Completion]) -> None:
    asked = engine_of(server, max_concurrency=3)
    assert [asked.generate([request])[0] for request in REQUESTS] == expected


def test_no_more_requests_than_allowed_run_at_once(server: FakeServer) -> None:
    server.delay_s = 0.02
    engine_of(server, max_concurrency=5).generate(REQUESTS)
    assert server.most_at_once == 5
    assert len(server.requests) == len(REQUESTS)


def test_equal_requests_are_sent_once(server: FakeServer) -> None:
    answers = engine_of(server).generate([request(1), request(2), request(1)])
    assert len(server.requests) == 2
    assert answers[0] == answers[2]


def test_what_is_sent(server: FakeServer) -> None:
    engine_of(server).generate([request(prompt="Hi", stop=("\n",), top_k=3, generation_seed=5)])
    (sent,) = server.requests
    assert sent == {
        "model": "tiny",
        "prompt": "Hi",
        "max_tokens": 6,
        "stop": ["\n"],
        "seed": request_seed(5, "Hi"),
        "temperature": 1.0,
        "top_k": 3,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }


def test_chat_messages_are_sent_as_such(server: FakeServer) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "I"}]
    (completion,) = engine_of(server, chat=True).generate([request(prompt=json.dumps(messages))])
    (sent,) = server.requests
    assert sent["messages"] == messages
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    assert "prompt" not in sent
    assert completion.text


def test_greedy_requests_have_no_seed(server: FakeServer) -> None:
    engine_of(server).generate([request(temperature=0.0)])
    assert "seed" not in server.requests[0]


@given(st.integers(0, 2**32 - 1), st.text())
def test_seeds_are_what_every_server_takes(generation_seed: int, prompt: str) -> None:
    assert 0 <= request_seed(generation_seed, prompt) < 2**31


def test_seeds_differ_and_stay() -> None:
    assert request_seed(1, "prompt") == 2136080822
    assert len({request_seed(seed, f"prompt {row}") for seed in range(50) for row in range(50)}) == 2500


@pytest.mark.full
def test_it_works_where_a_loop_is_running(server: FakeServer, expected: list[Completion]) -> None:
    async def notebook() -> list[Completion]:
        return engine_of(server).generate(REQUESTS)

    assert asyncio.run(notebook()) == expected


# What goes wrong and passes.

PASSING = {
    "500": Fault(status=500, body=b"Internal Server Error"),
    "503": Fault(status=503, body=b'{"error": "loading"}'),
    "429": Fault(status=429, body=b"{}", headers={"retry-after": "0"}),
    "truncated": Fault(body=b'{"choices": [{"te'),
    "cut off": Fault(body=b'{"choices": [', length=4000),
    "no JSON": Fault(body=b"<html>\xff"),
    "deep": Fault(body=b"[" * 100_000),
    "no choice": Fault(body=b'{"choices": []}'),
    "two choices": Fault(body=b'{"choices": [{"text": "a"}, {"text": "b"}]}'),
    "too many tokens": Fault(body=b'{"choices": [{"text": "a"}], "usage": {"completion_tokens": 900}}'),
    "dropped": Fault(drop=True),
}


@pytest.mark.full
@pytest.mark.parametrize("name", partly_full(PASSING, fast=["500", "truncated"]))
def test_what_passes_changes_nothing(server: FakeServer, expected: list[Completion], name: str) -> None:
    fault = PASSING[name]
    tries: Counter[str] = Counter()

    def faults(sent: dict[str, Any], number: int) -> Fault | None:
        key = f"{sent['prompt']} {sent['temperature']}"
        tries[key] += 1
        return fault if tries[key] <= number % 3 else None

    server.faults = faults
    assert engine_of(server).generate(REQUESTS) == expected
    assert len(server.requests) > len(REQUESTS)


@pytest.mark.full
def test_a_slow_answer_is_asked_for_again(server: FakeServer, expected: list[Completion]) -> None:
    server.faults = lambda sent, number: Fault(delay_s=2.0) if number < 2 else None
    assert engine_of(server, timeout_s=1.0).generate(REQUESTS) == expected


@pytest.mark.full
@pytest.mark.parametrize("as_date", [False, True])
def test_the_server_says_when_to_ask_again(server: FakeServer, as_date: bool) -> None:
    wait = formatdate(time.time() + 2.0, usegmt=True) if as_date else "0.5"
    server.faults = lambda sent, number: Fault(status=429, headers={"retry-after": wait}) if number == 0 else None
    started = time.monotonic()
    engine_of(server, max_concurrency=1).generate(REQUESTS[:3])
    assert time.monotonic() - started >= 0.5


@pytest.mark.full
def test_all_wait_when_one_is_told_to(server: FakeServer) -> None:
    server.delay_s = 0.05
    server.faults = lambda sent, number: Fault(status=429, headers={"retry-after": "1"}) if number == 0 else None
    engine_of(server, max_concurrency=2).generate(REQUESTS[:8])
    assert sum(come < server.times[0] + 0.9 for come in server.times) <= 3


def test_nobody_waits_for_an_hour(server: FakeServer) -> None:
    server.faults = lambda sent, number: Fault(status=429, headers={"retry-after": "3600"})
    with pytest.raises(ServerError, match="it asks to wait 3600 s; status 429"):
        engine_of(server).generate(REQUESTS)


# What does not pass.


def on_row(row: int, fault: Fault) -> Any:
    return lambda sent, number: fault if sent["prompt"] == f"What is {row}?" else None


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (PASSING["500"], "status 500: Internal Server Error"),
        (PASSING["truncated"], "17 bytes that are not JSON"),
        (PASSING["two choices"], "the answer has 2 choices instead of 1"),
        (PASSING["dropped"], "the connection was lost"),
        (Fault(body=b" " * 2**20 * 17), "an answer of more than 16 MiB"),
        (Fault(delay_s=2.5), "no answer within 1 s"),
    ],
)
def test_a_request_that_is_never_answered_is_named(server: FakeServer, fault: Fault, reason: str) -> None:
    server.faults = on_row(7, fault)
    asked = engine_of(server, max_retries=2, timeout_s=1.0 if fault.delay_s else 60.0)
    with pytest.raises(TrialError) as failure:
        asked.generate(REQUESTS[:12])
    assert str(failure.value).startswith(f"row 7: 3 attempts failed, the last with: {reason}")
    assert fault.delay_s or len(server.requests) == 11 + 3


def test_a_request_that_is_refused_is_not_sent_again(server: FakeServer) -> None:
    body = json.dumps({"error": {"message": "the prompt is too long: \x1b[31m 9 > 8"}}).encode()
    server.faults = on_row(3, Fault(status=400, body=body))
    with pytest.raises(RequestRefusedError) as failure:
        engine_of(server).generate(REQUESTS[:12])
    assert str(failure.value) == (
        r"row 3: the server refuses the request with status 400: the prompt is too long: \x1b[31m 9 > 8"
    )
    assert len(server.requests) == 12


@pytest.mark.full
def test_what_is_answered_is_not_asked_for_again(server: FakeServer, expected: list[Completion]) -> None:
    """A call fails as a whole; the search then asks for each trial on its own."""
    server.faults = lambda sent, number: (
        Fault(status=400)
        if (sent["prompt"], sent["temperature"])
        == (
            "What is 7?",
            0.7,
        )
        else None
    )
    asked = engine_of(server)
    with pytest.raises(TrialError):
        asked.generate(REQUESTS)
    assert len(server.requests) == len(REQUESTS)
    with pytest.raises(TrialError, match="row 7"):
        asked.generate(REQUESTS[:12])
    assert asked.generate(REQUESTS[12:]) == expected[12:]
    assert len(server.requests) == len(REQUESTS)
    server.faults = lambda sent, number: None
    assert asked.generate(REQUESTS[:12]) == expected[:12]


def test_outcomes_of_a_failed_call_are_forgotten_when_the_caller_goes_on(server: FakeServer) -> None:
    server.faults = on_row(0, Fault(status=400))
    asked = engine_of(server)
    requests = [request(row) for row in range(4)]
    with pytest.raises(RequestRefusedError, match=r"^row 0: "):
        asked.generate(requests)
    assert len(server.requests) == 4
    asked.generate(requests[1:2])  # known
    assert len(server.requests) == 4
    asked.generate([request(9)])
    asked.generate(requests[1:])
    assert len(server.requests) == 4 + 1 + 3


def test_all_rows_that_failed_are_named(server: FakeServer) -> None:
    server.faults = lambda sent, number: Fault(status=400, body=b'{"error": "no"}') if number % 3 else None
    with pytest.raises(RequestRefusedError) as failure:
        engine_of(server, max_concurrency=1).generate([request(row) for row in range(15)])
    assert str(failure.value) == (
        "row 1: the server refuses the request with status 400: no; requests of 10 rows failed: 1, 2, 4, 5, 7, 8 and "
        "4 more"
    )


# What a server does not take under this name.


def test_max_tokens_may_have_another_name(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    expected = engine_of(server, kind="openai").generate([request(row) for row in range(3)])
    server.refused = {"max_tokens"}
    server.requests.clear()
    asked = engine_of(server, kind="openai", max_concurrency=1)
    assert [asked.generate([request(row)])[0] for row in range(3)] == expected
    assert [[name for name in sent if "tokens" in name] for sent in server.requests] == [
        ["max_tokens"],
        *[["max_completion_tokens"]] * 3,
    ]
    assert caplog.text.count("the server refuses `max_tokens`: `max_completion_tokens` is sent in its place") == 1


def test_a_server_that_knows_neither_name_is_quoted_with_the_first(server: FakeServer) -> None:
    server.refused = {"max_tokens", "max_completion_tokens"}
    with pytest.raises(RequestRefusedError, match="'max_tokens' is not supported with this model"):
        engine_of(server, kind="openai").generate([request()])
    assert [name for sent in server.requests for name in sent if "tokens" in name] == [
        "max_tokens",
        "max_completion_tokens",
    ]


def test_a_limit_that_is_too_large_is_no_other_name(server: FakeServer) -> None:
    server.faults = lambda sent, number: Fault(status=400, body=b'{"error": "max_tokens is too large: 6 > 4"}')
    with pytest.raises(RequestRefusedError, match="max_tokens is too large"):
        engine_of(server).generate([request()])
    assert len(server.requests) == 1


def test_values_without_effect_need_not_be_sent(server: FakeServer) -> None:
    server.refused = {"max_tokens", "temperature", "top_p", "seed"}
    asked = engine_of(server, kind="openai")
    assert asked.generate([request()])[0].text
    assert set(server.requests[-1]) == {"model", "prompt", "max_completion_tokens"}
    with pytest.raises(RequestRefusedError, match=r"does not take `temperature` = 0.5: leave it out of the space$"):
        asked.generate([request(temperature=0.5)])
    with pytest.raises(RequestRefusedError, match=r"does not take `top_p` = 0.3: leave it out of the space$"):
        asked.generate([request(top_p=0.3)])
    with pytest.raises(RequestRefusedError, match=r"set do_sample = true in the space, or for a judge omit"):
        asked.generate([request(temperature=0.0)])


def test_a_server_may_take_one_of_two_fields(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    """Claude 4 on Bedrock, behind LiteLLM."""
    message = (
        'litellm.BadRequestError: BedrockException - {"message":"The model returned the following errors: '
        '`temperature` and `top_p` cannot both be specified for this model. Please use only one."}'
    )
    refusal = Fault(status=400, body=json.dumps({"error": {"message": message, "code": "400"}}).encode())
    server.faults = lambda sent, number: refusal if {"temperature", "top_p"} <= sent.keys() else None
    asked = engine_of(server, kind="openai")
    cases: tuple[tuple[dict[str, Any], dict[str, float]], ...] = (
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"temperature": 1.0, "top_p": 0.5}, {"top_p": 0.5}),
    )
    for params, left in cases:
        assert asked.generate([request(**params)])[0].text
        assert {
            name: server.requests[-1][name] for name in ("temperature", "top_p") if name in server.requests[-1]
        } == left
    assert caplog.text.count("its default, 1, is not sent") == 2
    with pytest.raises(RequestRefusedError, match=r"leave one of them out of the space, or fix it to 1$"):
        asked.generate([request(temperature=0.5, top_p=0.5)])


# Answers that are no ordinary text, from another model, or without a number of tokens.


def answered(**choice: Any) -> Any:
    """Change the choice in an answer, on rows below 2."""

    def alter(sent: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if any(f"What is {row}?" in json.dumps(sent) for row in (0, 1)):
            answer["choices"][0] |= choice
        return answer

    return alter


def test_answers_without_a_text_are_warned_of_once(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.alter = answered(message={"content": None, "tool_calls": [{}]}, finish_reason="tool_calls")
    asked = engine_of(server, chat=True)
    requests = [request(row, message(f"What is {row}?")) for row in range(4)]
    completions = asked.generate(requests)
    assert [completion.finish_reason == "tool" for completion in completions] == [True, True, False, False]
    assert completions[0].text == ""
    asked.generate(requests)
    warning = (
        "answers of the server: 2 x a tool call in place of a text (rows 0, 1); they are scored as they are, and "
        "counted in verdict and report"
    )
    assert caplog.messages == [warning]


def test_a_hidden_thought_that_reaches_the_limit_is_an_empty_answer(server: FakeServer) -> None:
    """OpenAI's reasoning models answer with an error, also behind gateways."""
    text = (
        "Could not finish the message because max_tokens or model output limit was reached. Please try again with "
        "higher max_tokens."
    )
    error = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
    quoted = {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps({"error": error})}}
    bodies = {f"What is {row}?": json.dumps({"error": body}).encode() for row, body in enumerate((error, quoted))}

    def faults(sent: dict[str, Any], number: int) -> Fault | None:
        body = bodies.get(sent["messages"][0]["content"])
        return None if body is None else Fault(status=400, body=body)

    server.faults = faults
    asked = engine_of(server, chat=True, kind="openai")
    completions = asked.generate([request(row, message(f"What is {row}?")) for row in range(4)])
    assert [done.finish_reason == "thinking" for done in completions] == [True, True, False, False]
    assert [(done.text, done.token_count, done.thinking_token_count) for done in completions[:2]] == [("", 6, 6)] * 2
    assert len(server.requests) == 4
    assert asked.count_description == "reported"


def test_an_unknown_reason_is_named(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.alter = answered(finish_reason="moderation_pause")
    completions = engine_of(server, max_concurrency=1).generate([request(row) for row in range(4)])
    assert [completion.finish_reason == "unknown" for completion in completions] == [True, True, False, False]
    named, rows = caplog.messages
    assert named == "row 0: the server ended the answer for the reason `moderation_pause`"
    assert rows.startswith("answers of the server: 2 x ended for a reason that is not known (rows 0, 1); they are ")


def test_a_missing_reason_is_warned_of_once(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.alter = answered(finish_reason=None)
    asked = engine_of(server, max_concurrency=1)
    for _ in range(2):
        assert [done.finish_reason for done in asked.generate([request(0), request(1)])] == ["unknown", "unknown"]
    named, rows = caplog.messages
    assert named == ("row 0: the answer has no `finish_reason`, so it may be incomplete: check the server or its proxy")
    assert rows.startswith("answers of the server: 2 x ended for a reason that is not known (rows 0, 1); they are ")


def test_an_answer_from_another_model_is_refused(server: FakeServer) -> None:
    server.alter = lambda sent, answer: {**answer, "model": "other" if "2?" in sent["prompt"] else "tiny@main"}
    requests = [request(row) for row in range(4)]
    message = (
        "row 2: the answer comes from the model `other`, not from `tiny`: if the two are the same, set `model_aliases` "
        "of the server"
    )
    with pytest.raises(TrialError) as failure:
        engine_of(server).generate(requests)
    assert str(failure.value) == message
    assert len(server.requests) == 4  # not asked for again
    assert len(engine_of(server, model_aliases=("other",)).generate(requests)) == 4


@pytest.mark.parametrize("usage", [None, {}, {"completion_tokens": -5}, {"completion_tokens": 0}, {"total_tokens": 9}])
def test_tokens_that_are_not_reported_are_estimated_or_counted(
    server: FakeServer, caplog: pytest.LogCaptureFixture, usage: object
) -> None:
    server.alter = lambda sent, answer: {**answer, "usage": usage}
    (completion,) = engine_of(server).generate([request()])
    assert completion.token_count == -(-len(completion.text) // 4) > 0
    assert completion.count_is_estimate
    assert caplog.messages == [
        "the server does not report how many tokens it generates; not reported: estimated as one per 4 bytes of text"
    ]
    counting = HTTPEngine(connected(server), chat=False, count_tokens=lambda text: len(text.split()))
    (counted,) = counting.generate([request()])
    assert (counted.token_count, counted.count_is_estimate) == (len(counted.text.split()), False)
    assert counting.count_description == "not reported: counted with the tokenizer"


def test_an_empty_text_has_a_token(server: FakeServer) -> None:
    server.alter = lambda sent, answer: {"choices": [{"text": "", "finish_reason": "stop"}]}
    assert engine_of(server).generate([request()])[0].token_count == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504, 521, 529])
def test_a_server_that_stays_overloaded_ends_it(server: FakeServer, status: int) -> None:
    server.faults = lambda sent, number: Fault(status=status, body=b"busy")
    with pytest.raises(ServerError, match=f"3 attempts failed, the last with: status {status}: busy"):
        engine_of(server, max_retries=2).generate(REQUESTS)


def test_a_proxy_does_not_stand_for_its_server(server: FakeServer) -> None:
    asked = engine_of(server, max_retries=1)
    server.faults = lambda sent, number: Fault(status=500)
    server.get_faults = lambda path: Fault(status=521, body=b"Web server is down")
    with pytest.raises(ServerError, match="cannot be used: status 521: Web server is down"):
        asked.generate(REQUESTS)


def test_a_server_that_dies_ends_it_and_what_it_answered_is_kept(
    server: FakeServer, expected: list[Completion]
) -> None:
    asked = engine_of(server, max_retries=1, max_concurrency=4)
    server.faults = lambda sent, number: Fault(status=503) if number >= 10 else None
    with pytest.raises(ServerError):
        asked.generate(REQUESTS)
    server.faults = lambda sent, number: None
    answered = len(server.requests)
    assert asked.generate(REQUESTS) == expected
    # Of the ten that were answered, up to three were still on their way.
    assert len(REQUESTS) - 10 <= len(server.requests) - answered <= len(REQUESTS) - 7


QUOTA = "You exceeded your current quota, please check your plan and billing details."
NO_MONEY = {
    "OpenAI": (
        429,
        {"message": QUOTA, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"},
        QUOTA,
    ),
    "DeepSeek": (402, {"message": "Insufficient Balance", "code": "invalid_request_error"}, "Insufficient Balance"),
    "OpenRouter": (402, {"message": "Insufficient credits", "code": 402}, "Insufficient credits"),
}


@pytest.mark.parametrize("name", NO_MONEY)
def test_no_money_is_no_rate_limit(server: FakeServer, name: str) -> None:
    status, error, message = NO_MONEY[name]
    server.faults = lambda sent, number: Fault(status=status, body=json.dumps({"error": error}).encode())
    with pytest.raises(ServerError, match=f"cannot be used: status {status}: {message}"):
        engine_of(server, max_concurrency=1).generate(REQUESTS)
    assert len(server.requests) == 1


HINT = "; is the model's name right, and does `base_url` end with /v1?"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=404, body=b'{"detail": "Not Found"}'), f"status 404: Not Found{HINT}"),
        (Fault(status=405, body=b'{"detail": "Method Not Allowed"}'), f"status 405: Method Not Allowed{HINT}"),
        (Fault(status=404, body=b"<!DOCTYPE html>\n<html>no"), f"status 404: a web page (HTML){HINT}"),
        (
            Fault(body=b"\n<HTML>\n<body>", headers={"content-type": "text/html; charset=utf-8"}),
            f"2 attempts failed, the last with: a web page (HTML) in place of JSON{HINT}",
        ),
        (
            Fault(body=b'data: {"choices": [{"text": "a"}]}\n\ndata: [DONE]\n\n'),
            "it streams its answers, although no request asks for it: turn that off in the server or its proxy",
        ),
    ],
)
def test_what_is_no_such_api_is_told(server: FakeServer, fault: Fault, message: str) -> None:
    server.faults = lambda sent, number: fault
    with pytest.raises(ServerError) as failure:
        engine_of(server, max_retries=1).generate(REQUESTS)
    assert str(failure.value) == f"the server at {server.base_url} cannot be used: {message}"


def test_the_key_is_sent_and_nowhere_else(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = "sk-geheim"
    monkeypatch.setenv("TEST_KEY", "sk-geheim")
    asked = engine_of(server, api_key_env="TEST_KEY", max_retries=1)
    asked.generate([request()])
    assert server.headers[0]["Authorization"] == "Bearer sk-geheim"
    server.faults = lambda sent, number: Fault(status=500, body=b'{"error": "key sk-geheim is fine"}')
    with pytest.raises(TrialError, match=r"key \*\*\* is fine"):
        asked.generate([request()])
    server.key = "another"
    server.faults = lambda sent, number: None
    with pytest.raises(ServerError, match=r"wrong key: \*\*\*; is the key in TEST_KEY right"):
        asked.generate([request()])
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    "stopping", [Stopping(eos_token_ids=(1,)), Stopping(sequences=((1, 2),)), Stopping(criteria=(bool,))]
)
def test_ends_that_a_server_does_not_know_are_refused(server: FakeServer, stopping: Stopping) -> None:
    stopped = Request(prompt="x", prompt_ids=(), params=GenerationParams(), stopping=stopping)
    with pytest.raises(ConfigurationError, match="a server ends completions only at its own end token"):
        engine_of(server).generate([stopped])
    with pytest.raises(ConfigurationError, match="`openai` takes at most 4 `stop` strings, got 5"):
        engine_of(server, kind="openai").generate([request(stop=("a", "b", "c", "d", "e"))])


def test_ctrl_c_in_a_notebook_ends_the_requests() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            main = threading.main_thread().ident
            assert main is not None
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
            await asyncio.sleep(600.0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def notebook() -> None:
        with pytest.raises(KeyboardInterrupt):
            run(endless())
        ended.append("interrupted")

    loop = asyncio.new_event_loop()  # without the handler of `asyncio.run`, as in a notebook
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have tests ignore it
    try:
        loop.run_until_complete(notebook())
    finally:
        loop.close()
        signal.signal(signal.SIGINT, before)
    assert ended == ["cancelled", "interrupted"]


def test_what_a_server_does_not_tell_is_no_hindrance(server: FakeServer) -> None:
    """Owners of any kind, and a gateway that keeps to itself what is not below /v1."""
    server.owner = ["a", "list"]
    server.closed = ("/info", "/openapi.json")
    assert connected(server).kind.name == "openai"


def test_of_many_retries_a_few_are_shown(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.faults = lambda sent, number: Fault(status=429, headers={"retry-after": "0"}) if number < 20 else None
    with caplog.at_level(logging.INFO, logger="llmsearch_optuna"):
        engine_of(server, max_concurrency=8).generate(REQUESTS)
    assert sum("; retrying in" in message for message in caplog.messages) == 5
    assert [message for message in caplog.messages if "max_concurrency" in message] == [
        "the server limits the requests: if it refuses many, set a `max_concurrency` of less than 8"
    ]


def test_a_refused_field_can_be_left_out(server: FakeServer) -> None:
    server.refused = {"min_p"}
    with pytest.raises(TrialError, match=r'leave `min_p` out of the space, and add it to .*: omit = \["min_p"\]'):
        engine_of(server).generate(REQUESTS)
