"""One server over HTTP: attempts, time-outs, retries, and what they come to in the end."""

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

__all__ = ["Client"]

_LOG = logging.getLogger(__name__)

_LARGEST_ANSWER = 16 * 2**20
_CONNECT_S = 10.0
_LOST = (httpx2.ReadError, httpx2.RemoteProtocolError)
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
_LAST_DOUBLING = 30
_LONGEST_RETRY_AFTER_S = 600.0

# Passing, whatever the request is.
_BUSY = {425, 429, 502, 503, 504}
_PASSING = {408, 409, 500} | _BUSY

_Read = TypeVar("_Read")


class _PassingFailure(Exception):  # noqa: N818 - it is none yet
    """An attempt failed in a way that may not last.

    Args:
        reason: Why.
        busy: Whether the server as a whole is to blame, and not the request.
        retry_after: The seconds after which the server wants to be asked again.
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
        """What the body says; ``None`` where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str:
        """Status, and what the body says of an error."""
        said = self.json()
        return f"status {self.status}: {_start(self.body) if said is None else error_message(said)}"


class Client:
    """Connections to a server, as an asynchronous context manager within one event loop.

    Args:
        server: The server.
        max_concurrency: Requests at once.
        tls: What certificates are checked with; it takes a tenth of a second to make.
    """

    def __init__(self, server: OpenAIServer, max_concurrency: int, tls: ssl.SSLContext) -> None:
        self._server = server
        self._key = server.api_key()
        self._room = asyncio.Semaphore(max_concurrency)
        # Rate limits are for all requests: where one is told to wait, the others do not rush in.
        self._not_before = 0.0
        self._http = httpx2.AsyncClient(
            headers={} if self._key is None else {"Authorization": f"Bearer {self._key}"},
            timeout=httpx2.Timeout(server.timeout_s, connect=min(_CONNECT_S, server.timeout_s)),
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

    async def get(self, url: str, *, is_optional: bool = False) -> Any:
        """What an address answers, as JSON; ``None`` where it has nothing to say.

        Only where the connection is lost, as busy servers lose some, is it asked again.

        Args:
            url: The address.
            is_optional: Whether a refused API key is nothing to say, too.

        Raises:
            ServerError: The server cannot be reached, or refuses the API key.
        """
        for attempt in itertools.count():
            try:
                answer = await self._exchange("GET", url, None)
                break
            except _PassingFailure as error:
                if attempt == self._server.max_retries or not isinstance(error.__cause__, _LOST):
                    raise self._gone(str(error)) from error
                await self._wait(error, attempt, url)
        if not is_optional:
            self._check_key(answer)
        return answer.json() if answer.status == 200 else None

    async def post(self, path: str, payload: dict[str, Any], read: Callable[[Any], _Read], what: str) -> _Read:
        """Sends a request until it is answered.

        Args:
            path: Where to, from the server's base URL.
            payload: The request.
            read: Takes the answer; raises ValueError where it is not one.
            what: What messages call the request, e.g. ``"row 3"``.

        Raises:
            RequestRefusedError: The server finds fault with the request.
            TrialError: No attempt was answered, though the server is there.
            ServerError: The server is gone, or takes no requests at all.
        """
        async with self._room:
            for attempt in range(self._server.max_retries + 1):
                await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
                try:
                    answer = await self._exchange("POST", f"{self._server.base_url.rstrip('/')}/{path}", payload)
                    return self._read(answer, read, what)
                except _PassingFailure as error:
                    failure = error
                if attempt < self._server.max_retries:
                    await self._wait(failure, attempt, what)
        raise await self._exhausted(failure, what) from failure

    async def _exchange(self, method: str, url: str, payload: dict[str, Any] | None) -> _Answer:
        try:
            async with (
                asyncio.timeout(self._server.timeout_s),
                self._http.stream(method, url, json=payload) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_ANSWER:
                        raise _PassingFailure(f"an answer of more than {_LARGEST_ANSWER // 2**20} MiB")
                return _Answer(response.status_code, response.headers, bytes(body))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _PassingFailure(f"no connection ({_described(error)})", busy=True) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise _PassingFailure(f"no answer within {self._server.timeout_s:g} s") from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise _PassingFailure(f"the connection was lost ({_described(error)})") from error

    def _read(self, answer: _Answer, read: Callable[[Any], _Read], what: str) -> _Read:
        said = answer.json()
        if answer.status == 200:
            if said is None:
                raise _PassingFailure(f"{len(answer.body)} bytes that are no JSON")
            try:
                return read(said)
            except ValueError as error:
                raise _PassingFailure(str(error)) from error
        self._check_key(answer)
        told = answer.message
        if answer.status in _PASSING or answer.status > 504:
            if "insufficient_quota" in told:
                raise self._gone(told)
            raise _PassingFailure(told, busy=answer.status in _BUSY, retry_after=_retry_after(answer.headers))
        if answer.status == 404 or answer.status < 400:
            raise self._gone(f"{told}; is the model's name right, and does `base_url` end with /v1?")
        raise RequestRefusedError(self._clean(f"{what}: the server refuses the request with {told}"))

    async def _wait(self, failure: _PassingFailure, attempt: int, what: str) -> None:
        longest = min(_FIRST_DELAY_S * 2 ** min(attempt, _LAST_DOUBLING), _LONGEST_DELAY_S)
        delay = secrets.SystemRandom().uniform(longest / 2, longest)
        if failure.retry_after is not None:
            if failure.retry_after > _LONGEST_RETRY_AFTER_S:
                raise self._gone(f"it asks to wait {failure.retry_after:g} s; {failure}")
            delay += failure.retry_after
            self._not_before = max(self._not_before, time.monotonic() + failure.retry_after)
        _LOG.info("%s: %s; once more in %.1f s", what, self._clean(str(failure)), delay)
        await asyncio.sleep(delay)

    async def _exhausted(self, failure: _PassingFailure, what: str) -> TrialError | ServerError:
        """What it comes to that no attempt was answered: is the request to blame, or is there no server any more?"""
        attempts = self._server.max_retries + 1
        tried = f"{attempts} attempts failed, the last with" if attempts > 1 else "the request failed with"
        if failure.busy:
            return self._gone(f"{tried}: {failure}")
        try:
            await self._exchange("GET", f"{self._server.base_url.rstrip('/')}/models", None)
        except _PassingFailure as error:
            return self._gone(str(error))
        return TrialError(self._clean(f"{what}: {tried}: {failure}"))

    def _check_key(self, answer: _Answer) -> None:
        if answer.status in (401, 403):
            hint = "set `api_key_env`" if self._key is None else f"is the key in {self._server.api_key_env} right?"
            raise self._gone(f"{answer.message}; {hint}")

    def _gone(self, reason: str) -> ServerError:
        return ServerError(self._clean(f"the server at {self._server.base_url} cannot be used: {reason}"))

    def _clean(self, message: str) -> str:
        """Without the key, which a server may quote."""
        return message if self._key is None else message.replace(self._key, "***")


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _start(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace") or "no message"


def _retry_after(headers: httpx2.Headers) -> float | None:
    """The seconds of a ``Retry-After`` header, which gives them, or a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
