"""Errors of a model's own code in one line."""

import contextlib
from collections.abc import Iterator

import torch

from llmsearch_optuna.errors import LlmsearchError, ModelError, TrialError

__all__ = ["as_one_line"]


@contextlib.contextmanager
def as_one_line() -> Iterator[None]:
    """Convert what the code of a model or of a stopping criterion raises to an error of this package.

    Raises:
        TrialError: It raised an exception. Another trial may not, e.g. one with shorter completions.
        ModelError: The device is lost, with which every further call would fail.
    """
    try:
        yield
    except LlmsearchError:
        raise
    except torch.AcceleratorError as error:
        raise ModelError(
            f"the device cannot be used any more ({error}): run again, which resumes the search after its last stored "
            "completions"
        ) from error
    except Exception as error:
        raise TrialError(f"generation raised {type(error).__name__}: {error}") from error
