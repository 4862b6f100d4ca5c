"""Requests to one server over HTTP, with time-outs and retries."""

import asyncio
import email.utils
import itertools
import json
import logging
import math
import secrets
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import httpx2

from llmsearch_optuna.engine.http.answers import error_message
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.errors import RequestRefusedError, ServerError, TrialError

__all__ = ["Client", "RetryLog"]

_LOG = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 16 * 2**20
_CONNECT_TIMEOUT_S = 10.0
_LOST_CONNECTION = (httpx2.ReadError, httpx2.RemoteProtocolError)
_FIRST_DELAY_S = 0.5
_MAX_DELAY_S = 60.0
_MAX_DOUBLINGS = 30
_MAX_RETRY_AFTER_S = 600.0
_SHOWN_RETRIES, _SHOWN_EVERY = 5, 100
_TOO_MANY_REQUESTS = "status 429"

# The account has no money left: the status of OpenRouter, DeepSeek and others, and what OpenAI says with status 429, in
# `type` and `code` of the error. Gateways quote this error in fields of their own.
_PAYMENT_REQUIRED = 402
_NO_QUOTA = b"insufficient_quota"

# Statuses of temporary failures: those that do not depend on the request, and all that justify a retry. From 520 on, a
# proxy does not reach the server (Cloudflare: 520 to 530), or the service is overloaded (Anthropic: 529).
_BUSY_STATUSES = {425, 429, 502, 503, 504, *range(520, 600)}
_TRANSIENT_STATUSES = {408, 409, 500} | _BUSY_STATUSES

_Read = TypeVar("_Read")


