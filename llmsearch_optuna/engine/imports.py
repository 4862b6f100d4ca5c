"""The one place that imports what runs a model in this process, and says how to install it."""

import importlib
from types import ModuleType

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import ModelError

__all__ = ["import_local"]

_LIBRARIES = ("accelerate", "gguf", "torch", "transformers")


def import_local(name: str, user: str) -> ModuleType:
    """Import a module of `engine` that needs torch or transformers, which takes seconds.

    Args:
        name: The module.
        user: What needs it, for the error message.

    Raises:
        ModelError: One of the libraries is not installed.
    """
    try:
        return importlib.import_module(f"llmsearch_optuna.engine.{name}")
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        missing = f"{user} needs {error.name}, which is not installed"
        raise ModelError(f"{missing}: pip install {requirement('local')}") from error
