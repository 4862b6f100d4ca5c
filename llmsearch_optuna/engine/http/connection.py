"""Connect to a server: detect its kind and find its model."""

import dataclasses
import json
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2

from llmsearch_optuna.engine.http.answers import nested
from llmsearch_optuna.engine.http.api import API, OpenAIAPI
from llmsearch_optuna.engine.http.client import Client
from llmsearch_optuna.engine.http.ollama import is_ollama, list_models, native_server, show_model
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.errors import ConfigurationError, ModelError, RequestRefusedError, unknown_name
from llmsearch_optuna.space.dialects import DIALECTS, VLLM_WITH_PLUGIN, Dialect
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE, PLUGIN_KEY, PLUGIN_QUERY

__all__ = ["Connection", "connect"]

_LOG = logging.getLogger(__name__)

_MAX_LISTED = 20
_DIGEST_LENGTH = 12  # as `ollama list` shows it


class Connection(NamedTuple):
    """A reachable server.

    Attributes:
        server: The settings.
        kind: The dialect of the server.
        model: The model's name on the server.
        tls: The context that verifies certificates.
        aliases: Other names under which the same model may answer.
        api: How to ask the server, and how it answers.
        digest: Identifies the weights and the settings of the model; empty if the server does not tell.
        default_params: ``(max_new_tokens, generation_seed) -> the model's default parameters``; None if unknown.
        window: The maximum number of tokens of prompt and completion; None if the server does not tell.
    """

    server: OpenAIServer
    kind: Dialect
    model: str
    tls: ssl.SSLContext
    aliases: tuple[str, ...] = ()
    api: API = OpenAIAPI()
    digest: str = ""
    default_params: Callable[[int, int], GenerationParams] | None = None
    window: int | None = None

    @property
    def max_concurrency(self) -> int:
        """The maximum number of simultaneous requests."""
        return self.server.max_concurrency or self.kind.max_concurrency

    @property
    def identity(self) -> str:
        """The model's name and digest, the kind of server and changes of its requests, regardless of the address."""
        drawn = ", llmsearch_optuna draws" if self.kind.plugin else ""
        changes = self.server.request_changes
        described = f", {json.dumps(changes, sort_keys=True, default=str)}" if changes else ""
        model = f"{self.model}@{self.digest}" if self.digest else self.model
        return f"{model} ({self.kind.name} server{drawn}{described})"


async def connect(server: OpenAIServer, *, chat: bool) -> Connection:
    """Connect to a server, find its model, and detect its kind unless `server` sets it.

    Args:
        server: The settings.
        chat: Whether requests go to the chat endpoint.

    Raises:
        ConfigurationError: The API key is not set or cannot be sent, the server has another version of this package's
            plug-in, or Ollama would ignore a setting.
        ModelError: The server does not have the model, or `model` is not set and the server does not list exactly one.
        ServerError: The server cannot be reached, or refuses the API key.
    """
    tls = httpx2.create_ssl_context()
    if server.kind == "ollama":
        return await _connect_ollama(server, tls)
    base = server.base_url.partition("?")[0].rstrip("/")
    # A key need not have the permission to list the models. The kind is detected from the list.
    is_optional = server.model is not None and (server.kind is not None or _is_openai(base))
    key_hint = " If it may not list the models, set `model` and `kind`"
    async with Client(server, 1, tls) as client:
        listed = _models(await client.get(server.address("models"), is_optional=is_optional, key_hint=key_hint))
        has_openai = bool(listed) or base.endswith("/v1")
        if server.kind is None and not has_openai and await is_ollama(client, server):
            return await _connect_ollama(server, tls)
        kind = DIALECTS[server.kind or await _kind(client, server, base, listed)]
        model = _model(server, kind, [str(model["id"]) for model in listed])
        if kind.name == "vllm" and server.probe and await _has_plugin(client, model, chat=chat):
            kind = VLLM_WITH_PLUGIN
    aliases = (*server.model_aliases, *_same_root(model, listed))
    return Connection(server, kind, model, tls, aliases, window=_window(model, listed))


async def _connect_ollama(server: OpenAIServer, tls: ssl.SSLContext) -> Connection:
    """Connect to Ollama's own API; see `connect`."""
    server, kind = native_server(server), DIALECTS["ollama"]
    async with Client(server, 1, tls) as client:
        digests = await list_models(client, server)
        name = server.model
        if name is not None and ":" not in name.rpartition("/")[2]:
            name = f"{name}:latest"
        model = _model(dataclasses.replace(server, model=name), kind, list(digests))
        api, default_params = await show_model(client, server, model)
    digest = digests.get(model, "")[:_DIGEST_LENGTH]
    return Connection(server, kind, model, tls, server.model_aliases, api, digest, default_params)


