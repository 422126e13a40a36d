"""Owns every outgoing request: a total deadline, a cap on the body, no compression, redirects or cookies, no proxies unasked.

No module but this one and its transport imports httpx. What the network does is a value: an `Answer`, or `NoAnswer` and why.
"""

import math
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from typing import Final, NamedTuple, Protocol, Self

import anyio
import httpx
import msgspec

from tracker import __version__
from tracker.http.connection import Connection
from tracker.http.errors import explain
from tracker.http.proxies import Proxies
from tracker.http.proxy_connection import Proxied
from tracker.http.tls import tls_context
from tracker.runtime.heartbeat import Heartbeat

__all__ = ["Answer", "HttpClient", "Identity", "NoAnswer", "Request", "http_client", "tls_context"]

CONNECTIONS: Final = 16
"""At most, of one `HttpClient`."""

KEPT_IDLE: Final = 60.0
"""Seconds."""

URLS: Final = 8
"""So many that were asked last need not be read again."""

BODY_GRACE: Final = 2.0
"""Seconds for a body on which nothing depends: time to see what a bad answer says, and to use the connection again."""

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"batch-tracker/{__version__}"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. `params` may repeat a name. `deadline` (seconds) spans connecting, sending and the whole answer.

    Where `body_needed` a 2xx without its whole body is no answer. Any other answer is one by its head alone: its body is read
    as far as it comes within `BODY_GRACE`.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    content: bytes = b""
    deadline: float = 10.0
    body_limit: int = 16 * 1024 * 1024
    body_needed: bool = True


class Answer(msgspec.Struct, frozen=True):
    """An answer, or as much of it as was read: `truncated` if there was more. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


class NoAnswer(msgspec.Struct, frozen=True):
    """There was no whole answer; `detail` says why, and names no URL. `late`: the deadline was over."""

    detail: str
    late: bool = False


class Identity(Protocol):
    """Who asks: what goes with each request of a client, and what is secret of all that its requests say."""

    def headers(self) -> Mapping[str, str]:
        """Headers of every request, names in lower case; those of the request itself win."""

    def secrets(self) -> Iterable[str]:
        """What a server may quote and no output may show."""


class Anonymous:
    """The identity without anything."""

    def headers(self) -> Mapping[str, str]:
        return {}

    def secrets(self) -> Iterable[str]:
        return ()


class HttpClient:
    """Requests over connections that are kept and re-used, each of which is a transport of httpx for itself."""

    def __init__(
        self, connection: Callable[[], httpx.AsyncBaseTransport], heartbeat: Heartbeat, identity: Identity | None = None
    ) -> None:
        """`connection` makes one; it is closed when the `HttpClient` is left."""
        self.identity = identity or Anonymous()
        self._connection = connection
        self._heartbeat = heartbeat
        self._idle: list[_Idle] = []  # the one that was used last is used next: it is the likeliest to be connected
        self._free = anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        self._url = lru_cache(URLS)(httpx.URL)  # reading one costs as much as signing ten webhooks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close_idle(since=math.inf)

    async def send(self, request: Request) -> Answer | NoAnswer:
        with self._heartbeat.waiting(request.deadline + BODY_GRACE), anyio.move_on_after(request.deadline) as deadline:
            try:
                async with self._free, self._connected() as connection:
                    return await _exchange(connection, self._identified(request), self._url(request.url), deadline)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return NoAnswer(explain(error))
        return NoAnswer(f"no complete answer within {request.deadline:g} s", late=True)

    def _identified(self, request: Request) -> Request:
        headers = self.identity.headers()
        return msgspec.structs.replace(request, headers={**headers, **request.headers}) if headers else request

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A connection for a request alone; it is used again only if the request came to its end."""
        await self._close_idle(since=anyio.current_time() - KEPT_IDLE)
        connection = self._idle.pop().connection if self._idle else self._connection()
        try:
            yield connection
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
            raise
        self._idle.append(_Idle(connection, anyio.current_time()))

    async def _close_idle(self, since: float) -> None:
        """Close what has not been used since then: a burst should not cost connections for ever, and routers forget them."""
        while self._idle and self._idle[0].at < since:
            with anyio.CancelScope(shield=True):
                await self._idle.pop(0).connection.aclose()


class _Idle(NamedTuple):
    """An idle connection, and the event loop's time when it was last used."""

    connection: httpx.AsyncBaseTransport
    at: float


@asynccontextmanager
async def http_client(
    tls: ssl.SSLContext,
    *,
    proxies: Proxies | None = None,
    heartbeat: Heartbeat | None = None,
    identity: Identity | None = None,
) -> AsyncIterator[HttpClient]:
    """A client of its own connections, straight or by `proxies`; `heartbeat` is of the loop that asks, `identity` who that is.

    Share `tls` (see `tls_context`): making one costs as much as many requests.
    """
    connection = partial(Connection, tls) if proxies is None else partial(Proxied, proxies, tls)
    async with HttpClient(connection, heartbeat or Heartbeat(), identity) as client:
        yield client


async def _exchange(
    connection: httpx.AsyncBaseTransport, request: Request, url: httpx.URL, deadline: anyio.CancelScope
) -> Answer:
    response = await connection.handle_async_request(_as_httpx(request, url))
    try:
        if request.body_needed and response.is_success:
            body, truncated = await _read(response, request.body_limit)
        else:
            until, deadline.deadline = deadline.deadline, math.inf
            body, truncated = await _read_what_comes(response, request.body_limit, until)
    finally:
        await response.aclose()
    return Answer(response.status_code, dict(response.headers.items()), body, truncated)


def _as_httpx(request: Request, url: httpx.URL) -> httpx.Request:
    made = httpx.Request(
        request.method,
        url,
        params=request.params or None,
        headers={**_HEADERS, **request.headers},
        content=request.content or None,
    )
    if url.userinfo:
        made = next(httpx.BasicAuth(url.username, url.password).sync_auth_flow(made))
    return made


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


async def _read_what_comes(response: httpx.Response, limit: int, until: float) -> tuple[bytes, bool]:
    """As `_read`, of a body that may be cut short, or not be over in time."""
    body = bytearray()
    with suppress(httpx.HTTPError), anyio.CancelScope(deadline=min(until, anyio.current_time() + BODY_GRACE)):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body), False
    return bytes(body[:limit]), True
