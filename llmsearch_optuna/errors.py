"""The errors that the package raises.

    LlmsearchError
    ├── ConfigurationError       the user's input is wrong; raised before anything is generated, if the fault can be
    │   │                        detected then (also a ValueError)
    │   ├── ParameterError       a generation parameter or a search space
    │   ├── TaskError            data, columns, prompts, splits
    │   ├── MetricError          a metric that cannot be found or built
    │   ├── ModelError           a model or tokenizer that cannot be loaded, or do not fit each other
    │   └── StudyFileError       the keys and values of a study file
    ├── StorageError             the database cannot be used, or an output file cannot be written
    │   ├── FingerprintError     the study was made for something else (model, data, metric, ...)
    │   └── LeaseLostError       another worker has taken a trial over
    ├── TrialError               fails one trial; the search continues
    │   ├── ScorerError          the scorer raised, returned NaN or the wrong number of scores
    │   ├── LogitsError          the model's logits hold NaN or +inf, or no finite value
    │   └── RequestRefusedError  the generating server rejected a request
    ├── ServerError              the generating server cannot be reached, or takes no requests
    └── MemoryExhaustedError     not even one completion at a time fits into memory

Messages are one line: what is wrong, the rule, the value, and what to change.
"""

import difflib
from collections.abc import Iterable
from numbers import Integral

from llmsearch_optuna.terminal import printable

__all__ = [
    "ConfigurationError",
    "FingerprintError",
    "LeaseLostError",
    "LlmsearchError",
    "LogitsError",
    "MemoryExhaustedError",
    "MetricError",
    "ModelError",
    "ParameterError",
    "RequestRefusedError",
    "ScorerError",
    "ServerError",
    "StorageError",
    "StudyFileError",
    "TaskError",
    "TrialError",
    "check_minimum",
    "describe_error",
    "one_line",
    "unknown_name",
]


class LlmsearchError(Exception):
    """The base class of all errors that this package raises.

    Args:
        message: A description of the error. It may quote any string, e.g. another library's message: line breaks
            become spaces, and control characters are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(line.strip() for line in message.splitlines() if line.strip())))


class ConfigurationError(LlmsearchError, ValueError):
    """The user's input is wrong. Raised before anything is generated, if the fault can be detected then."""


class ParameterError(ConfigurationError):
    """A generation parameter or a search space is invalid, or the engine does not support it."""


class TaskError(ConfigurationError):
    """Data cannot be read, or columns, prompts or splits are invalid or do not fit together."""


class MetricError(ConfigurationError):
    """A metric cannot be found or built."""


class ModelError(ConfigurationError):
    """A model or tokenizer cannot be loaded, or they do not fit each other."""


class StudyFileError(ConfigurationError):
    """A study file has an unknown key or a wrong value."""


class StorageError(LlmsearchError):
    """The database cannot be opened, read or written, lacks the requested data, or a file cannot be written."""


class FingerprintError(StorageError):
    """An existing study was created for another model, dataset, metric, space, split, seed or other setting."""


class LeaseLostError(StorageError):
    """Another worker has taken a trial over, because this one did not renew its lease in time."""


class TrialError(LlmsearchError):
    """An error that fails one trial. The search continues."""


class ScorerError(TrialError):
    """The scorer raised, returned NaN or returned the wrong number of scores."""


class LogitsError(TrialError):
    """The model's logits hold NaN or +inf, or no finite value."""


class RequestRefusedError(TrialError):
    """The generating server rejected a request."""


class ServerError(LlmsearchError):
    """The generating server cannot be reached or takes no requests. The search stops and can be resumed."""


class MemoryExhaustedError(LlmsearchError):
    """Not even one completion at a time fits into memory."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return a message for an unknown name, e.g. ``"unknown metric `rogue1`: did you mean `rouge1`?"``."""
    names = sorted(set(valid))
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(names)}" if names else "there is none"
    return f"unknown {kind} `{name}`: {hint}"


def check_minimum(name: str, value: object, minimum: int, error: type[ConfigurationError] = ConfigurationError) -> None:
    """Raise `error` unless the option `name` is None or an integer of at least `minimum`."""
    if value is None:
        return
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise error(f"`{name}` must be an integer >= {minimum}, got {value!r}")
    if value < minimum:
        raise error(f"`{name}` must be >= {minimum}, got {value}")


def describe_error(error: BaseException) -> str:
    """Return the type and the message of an exception of foreign code on one printable line; see `one_line`."""
    return f"{type(error).__name__}: {one_line(error)}"


def one_line(error: BaseException) -> str:
    """Return an exception's message on one printable line. Messages of over 200 characters are shortened."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  # an exception of the user's may not even have a message
        message = "(its message cannot be shown)"
    characters = (character if character.isprintable() else " " for character in message[:1000])
    text = " ".join("".join(characters).split())
    return text if len(text) <= 200 else text[:200] + "..."
