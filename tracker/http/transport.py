"""Owns what a transport is given and gives: a request and an answer as they are on the wire, without httpx's values.

Those of httpx took a fifth of the CPU of a webhook.
"""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

import httpx

Headers = list[tuple[bytes, bytes]]


class SentRequest(NamedTuple):
    """A request with all of its headers. Make it with `sent_request`."""

    method: str
    url: httpx.URL
    headers: Headers
    content: bytes


class ReceivedAnswer(NamedTuple):
    """The head of an answer, with names in lower case; `parts` is its body, and may be read once.

    `close` ends the exchange. What was not read of the body is not read any more.
    """

    status: int
    raw_headers: Headers
    parts: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def headers(self) -> dict[str, str]:
        """The headers as text: UTF-8 if all of them are, else Latin-1. One that comes several times is joined by commas."""
        try:
            return _joined(self.raw_headers, "utf-8")
        except UnicodeDecodeError:
            return _joined(self.raw_headers, "latin-1")


class Transport(Protocol):
    """Makes one exchange after another; after one that failed it is closed."""

    async def exchange(self, request: SentRequest) -> ReceivedAnswer:
        """Send the request and return when the head of the answer has come. Raises `httpx.HTTPError`."""

    async def aclose(self) -> None: ...


def sent_request(method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes) -> SentRequest:
    """The request, also with the headers that follow from the rest: the host, the length, and the URL's user and password."""
    named = {name.lower(): (name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()}
    if "host" not in named:
        named = {"host": (b"host", url.netloc), **named}
    if content or method in ("POST", "PUT", "PATCH"):
        named["content-length"] = (b"content-length", str(len(content)).encode())
    if url.userinfo:
        named["authorization"] = (b"authorization", b"Basic " + b64encode(f"{url.username}:{url.password}".encode()))
    return SentRequest(method, url, list(named.values()), content)


def _joined(headers: Headers, encoding: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode(encoding), raw_value.decode(encoding)
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
