"""The version of the package, those of its libraries, and how to install what is missing."""

from importlib import metadata

__all__ = ["__version__", "library_version", "requirement"]

__version__ = "0.2.0"


def library_version(name: str) -> str:
    """Return the version of an installed library, or ``"not installed"``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def requirement(extra: str) -> str:
    """Return this distribution with an extra, for ``pip install``: ``llmsearch_optuna_slim[EXTRA]`` if that is it."""
    names = ("llmsearch_optuna", "llmsearch_optuna_slim")  # the same package without and with an extra `local`
    distribution = next((name for name in names if library_version(name) != "not installed"), names[0])
    return f"'{distribution}[{extra}]'"
