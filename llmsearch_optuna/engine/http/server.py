"""The settings of an OpenAI-compatible server."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from llmsearch_optuna.errors import ConfigurationError, check_minimum, unknown_name
from llmsearch_optuna.space.dialects import DIALECTS

__all__ = ["OpenAIServer"]

_SECRET = re.compile(r"key|token|secret|sig|pass|auth|code", re.IGNORECASE)
_RESERVED = ("model", "messages", "prompt", "stream", "n")


@dataclass(frozen=True, kw_only=True)
class OpenAIServer:
    """A server with OpenAI's API (vLLM, SGLang, llama.cpp, TGI, `transformers serve`, OpenAI itself), or Ollama.

    Attributes:
        base_url: The address of the API, e.g. ``http://localhost:8000/v1``, or ``http://localhost:11434`` for Ollama.
            It may have a query, such as ``?api-version=2026-01-01``, which every request gets, but no key.
        model: The model's name on the server; optional if the server has only one.
        kind: The kind of server, which determines the names of the parameters: ``"vllm"``, ``"sglang"``,
            ``"llamacpp"``, ``"ollama"``, ``"tgi"``, ``"transformers"`` or ``"openai"`` (any other). Detected by
            default. ``"ollama"`` is Ollama's own API, which is not detected at an address that ends with ``/v1``.
        api_key_env: The environment variable that holds the API key. The key itself is neither stored nor logged.
        max_concurrency: The maximum number of simultaneous requests, by default 32. For Ollama, the default is 4: it
            generates one completion at a time unless OLLAMA_NUM_PARALLEL is set. For `transformers serve`, it is 1: the
            server also generates one at a time, and mixes up the seeds of simultaneous requests.
        timeout_s: The maximum duration of one attempt at a request in seconds.
        max_retries: The maximum number of retries of a request if the server is overloaded, fails, is too slow or drops
            the connection. The delay before a retry is random, between half and all of 0.5 s, 1 s, 2 s, ..., at most a
            minute. If the server asks for a delay, it is added. If it asks for more than 10 minutes, the search stops.
        probe: Whether to check before a search that the server reproduces seeds and applies the parameters, and whether
            a vLLM server has this package's plug-in.
        model_aliases: Further names under which the server may answer for the model. An answer from a model of another
            name fails its trial. A version such as ``-2024-08-06``, ``@main`` or ``:latest`` does not make it another
            name.
        omit: Fields of requests that are not sent, such as ``"seed"``. Fields that the server refuses are left out or
            renamed automatically if this does not change the meaning of the request.
        rename: Field -> the name under which it is sent.
        extra_body: Further fields of every request, which replace others of the same name. The entries of Ollama's
            table `options` are replaced one by one.

    Raises:
        ConfigurationError: A value is out of range, the URL is invalid, or the kind is unknown.
    """

    base_url: str
    model: str | None = None
    kind: str | None = None
    api_key_env: str | None = None
    max_concurrency: int | None = None
    timeout_s: float = 600.0
    max_retries: int = 6
    probe: bool = True
    model_aliases: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict, hash=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self._check_url()
        if self.kind is not None and self.kind not in DIALECTS:
            raise ConfigurationError(unknown_name("kind of server", self.kind, DIALECTS))
        check_minimum("max_concurrency", self.max_concurrency, 1)
        check_minimum("max_retries", self.max_retries, 0)
        if not 0.0 < self.timeout_s < math.inf:
            raise ConfigurationError(f"`timeout_s` must be > 0 seconds, got {self.timeout_s}")
        if isinstance(self.model_aliases, str) or not all(isinstance(name, str) for name in self.model_aliases):
            raise ConfigurationError(f"`model_aliases` must be a list of names, got {self.model_aliases!r}")
        for option in ("omit", "rename", "extra_body"):
            names = getattr(self, option)
            if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
                raise ConfigurationError(f"`{option}` must name fields of requests, got {names!r}")
            if reserved := sorted({*names} & set(_RESERVED)):
                raise ConfigurationError(f"`{option}` must not hold `{reserved[0]}`, which the package needs")

    def address(self, path: str) -> str:
        """Return the address of a part of the API, such as ``models``, with the query of `base_url`."""
        url = urlsplit(self.base_url)
        return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/{path}"))

    def renamed(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields of a request without those in `omit`, under the names in `rename`."""
        return {self.rename.get(name, name): value for name, value in fields.items() if name not in self.omit}

    @property
    def address_hint(self) -> str:
        """What to check if the server does not know an address or the model."""
        if self.kind == "ollama":
            return "has the model been pulled, and is `base_url` Ollama's, such as http://localhost:11434?"
        return "is the model's name right, and does `base_url` end with /v1?"

    @property
    def request_changes(self) -> dict[str, Any]:
        """The options that change requests, by name; empty by default."""
        options = {"omit": sorted(self.omit), "rename": dict(self.rename), "extra_body": dict(self.extra_body)}
        return {name: option for name, option in options.items() if option}

    def api_key(self) -> str | None:
        """Return the API key from the environment; None if `api_key_env` is not set.

        Raises:
            ConfigurationError: The variable is not set, or its value cannot be sent in a header.
        """
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ConfigurationError(f"`api_key_env` names {self.api_key_env}, but no such environment variable is set")
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError(f"the environment variable {self.api_key_env} must hold plain ASCII text")
        return key

    def _check_url(self) -> None:
        try:
            url = urlsplit(self.base_url)
            has_secret = url.username is not None or url.password is not None
            is_url = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            has_secret, is_url = "@" in self.base_url, False
        if has_secret:
            raise ConfigurationError("`base_url` must hold no user and password: name a variable in `api_key_env`")
        if is_url and (secret := next((name for name, _ in parse_qsl(url.query) if _SECRET.search(name)), None)):
            raise ConfigurationError(
                f"the query of `base_url` must hold no secret, as `{secret}` may be: name a variable in `api_key_env`"
            )
        if not is_url or url.fragment:
            raise ConfigurationError(f"`base_url` must be like http://localhost:8000/v1, got {self.base_url!r}")
