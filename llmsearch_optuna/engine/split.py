"""Two engines as one: some requests go their own way."""

from collections.abc import Callable, Sequence

from llmsearch_optuna.engine.base import Completion, Engine, Request, TokenCallback

__all__ = ["SplitEngine"]


class SplitEngine:
    """Sends most requests to an engine that takes many rows at once, and the others to one that takes them alone.

    Args:
        rows: Serves most.
        alone: Serves the others.
        goes_alone: Which are those.

    Attributes:
        rows: The first of them.
    """

    def __init__(self, rows: Engine, alone: Engine, goes_alone: Callable[[Request], bool]) -> None:
        self.rows = rows
        self._alone = alone
        self._goes_alone = goes_alone

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`."""
        together = [request for request in requests if not self._goes_alone(request)]
        alone = [request for request in requests if self._goes_alone(request)]
        # Without requests there is nothing to wait for: what is upcoming would be begun and left.
        ahead = [request for request in upcoming if not self._goes_alone(request)] if together else []
        completions = iter(self.rows.generate(together, on_tokens, ahead) if together else [])
        others = iter(self._alone.generate(alone, on_tokens))
        return [next(others if self._goes_alone(request) else completions) for request in requests]