async def _has_plugin(client: Client, model: str, *, chat: bool) -> bool:
    """Return whether a vLLM server has this package's plug-in, which refuses a request that asks for its interface.

    Raises:
        ConfigurationError: The plug-in is of another version than this package.
    """
    payload: dict[str, Any] = {"model": model, "max_tokens": 1, "vllm_xargs": {PLUGIN_KEY: PLUGIN_QUERY}}
    payload |= {"messages": [{"role": "user", "content": "a"}]} if chat else {"prompt": "a"}
    try:
        await client.post(OpenAIAPI().path(chat=chat), payload, lambda _: None, "the plug-in's request")
    except RequestRefusedError as error:
        interface = re.search(rf"{PLUGIN_KEY} (\S+) is here; {PLUGIN_QUERY}=(\d+)", str(error))
        if interface is None:
            return False
        if int(interface[2]) != PLUGIN_INTERFACE:
            raise ConfigurationError(
                f"the server has the plug-in of llmsearch_optuna {interface[1]}, which does not fit this version: "
                "install the same version of llmsearch_optuna here and beside the server's vLLM"
            ) from error
        return True
    return False


def _models(answer: Any) -> list[Mapping[str, Any]]:
    data = nested(answer, "data")
    return [model for model in data if isinstance(model, Mapping) and "id" in model] if isinstance(data, list) else []


def _same_root(model: str, listed: list[Mapping[str, Any]]) -> list[str]:
    """Return the other names of a model. vLLM lists each name, and answers under the first one."""
    roots = {entry.get("root") for entry in listed if entry["id"] == model and isinstance(entry.get("root"), str)}
    return [str(entry["id"]) for entry in listed if isinstance(entry.get("root"), str) and entry["root"] in roots]


def _window(model: str, listed: list[Mapping[str, Any]]) -> int | None:
    """Return the window of a model in the list of a server: vLLM and SGLang say `max_model_len`, llama.cpp `n_ctx`."""
    entry = next((entry for entry in listed if entry["id"] == model), {})
    window = entry.get("max_model_len", nested(entry, "meta", "n_ctx"))
    return window if isinstance(window, int) and window > 0 else None


def _is_openai(base: str) -> bool:
    return urlsplit(base).hostname == "api.openai.com"


async def _kind(client: Client, server: OpenAIServer, base: str, models: list[Mapping[str, Any]]) -> str:
    owners = [model.get("owned_by") for model in models]
    for kind in ("vllm", "sglang", "llamacpp"):
        if kind in owners:
            return kind
    if _is_openai(base):
        return "openai"
    root = base.removesuffix("/v1")
    if "text-generation" in str(nested(await client.get(f"{root}/info", is_optional=True), "router")):
        return "tgi"
    paths = nested(await client.get(f"{root}/openapi.json", is_optional=True), "paths")
    if isinstance(paths, Mapping) and "/load_model" in paths and "/v1/chat/completions" in paths:
        return "transformers"
    if await is_ollama(client, server):
        _LOG.warning(
            'Ollama at %s is asked by OpenAI\'s API, without top_k, min_p and repetition_penalty: kind = "ollama" has '
            "them",
            base,
        )
        return "openai"
    _LOG.warning(
        "the kind of the server at %s is unknown: only temperature and top_p are available; set `kind` if it has more "
        "parameters",
        base,
    )
    return "openai"


def _model(server: OpenAIServer, kind: Dialect, names: list[str]) -> str:
    if server.model is None:
        if len(names) == 1:
            return names[0]
        available = f"it has {', '.join(names[:_MAX_LISTED])}" if names else "it lists none"
        if not names and kind.name != "ollama" and not server.base_url.partition("?")[0].rstrip("/").endswith("/v1"):
            available += " (does `base_url` end with /v1?)"
        raise ModelError(f"`model` must name the model of the server at {server.base_url}: {available}")
    # `transformers serve` lists only downloaded models and also loads others.
    if names and server.model not in names and kind.name != "transformers":
        unknown = f"the server at {server.base_url}: {unknown_name('model', server.model, names[:_MAX_LISTED])}"
        # Azure lists no deployments, and routers such as OpenRouter list no suffixes (`:nitro`).
        if kind.name != "openai":
            raise ModelError(unknown)
        _LOG.warning("%s (requests ask for it all the same, as such servers need not list all models)", unknown)
    return server.model
