"""Owns what a connection to the embedded server may take: bytes of a head, and time for each part of a request.

Who is slow is cut off, whatever he is slow at: sending the head, sending the body, or taking the answer. Where there are too
many, the one that has asked for nothing for longest makes room: idle and slow connections never keep out who has a question.
"""

import asyncio  # noqa: TID251 - the embedded server's protocols are asyncio's
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PIPELINED: Final = 8
"""Requests that may wait for the answer to the one before them."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server puts up with; in seconds but for `connections` and `head` (bytes).

    `head` and body may take `arrival` each, nothing of an answer may be taken for `answer`. Of a body that was answered before
    it had come whole, `unread` bytes more are put up with. `keep_alive` is how long an idle connection is kept, `grace` how
    long a request may go on after the server was asked to stop.
    """

    connections: int = 512
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
        self._is_in_head = False
        self._head = 0  # bytes of an incomplete head
        self._heads = 0  # complete ones in what is being read
        self._unread = 0  # bytes of the body that came after its answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self.client and (_plain(self.client[0]), self.client[1])
        self._made()  # before anything that it sends can be read
        self._awaited_since = self._idle_since = self.loop.time()
        if len(self.connections) > self._limits.connections:
            self._make_room()

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
        if self._is_in_head:  # nobody needs what comes behind a body
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
        body = msgspec.json.encode({"type": "about:blank", "title": phrase, "status": status, "detail": detail})
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _make_room(self) -> None:
        others = [cast("Connection", each) for each in self.connections if each is not self]
        idle = [each for each in others if each.is_idle]
        if idle:
            min(idle, key=lambda each: each._idle_since).transport.abort()  # noqa: SLF001 - of its own kind
        else:
            self.refuse(503, "too many ask at once")


def _plain(host: str) -> str:
    """The address of a client as itself: of one that comes over IPv4 to a socket of IPv6, the IPv4 one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)
