import json
from typing import Any

import pytest
from fake_server import FakeServer, Fault

from llmsearch_optuna.engine.http import HTTPEngine, OpenAIServer, connect, probe_server, run
from llmsearch_optuna.errors import ParameterError, ServerError

NAMES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def probe(server: FakeServer, names: tuple[str, ...] = NAMES, **changes: Any) -> dict[str, str]:
    connection = run(connect(OpenAIServer(base_url=server.base_url, **changes)))
    return probe_server(HTTPEngine(connection, chat=False), connection, names, str)


def test_a_good_server_passes(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    assert probe(server) == {
        "seeds": "kept",
        "numbers of tokens": "reported",
        "parameters": "min_p, repetition_penalty, temperature, top_k, top_p take effect",
    }
    assert not caplog.records
    assert len(server.requests) < 50


@pytest.mark.sampled(3)
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
    assert probe(server)["seeds"] == "not kept among simultaneous requests; max_concurrency = 1 may help"
    assert probe(server, max_concurrency=1)["seeds"] == "kept"


def test_tokens_that_are_not_counted_are_warned_of(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.tells_tokens = False
    assert probe(server, ())["numbers of tokens"] == "not reported: a limit on tokens has no effect"
    assert "does not report how many tokens it generates" in caplog.text


def test_a_server_that_is_gone_is_no_finding(server: FakeServer) -> None:
    server.faults = lambda sent, number: Fault(status=503)
    with pytest.raises(ServerError):
        probe(server, max_retries=1)


def test_chats_are_probed_as_chats(server: FakeServer) -> None:
    connection = run(connect(OpenAIServer(base_url=server.base_url)))
    findings = probe_server(
        HTTPEngine(connection, chat=True),
        connection,
        ("top_k",),
        lambda text: json.dumps([{"role": "user", "content": text}]),
    )
    assert findings["parameters"] == "top_k take effect"
    assert all("messages" in sent for sent in server.requests)
