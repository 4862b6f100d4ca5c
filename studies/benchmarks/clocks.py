"""Where the time of a program goes: by method, and what its database took."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

__all__ = ["Clock", "Seconds", "now", "replaced"]


class Seconds(NamedTuple):
    """Time that passed, and time that this process computed: the smaller where others want the machine, too."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: "Seconds", sign: int = 1) -> "Seconds":
        """The sum, or the difference."""
        return Seconds(self.wall + sign * other.wall, self.cpu + sign * other.cpu)

    def minus(self, other: "Seconds") -> "Seconds":
        """The difference."""
        return self.plus(other, -1)


def now() -> Seconds:
    """Both clocks."""
    return Seconds(time.perf_counter(), time.process_time())


class Clock:
    """Time by what it was spent on, without what it called that has a name of its own.

    Attributes:
        seconds: By name.
        calls: By name.
        statements: SQL statements.
        sql: The time that the database took for them.
    """

    def __init__(self) -> None:
        self.reset()
        self._inner: list[Seconds] = []
        self._sent = Seconds()

    def reset(self) -> None:
        """Set all times and counts to zero."""
        self.seconds: dict[str, Seconds] = {}
        self.calls: Counter[str] = Counter()
        self.statements = 0
        self.sql = Seconds()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def call(*arguments: Any, **named: Any) -> Any:
            started = now()
            self._inner.append(Seconds())
            try:
                return function(*arguments, **named)
            finally:
                took = now().minus(started)
                exclusive = took.minus(self._inner.pop())
                self.seconds[name] = self.seconds.get(name, Seconds()).plus(exclusive)
                self.calls[name] += 1
                if self._inner:
                    self._inner[-1] = self._inner[-1].plus(took)

        return call

    @contextlib.contextmanager
    def running(self, named: Mapping[str, Sequence[tuple[type, str]]]) -> Iterator[None]:
        """Time these methods, and all SQL."""
        sa.event.listen(sa.Engine, "before_cursor_execute", self._before)
        sa.event.listen(sa.Engine, "after_cursor_execute", self._after)
        try:
            with contextlib.ExitStack() as stack:
                for name, places in named.items():
                    for owner, method in places:
                        timed = self.timed(name, getattr(owner, method))
                        stack.enter_context(replaced(owner, method, timed))
                yield
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", self._before)
            sa.event.remove(sa.Engine, "after_cursor_execute", self._after)

    def spent_on(self, *names: str) -> Seconds:
        """The sum."""
        total = Seconds()
        for name in names:
            total = total.plus(self.seconds.get(name, Seconds()))
        return total

    def _before(self, *_: object) -> None:
        self._sent = now()

    def _after(self, *_: object) -> None:
        self.statements += 1
        self.sql = self.sql.plus(now().minus(self._sent))


@contextlib.contextmanager
def replaced(owner: type, name: str, by: Callable[..., Any]) -> Iterator[None]:
    """Put another method in the place of this one."""
    original = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, original)
