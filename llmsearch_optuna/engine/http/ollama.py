"""Ollama's own API, with the parameters that its OpenAI-compatible one lacks.

How it works: sampling parameters go into the table `options` of a request. Ollama ignores unknown fields and options
without a word, and by default it cuts prompts that exceed its context. So unknown names are refused here, and requests
ask for an error in place of a cut. This describes Ollama 0.33 (August 2026), as read in its source.
"""

import ast
import dataclasses
import functools
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from llmsearch_optuna.engine.http.answers import error_message, nested
from llmsearch_optuna.engine.http.api import Ask
from llmsearch_optuna.engine.http.client import Client
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.errors import ModelError, ParameterError, RequestRefusedError
from llmsearch_optuna.space.dialects import DIALECTS
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["OllamaAPI", "is_ollama", "list_models", "native_server", "show_model"]

_LOG = logging.getLogger(__name__)

_SENT = ("model", "messages", "prompt", "stream", "raw", "truncate", "shift", "options")
_FIELDS = frozenset({*_SENT, "think", "format", "keep_alive", "system", "template", "suffix", "tools", "images"})
"""The fields of a request. Ollama ignores all others."""

_LOADING = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict", "num_keep")
_SAMPLING = ("temperature", *DIALECTS["ollama"].fields.values(), "repeat_last_n", "seed", "num_predict", "stop")
_OPTIONS = frozenset({*_LOADING, *_SAMPLING})
"""The entries of `options`. Ollama ignores all others, such as `mirostat` (since 0.7) and `tfs_z` (since 0.5.5)."""

_REPEATED = "token repeat limit reached"
"""The error of newer versions for a completion that repeats one token. Older ones return the text with `done` false."""

_REPEAT_LAST_N = 64
_DEFAULTS: Mapping[str, float] = {"temperature": 0.8, "top_k": 40, "top_p": 0.9}
_NO_CUT_SINCE = (0, 12, 6)
_NO_PENALTY_SINCE = (0, 32, 10)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OllamaAPI:
    """The requests ``/api/chat`` and ``/api/generate``, the latter without a template.

    Attributes:
        stops: The stop strings of the model, which those of a request would replace.
    """

    stops: tuple[str, ...] = ()

    def path(self, *, chat: bool) -> str:
        """Return the path of completions after the server's base URL."""
        return "api/chat" if chat else "api/generate"

    def body(self, ask: Ask, server: OpenAIServer) -> dict[str, Any]:
        """Return the JSON body of a request."""
        options: dict[str, Any] = {"num_predict": ask.max_new_tokens, **ask.sampling}
        if ask.stops:
            options["stop"] = list(dict.fromkeys((*ask.stops, *self.stops)))
        if ask.seed is not None:
            options["seed"] = ask.seed
        fields = {"model": ask.model, **ask.prompt, "stream": False, "truncate": False, "shift": False}
        if "prompt" in fields:
            fields["raw"] = True
        extra = dict(server.extra_body)
        options = server.renamed(options) | extra.pop("options", {})
        return {**server.renamed(fields), **extra, "options": options}

    def answer(self, content: object) -> object:
        """Return an answer in the form of OpenAI's API.

        Ollama reports the number of all tokens. Those of the thought are its share of the characters.

        Raises:
            ValueError: It has no message or text.
        """
        if self.is_answer(content):
            content = {"message": {"content": ""}, "response": "", "done": False}
        message = content.get("message", content) if isinstance(content, Mapping) else None
        text = message.get("content", message.get("response")) if isinstance(message, Mapping) else None
        if not isinstance(content, Mapping) or not isinstance(message, Mapping) or not isinstance(text, str):
            raise ValueError(f"the answer has no message: {error_message(content)}")  # noqa: TRY004
        thought = message["thinking"] if isinstance(message.get("thinking"), str) else ""
        count = content.get("eval_count", 0)
        usage = {"completion_tokens": count, "prompt_tokens": content.get("prompt_eval_count", 0)}
        if thought and isinstance(count, int):
            usage["reasoning_tokens"] = round(count * len(thought) / len(thought + text))
        choice = {
            "text": text,
            "reasoning": thought,
            "message": {"content": text, "reasoning": thought, "tool_calls": message.get("tool_calls")},
            # Ollama breaks off a completion that repeats a token, and does not call it done.
            "finish_reason": "repeated tokens" if content.get("done") is False else content.get("done_reason"),
        }
        return {"model": content.get("model"), "choices": [choice], "usage": usage}

    def is_answer(self, content: object) -> bool:
        """Return whether an error says that the model repeats one token without an end."""
        return isinstance(content, Mapping) and _REPEATED in str(content.get("error"))

    def check_fields(self, names: Iterable[str]) -> None:
        """Raise an error for a field of requests that Ollama would ignore.

        Raises:
            ParameterError: The message names the field.
        """
        _check(names, _FIELDS, "field")


def _check_server(server: OpenAIServer) -> None:
    """Raise an error for what Ollama would ignore of the settings of a server.

    Raises:
        ParameterError: The message names the field or option.
    """
    options = server.extra_body.get("options", {})
    if not isinstance(options, Mapping):
        raise ParameterError(f"`options` in `extra_body` must be a table, got {options!r}")
    _check(server.extra_body, _FIELDS, "field")
    _check(options, _OPTIONS, "option")
    _check(server.rename.values(), _FIELDS | _OPTIONS, "field or option")


