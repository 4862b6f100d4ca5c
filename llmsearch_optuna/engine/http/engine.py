"""The engine that generates with a server."""

import asyncio
import concurrent.futures
import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from llmsearch_optuna.engine.base import Completion, Request, Stopping, TokenCallback
from llmsearch_optuna.engine.http.answers import finish_reason, generated_text, is_answered_by, nested, read_completion
from llmsearch_optuna.engine.http.api import Ask
from llmsearch_optuna.engine.http.client import Client, RetryLog
from llmsearch_optuna.engine.http.connection import Connection
from llmsearch_optuna.engine.http.refusals import CHANGE_NOTICES, NUM_CTX_HINT, adapted, field_to_change, refusal_hint
from llmsearch_optuna.engine.irregular import describe_answers, irregular_rows
from llmsearch_optuna.errors import ConfigurationError, RequestRefusedError, TrialError
from llmsearch_optuna.space.settings import BODY, TEMPLATE, settings_in
from llmsearch_optuna.terminal import listed

__all__ = ["HTTPEngine", "request_seed", "run"]

_LOG = logging.getLogger(__name__)

_BYTES_PER_TOKEN = 4
_LABEL_LENGTH = 40

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
    """Generates completions with a server.

    Completions have no token ids, at most the number of tokens. Equal requests of one call are sent once.

    Args:
        connection: The server and its model.
        chat: Whether prompts are chat messages as JSON, which the server puts into its own template. Otherwise they are
            plain strings.
        chat_template_args: Arguments of the server's template, which are sent with chat messages.
        count_tokens: Counts the tokens of a text for answers of which the server reports no number. By default it is
            estimated as one token per 4 bytes.

    Attributes:
        connection: The server and its model.
        chat: Whether prompts are chat messages.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        chat: bool,
        chat_template_args: Mapping[str, Any] | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        self.connection = connection
        self.chat = chat
        self._template_args = dict(chat_template_args or {})
        self._count = count_tokens
        self._reports_tokens = True
        # Outcomes of requests in a failed call. The caller then repeats the call trial by trial, to find the trial at
        # fault, and requests with an outcome are not sent again. They are forgotten when the caller goes on.
        self._outcomes: dict[Request, Completion | TrialError] = {}
        self._failed_call: frozenset[Request] = frozenset()
        self._changes: frozenset[str] = frozenset()  # fields that the server refuses; see `adapted`
        self._warned: set[str] = set()
        self._retries = RetryLog(connection.max_concurrency)

    @property
    def count_description(self) -> str:
        """Where the numbers of tokens come from."""
        if self._reports_tokens:
            return "reported"
        if self._count is not None:
            return "not reported: counted with the tokenizer"
        return f"not reported: estimated as one per {_BYTES_PER_TOKEN} bytes of text"

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
        if not self._failed_call.issuperset(distinct):
            self._outcomes, self._failed_call = {}, frozenset()
        payloads = {request: self.payload(request) for request in distinct}
        missing = [request for request in distinct if request not in self._outcomes]
        outcomes = {request: self._outcomes.pop(request) for request in distinct if request in self._outcomes}
        try:
            run(self._send(missing, payloads, outcomes, on_tokens))
        finally:
            completions = {request: done for request, done in outcomes.items() if isinstance(done, Completion)}
            if len(completions) < len(distinct):
                self._outcomes |= completions
                self._failed_call |= frozenset(distinct)
            if not self._outcomes:
                self._failed_call = frozenset()
        failures = {request: error for request in distinct if isinstance(error := outcomes[request], TrialError)}
        if failures:
            # If the parameters differ, the call was for several trials. Length limits may also differ within a trial.
            if len({dataclasses.replace(request.params, max_new_tokens=1) for request in distinct}) > 1:
                self._outcomes |= failures  # the caller retries trial by trial
            raise _joined(failures)
        self._warn_of_irregular(completions)
        return [completions[request] for request in requests]

    def generate_each(
        self, requests: Sequence[Request], forced: Mapping[str, float] = MappingProxyType({})
    ) -> list[Completion]:
        """Generate one completion per request. Equal requests are sent separately, and the first error is raised.

        The texts begin with the reasoning that the server reports apart from the answer.

        Args:
            requests: The requests.
            forced: Further parameters, which are always sent; see `Dialect.sampling_fields`.
        """
        payloads = [self.payload(request, forced) for request in requests]

        async def send() -> list[Completion]:
            async with self._client() as client:
                pairs = zip(requests, payloads, strict=True)
                return await asyncio.gather(*(self._complete(client, *pair, with_reasoning=True) for pair in pairs))

        return run(send())

    def payload(self, request: Request, forced: Mapping[str, float] = MappingProxyType({})) -> dict[str, Any]:
        """Return the JSON body of a request.

        Args:
            request: The request.
            forced: Further parameters, which are always sent; see `Dialect.sampling_fields`.

        Raises:
            ParameterError: The server lacks or ignores a parameter that has an effect.
            ConfigurationError: The server does not support a stopping condition.
        """
        kind, params = self.connection.kind, request.params
        self._check_stopping(request.stopping)
        settings = dict(params.settings)
        prompt: dict[str, Any] = {"messages": json.loads(request.prompt)} if self.chat else {"prompt": request.prompt}
        if self.chat:
            if template_args := self._template_args | settings_in(settings, TEMPLATE):
                prompt["chat_template_kwargs"] = template_args
            if prompt["messages"][-1]["role"] == "assistant":
                prompt |= kind.prefill or {}
        is_drawn = not params.greedy and kind.plugin is None
        ask = Ask(
            model=self.connection.model,
            prompt=prompt,
            max_new_tokens=params.max_new_tokens,
            stops=request.stopping.strings,
            seed=request_seed(params.generation_seed, request.prompt) if is_drawn else None,
            sampling=kind.sampling_fields(params, forced),
        )
        return self.connection.api.body(ask, self.connection.server) | settings_in(settings, BODY)

    def to_prompt(self, text: str) -> str:
        """Return a text as a prompt: the user's message, or the text itself."""
        return json.dumps([{"role": "user", "content": text}]) if self.chat else text

    def _client(self) -> Client:
        return Client(self.connection.server, self.connection.max_concurrency, self.connection.tls, self._retries)

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

    async def _complete(
        self, client: Client, request: Request, payload: dict[str, Any], *, with_reasoning: bool = False
    ) -> Completion:
        api = self.connection.api
        label = self._label(request)

        def read(content: object) -> Completion:
            answer = api.answer(content)
            self._check_model(answer, label, str(payload["model"]))
            completion = read_completion(
                answer,
                chat=self.chat,
                stopping=request.stopping,
                max_new_tokens=request.params.max_new_tokens,
            )
            self._warn_of_ending(completion, answer, label, request.params.max_new_tokens)
            text = generated_text(answer, chat=self.chat)
            if with_reasoning:
                completion = dataclasses.replace(completion, text=text)
            return completion if completion.token_count else self._counted(completion, text, request)

        changes = self._changes
        renamed: RequestRefusedError | None = None
        while True:
            sent = adapted(payload, changes)
            try:
                completion = await client.post(api.path(chat=self.chat), sent, read, label, api.is_answer)
                break
            except RequestRefusedError as error:
                refusal = str(error)
                if renamed is not None and "max_completion_tokens" in refusal:
                    raise renamed from error  # the server knows neither name
                change = field_to_change(refusal, sent, self.connection.kind)
                if change is None:
                    raise RequestRefusedError(refusal + refusal_hint(refusal, sent)) from error
                changes = changes | {change}
                renamed = error if change == "max_tokens" else renamed
        for change in sorted(changes - self._changes):
            _LOG.warning("%s", CHANGE_NOTICES[change])
        self._changes |= changes
        return completion

    def _label(self, request: Request) -> str:
        """Return the name of a request in messages: its row, or the beginning of the last text of its prompt."""
        if request.row is not None:
            return f"row {request.row}"
        text = json.loads(request.prompt)[-1].get("content") if self.chat else request.prompt
        return f"the prompt {str(text)[:_LABEL_LENGTH]!r}"

    def _check_model(self, answer: object, label: str, model: str) -> None:
        """Raise an error if another model than the requested one has answered.

        Raises:
            TrialError: The message names the row and both models.
        """
        connection = self.connection
        names = (model, *connection.aliases) if model == connection.model else (model, *connection.server.model_aliases)
        if not is_answered_by(answer, names):
            raise TrialError(
                f"{label}: the answer comes from the model `{nested(answer, 'model')}`, not from `{model}`: if the "
                "two are the same, set `model_aliases` of the server"
            )

    def _warn_of_ending(self, completion: Completion, answer: object, label: str, limit: int) -> None:
        """Log a warning for an answer that ended for an unknown reason, or because the context of Ollama is full."""
        if completion.finish_reason == "unknown":
            reason = finish_reason(answer)
            ending = f"the server ended the answer for the reason `{reason}`"
            if reason is None:
                ending = "the answer has no `finish_reason`, so it may be incomplete: check the server or its proxy"
            self._warn_once(f"reason {reason}", f"{label}: {ending}")
        count = completion.token_count
        is_cut = completion.finish_reason in ("length", "thinking") and 0 < count < limit - 1
        if is_cut and self.connection.kind.name == "ollama":
            ending = f"Ollama ended the answer after {count} of {limit} tokens, as its context is full"
            self._warn_once("context", f"{label}: {ending}: {NUM_CTX_HINT}")

    def _counted(self, completion: Completion, text: str, request: Request) -> Completion:
        """Count or estimate the tokens of a completion for which the server reports no number."""
        if text:
            self._reports_tokens = False
            how = self.count_description
            self._warn_once("tokens", f"the server does not report how many tokens it generates; {how}")
        limit = request.params.max_new_tokens
        if completion.finish_reason == "thinking" and not text:  # a hidden thought that reached the limit
            return dataclasses.replace(completion, token_count_reported=limit, thinking_token_count=limit)
        if self._count is not None:
            count = self._count(text)
        else:
            count = -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
        return dataclasses.replace(
            completion, token_count_reported=max(1, min(count, limit)), count_is_estimate=self._count is None
        )

    def _warn_of_irregular(self, completions: Mapping[Request, Completion]) -> None:
        rows_by_reason = irregular_rows(
            (request.row, done.finish_reason) for request, done in completions.items() if request.row is not None
        )
        for reason, rows in rows_by_reason.items():
            self._warn_once(
                reason,
                f"answers of the server: {describe_answers({reason: rows})}; they are scored as they are, and counted "
                "in verdict and report",
            )

    def _warn_once(self, topic: str, message: str) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            _LOG.warning("%s", message)

    def _check_stopping(self, stopping: Stopping) -> None:
        if stopping.eos_token_ids or stopping.sequences or stopping.criteria:
            raise ConfigurationError("a server ends completions only at its own end token and at `stop` strings")
        kind = self.connection.kind
        if kind.max_stops is not None and len(stopping.strings) > kind.max_stops:
            raise ConfigurationError(
                f"a server of the kind `{kind.name}` takes at most {kind.max_stops} `stop` strings, got "
                f"{len(stopping.strings)}"
            )


def _joined(failures: Mapping[Request, TrialError]) -> TrialError:
    """Return the first of several errors, with the rows of all."""
    first = next(iter(failures.values()))
    rows = sorted({request.row for request in failures if request.row is not None})
    if len(rows) < 2:
        return first
    return type(first)(f"{first}; requests of {len(rows)} rows failed: {listed(rows)}")
