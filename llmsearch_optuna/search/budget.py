"""The time, the tokens and the money that a search may use."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llmsearch_optuna.search.spending import Spending

__all__ = ["Budget"]

_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Budget:
    """The limits at which a search stops, with trials that can be resumed.

    Attributes:
        timeout: The number of seconds from now on; None for no limit.
        max_tokens: The number of tokens; None for no limit.
        max_cost: The cost, in the currency of the price; None for no limit.
        spending: Counts what was generated so far.
        should_stop: Whether a stop was requested.
    """

    timeout: float | None
    max_tokens: int | None
    max_cost: float | None
    spending: Callable[[], Spending]
    should_stop: Callable[[], bool]
    _started: float = field(init=False, default_factory=time.monotonic)
    _has_warned: bool = field(init=False, default=False)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit of tokens or of their cost."""
        return self.max_tokens is not None or self.max_cost is not None

    def interrupted(self) -> str | None:
        """Return the reason if a stop was requested or the time is over, else None."""
        if self.should_stop():
            return "a stop was requested"
        if self.timeout is not None and time.monotonic() - self._started >= self.timeout:
            return f"the timeout of {self.timeout:g} s has passed"
        return None

    def spent(self, *, any_complete: bool) -> str | None:
        """Return the reason if no tokens or no money is left, else None. Warn once if some of them are not counted.

        Args:
            any_complete: Whether a trial is complete, so that tokens must have been counted.
        """
        tokens, cost, uncounted = self.spending()
        if self.max_tokens is not None:
            if tokens == 0 and any_complete:
                self._warn(
                    "`max_tokens_total` has no effect: the engine counts no tokens; set `n_trials` or `timeout` instead"
                )
            if tokens >= self.max_tokens:
                return f"{tokens} tokens are generated, the limit is {self.max_tokens}"
        if self.max_cost is not None and cost is not None:
            if uncounted:
                self._warn(
                    f"`max_cost` does not count the prompts of {uncounted} trials, whose numbers of tokens an earlier "
                    "version did not store"
                )
            if cost >= self.max_cost:
                return f"{cost:.4g} is spent, the limit is {self.max_cost:g}"
        return None

    def _warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            _LOG.warning("%s", message)
