"""Owns every outgoing request: a total deadline, a cap on the body, no compression, redirects or cookies, no proxies unasked.

The one module that imports httpx. What the network does is a value: an `Answer`, or `NoAnswer` and why.
"""

import math
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, NamedTuple, Self

import anyio
import httpx
import msgspec

from tracker.pulse import Pulse

CONNECTIONS: Final = 16
"""At most, of one `HttpClient`."""

KEPT_IDLE: Final = 60.0
"""Seconds."""

_QUOTED: Final = re.compile(r"\bbytearray\b|\bb['\"]|(?<!\w)['\"]")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. `params` may repeat a name. `deadline` (seconds) spans connecting, sending and the whole answer."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    content: bytes = b""
    deadline: float = 10.0
    body_limit: int = 16 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, or its first `body_limit` bytes if it was longer. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


class NoAnswer(msgspec.Struct, frozen=True):
    """There was no whole answer; `detail` says why, and names no URL."""

    detail: str


class HttpClient:
    """Requests over connections that are kept and re-used.

    Each connection is a client of httpx for itself: httpx looks through all the connections of a client for each request,
    which for sixteen takes longer than the request.
    """

    def __init__(self, make: Callable[[], httpx.AsyncClient], pulse: Pulse) -> None:
        """`make` gives a client of one connection; it is left when the `HttpClient` is."""
        self._make = make
        self._pulse = pulse
        self._idle: list[_Idle] = []  # the one that was used last is used next: it is the likeliest to be connected
        self._free = anyio.Semaphore(CONNECTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close_idle(since=math.inf)

    async def send(self, request: Request) -> Answer | NoAnswer:
        with self._pulse.waiting(request.deadline), anyio.move_on_after(request.deadline):
            try:
                async with self._free, self._client() as client:
                    return await _exchange(client, request)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return NoAnswer(_what_happened(error))
        return NoAnswer(f"no complete answer within {request.deadline:g} s")

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        """One for a request alone; it is used again only if the request came to its end."""
        client = self._idle.pop().client if self._idle else self._make()
        try:
            yield client
        except BaseException:
            with anyio.CancelScope(shield=True):
                await client.aclose()
            raise
        now = anyio.current_time()
        self._idle.append(_Idle(client, now))
        await self._close_idle(since=now - KEPT_IDLE)

    async def _close_idle(self, since: float) -> None:
        """Close what has not been used since then: nobody else would, and a burst should not cost connections for ever."""
        with anyio.CancelScope(shield=True):
            while self._idle and self._idle[0].at < since:
                await self._idle.pop(0).client.aclose()


class _Idle(NamedTuple):
    """A client that nobody uses, and the loop's time when it was last used."""

    client: httpx.AsyncClient
    at: float


@asynccontextmanager
async def http_client(
    tls: ssl.SSLContext, *, environment_proxies: bool = False, pulse: Pulse | None = None
) -> AsyncIterator[HttpClient]:
    """A client of its own connections; `pulse` is of the loop that asks by it.

    Share `tls` (see `tls_context`): making one costs as much as many requests.
    """

    def one_connection() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=tls,
            trust_env=environment_proxies,
            timeout=None,  # noqa: S113 - the deadline of each request is stricter: it also ends an answer that drips
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_IDLE),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # each request stands for itself
            follow_redirects=False,
        )

    async with HttpClient(one_connection, pulse or Pulse()) as client:
        yield client


def tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def _exchange(client: httpx.AsyncClient, request: Request) -> Answer:
    headers = {"accept-encoding": "identity", **request.headers}
    async with client.stream(
        request.method, request.url, params=request.params or None, headers=headers, content=request.content or None
    ) as response:
        body, truncated = await _read(response, request.body_limit)
    return Answer(response.status_code, dict(response.headers), body, truncated)


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


def _what_happened(error: Exception) -> str:
    """The kind of `error` and its text, up to where it quotes: that may be the URL, a header, or what a server sent back."""
    text = _QUOTED.split(str(error), maxsplit=1)[0].rstrip(" :,(")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
