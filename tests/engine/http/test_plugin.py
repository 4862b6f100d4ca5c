"""A vLLM server with this package's plug-in, and without it."""

import json

import pytest
from fake_server import FakeServer
from server_requests import connected, engine_of

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.http import Connection, HTTPEngine, probe_server
from llmsearch_optuna.errors import ConfigurationError, ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE, PLUGIN_KEY

RICH = GenerationParams(temperature=0.8, tfs=0.9, top_a=0.1, no_repeat_ngram_size=3, generation_seed=5)


@pytest.fixture
def plugin_server(server: FakeServer) -> FakeServer:
    server.plugin = PLUGIN_INTERFACE
    return server


def payload(connection: Connection, params: GenerationParams) -> dict[str, object]:
    request = Request(prompt="a b", prompt_ids=(), params=params, stopping=Stopping())
    return HTTPEngine(connection, chat=False).payload(request)


@pytest.mark.parametrize("chat", [False, True])
def test_it_takes_all_parameters_under_our_key(plugin_server: FakeServer, *, chat: bool) -> None:
    connection = connected(plugin_server, chat=chat)
    connection.kind.check_space(SearchSpace.of({"tfs": {"low": 0.5, "high": 1.0}, "temperature": 0.7}))
    sent = payload(connection, RICH)
    assert json.loads(sent["vllm_xargs"][PLUGIN_KEY]) == {  # type: ignore[index]
        "do_sample": True,
        "temperature": 0.8,
        "tfs": 0.9,
        "top_a": 0.1,
        "no_repeat_ngram_size": 3,
        "generation_seed": 5,
    }
    assert (sent["temperature"], sent["repetition_penalty"], sent["top_k"]) == (0.0, 1.0, -1)
    assert "seed" not in sent
    assert connection.identity == "tiny (vllm server, llmsearch_optuna draws)"


def test_without_it_the_parameters_are_vllms_own(server: FakeServer) -> None:
    connection = connected(server)
    assert connection.identity == "tiny (vllm server)"
    with pytest.raises(ParameterError, match="or install this package beside the server's vLLM"):
        payload(connection, RICH)
    assert not server.requests


def test_it_is_not_looked_for_without_the_probe(plugin_server: FakeServer) -> None:
    assert connected(plugin_server, probe=False).kind.plugin is None


def test_beams_are_refused(plugin_server: FakeServer) -> None:
    with pytest.raises(ParameterError, match="`num_beams` is not available"):
        payload(connected(plugin_server), GenerationParams(num_beams=2))


def test_another_version_of_it_is_refused(server: FakeServer) -> None:
    server.plugin = PLUGIN_INTERFACE - 1
    with pytest.raises(ConfigurationError, match=r"the plug-in of llmsearch_optuna 0\.0\.9, which does not fit"):
        connected(server)


def test_the_probe_says_who_draws(server: FakeServer) -> None:
    names = ("temperature", "top_p")
    for plugin, finding in ((None, "not on the server: this package"), (PLUGIN_INTERFACE, "draws the tokens on the")):
        server.plugin = plugin
        findings = probe_server(engine_of(server), names)
        assert finding in findings["plug-in"]
        assert findings["seeds"] == "kept"
        assert ("parameters" in findings) == (plugin is None)
