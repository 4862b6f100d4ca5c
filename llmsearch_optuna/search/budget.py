"""The time and the tokens that a search may use."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Budget"]

_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Budget:
    """The limits at which a search stops, with trials that can be resumed.

    Attributes:
        timeout: The number of seconds from now on; None for no limit.
        max_tokens: The number of tokens; None for no limit.
        tokens: Counts the tokens that were generated so far.
        should_stop: Whether a stop was requested.
    """

    timeout: float | None
    max_tokens: int | None
    tokens: Callable[[], int]
    should_stop: Callable[[], bool]
    _started: float = field(init=False, default_factory=time.monotonic)
    _warned_of_tokens: bool = field(init=False, default=False)

    def interrupted(self) -> str | None:
        """Return the reason if a stop was requested or the time is over, else None."""
        if self.should_stop():
            return "a stop was requested"
        if self.timeout is not None and time.monotonic() - self._started >= self.timeout:
            return f"the timeout of {self.timeout:g} s has passed"
        return None

    def spent(self, *, any_complete: bool) -> str | None:
        """Return the reason if no tokens are left, else None. Warn once if the engine counts no tokens.

        Args:
            any_complete: Whether a trial is complete, so that tokens must have been counted.
        """
        if self.max_tokens is None:
            return None
        tokens = self.tokens()
        if tokens == 0 and any_complete and not self._warned_of_tokens:
            self._warned_of_tokens = True
            _LOG.warning(
                "`max_tokens_total` has no effect: the engine counts no tokens; set `n_trials` or `timeout` instead"
            )
        return f"{tokens} tokens are generated, the limit is {self.max_tokens}" if tokens >= self.max_tokens else None