def _check(names: Iterable[str], valid: Collection[str], kind: str) -> None:
    for name in names:
        if name in valid:
            continue
        if name in _OPTIONS:
            remedy = f"it is an option, which `extra_body = {{ options = {{ {name} = ... }} }}` of the server sets"
        else:
            remedy = f"leave it out; it has {', '.join(sorted(valid))}"
        raise ParameterError(f"Ollama has no {kind} `{name}`, and would ignore it: {remedy}")


def native_server(server: OpenAIServer) -> OpenAIServer:
    """Return the settings with the base URL of Ollama's own API, which has no ``/v1`` and no ``/api``."""
    url = urlsplit(server.base_url)
    path = re.sub(r"/(v1|api)/?$", "", url.path)
    return dataclasses.replace(server, base_url=urlunsplit(url._replace(path=path)), kind="ollama")


async def is_ollama(client: Client, server: OpenAIServer) -> bool:
    """Return whether a server has Ollama's own API beside or in place of OpenAI's."""
    return isinstance(await _version(client, native_server(server)), str)


async def list_models(client: Client, server: OpenAIServer) -> dict[str, str]:
    """Return the digests of the models by name, in the order of the server."""
    models = nested(await client.get(server.address("api/tags")), "models")
    return {
        str(model["name"]): str(model.get("digest", ""))
        for model in (models if isinstance(models, list) else [])
        if isinstance(model, Mapping) and "name" in model
    }


async def show_model(
    client: Client, server: OpenAIServer, model: str
) -> tuple[OllamaAPI, Callable[[int, int], GenerationParams] | None]:
    """Ask Ollama about a model, and log what changes its prompts.

    Returns:
        How to ask for its completions, and ``(max_new_tokens, generation_seed) -> parameters`` by default; None if they
        are unknown.

    Raises:
        ParameterError: The settings have fields or options that Ollama would ignore.
        ModelError: The model generates no text.
        ServerError: The server does not have the model, or cannot be reached.
    """
    _check_server(server)
    version = _numbers(await _version(client, server))
    if version < _NO_CUT_SINCE:
        _LOG.warning(
            "Ollama before %s cuts prompts that exceed `num_ctx` without a word: update it, or set a large `num_ctx`",
            ".".join(map(str, _NO_CUT_SINCE)),
        )
    try:
        shown = await client.post("api/show", {"model": model}, _mapping, f"the description of {model}")
    except RequestRefusedError as error:
        _LOG.warning("no baseline with the model's own parameters: %s", error)
        return OllamaAPI(), None
    capabilities = shown.get("capabilities")
    if isinstance(capabilities, list) and capabilities and "completion" not in capabilities:
        raise ModelError(f"`{model}` generates no text: Ollama says that it is for {', '.join(map(str, capabilities))}")
    for field, what in (("system", "a system message, unless they begin with one"), ("messages", "messages")):
        if shown.get(field):
            _LOG.info("the Modelfile of %s adds %s before chat messages", model, what)
    values = _parameters(str(shown.get("parameters") or ""))
    stops = tuple(stop for stop in values.pop("stop", ()) if isinstance(stop, str))
    penalty = {} if version >= _NO_PENALTY_SINCE else {"repeat_penalty": 1.1}
    defaults = {**_DEFAULTS, **penalty, **{name: value[-1] for name, value in values.items()}}
    return OllamaAPI(stops=stops), functools.partial(_default_params, defaults)


def _mapping(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping):
        raise ValueError(f"the answer is not a JSON object but {type(answer).__name__}")  # noqa: TRY004
    return answer


async def _version(client: Client, server: OpenAIServer) -> object:
    """Return the version that a server names, None if it names none."""
    return nested(await client.get(server.address("api/version"), is_optional=True), "version")


def _numbers(version: object) -> tuple[int, ...]:
    """Return the three numbers of a version. One that is built from source has none, and counts as the newest."""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", str(version))
    parts = tuple(map(int, numbers.groups())) if numbers else ()
    return parts if any(parts) else (2**31,)


def _parameters(lines: str) -> dict[str, list[Any]]:
    """Return the values of a Modelfile's parameters, which Ollama lists one a line, as Go literals."""
    values: dict[str, list[Any]] = {}
    for line in lines.splitlines():
        name, _, literal = line.strip().partition(" ")
        try:
            value = ast.literal_eval(literal.strip())
        except (ValueError, SyntaxError):
            continue  # true, false: none of the parameters here
        values.setdefault(name, []).append(value)
    return values


def _default_params(defaults: Mapping[str, Any], max_new_tokens: int, generation_seed: int) -> GenerationParams:
    """Return the parameters by default. `defaults` are those of Ollama and of the model by option.

    Raises:
        ModelError: The model has a value that is no parameter here.
    """
    names = {field: name for name, field in DIALECTS["ollama"].fields.items()} | {"temperature": "temperature"}
    values = {names[option]: value for option, value in defaults.items() if option in names}
    try:
        params = GenerationParams.from_dict(
            {**values, "do_sample": True, "max_new_tokens": max_new_tokens, "generation_seed": generation_seed}
        )
    except ParameterError as error:
        raise ModelError(f"the model's Modelfile has an unsupported value: {error}") from error
    if DIALECTS["ollama"].switches.keys() & params.canonical.to_dict().keys():
        window = defaults.get("repeat_last_n", _REPEAT_LAST_N)
        _LOG.warning("the model's penalties count its last %s tokens by default, and all tokens here", window)
    return params
