"""Owns every outgoing request: a total deadline, a cap on the body, no compression, redirects or cookies, no proxies unasked.

The one module that imports httpx. What the network does is a value: an `Answer`, or `NoAnswer` and why.
"""

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import anyio
import httpx
import msgspec

from tracker.pulse import Pulse

CONNECTIONS: Final = 16
"""Per client: httpx scans its pool for each request, so more connections make it slower, not faster."""

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
    """Requests over connections that are kept and re-used."""

    def __init__(self, client: httpx.AsyncClient, pulse: Pulse) -> None:
        self._client = client
        self._pulse = pulse

    async def send(self, request: Request) -> Answer | NoAnswer:
        with self._pulse.waiting(request.deadline), anyio.move_on_after(request.deadline):
            try:
                return await self._exchange(request)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return NoAnswer(_what_happened(error))
        return NoAnswer(f"no complete answer within {request.deadline:g} s")

    async def _exchange(self, request: Request) -> Answer:
        headers = {"accept-encoding": "identity", **request.headers}
        async with self._client.stream(
            request.method, request.url, params=request.params or None, headers=headers, content=request.content or None
        ) as response:
            body, truncated = await _read(response, request.body_limit)
        return Answer(response.status_code, dict(response.headers), body, truncated)


@asynccontextmanager
async def http_client(
    tls: ssl.SSLContext, *, environment_proxies: bool = False, pulse: Pulse | None = None
) -> AsyncIterator[HttpClient]:
    """A client of its own pool; `pulse` is of the loop that asks by it.

    Share `tls` (see `tls_context`): making one costs as much as many requests.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=60)
    async with httpx.AsyncClient(
        verify=tls,
        trust_env=environment_proxies,
        timeout=None,  # noqa: S113 - the deadline of each request is stricter: it also ends an answer that drips
        limits=limits,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # each request stands for itself
        follow_redirects=False,
    ) as client:
        yield HttpClient(client, pulse or Pulse())


def tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


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
