"""The names that a study file gives its model and its data."""

import tomllib
from typing import NamedTuple

__all__ = ["Source", "read_source"]


class Source(NamedTuple):
    """The names of a study's model and data.

    Attributes:
        model: The name of the model; None if the study file names none.
        data: The path of the data, or the name of the task that brings them.
    """

    model: str | None
    data: str


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
