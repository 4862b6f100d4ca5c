"""Former names of arguments, which go on working with a warning."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from llmsearch_optuna.errors import ConfigurationError

__all__ = ["renamed_argument"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def renamed_argument(former: str, present: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that accepts a keyword argument under its former name, with a FutureWarning.

    The decorated function raises a ConfigurationError if both names are given.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if former in kwargs:
                if present in kwargs:
                    raise ConfigurationError(f"`{former}` is the former name of `{present}`: leave it out")
                warnings.warn(f"`{former}` is now `{present}`", FutureWarning, stacklevel=2)
                kwargs[present] = kwargs.pop(former)
            return function(*args, **kwargs)

        return call

    return decorate
