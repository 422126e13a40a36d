"""Owns every outgoing request: a total deadline, a limit of the body, no compression, redirects or cookies.

Only this package imports httpx. The result of a request is a value: an `Answer`, or `NoAnswer` with the reason.
"""

import math
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache, partial
from typing import Final, NamedTuple, Protocol, Self

import anyio
import httpx
import msgspec

from tracker import __version__
from tracker.http.connection import Connection
from tracker.http.error_messages import explain
from tracker.http.proxies import Proxies
from tracker.http.proxy_connection import ProxiedTransport
from tracker.http.streaming import BODY_GRACE, Answer, StreamedAnswer, read_available
from tracker.http.tls import tls_context
from tracker.http.transport import SentRequest, Transport, sent_request
from tracker.runtime.heartbeat import Heartbeat

__all__ = ["Answer", "HttpClient", "Identity", "NoAnswer", "Permit", "Request", "http_client", "tls_context"]

CONNECTIONS: Final = 16
"""Connections that one `HttpClient` has at most."""

KEPT_IDLE: Final = 60.0
"""Seconds after which an idle connection is closed."""

CACHED_URLS: Final = 128
"""Parsed URLs with their parameters that one `HttpClient` caches: the pages of a list are requested again in each sweep."""

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"batch-tracker/{__version__}"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `params` may repeat a name. `deadline` (seconds) spans connecting, sending and the whole answer.

    If `body_needed`, a 2xx without its whole body is no answer. Of any other answer only the head is needed: its body is read
    as far as it arrives within `BODY_GRACE`.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    content: bytes = b""
    deadline: float = 10.0
    body_limit: int = 16 * 1024 * 1024
    body_needed: bool = True


class NoAnswer(msgspec.Struct, frozen=True):
    """There was no complete answer. `detail` is the reason, without a URL; `late` if the deadline has passed."""

    detail: str
    late: bool = False


class Identity(Protocol):
    """The headers that a client adds to its requests, and the secrets in its requests."""

    def headers(self) -> Mapping[str, str]:
        """Headers of every request, with names in lower case; a request's own headers override them."""

    def secrets(self) -> Iterable[str]:
        """The secrets: a server may quote them, and no output may show them."""


class Anonymous:
    """The identity without headers and secrets."""

    def headers(self) -> Mapping[str, str]:
        return {}

    def secrets(self) -> Iterable[str]:
        return ()


Permit = Callable[[], None]
"""Called at the last moment before a request is sent; what it raises leaves `send`, and the request is not made."""


class HttpClient:
    """Sends requests over a pool of connections, each of which is a `Transport`."""

    def __init__(
        self,
        connection: Callable[[], Transport],
        heartbeat: Heartbeat,
        identity: Identity | None = None,
        permit: Permit | None = None,
    ) -> None:
        """`connection` makes a connection; the connections are closed when the context of the client ends."""
        self.identity = identity or Anonymous()
        self._connection = connection
        self._permit = permit
        self._heartbeat = heartbeat
        self._idle: list[_Idle] = []  # a stack: the one that was used last is the likeliest to be still connected
        self._free = anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        self._url = lru_cache(CACHED_URLS)(_url)  # parsing one costs as much as signing ten webhooks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close_idle(since=math.inf)

    async def send(self, request: Request) -> Answer | NoAnswer:
        with self._heartbeat.waiting(request.deadline + BODY_GRACE), anyio.move_on_after(request.deadline) as deadline:
            try:
                async with self._free, self._borrowed_connection() as connection:
                    return await _exchange(
                        connection, self._with_identity(request), self._url(request.url, request.params), deadline
                    )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return NoAnswer(explain(error))
        return NoAnswer(f"no complete answer within {request.deadline:g} s", late=True)

    @asynccontextmanager
    async def stream(self, request: Request, idle: float) -> AsyncIterator[StreamedAnswer | NoAnswer]:
        """The answer to a request without content, with its body as a stream; `request.deadline` ends with its head.

        At most `idle` seconds may pass between two parts. The context must read what it needs of the body.
        """
        async with AsyncExitStack() as stack:
            yield await self._open_stream(request, idle, stack)

    async def _open_stream(self, request: Request, idle: float, stack: AsyncExitStack) -> StreamedAnswer | NoAnswer:
        with self._heartbeat.waiting(request.deadline), anyio.move_on_after(request.deadline):
            try:
                await stack.enter_async_context(self._free)
                connection = await stack.enter_async_context(self._borrowed_connection())
                sent = _as_sent(self._with_identity(request), self._url(request.url, request.params))
                answer = await connection.exchange(sent)
                stack.push_async_callback(answer.close)
                return StreamedAnswer(answer, idle, self._heartbeat)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return NoAnswer(explain(error))
        return NoAnswer(f"no answer within {request.deadline:g} s", late=True)

    def _with_identity(self, request: Request) -> Request:
        headers = self.identity.headers()
        return msgspec.structs.replace(request, headers={**headers, **request.headers}) if headers else request

    @asynccontextmanager
    async def _borrowed_connection(self) -> AsyncIterator[Transport]:
        """A connection for one request; it returns to the pool only if the request was completed."""
        await self._close_idle(since=anyio.current_time() - KEPT_IDLE)
        if self._permit:
            self._permit()
        connection = self._idle.pop().connection if self._idle else self._connection()
        try:
            yield connection
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
            raise
        self._idle.append(_Idle(connection, anyio.current_time()))

    async def _close_idle(self, since: float) -> None:
        """Close the connections that were not used since then: after a burst few are needed, and routers drop idle ones."""
        while self._idle and self._idle[0].at < since:
            with anyio.CancelScope(shield=True):
                await self._idle.pop(0).connection.aclose()


class _Idle(NamedTuple):
    """An idle connection, and the event loop's time when it was last used."""

    connection: Transport
    at: float


@asynccontextmanager
async def http_client(
    tls: ssl.SSLContext,
    *,
    proxies: Proxies | None = None,
    heartbeat: Heartbeat | None = None,
    identity: Identity | None = None,
    permit: Permit | None = None,
) -> AsyncIterator[HttpClient]:
    """A client with connections of its own, direct or through `proxies`; `heartbeat` is of the loop that uses it.

    Share `tls` (see `tls_context`): creating one costs as much as many requests.
    """
    connection = partial(Connection, tls) if proxies is None else partial(ProxiedTransport, proxies, tls)
    async with HttpClient(connection, heartbeat or Heartbeat(), identity, permit) as client:
        yield client


async def _exchange(connection: Transport, request: Request, url: httpx.URL, deadline: anyio.CancelScope) -> Answer:
    answer = await connection.exchange(_as_sent(request, url))
    try:
        if request.body_needed and answer.is_success:
            body, truncated = await _read(answer.parts, request.body_limit)
        else:
            until, deadline.deadline = deadline.deadline, math.inf
            body, truncated = await read_available(answer.parts, request.body_limit, until)
    finally:
        await answer.close()
    return Answer(answer.status, answer.headers(), body, truncated)


def _url(url: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    return httpx.URL(url, params=params) if params else httpx.URL(url)


def _as_sent(request: Request, url: httpx.URL) -> SentRequest:
    return sent_request(request.method, url, {**_HEADERS, **request.headers}, request.content)


async def _read(parts: AsyncIterator[bytes], limit: int) -> tuple[bytes, bool]:
    chunks: list[bytes] = []
    left = limit
    async for chunk in parts:
        chunks.append(chunk)
        left -= len(chunk)
        if left < 0:
            return b"".join(chunks)[:limit], True
    return b"".join(chunks), False
