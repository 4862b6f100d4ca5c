"""The names that a study file gives its model and its data, and the server that a fingerprint names."""

import json
import re
import tomllib
from typing import NamedTuple

from llmsearch_optuna.storage import shown_url

__all__ = ["Served", "Source", "read_served", "read_source", "without_password"]

_SERVED = re.compile(
    r"(?P<model>.*) \((?P<kind>[a-z]+) server(?P<drawn>, llmsearch_optuna draws)?(?:, \{.*)?\)", re.DOTALL
)

_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
"""A string in TOML that may have escape sequences."""


class Source(NamedTuple):
    """The names of a study's model and data.

    Attributes:
        model: The name of the model; None if the study file names none.
        data: The path of the data, or the name of the task that brings them.
    """

    model: str | None
    data: str


class Served(NamedTuple):
    """A model on a server, as the fingerprint of a study names it.

    Attributes:
        model: The model's name on the server, with the digest of Ollama.
        kind: The kind of server, such as ``"vllm"``.
        has_plugin: Whether this package's plug-in draws the tokens on the server.
    """

    model: str
    kind: str
    has_plugin: bool


def read_served(identity: str) -> Served | None:
    """Return the server in a model's identity, which `Connection.identity` makes; None without a server.

    Args:
        identity: The part ``"model"`` of a fingerprint.
    """
    match = _SERVED.fullmatch(identity)
    return None if match is None else Served(match["model"], match["kind"], match["drawn"] is not None)


def read_source(text: str) -> Source:
    """Return the names of the model and the data in a study file.

    Args:
        text: The content of the study file.

    Raises:
        ValueError: The file is damaged, or names no data.
    """
    try:
        file = tomllib.loads(text)
        server = file.get("server") or file.get("engine")  # the section's former name
        model = file["model"]["name"] if server is None else server.get("model")
        data = file["data"]
        return Source(None if model is None else str(model), str(data["task"] if "task" in data else data["path"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def without_password(text: str) -> str:
    """Return the text of a study file without the password of its database.

    Reports and optuna-dashboard show the text that a study stores. Only the value of `storage` is changed.
    """
    try:
        storage = tomllib.loads(text)["study"]["storage"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return text
    if not isinstance(storage, str) or "://" not in storage:
        return text
    shown = shown_url(storage)
    quoted = json.dumps(shown, ensure_ascii=False)
    return _STRING.sub(lambda match: quoted if _value(match[0]) == storage else match[0], text).replace(storage, shown)


def _value(string: str) -> object:
    """Return the value of a string as it is written in TOML; None if it is only a part of something else."""
    try:
        return tomllib.loads(f"value = {string}")["value"]
    except tomllib.TOMLDecodeError:
        return None
