"""What a server says of itself: which model it has, and what kind of server it is."""

import logging
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2

from llmsearch_optuna.engine.http.client import Client
from llmsearch_optuna.engine.http.kinds import KINDS, ServerKind
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.errors import ModelError, unknown_name

__all__ = ["Connection", "connect"]

_LOG = logging.getLogger(__name__)

_MOST_LISTED = 20


class Connection(NamedTuple):
    """A server that is there.

    Attributes:
        server: How it may be asked.
        kind: What it is.
        model: The model's name there.
        max_concurrency: Requests at once.
        tls: What certificates are checked with.
    """

    server: OpenAIServer
    kind: ServerKind
    model: str
    max_concurrency: int
    tls: ssl.SSLContext

    @property
    def identity(self) -> str:
        """Names the model, wherever the server is."""
        return f"{self.model} ({self.kind.name} server)"


async def connect(server: OpenAIServer) -> Connection:
    """Asks a server for its models, and what it is.

    Raises:
        ConfigurationError: The API key is not set.
        ModelError: The server does not have the model, or has several and none is named.
        ServerError: The server cannot be reached, or refuses the API key.
    """
    tls = httpx2.create_ssl_context()
    async with Client(server, 1, tls) as client:
        base = server.base_url.rstrip("/")
        listed = _models(await client.get(f"{base}/models"))
        kind = KINDS[server.kind or await _kind(client, base, listed)]
    model = _model(server, kind, [str(one["id"]) for one in listed])
    return Connection(server, kind, model, server.max_concurrency or kind.max_concurrency, tls)


def _models(answer: Any) -> list[Mapping[str, Any]]:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    return [one for one in data if isinstance(one, Mapping) and "id" in one] if isinstance(data, list) else []


async def _kind(client: Client, base: str, models: list[Mapping[str, Any]]) -> str:
    owners = [one.get("owned_by") for one in models]
    for kind in ("vllm", "sglang", "llamacpp"):
        if kind in owners:
            return kind
    if urlsplit(base).hostname == "api.openai.com":
        return "openai"
    root = base.removesuffix("/v1")
    info = await client.get(f"{root}/info", is_optional=True)
    if isinstance(info, Mapping) and "text-generation" in str(info.get("router", "")):
        return "tgi"
    described = await client.get(f"{root}/openapi.json", is_optional=True)
    paths = described.get("paths") if isinstance(described, Mapping) else None
    if isinstance(paths, Mapping) and "/load_model" in paths and "/v1/chat/completions" in paths:
        return "transformers"
    _LOG.warning(
        "the server at %s does not say what it is: it is taken for one that has only temperature and top_p; "
        "name its kind if it has more",
        base,
    )
    return "openai"


def _model(server: OpenAIServer, kind: ServerKind, names: list[str]) -> str:
    if server.model is None:
        if len(names) == 1:
            return names[0]
        known = f"it has {', '.join(names[:_MOST_LISTED])}" if names else "it does not tell which it has"
        raise ModelError(f"`model` must name the model of the server at {server.base_url}: {known}")
    # `transformers serve` lists what was downloaded before, and loads others.
    if names and server.model not in names and kind.name != "transformers":
        raise ModelError(unknown_name(f"model of the server at {server.base_url}", server.model, names[:_MOST_LISTED]))
    return server.model
