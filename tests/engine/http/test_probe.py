import json
from typing import Any

import pytest
from fake_server import FakeServer, Fault
from server_requests import engine_of

from llmsearch_optuna.engine.http import probe_server
from llmsearch_optuna.errors import ParameterError, ServerError

NAMES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def probe(server: FakeServer, names: tuple[str, ...] = NAMES, *, chat: bool = False, **changes: Any) -> dict[str, str]:
    findings = probe_server(engine_of(server, chat=chat, **changes), names)
    findings.pop("plug-in", None)  # has tests of its own
    return findings


def test_a_good_server_passes(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    assert probe(server) == {
        "seeds": "kept",
        "numbers of tokens": "reported",
        "parameters": "min_p, repetition_penalty, temperature, top_k, top_p take effect",
    }
    assert not caplog.records
    assert len(server.requests) < 50


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_that_is_ignored_is_found(server: FakeServer, name: str) -> None:
    server.ignored = {name}
    with pytest.raises(ParameterError, match=f"^`{name}` has no effect on the server: "):
        probe(server)
    # The others are none the worse for it.
    probe(server, tuple(other for other in NAMES if other != name))


def test_a_parameter_that_is_refused_is_told(server: FakeServer) -> None:
    server.faults = lambda sent, number: (
        Fault(status=422, body=b'{"detail": "min_p is not allowed"}') if sent["min_p"] else None
    )
    with pytest.raises(ParameterError, match=r"^the server refuses `min_p`: .* status 422: min_p is not allowed"):
        probe(server)


MISTRAL = {
    "object": "error",
    "message": {
        "detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than or equal to 1.5", "input": 2.0}]
    },
    "type": "invalid_request_error",
}
CLAUDE = {
    "error": {
        "message": 'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":'
        '"invalid_request_error","message":"temperature: range: 0..1"}}',
        "type": None,
        "code": "400",
    }
}


@pytest.mark.parametrize(("body", "status", "maximum"), [(MISTRAL, 422, 1.5), (CLAUDE, 400, 1.0)])
def test_a_server_need_not_take_a_temperature_of_2(
    server: FakeServer, body: dict[str, Any], status: int, maximum: float
) -> None:
    refusal = Fault(status=status, body=json.dumps(body).encode())
    server.faults = lambda sent, number: refusal if sent["temperature"] > maximum else None
    assert probe(server)["parameters"] == "min_p, repetition_penalty, temperature, top_k, top_p take effect"
    hot = [sent for sent in server.requests if sent["temperature"] > maximum]
    assert 0 < len(hot) <= 5  # it is tried once
    server.ignored = {"top_k"}
    with pytest.raises(ParameterError, match="`top_k` has no effect on the server"):
        probe(server)


def test_a_server_may_want_16_tokens(server: FakeServer) -> None:
    """OpenAI's Responses API behind OpenRouter."""
    message = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 12 instead."
    refusal = Fault(status=400, body=json.dumps({"error": {"message": message}}).encode())
    server.faults = lambda sent, number: refusal if sent["max_tokens"] < 16 else None
    assert probe(server)["seeds"] == "kept"


def test_seeds_that_are_ignored_are_warned_of(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.ignored = {"seed"}
    findings = probe(server)
    assert findings["seeds"] == "not kept: one seed gave two texts"
    assert "top_k" in findings["parameters"]
    assert "the server's completions are not reproducible: not kept: one seed gave two texts" in caplog.text


@pytest.mark.full
def test_seeds_that_hold_only_alone_are_warned_of(server: FakeServer) -> None:
    server.company = True
    server.delay_s = 0.05
    assert probe(server)["seeds"] == (
        "not kept among simultaneous requests; max_concurrency = 1 may help; VLLM_BATCH_INVARIANT=1 on the server "
        "does, on NVIDIA GPUs from compute capability 8.0 on"
    )
    assert probe(server, max_concurrency=1)["seeds"] == "kept"


def test_tokens_that_are_not_counted_are_warned_of(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.tells_tokens = False
    expected = "not reported: estimated as one per 4 bytes of text"
    assert probe(server, ())["numbers of tokens"] == expected
    assert "does not report how many tokens it generates" in caplog.text


def test_a_server_that_is_gone_is_no_finding(server: FakeServer) -> None:
    server.faults = lambda sent, number: Fault(status=503)
    with pytest.raises(ServerError):
        probe(server, max_retries=1)


def test_chats_are_probed_as_chats(server: FakeServer) -> None:
    assert probe(server, ("top_k",), chat=True)["parameters"] == "top_k take effect"
    assert all("messages" in sent for sent in server.requests)


@pytest.mark.full
def test_the_reasoning_of_a_server_is_evidence(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.reasons = 10**6
    findings = probe(server, ("temperature", "top_k", "repetition_penalty"), chat=True)
    assert findings["seeds"] == "kept"
    assert findings["parameters"] == "repetition_penalty, temperature, top_k take effect"
    assert {sent["max_tokens"] for sent in server.requests} == {16}
    assert not caplog.records
    server.ignored = {"seed"}
    assert probe(server, (), chat=True)["seeds"] == "not kept: one seed gave two texts"
    server.ignored = {"top_k"}
    with pytest.raises(ParameterError, match=r"`top_k` has no effect on the server: .*\(probe = false\)"):
        probe(server, ("top_k",), chat=True)


def test_hidden_reasoning_gets_more_tokens(server: FakeServer) -> None:
    server.reasons, server.tells_reasoning = 100, False
    findings = probe(server, ("temperature", "top_k"), chat=True)
    assert (findings["seeds"], findings["parameters"]) == ("kept", "temperature, top_k take effect")
    assert [sent["max_tokens"] for sent in server.requests[:3]] == [16, 256, 256]


@pytest.mark.parametrize("content", [None, ""])
def test_empty_texts_are_no_evidence(server: FakeServer, caplog: pytest.LogCaptureFixture, content: str | None) -> None:
    server.alter = lambda sent, answer: {
        **answer,
        "choices": [{"message": {"content": content}, "finish_reason": "length"}],
    }
    findings = probe(server, chat=True)
    assert findings["seeds"] == "not probed: the server's texts are empty"
    assert findings["parameters"] == "min_p, repetition_penalty, temperature, top_k, top_p not probed"
    assert [sent["max_tokens"] for sent in server.requests[:4]] == [16, 256, 1024, 16]
    (warning,) = caplog.messages
    assert "nothing is known of seeds and parameters; probe = false leaves the probe out" in warning
    server.refused = {"min_p"}
    with pytest.raises(ParameterError, match=r"the server refuses a request of the kind `vllm`: .*'min_p'"):
        probe(server, ("min_p",), chat=True)


@pytest.mark.full
def test_openais_reasoning_models_are_refused_in_one_line_or_probed(server: FakeServer) -> None:
    server.owner, server.refused = "openai", {"max_tokens", "top_p"}
    findings = probe(server, ("temperature",), chat=True)
    assert findings["parameters"] == "temperature take effect"
    assert set(server.requests[-1]) == {"model", "messages", "max_completion_tokens", "temperature", "seed"}
    server.refused |= {"temperature"}
    with pytest.raises(
        ParameterError, match=r"^the server refuses `temperature`: .*takes? `temperature` = 0.001: leave it out"
    ):
        probe(server, ("temperature",), kind="openai", chat=True)
