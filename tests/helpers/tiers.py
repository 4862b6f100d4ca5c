"""The tier of a parameter of a test."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

__all__ = ["partly_full"]


def partly_full(values: Iterable[object], *, fast: Collection[object]) -> list[Any]:
    """Return the parameters of a test. Those not in `fast` are marked `full`; a tuple holds several arguments."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=() if value in fast else pytest.mark.full
        )
        for value in values
    ]
