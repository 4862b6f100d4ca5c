"""Stop a search on Ctrl-C or SIGTERM after the current rung, and on a second Ctrl-C at once."""

import logging
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption"]

_LOG = logging.getLogger(__name__)


class Interruption:
    """A context manager that catches Ctrl-C and SIGTERM. Calling it returns whether the search should stop.

    Only the main thread may enter it.

    Attributes:
        signal: The first signal received; None if there was none.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __call__(self) -> bool:
        """Return whether a signal was received."""
        return self.signal is not None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.signal = signal.Signals(number)
        _LOG.warning(
            "%s: the search stops after the samples in progress; Ctrl-C now stops it at once", self.signal.name
        )
