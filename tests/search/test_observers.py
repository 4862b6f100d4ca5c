"""The events of a search, passed to several observers."""

from typing import Any

from llmsearch_optuna.search.observers import SearchObserver, SearchObservers


class Recorder(SearchObserver):
    """Records two of the events."""

    def __init__(self, name: str, events: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.events = events

    def started(self, finished: int) -> None:
        self.events.append((self.name, "started", finished))

    def ended(self) -> None:
        self.events.append((self.name, "ended"))


def test_every_event_reaches_every_observer_in_order() -> None:
    events: list[tuple[Any, ...]] = []
    observers = SearchObservers([Recorder("a", events), Recorder("b", events), SearchObserver()])
    observers.started(3)
    observers.tokens_generated(5)
    observers.ended()
    assert events == [("a", "started", 3), ("b", "started", 3), ("a", "ended"), ("b", "ended")]


def test_no_event_is_left_to_the_default() -> None:
    """The class overrides every method, including those added later."""
    names = [name for name in vars(SearchObserver) if not name.startswith("_")]
    assert {"started", "trial_ended", "ended"} < set(names)
    assert all(name in vars(SearchObservers([])) for name in names)