class _TransientError(Exception):
    """An attempt failed in a way that may not last.

    Args:
        reason: The reason.
        busy: Whether the server as a whole is at fault and not the request.
        retry_after: The delay in seconds that the server asks for, if any.
    """

    def __init__(self, reason: str, *, busy: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.busy = busy
        self.retry_after = retry_after


class _Answer(NamedTuple):
    status: int
    headers: httpx2.Headers
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str:
        """The status and the error message in the body."""
        content = self.json()
        start = self.other_format or self.body[:200].decode("utf-8", "replace") or "no message"
        return f"status {self.status}: {start if content is None else error_message(content)}"

    @property
    def other_format(self) -> str | None:
        """What the body is if it is a web page or a stream of events, which no API sends in place of JSON."""
        kind, start = self.headers.get("content-type", ""), self.body.lstrip()
        if kind.startswith("text/html") or start[:14].lower().startswith((b"<!doctype html", b"<html")):
            return "a web page (HTML)"
        if kind.startswith("text/event-stream") or start.startswith((b"data:", b"event:")):
            return "a stream of events"
        return None

    @property
    def failure(self) -> _TransientError:
        """The failure for which a status that justifies a retry stands."""
        return _TransientError(self.message, busy=self.status in _BUSY_STATUSES, retry_after=_retry_after(self.headers))


class RetryLog:
    """Logs the retries of a search: the first ones, and then fewer and fewer. The log file has all of them.

    Args:
        max_concurrency: The maximum number of simultaneous requests.
    """

    def __init__(self, max_concurrency: int) -> None:
        self._max_concurrency = max_concurrency
        self._retries = 0
        self._has_advice = False

    def add(self, label: str, reason: str, delay: float) -> None:
        """Log a retry.

        Args:
            label: The name of the request.
            reason: Why the attempt failed.
            delay: The seconds until the retry.
        """
        self._retries += 1
        is_shown = self._retries <= _SHOWN_RETRIES or self._retries % _SHOWN_EVERY == 0
        count = f" (retry {self._retries} of this run)" if self._retries > _SHOWN_RETRIES else ""
        _LOG.log(
            logging.INFO if is_shown else logging.DEBUG, "%s: %s; retrying in %.1f s%s", label, reason, delay, count
        )
        if self._retries == _SHOWN_RETRIES:
            _LOG.info("the log file has further retries, the terminal one of %d", _SHOWN_EVERY)
        if _TOO_MANY_REQUESTS in reason and self._max_concurrency > 1 and not self._has_advice:
            self._has_advice = True
            _LOG.warning(
                "the server limits the requests: if it refuses many, set a `max_concurrency` of less than %d",
                self._max_concurrency,
            )


class Client:
    """An HTTP client for one server. It is an asynchronous context manager, for use within one event loop.

    Args:
        server: The server.
        max_concurrency: The maximum number of simultaneous requests.
        tls: The context that verifies certificates. It is shared, because creating one takes a tenth of a second.
        retries: Logs the retries. By default the client has its own.

    Raises:
        ConfigurationError: The API key is not set or cannot be sent; see `OpenAIServer.api_key`.
    """

    def __init__(
        self, server: OpenAIServer, max_concurrency: int, tls: ssl.SSLContext, retries: RetryLog | None = None
    ) -> None:
        self._server = server
        self._retries = retries or RetryLog(max_concurrency)
        self._key = server.api_key()
        self._slots = asyncio.Semaphore(max_concurrency)
        # A rate limit holds for all requests: if the server delays one, the others wait as well.
        self._not_before = 0.0
        self._http = httpx2.AsyncClient(
            headers={} if self._key is None else {"Authorization": f"Bearer {self._key}"},
            timeout=httpx2.Timeout(server.timeout_s, connect=min(_CONNECT_TIMEOUT_S, server.timeout_s)),
            verify=tls,
            limits=httpx2.Limits(max_connections=max_concurrency, max_keepalive_connections=max_concurrency),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def get(self, url: str, *, is_optional: bool = False, key_hint: str = "") -> Any:
        """Return the parsed JSON answer of an address; None if its status is not 200 or it is not JSON.

        The request is retried if the connection is lost, which happens with busy servers, or if the server is loading
        or overloaded.

        Args:
            url: The address.
            is_optional: Whether to return None at once if the API key is rejected or the server is overloaded.
            key_hint: What the error says in addition if the API key is rejected.

        Raises:
            ServerError: The server cannot be reached, stays overloaded or rejects the API key.
        """
        for attempt in itertools.count():
            try:
                answer = await self._exchange("GET", url, None)
            except _TransientError as error:
                if not isinstance(error.__cause__, _LOST_CONNECTION):
                    raise self._unusable(str(error)) from error
                failure = error
            else:
                if is_optional or answer.status not in _BUSY_STATUSES:
                    break
                failure = answer.failure
            if attempt == self._server.max_retries:
                raise self._unusable(str(failure)) from failure
            await self._wait(failure, attempt, url)
        if not is_optional:
            self._check_key(answer, key_hint)
        return answer.json() if answer.status == 200 else None

    async def post(
        self,
        path: str,
        payload: dict[str, Any],
        read: Callable[[Any], _Read],
        label: str,
        is_answer: Callable[[Any], bool] = lambda _: False,
    ) -> _Read:
        """Send a request, with retries, until it is answered.

        Args:
            path: The path after the server's base URL.
            payload: The JSON body.
            read: Converts the parsed answer. If it raises ValueError, the request is retried.
            label: The name of the request in messages, e.g. ``"row 3"``.
            is_answer: Returns whether the parsed body of an error is an answer for `read`.

        Returns:
            The value that `read` returned.

        Raises:
            RequestRefusedError: The server rejects the request.
            TrialError: Every attempt failed although the server is reachable.
            ServerError: The server is unreachable or accepts no requests at all.
        """
        async with self._slots:
            for attempt in range(self._server.max_retries + 1):
                await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
                try:
                    answer = await self._exchange("POST", self._server.address(path), payload)
                    return self._read(answer, read, label, is_answer)
                except _TransientError as error:
                    failure = error
                if attempt < self._server.max_retries:
                    await self._wait(failure, attempt, label)
        raise await self._exhausted(failure, label) from failure

    async def _exchange(self, method: str, url: str, payload: dict[str, Any] | None) -> _Answer:
        try:
            async with (
                asyncio.timeout(self._server.timeout_s),
                self._http.stream(method, url, json=payload) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise _TransientError(f"an answer of more than {_MAX_ANSWER_BYTES // 2**20} MiB")
                return _Answer(response.status_code, response.headers, bytes(body))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _TransientError(
                f"no connection ({_described(error)}): is it running, and is `base_url` right?", busy=True
            ) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise _TransientError(f"no answer within {self._server.timeout_s:g} s") from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise _TransientError(f"the connection was lost ({_described(error)})") from error

    def _read(
        self, answer: _Answer, read: Callable[[Any], _Read], label: str, is_answer: Callable[[Any], bool]
    ) -> _Read:
        content = answer.json()
        if answer.status == 200 or is_answer(content):
            if content is None:
                # A retry would not change that, nor would another request.
                if answer.other_format == "a stream of events":
                    raise self._unusable(
                        "it streams its answers, although no request asks for it: turn that off in the server or its "
                        "proxy"
                    )
                if answer.other_format:
                    raise _TransientError(
                        f"{answer.other_format} in place of JSON; {self._server.address_hint}", busy=True
                    )
                raise _TransientError(f"{len(answer.body)} bytes that are not JSON")
            try:
                return read(content)
            except ValueError as error:
                raise _TransientError(str(error)) from error
        self._check_key(answer)
        message = answer.message
        if answer.status == _PAYMENT_REQUIRED:
            raise self._unusable(message)
        if answer.status in _TRANSIENT_STATUSES or answer.status > 504:
            if _NO_QUOTA in answer.body:
                raise self._unusable(message)
            raise answer.failure
        if answer.status in (404, 405) or answer.status < 400:
            raise self._unusable(f"{message}; {self._server.address_hint}")
        raise RequestRefusedError(self._clean(f"{label}: the server refuses the request with {message}"))

    async def _wait(self, failure: _TransientError, attempt: int, label: str) -> None:
        limit = min(_FIRST_DELAY_S * 2 ** min(attempt, _MAX_DOUBLINGS), _MAX_DELAY_S)
        delay = secrets.SystemRandom().uniform(limit / 2, limit)
        if failure.retry_after is not None:
            if failure.retry_after > _MAX_RETRY_AFTER_S:
                raise self._unusable(f"it asks to wait {failure.retry_after:g} s; {failure}")
            delay += failure.retry_after
            self._not_before = max(self._not_before, time.monotonic() + failure.retry_after)
        self._retries.add(label, self._clean(str(failure)), delay)
        await asyncio.sleep(delay)

    async def _exhausted(self, failure: _TransientError, label: str) -> TrialError | ServerError:
        """Return the error for a request whose attempts all failed.

        It is a ServerError if the last attempt or another request shows that the server cannot be used.
        """
        attempts = self._server.max_retries + 1
        summary = f"{attempts} attempts failed, the last with" if attempts > 1 else "the request failed with"
        if failure.busy:
            return self._unusable(f"{summary}: {failure}")
        try:
            answer = await self._exchange("GET", self._server.address("models"), None)
        except _TransientError as error:
            return self._unusable(str(error))
        if answer.status in _BUSY_STATUSES:  # of a proxy, perhaps, whose server is gone
            return self._unusable(answer.message)
        return TrialError(self._clean(f"{label}: {summary}: {failure}"))

    def _check_key(self, answer: _Answer, key_hint: str = "") -> None:
        if answer.status in (401, 403):
            name = self._server.api_key_env
            hint = "set `api_key_env`" if self._key is None else f"is the key in {name} right?{key_hint}"
            raise self._unusable(f"{answer.message}; {hint}")

    def _unusable(self, reason: str) -> ServerError:
        return ServerError(self._clean(f"the server at {self._server.base_url} cannot be used: {reason}"))

    def _clean(self, message: str) -> str:
        """Return a message without the API key, which a server may quote."""
        return message if self._key is None else message.replace(self._key, "***")


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the delay in seconds that a ``Retry-After`` header asks for; None if it is missing or invalid.

    The header holds seconds or a date (RFC 9110, section 10.2.3).
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
