"""The engine that generates with an OpenAI-compatible server."""

import asyncio
import concurrent.futures
import dataclasses
import hashlib
import json
import logging
from collections.abc import Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from llmsearch_optuna.engine.base import Completion, Request, Stopping, TokenCallback
from llmsearch_optuna.engine.http.answers import read_completion
from llmsearch_optuna.engine.http.client import Client
from llmsearch_optuna.engine.http.connection import Connection
from llmsearch_optuna.errors import ConfigurationError, TrialError

__all__ = ["HTTPEngine", "request_seed", "run"]

_LOG = logging.getLogger(__name__)

_Result = TypeVar("_Result")


def request_seed(generation_seed: int, prompt: str) -> int:
    """Return the seed of one request, in [0, 2**31), which every server accepts.

    It depends only on the generation seed and the prompt, so that a completion does not depend on other requests if the
    server reproduces seeds.
    """
    words = generation_seed.to_bytes(4, "little") + prompt.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "little") >> 1


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of a coroutine. It runs in a separate thread if an event loop is running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def recorded() -> _Result:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine in an event loop always runs in a task
        running.append((asyncio.get_running_loop(), task))
        return await coroutine

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        future = executor.submit(asyncio.run, recorded())
        try:
            return future.result()
        except BaseException:
            # Ctrl-C is raised here, and the thread would continue its requests.
            for loop, task in () if future.done() else running:
                loop.call_soon_threadsafe(task.cancel)
            raise


class HTTPEngine:
    """Generates completions with an OpenAI-compatible server.

    Completions have no token ids, at most the number of tokens. Equal requests of one call are sent once.

    Args:
        connection: The server and its model.
        chat: Whether prompts are chat messages as JSON, which the server puts into its own template. Otherwise they are
            plain strings.
        chat_template_args: Arguments of the server's template, which are sent with chat messages.
    """

    def __init__(
        self, connection: Connection, *, chat: bool, chat_template_args: Mapping[str, Any] | None = None
    ) -> None:
        self._connection = connection
        self._chat = chat
        self._template_args = {"chat_template_kwargs": dict(chat_template_args)} if chat_template_args else {}
        # Outcomes of requests in failed calls. The caller then repeats the call trial by trial, to find the trial at
        # fault, and requests with an outcome are not sent again.
        self._outcomes: dict[Request, Completion | TrialError] = {}

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - tokens that a pruned trial does not need would be paid for
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`.

        Raises:
            ConfigurationError: The server does not support a parameter or a stopping condition.
            TrialError: A request is rejected, or every attempt failed; the message names its row.
            ServerError: The server is unreachable or accepts no requests at all.
        """
        distinct = list(dict.fromkeys(requests))
        payloads = {request: self.payload(request) for request in distinct}
        missing = [request for request in distinct if request not in self._outcomes]
        outcomes = {request: self._outcomes.pop(request) for request in distinct if request in self._outcomes}
        try:
            run(self._send(missing, payloads, outcomes, on_tokens))
        finally:
            completions = {request: done for request, done in outcomes.items() if isinstance(done, Completion)}
            failures = {request: error for request, error in outcomes.items() if isinstance(error, TrialError)}
            if len(completions) < len(distinct):
                self._outcomes |= completions
        if failures:
            # If the parameters differ, the call was for several trials. Length limits may also differ within a trial.
            if len({dataclasses.replace(request.params, max_new_tokens=1) for request in distinct}) > 1:
                self._outcomes |= failures  # the caller retries trial by trial
            raise next(iter(failures.values()))
        return [completions[request] for request in requests]

    def generate_each(
        self, requests: Sequence[Request], forced: Mapping[str, float] = MappingProxyType({})
    ) -> list[Completion]:
        """Generate one completion per request. Equal requests are sent separately, and the first error is raised.

        Args:
            requests: The requests.
            forced: Further parameters, which are always sent; see `Dialect.sampling_fields`.
        """
        payloads = [
            self.payload(request) | self._connection.kind.sampling_fields(request.params, forced)
            for request in requests
        ]

        async def send() -> list[Completion]:
            async with self._client() as client:
                return await asyncio.gather(
                    *(
                        self._complete(client, request, payload)
                        for request, payload in zip(requests, payloads, strict=True)
                    )
                )

        return run(send())

    def payload(self, request: Request) -> dict[str, Any]:
        """Return the JSON body of a request.

        Raises:
            ParameterError: The server lacks or ignores a parameter that has an effect.
            ConfigurationError: The server does not support a stopping condition.
        """
        kind, params = self._connection.kind, request.params
        self._check_stopping(request.stopping)
        payload: dict[str, Any] = {"model": self._connection.model, "max_tokens": params.max_new_tokens}
        if self._chat:
            payload |= {"messages": json.loads(request.prompt), **self._template_args}
            if payload["messages"][-1]["role"] == "assistant":
                payload |= kind.prefill or {}
        else:
            payload["prompt"] = request.prompt
        if request.stopping.strings:
            payload["stop"] = list(request.stopping.strings)
        if not params.greedy:
            payload["seed"] = request_seed(params.generation_seed, request.prompt)
        return payload | kind.sampling_fields(params)

    def _client(self) -> Client:
        return Client(self._connection.server, self._connection.max_concurrency, self._connection.tls)

    async def _send(
        self,
        requests: Sequence[Request],
        payloads: dict[Request, dict[str, Any]],
        outcomes: dict[Request, Completion | TrialError],
        on_tokens: TokenCallback | None,
    ) -> None:
        """Record the outcome of each request. A failed request does not stop the others."""

        async def send(client: Client, request: Request) -> None:
            try:
                outcomes[request] = completion = await self._complete(client, request, payloads[request])
            except TrialError as error:
                outcomes[request] = error
                return
            if on_tokens is not None:
                on_tokens(completion.token_count)

        async with self._client() as client:
            tasks = [asyncio.create_task(send(client, request)) for request in requests]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _complete(self, client: Client, request: Request, payload: dict[str, Any]) -> Completion:
        def read(answer: object) -> Completion:
            return read_completion(
                answer,
                chat=self._chat,
                stops=request.stopping.strings,
                max_new_tokens=request.params.max_new_tokens,
            )

        path = "chat/completions" if self._chat else "completions"
        label = f"the prompt {request.prompt[:40]!r}" if request.row is None else f"row {request.row}"
        return await client.post(path, payload, read, label)

    def _check_stopping(self, stopping: Stopping) -> None:
        if stopping.eos_token_ids or stopping.sequences or stopping.criteria:
            raise ConfigurationError("a server ends completions only at its own end token and at `stop` strings")
        kind = self._connection.kind
        if kind.max_stops is not None and len(stopping.strings) > kind.max_stops:
            raise ConfigurationError(
                f"a server of the kind `{kind.name}` takes at most {kind.max_stops} `stop` strings, got "
                f"{len(stopping.strings)}"
            )
