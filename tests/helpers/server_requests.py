"""Connections and requests for the tests of servers."""

import json
from typing import Any

from fake_server import FakeServer

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.http import Connection, HTTPEngine, OpenAIServer, connect, run
from llmsearch_optuna.space.params import GenerationParams


def connected(server: FakeServer, *, chat: bool = False, **changes: Any) -> Connection:
    return run(connect(OpenAIServer(**{"base_url": server.base_url, **changes}), chat=chat))


def engine_of(server: FakeServer, *, chat: bool = False, **changes: Any) -> HTTPEngine:
    return HTTPEngine(connected(server, chat=chat, **changes), chat=chat)


def request(row: int = 0, prompt: str | None = None, stop: tuple[str, ...] = (), **params: Any) -> Request:
    return Request(
        prompt=f"What is {row}?" if prompt is None else prompt,
        prompt_ids=(),
        params=GenerationParams(**{"temperature": 1.0, "max_new_tokens": 6, **params}),
        stopping=Stopping(strings=stop),
        row=row,
    )


def message(text: str) -> str:
    """A prompt of one chat message."""
    return json.dumps([{"role": "user", "content": text}])
