from collections.abc import Callable
from typing import Any

import pytest
from fake_server import FakeServer, Fault
from server_requests import connected, engine_of, request

from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.errors import ConfigurationError, ModelError, ServerError
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE
from llmsearch_optuna.study.source import Served, read_served


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base_url": "localhost:8000"}, "`base_url` must be like http://localhost:8000/v1, got 'localhost:8000'"),
        ({"base_url": "ftp://host/v1"}, "`base_url` must be like"),
        ({"base_url": "http://host:x/v1"}, "`base_url` must be like"),
        ({"base_url": "http://host/v1#part"}, "`base_url` must be like"),
        ({"base_url": "http://host/v1?api-key=x"}, "the query of `base_url` must hold no secret, as `api-key` may be"),
        ({"kind": "vlm"}, "unknown kind of server `vlm`: did you mean `vllm`?"),
        ({"max_concurrency": 0}, "`max_concurrency` must be >= 1, got 0"),
        ({"timeout_s": 0.0}, "`timeout_s` must be > 0 seconds, got 0.0"),
        ({"timeout_s": float("nan")}, "`timeout_s` must be > 0 seconds, got nan"),
        ({"max_retries": -1}, "`max_retries` must be >= 0, got -1"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        OpenAIServer(**{"base_url": "http://localhost:8000/v1", **wrong})
    assert str(refusal.value).startswith(message)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        OpenAIServer(base_url="https://me:geheim@host/v1")
    assert str(refusal.value) == "`base_url` must hold no user and password: name a variable in `api_key_env`"


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    server = OpenAIServer(base_url="http://host/v1", api_key_env="TEST_KEY")
    monkeypatch.delenv("TEST_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="`api_key_env` names TEST_KEY, but no such environment variable"):
        server.api_key()
    monkeypatch.setenv("TEST_KEY", "sk-\nx")
    with pytest.raises(ConfigurationError, match="TEST_KEY must hold plain ASCII text"):
        server.api_key()
    monkeypatch.setenv("TEST_KEY", "sk-geheim\n")
    assert server.api_key() == "sk-geheim"
    assert "geheim" not in repr(server)
    assert OpenAIServer(base_url="http://host/v1").api_key() is None


@pytest.mark.parametrize(("owner", "kind"), [("vllm", "vllm"), ("sglang", "sglang"), ("llamacpp", "llamacpp")])
def test_a_server_says_what_it_is(server: FakeServer, owner: str, kind: str) -> None:
    server.owner = owner
    connection = connected(server)
    assert (connection.model, connection.kind.name) == ("tiny", kind)
    assert connection.identity == f"tiny ({kind} server)"


def test_one_that_does_not_is_taken_for_the_least(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.owner = "somebody"
    assert connected(server).kind.name == "openai"
    assert "is unknown: only temperature and top_p" in caplog.text
    assert connected(server, kind="vllm").kind.name == "vllm"


def test_the_model_must_be_there(server: FakeServer) -> None:
    with pytest.raises(ModelError, match=r"the server at .*: unknown model `tinny`: did you mean `tiny`"):
        connected(server, model="tinny")
    server.models = ["a", "b"]
    with pytest.raises(ModelError, match=r"`model` must name the model of the server at .*: it has a, b"):
        connected(server)
    assert connected(server, model="b").model == "b"


def test_a_server_need_not_list_its_models(server: FakeServer) -> None:
    server.models = None
    with pytest.raises(ModelError, match=r"it lists none$"):
        connected(server, kind="vllm")
    with pytest.raises(ModelError, match=r"it lists none \(does `base_url` end with /v1\?\)$"):
        connected(server, kind="vllm", base_url=server.base_url.removesuffix("/v1"))
    assert connected(server, kind="vllm", model="x").model == "x"


def test_no_server_is_told_in_one_line() -> None:
    gone = FakeServer()
    gone.close()
    with pytest.raises(ServerError, match=r"^the server at http://127.0.0.1:\d+/v1 cannot be used: no connection"):
        connected(gone)


def test_a_wrong_key_is_told_but_not_shown(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "sk-right"
    with pytest.raises(ServerError, match="status 401: wrong key: ; set `api_key_env`"):
        connected(server)
    monkeypatch.setenv("TEST_KEY", "sk-wrong")
    with pytest.raises(ServerError, match=r"wrong key: \*\*\*; is the key in TEST_KEY right\?"):
        connected(server, api_key_env="TEST_KEY")
    monkeypatch.setenv("TEST_KEY", "sk-right")
    assert connected(server, api_key_env="TEST_KEY").model == "tiny"


def test_a_connection_that_is_lost_is_made_again(server: FakeServer) -> None:
    server.drops_first = 2
    assert connected(server).model == "tiny"
    assert server.drops_first == 0
    server.drops_first = 2
    with pytest.raises(ServerError, match="the connection was lost"):
        connected(server, max_retries=1)


def fails(times: int, fault: Fault) -> Callable[[str], Fault | None]:
    """Let the first GET requests fail."""
    left = iter([fault] * times)
    return lambda path: next(left, None)


LOADING = Fault(status=503, body=b'{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}')


@pytest.mark.parametrize("fault", [LOADING, Fault(status=502, body=b"<html>Bad Gateway"), Fault(status=521)])
def test_a_server_that_is_loading_is_waited_for(server: FakeServer, fault: Fault) -> None:
    server.get_faults = fails(2, fault)
    assert connected(server).kind.name == "vllm"
    assert server.paths[:3] == ["/v1/models"] * 3
    server.get_faults = fails(2, fault)
    with pytest.raises(ServerError, match=f"cannot be used: status {fault.status}"):
        connected(server, max_retries=1)


def test_what_is_only_a_guess_is_not_waited_for(server: FakeServer) -> None:
    server.owner = "somebody"
    server.get_faults = lambda path: None if path == "/v1/models" else LOADING
    assert connected(server).kind.name == "openai"
    assert server.paths == ["/v1/models", "/info", "/openapi.json", "/api/version"]


def test_a_router_need_not_list_all_models(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    """Azure's deployments, and `model:nitro` of OpenRouter."""
    assert connected(server, kind="openai", model="tiny:nitro").model == "tiny:nitro"
    (warning,) = caplog.messages
    assert "unknown model `tiny:nitro`: did you mean `tiny`? (requests ask for it all the same" in warning
    with pytest.raises(ModelError, match="unknown model `tiny:nitro`"):
        connected(server, model="tiny:nitro")


SCOPES = (
    b'{"error": {"message": "You have insufficient permissions for this operation. Missing scopes: api.model.read."}}'
)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_need_not_list_the_models(server: FakeServer, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-right")
    server.key = "sk-right"
    server.get_faults = lambda path: Fault(status=status, body=SCOPES)
    with pytest.raises(ServerError, match=r"TEST_KEY right\? If it may not list the models, set `model` and `kind`$"):
        connected(server, api_key_env="TEST_KEY", model="tiny")
    chosen: dict[str, Any] = {"api_key_env": "TEST_KEY", "model": "tiny", "kind": "openai"}
    assert engine_of(server, **chosen).generate([request()])[0].text
    server.key = "another"
    with pytest.raises(ServerError, match="status 401: wrong key"):
        engine_of(server, **chosen).generate([request()])


@pytest.mark.parametrize(
    ("told", "window"),
    [
        ({"max_model_len": 1024}, 1024),
        ({"meta": {"n_ctx": 512, "n_ctx_train": 8192}}, 512),
        ({"max_model_len": None}, None),
        ({"meta": "none"}, None),
        ({}, None),
    ],
)
def test_the_window_is_in_the_list_of_models(server: FakeServer, told: dict[str, Any], window: int | None) -> None:
    server.told = told
    assert connected(server).window == window


def test_the_identity_is_read_again(server: FakeServer) -> None:
    assert read_served(connected(server).identity) == Served("tiny", "vllm", has_plugin=False)
    assert read_served(connected(server, omit=["seed"]).identity) == Served("tiny", "vllm", has_plugin=False)
    server.plugin = PLUGIN_INTERFACE
    assert read_served(connected(server).identity) == Served("tiny", "vllm", has_plugin=True)
    server.owner = "llamacpp"
    assert read_served(connected(server).identity) == Served("tiny", "llamacpp", has_plugin=False)
