"""Calls of the user's scorers: with a time limit, repeated after a fault, and given up when the search is to end.

How it works. A scorer may hang, so something else must watch the clock. On the main thread, a watching thread sends the
signal SIGURG, which every program ignores by default and whose handler here raises an exception in the scorer: a
scorer keeps its thread, and may itself use signals, event loops or connections that belong to it. Elsewhere, and where
there are no such signals (Windows), the scorer runs on a thread of its own, which is abandoned.
"""

import contextvars
import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NamedTuple, TypeVar

from llmsearch_optuna.errors import LlmsearchError, MetricError, ScorerError

__all__ = ["ONCE", "Outcome", "ScorerCalls", "ScoringGivenUpError", "never"]

_LOG = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
"""The pause before the first retry. Each further one is four times as long, up to a minute."""

_LONGEST_PAUSE_S = 60.0
_POLL_S = 0.05
_LONG_S = 1.0  # during longer calls, `is_to_end` is asked this often
_PATIENCE_S = 3.0  # how long a call may go on once the search is to end

_Result = TypeVar("_Result")


class ScoringGivenUpError(LlmsearchError):
    """The search is to end, and the scorer has not returned. The trial can be resumed."""


class _StopScorer(BaseException):
    """Raised within a scorer that is given up. Not an `Exception`, so that few scorers catch it."""


class Outcome(NamedTuple):
    """What came of a call: its result, or the error that it raised."""

    result: object
    error: BaseException | None


def never() -> bool:
    """Return False: a call is never given up."""
    return False


@dataclass(frozen=True, kw_only=True)
class ScorerCalls:
    """How a scorer is called.

    Attributes:
        retries: The number of further attempts after a call that failed, with pauses between them.
        timeout_s: The time limit of a call in seconds; None for no limit.
        is_to_end: Whether the search is to end. It is called by another thread during long calls. A call that goes on
            for seconds after that is given up.

    Raises:
        MetricError: `retries` or `timeout_s` is out of its range.
    """

    retries: int = 2
    timeout_s: float | None = None
    is_to_end: Callable[[], bool] = never

    def __post_init__(self) -> None:
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            raise MetricError(f"`retries` of a metric must be an integer >= 0, got {self.retries!r}")
        limit = self.timeout_s
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if limit is not None and not (is_number and 0 < limit < threading.TIMEOUT_MAX):
            raise MetricError(f"`timeout_s` of a metric must be a number of seconds > 0, got {limit!r}")

    def attempt(self, label: str, function: Callable[[], object]) -> Outcome:
        """Call a function once.

        Args:
            label: The scorer's name in error messages.
            function: The scorer with its arguments.

        Returns:
            The result, or what the function raised: also `SystemExit` and the like, but never `KeyboardInterrupt`.

        Raises:
            ScoringGivenUpError: The search is to end, and the function has not returned.
            ScorerError: The function did not return within the time limit.
            LlmsearchError: An error of this package that the function raised; it is passed on.
        """
        try:
            is_watched = self.timeout_s is not None or self.is_to_end is not never
            return Outcome(_watched(function, self._reason_to_stop(label)) if is_watched else function(), None)
        except (KeyboardInterrupt, LlmsearchError):
            raise
        except BaseException as error:  # noqa: BLE001  # the user's code may raise anything; the caller reports it
            return Outcome(None, error)

    def repeated(self, label: str, score: Callable[[bool], _Result]) -> _Result:
        """Return the result of a function, which is called again after a fault of the scorer.

        Args:
            label: The scorer's name in messages.
            score: Calls the scorer. Its argument is whether this is the last attempt.

        Raises:
            ScorerError: The last attempt failed.
            ScoringGivenUpError: The search is to end, and the function has not returned.
        """
        for retry in range(self.retries):
            try:
                return score(False)
            except ScorerError as error:
                pause = min(FIRST_PAUSE_S * 4**retry, _LONGEST_PAUSE_S)
                _LOG.info("retry %d of %d in %g s: %s", retry + 1, self.retries, pause, error)
                self._pause(label, pause)
        return score(True)

    def _pause(self, label: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if seconds >= _LONG_S and self.is_to_end():
                raise ScoringGivenUpError(f"scorer `{label}` failed, and the search ends before it is called again")
            time.sleep(min(left, _LONG_S))

    def _reason_to_stop(self, label: str) -> Callable[[], LlmsearchError | None]:
        """Return a function that returns the error to raise if a call that begins now is to be stopped, else None."""
        began = asked = time.monotonic()
        end_noticed: float | None = None

        def reason() -> LlmsearchError | None:
            nonlocal asked, end_noticed
            now = time.monotonic()
            if self.timeout_s is not None and now - began >= self.timeout_s:
                return ScorerError(f"scorer `{label}` did not return within {self.timeout_s:g} s (`timeout_s`)")
            if now - asked < _LONG_S:
                return None
            asked = now
            if not self.is_to_end():
                return None
            end_noticed = now if end_noticed is None else end_noticed
            if now - end_noticed < _PATIENCE_S:
                return None
            return ScoringGivenUpError(f"scorer `{label}` has not returned, and the search ends")

        return reason


ONCE = ScorerCalls(retries=0)
"""How a pure function is called: a second call would fail as the first one did."""


def _watched(function: Callable[[], object], reason: Callable[[], LlmsearchError | None]) -> object:
    """Call a function, and raise the error that `reason` returns as soon as it returns one."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_kill"):
        return _watched_by_signal(function, reason)
    return _watched_on_thread(function, reason)


def _watched_by_signal(function: Callable[[], object], reason: Callable[[], LlmsearchError | None]) -> object:
    caller = threading.get_ident()
    returned = threading.Event()
    stopped: list[LlmsearchError] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not returned.is_set():
            raise _StopScorer

    def watch() -> None:
        while not returned.wait(_POLL_S):
            error = stopped[0] if stopped else reason()
            if error is not None:
                stopped[:] = [error]
                signal.pthread_kill(caller, signal.SIGURG)

    watcher = threading.Thread(target=watch, name="llmsearch scorer watch", daemon=True)
    before = signal.signal(signal.SIGURG, stop)
    try:
        try:
            watcher.start()
            return function()
        finally:
            returned.set()
            watcher.join()
    except BaseException as error:
        if stopped and not isinstance(error, KeyboardInterrupt):
            raise stopped[0] from None
        raise
    finally:
        signal.signal(signal.SIGURG, signal.SIG_DFL if before is None else before)


def _watched_on_thread(function: Callable[[], object], reason: Callable[[], LlmsearchError | None]) -> object:
    outcomes: list[Outcome] = []
    context = contextvars.copy_context()

    def call() -> None:
        try:
            outcomes.append(Outcome(context.run(function), None))
        except BaseException as error:  # noqa: BLE001  # raised on the caller's thread
            outcomes.append(Outcome(None, error))

    thread = threading.Thread(target=call, name="llmsearch scorer", daemon=True)
    thread.start()
    thread.join(_POLL_S)
    while thread.is_alive():
        if (stop := reason()) is not None:
            raise stop
        thread.join(_POLL_S)
    result, error = outcomes[0]
    if error is not None:
        raise error
    return result
