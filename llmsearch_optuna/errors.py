"""Every error the package raises on purpose.

    LlmsearchError
    ├── ConfigurationError       the user's input is wrong; raised before anything is generated (also a ValueError)
    │   ├── ParameterError       a generation parameter or a search space
    │   ├── TaskError            data, columns, prompts, splits
    │   ├── MetricError          a metric that cannot be had
    │   ├── ModelError           model and tokenizer: cannot be loaded, or do not fit each other
    │   └── StudyFileError       a study file's keys and values
    ├── StorageError             the database cannot be used
    │   ├── FingerprintError     the study was made for something else (model, data, metric, ...)
    │   └── LeaseLostError       another worker has taken a trial over
    ├── TrialError               fails the trial it happens in, and nothing else
    │   ├── ScorerError          the scorer raised, returned NaN or the wrong number of scores
    │   ├── LogitsError          the model's logits hold NaN or inf
    │   └── RequestRefusedError  a server that generates finds fault with a request
    ├── ServerError              a server that generates is gone, or takes no requests
    └── MemoryExhaustedError     the model does not fit even with one row per batch

Messages are one line: what is wrong, the rule, the value, and what to change.
"""

import difflib
from collections.abc import Iterable

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
    "unknown_name",
]


class LlmsearchError(Exception):
    """Base class of every error that this package raises on purpose.

    Args:
        message: What is wrong. What it quotes (a value, another library's message) may hold anything: line breaks
            become spaces, and control characters are written out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(line.strip() for line in message.splitlines() if line.strip())))


class ConfigurationError(LlmsearchError, ValueError):
    """The user's input is wrong; raised before anything is generated."""


class ParameterError(ConfigurationError):
    """A generation parameter or a search space breaks a rule."""


class TaskError(ConfigurationError):
    """Data, columns, prompts or splits do not fit together."""


class MetricError(ConfigurationError):
    """A metric cannot be found or built."""


class ModelError(ConfigurationError):
    """A model or tokenizer cannot be loaded, or they do not fit each other."""


class StudyFileError(ConfigurationError):
    """A study file has an unknown key or a wrong value."""


class StorageError(LlmsearchError):
    """The database cannot be opened, read or written."""


class FingerprintError(StorageError):
    """An existing study was made for another model, dataset, metric, space, split or seed."""


class LeaseLostError(StorageError):
    """Another worker has taken a trial over, as this one gave no sign of life."""


class TrialError(LlmsearchError):
    """Fails the trial it happens in, and nothing else."""


class ScorerError(TrialError):
    """The scorer raised, returned NaN or returned the wrong number of scores."""


class LogitsError(TrialError):
    """The model's logits hold NaN or inf."""


class RequestRefusedError(TrialError):
    """A server that generates finds fault with a request."""


class ServerError(LlmsearchError):
    """A server that generates is gone, or takes no requests: the search stops, and can be taken up again."""


class MemoryExhaustedError(LlmsearchError):
    """The model does not fit even with one row per batch."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """One line that refuses `name` and points at the nearest known name.

    Args:
        kind: What the name stands for, e.g. ``"metric"``.
        name: The name that is not known.
        known: All names that are.

    Returns:
        The message, e.g. ``"unknown metric `rogue1`: did you mean `rouge1`?"``.
    """
    names = sorted(set(known))
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(names)}" if names else "there is none"
    return f"unknown {kind} `{name}`: {hint}"


def check_minimum(
    name: str, value: float | None, minimum: int, error: type[ConfigurationError] = ConfigurationError
) -> None:
    """Raise an error unless an option is None or at least `minimum`.

    Args:
        name: The name of the option.
        value: Its value.
        minimum: The smallest value allowed.
        error: The class of the error.
    """
    if value is not None and value < minimum:
        raise error(f"`{name}` must be >= {minimum}, got {value}")
