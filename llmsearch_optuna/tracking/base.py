"""The interface of a tracking service."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["TrackedRun", "Tracker"]


class TrackedRun(Protocol):
    """A run that is open on a service."""

    @property
    def next_step(self) -> int:
        """The first step after those that the service has; 0 if it has none or cannot tell."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log the values of a step."""

    def finish(self, values: Mapping[str, float], texts: Mapping[str, str], *, failed: bool = False) -> None:
        """End the run, with values and texts that describe it as a whole."""


class Tracker(Protocol):
    """A service that shows runs. Its methods raise the errors of its package."""

    def open(self, key: str, name: str, params: Mapping[str, object], parent: str | None = None) -> TrackedRun:
        """Begin a run, or continue it if the service has it.

        Args:
            key: The identity of the run.
            name: Its name.
            params: What it is a run of. If the service has a parameter, it keeps its value.
            parent: The key of the parent, which must be open; None for a run without one.
        """

    def finished(self, parent: str) -> set[str] | None:
        """Return the keys of the runs of this parent that have ended; None if the service cannot tell."""
