"""An engine that counts its requests."""

from collections.abc import Sequence
from typing import Any

from llmsearch_optuna.engine.base import Completion, Request


class Counted:
    """Count the requests to a real engine."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.asked: list[Request] = []
        self.tokens = 0

    def generate(self, requests: Sequence[Request], on_tokens: Any = None, upcoming: Any = ()) -> list[Completion]:
        self.asked += requests
        completions: list[Completion] = self.engine.generate(requests, on_tokens, upcoming)
        self.tokens += sum(len(completion.token_ids) for completion in completions)
        return completions
