"""Where an OpenAI-compatible server is, and how it may be asked."""

import math
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from llmsearch_optuna.engine.http.kinds import KINDS
from llmsearch_optuna.errors import ConfigurationError, unknown_name

__all__ = ["OpenAIServer"]


@dataclass(frozen=True, kw_only=True)
class OpenAIServer:
    """A server that generates, with the API of OpenAI: vLLM, SGLang, llama.cpp, TGI, `transformers serve`, OpenAI, ...

    Attributes:
        base_url: Where the API is, e.g. ``http://localhost:8000/v1``.
        model: The model's name there; may be left out where the server has only one.
        kind: What the server is, which decides how it calls parameters: ``"vllm"``, ``"sglang"``, ``"llamacpp"``,
            ``"tgi"``, ``"transformers"`` or ``"openai"`` (any other). Found out by default.
        api_key_env: The environment variable that holds the API key. The key itself is neither stored nor logged.
        max_concurrency: Requests at once. 32 by default; 1 for `transformers serve`, which generates one at a time and
            mixes up the seeds of others.
        timeout_s: Seconds that one attempt at a request may take.
        max_retries: How often a request is sent again, where the server is overloaded, fails, is too slow or drops the
            connection: after the time that it asks for, else after 0.5 s, 1 s, 2 s, ..., a minute at most.
        probe: Whether to find out, before a search, if the server keeps seeds, and takes notice of the parameters.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    base_url: str
    model: str | None = None
    kind: str | None = None
    api_key_env: str | None = None
    max_concurrency: int | None = None
    timeout_s: float = 600.0
    max_retries: int = 6
    probe: bool = True

    def __post_init__(self) -> None:
        self._check_url()
        if self.kind is not None and self.kind not in KINDS:
            raise ConfigurationError(unknown_name("server", self.kind, KINDS))
        if self.max_concurrency is not None and self.max_concurrency < 1:
            raise ConfigurationError(f"`max_concurrency` must be >= 1, got {self.max_concurrency}")
        if not 0.0 < self.timeout_s < math.inf:
            raise ConfigurationError(f"`timeout_s` must be > 0 seconds, got {self.timeout_s}")
        if self.max_retries < 0:
            raise ConfigurationError(f"`max_retries` must be >= 0, got {self.max_retries}")

    def api_key(self) -> str | None:
        """The key, from the environment.

        Raises:
            ConfigurationError: The variable is not set, or holds what no header can.
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
        if not is_url or url.query or url.fragment:
            raise ConfigurationError(f"`base_url` must be like http://localhost:8000/v1, got {self.base_url!r}")
