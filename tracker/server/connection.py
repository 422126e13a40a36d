"""Owns a connection to the embedded server: its time-outs, and eviction when there are too many connections.

A slow client is disconnected, whether it is slow to send headers or a body or to read a response. If there are too many
connections, or too many of one address, the connection that has waited longest for its client is closed: idle and slow
connections never keep out a client with a request. While every connection is busy, a few more serve probes of this machine.
"""

import asyncio  # noqa: TID251 - the embedded server's protocols are asyncio's
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, cast

import httptools
import msgspec
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracker.server.connection_limits import ConnectionLimits

_PIPELINED: Final = 8
"""Requests that may wait for the answer to the one before them."""


class ServerConnection(HttpToolsProtocol):
    """One connection. It calls `on_made` when it is made; the server calls `check_timeouts` about every second."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, on_made: Callable[[], None], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits = limits
        self._on_made = on_made
        self._awaited_since: float | None = None  # headers or a body that have not arrived whole
        self._blocked_since: float | None = None  # a response that the client does not read
        self._closing_since: float | None = None
        self._idle_since = 0.0
        self.is_evicted = False  # closed; the event loop reports it a little later
        self.is_reserved = False
        self._in_headers = False
        self._header_bytes = 0  # of incomplete headers
        self._complete_headers = 0  # in the data being parsed
        self._unread_bytes = 0  # of a body, after its response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self.client and (_unmapped(self.client[0]), self.client[1])
        self._on_made()  # before anything that it sends can be read
        self._awaited_since = self._idle_since = self.loop.time()
        if not self._has_room():
            self.refuse(503, "there are too many connections")

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._complete_headers = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered without an upgrade
        except httptools.HttpParserError:
            self.refuse(400, "that is not HTTP/1.1")
            return
        if self._awaited_since is None and self.is_idle:
            self._awaited_since = self.loop.time()  # line breaks, or other bytes that begin no request
        self._header_bytes = self._header_bytes + len(data) if self._in_headers and not self._complete_headers else 0
        if self._header_bytes > self._limits.header_bytes:
            self.refuse(431, f"expected at most {self._limits.header_bytes} bytes of headers")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._unread_bytes = 0
        self._awaited_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers:  # headers after a body are not used
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._complete_headers += 1
        self._awaited_since = self.loop.time()
        super().on_headers_complete()
        if len(self.pipeline) > _PIPELINED:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unread_bytes += len(body) * self.cycle.response_complete
        if self._unread_bytes > self._limits.unread_body_bytes:  # it may be endless
            self.transport.close()

    def on_message_complete(self) -> None:
        self._awaited_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._blocked_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._blocked_since = None
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress: none has arrived whole, or all were answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine: a probe, a command, or a proxy with many clients behind it."""
        return self.client is not None and is_of_this_machine(self.client[0], self.server and _unmapped(self.server[0]))

    @property
    def waiting_since(self) -> float | None:
        """Since when the connection waits for its client to send a request or read a response; None while the server works."""
        if self._closing_since is not None:
            return self._closing_since
        if self._blocked_since is not None:
            return self._blocked_since
        return self._idle_since if self.is_idle else self._awaited_since

    def check_timeouts(self) -> None:
        """Close the connection if its client has been slow for too long."""
        now, limits = self.loop.time(), self._limits
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > limits.write_timeout:
                self.transport.abort()
        elif self._blocked_since is not None and now - self._blocked_since > limits.write_timeout:
            self.transport.abort()
        elif self._awaited_since is not None and now - self._awaited_since > limits.read_timeout:
            self.refuse(408, f"expected the request within {limits.read_timeout:g} s")

    def refuse(self, status: int, detail: str) -> None:
        """Send an error response, unless another response has begun, and close the connection."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        phrase = HTTPStatus(status).phrase
        body = _problem(status, detail)
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _has_room(self) -> bool:
        """Whether this connection is within the limits, if need be because another one was closed."""
        others = [each for each in cast("set[ServerConnection]", self.connections) if each is not self and not each.is_evicted]
        limits, host = self._limits, self.client and self.client[0]
        if not self.is_local and len(others) >= limits.per_address:
            of_one = [each for each in others if each.client and each.client[0] == host]
            if len(of_one) >= limits.per_address:
                return _evict_one(of_one)
        reserved = [each for each in others if each.is_reserved]
        if len(others) - len(reserved) < limits.connections or _evict_one(others):
            return True
        self.is_reserved = self.is_local and len(reserved) < limits.reserved
        self.app = _Probes(self.app, limits.probes)
        return self.is_reserved

    def evict(self) -> None:
        self.is_evicted = True
        self.transport.abort()


class _Probes:
    """The application on a reserved connection: it serves probes, and answers 503 to other requests."""

    def __init__(self, app: Any, paths: tuple[str, ...]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith(self._paths):
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": _problem(503, "there are too many connections")})


def _evict_one(connections: list[ServerConnection]) -> bool:
    """Close the connection that has waited longest for its client; returns whether there was one."""
    waiting = [(since, each) for each in connections if (since := each.waiting_since) is not None]
    if waiting:
        min(waiting, key=lambda pair: pair[0])[1].evict()
    return bool(waiting)


def is_of_this_machine(client: str, server: str | None) -> bool:
    """Whether the address `client` is on the machine of the address `server`."""
    try:
        return client == server or ip_address(client).is_loopback
    except ValueError:
        return False


def _problem(status: int, detail: str) -> bytes:
    return msgspec.json.encode({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})


def _unmapped(host: str) -> str:
    """The address; for an IPv4 address that is mapped into IPv6, the IPv4 address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)
