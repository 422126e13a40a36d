"""Owns what a connection to the embedded server may take: bytes of a head, and time for each part of a request.

A slow client is cut off, whatever it is slow at: sending the head, sending the body, or taking the answer. Where there are too
many connections, or too many of one address, the one that has waited for its client for longest makes room: idle and slow
connections never keep out a client that has a question. Where every connection is at work, probes from this machine are
answered on a few more.
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

_PIPELINED: Final = 8
"""Requests that may wait for the answer to the one before them."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server puts up with; in seconds but for numbers of connections, `head` and `unread` (bytes).

    Of the `connections` one address has `of_one_address` at most, unless it is of this machine, where a proxy may ask for
    everybody. Where all are at work, `reserve` more take the paths in `probes` alone, from this machine; `backlog` may wait to
    be accepted. `head` and body may take `arrival` each, nothing of an answer may be taken for `answer`. Of a body that was
    answered before it had come whole, `unread` bytes more are put up with. `keep_alive` is how long an idle connection is
    kept, `grace` how long a request may go on after the server was asked to stop.
    """

    connections: int = 512
    of_one_address: int = 128
    reserve: int = 8
    backlog: int = 512
    probes: tuple[str, ...] = ("/healthz", "/readyz")
    head: int = 16 * 1024
    arrival: float = 10.0
    answer: float = 10.0
    unread: int = 1024 * 1024
    keep_alive: int = 30
    grace: float = 1.0


class Connection(HttpToolsProtocol):
    """One connection. It calls `made` once it is; as long as there is any, `patrol` is to be called every second or so."""

    def __init__(self, *arguments: Any, limits: Limits, made: Callable[[], None], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits = limits
        self._made = made
        self._awaited_since: float | None = None  # a head, or a body, that has not arrived whole
        self._blocked_since: float | None = None  # an answer that is not taken
        self._closing_since: float | None = None
        self._idle_since = 0.0
        self.is_evicted = False  # closed at once; the loop tells of it a little later
        self.is_reserved = False
        self._is_in_head = False
        self._head = 0  # bytes of an incomplete head
        self._heads = 0  # complete ones in what is being read
        self._unread = 0  # bytes of the body that came after its answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self.client and (_plain(self.client[0]), self.client[1])
        self._made()  # before anything that it sends can be read
        self._awaited_since = self._idle_since = self.loop.time()
        if not self._has_room():
            self.refuse(503, "there are too many connections")

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._heads = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it is answered as if it had not asked
        except httptools.HttpParserError:
            self.refuse(400, "that is not HTTP/1.1")
            return
        if self._awaited_since is None and self.is_idle:
            self._awaited_since = self.loop.time()  # line breaks, or whatever else is no beginning
        self._head = self._head + len(data) if self._is_in_head and not self._heads else 0
        if self._head > self._limits.head:
            self.refuse(431, f"expected at most {self._limits.head} bytes of headers")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._unread = 0
        self._awaited_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # headers after a body are not used
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._heads += 1
        self._awaited_since = self.loop.time()
        super().on_headers_complete()
        if len(self.pipeline) > _PIPELINED:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unread += len(body) * self.cycle.response_complete
        if self._unread > self._limits.unread:  # it may have no end, and costs what it takes to read it
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
        """Whether no request is under way: none has come whole yet, or each was answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_near(self) -> bool:
        """Whether the client is on this machine: a probe, a command, or a proxy that asks for everybody."""
        return self.client is not None and is_of_this_machine(self.client[0], self.server and _plain(self.server[0]))

    @property
    def waits_since(self) -> float | None:
        """Since when it waits for its client, to ask, to send a body or to take an answer; None while it is worked for it."""
        if self._closing_since is not None:
            return self._closing_since
        if self._blocked_since is not None:
            return self._blocked_since
        return self._idle_since if self.is_idle else self._awaited_since

    def patrol(self) -> None:
        """Cut it off if it has been slow for too long."""
        now, limits = self.loop.time(), self._limits
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > limits.answer:
                self.transport.abort()
        elif self._blocked_since is not None and now - self._blocked_since > limits.answer:
            self.transport.abort()
        elif self._awaited_since is not None and now - self._awaited_since > limits.arrival:
            self.refuse(408, f"expected the request within {limits.arrival:g} s")

    def refuse(self, status: int, detail: str) -> None:
        """Say what is wrong, if nothing else is being said, and close the connection."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        phrase = HTTPStatus(status).phrase
        body = _problem(status, detail)
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _has_room(self) -> bool:
        """Whether there is room for this connection, or another was closed for it."""
        others = [each for each in cast("set[Connection]", self.connections) if each is not self and not each.is_evicted]
        limits, host = self._limits, self.client and self.client[0]
        if not self.is_near and len(others) >= limits.of_one_address:
            of_one = [each for each in others if each.client and each.client[0] == host]
            if len(of_one) >= limits.of_one_address:
                return _evict_one(of_one)
        reserved = [each for each in others if each.is_reserved]
        if len(others) - len(reserved) < limits.connections or _evict_one(others):
            return True
        self.is_reserved = self.is_near and len(reserved) < limits.reserve
        self.app = _Probes(self.app, limits.probes)
        return self.is_reserved

    def evict(self) -> None:
        self.is_evicted = True
        self.transport.abort()


class _Probes:
    """The application as it is on a reserved connection: it answers probes, and has no room for anything else."""

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


def _evict_one(connections: list[Connection]) -> bool:
    """Close the one that has waited for its client for longest; whether there was any."""
    waiting = [(since, each) for each in connections if (since := each.waits_since) is not None]
    if waiting:
        min(waiting, key=lambda pair: pair[0])[1].evict()
    return bool(waiting)


def is_of_this_machine(client: str, server: str | None) -> bool:
    """Whether a client is on the machine that it asks at `server`."""
    try:
        return client == server or ip_address(client).is_loopback
    except ValueError:
        return False


def _problem(status: int, detail: str) -> bytes:
    return msgspec.json.encode({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail})


def _plain(host: str) -> str:
    """The address of a client as itself: of one that comes over IPv4 to a socket of IPv6, the IPv4 one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)
