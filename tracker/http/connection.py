"""Owns one HTTP/1.1 connection on anyio's sockets, at a fraction of the cost of a transport of httpx.

It handles one request at a time, to any origin, and no proxies. Messages of the usual form are written and read as they are,
all others by h11. Its errors are those of httpx.
"""

import select
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from socket import SocketType
from typing import Final

import anyio
import h11
import httpx
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from tracker.http.transport import ReceivedAnswer, SentRequest
from tracker.http.usual_messages import MOST_HEAD, Head, answer_head, request_bytes

MOST_INTERIM_ANSWERS: Final = 16
"""1xx answers before the final one; an endless series of them would block other requests."""

_READ_SIZE: Final = 256 * 1024
"""Bytes per read: all that the event loop reads at a time. A rest would wait unseen until the next request."""

_PORTS: Final = {"http": 80, "https": 443}


class Connection:
    """The `Transport` that connects directly.

    It is used for one request after another, unless the server hangs up or sends unsolicited data in between.
    After a failed request the caller closes it.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._origin: tuple[str, bytes, int | None] | None = None
        self._stream: ByteStream | None = None
        self._socket: SocketType  # of the stream
        self._http: h11.Connection | None = None  # of the present exchange; None while both messages are of the usual form
        self._unread = 0  # bytes of the present answer; less than 0 if the server has sent more

    async def exchange(self, request: SentRequest) -> ReceivedAnswer:
        with _raising_httpx_errors():
            stream = await self._connected(request.url)
            await self._send(stream, request)
            return await self._receive_answer(stream, request)

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream:
            await stream.aclose()

    async def _end_request(self) -> None:
        """Prepare for the next request: keep the connection if both sides have finished, else close it."""
        http, self._http = self._http, None
        if self._unread if http is None else not _is_done(http):
            await self.aclose()

    async def _connected(self, url: httpx.URL) -> ByteStream:
        origin = url.scheme, url.raw_host, url.port
        if self._stream and (origin != self._origin or not _is_quiet(self._stream, self._socket)):
            await self.aclose()
        if self._stream is None:
            self._stream = await self._connect(url)
            self._socket = _socket_of(self._stream)
            self._origin = origin
        return self._stream

    async def _connect(self, url: httpx.URL) -> ByteStream:
        if url.scheme not in _PORTS or not url.host:
            raise httpx.UnsupportedProtocol("the URL is neither http nor https, or names no host")
        host, port = url.raw_host.decode(), _PORTS[url.scheme] if url.port is None else url.port
        try:
            return await self._open(url, host, port)
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise httpx.ConnectError(str(error)) from error

    async def _open(self, url: httpx.URL, host: str, port: int) -> ByteStream:
        if url.scheme == "http":
            return await anyio.connect_tcp(host, port)
        return await anyio.connect_tcp(host, port, ssl_context=self._tls, tls_standard_compatible=False)

    async def _send(self, stream: ByteStream, request: SentRequest) -> None:
        data = request_bytes(request)
        if data is None:
            self._http, data = _h11_of(request)
        try:
            await stream.send(data)
        except (anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise httpx.WriteError(str(error)) from error

    async def _receive_answer(self, stream: ByteStream, request: SentRequest) -> ReceivedAnswer:
        data = await _receive(stream)
        if self._http is None and (usual := answer_head(data)):
            return self._usual_answer(stream, usual, data)
        self._http = http = self._http or _h11_of(request)[0]
        _feed(http, data)
        head = await self._receive_head(stream, http)
        return ReceivedAnswer(head.status_code, list(head.headers), self._receive_body(stream, http), self._end_request)

    def _usual_answer(self, stream: ByteStream, head: Head, data: bytes) -> ReceivedAnswer:
        self._unread = head.length - len(data) + head.at
        return ReceivedAnswer(head.status, head.headers, self._receive_usual(stream, head, data), self._end_request)

    async def _receive_usual(self, stream: ByteStream, head: Head, data: bytes) -> AsyncIterator[bytes]:
        """The body; the beginning of `data` is the head."""
        if data := data[head.at : head.at + head.length]:
            yield data
        with _raising_httpx_errors():
            while self._unread > 0:
                data = await _receive(stream)
                if not data:
                    raise httpx.RemoteProtocolError(_cut_short(head.length - self._unread, head.length))
                wanted, self._unread = self._unread, self._unread - len(data)
                yield data[:wanted]

    async def _receive_head(self, stream: ByteStream, http: h11.Connection) -> h11.Response:
        for _ in range(MOST_INTERIM_ANSWERS + 1):
            if isinstance(head := await _next_event(stream, http), h11.Response):
                return head
        raise httpx.RemoteProtocolError("too many interim answers")

    async def _receive_body(self, stream: ByteStream, http: h11.Connection) -> AsyncIterator[bytes]:
        with _raising_httpx_errors():
            while isinstance(event := await _next_event(stream, http), h11.Data):
                yield bytes(event.data)


def _h11_of(request: SentRequest) -> tuple[h11.Connection, bytes]:
    """The state of HTTP in which `request` was sent, and what it is as bytes."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
    head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers)
    body = h11.Data(data=request.content)
    return http, b"".join(http.send(event) or b"" for event in (head, body, h11.EndOfMessage()))


async def _next_event(stream: ByteStream, http: h11.Connection) -> object:
    """The next event of h11."""
    while (event := http.next_event()) is h11.NEED_DATA:
        _feed(http, await _receive(stream))
    return event


def _feed(http: h11.Connection, data: bytes) -> None:
    if not data and http.their_state is h11.SEND_RESPONSE:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    http.receive_data(data)


def _is_done(http: h11.Connection) -> bool:
    """Whether both sides have finished, and nothing else has come."""
    return http.our_state is http.their_state is h11.DONE and not any(http.trailing_data)


def _cut_short(received: int, expected: int) -> str:
    """The words of h11."""
    return f"peer closed connection without sending complete message body (received {received} bytes, expected {expected})"


def _is_quiet(stream: ByteStream, socket: SocketType) -> bool:
    """Whether the server has sent nothing since the last answer, not even the end of the stream."""
    if socket.fileno() < 0:
        return False
    readable = select.poll()  # a new one each time: after the socket is closed, its number may belong to another
    readable.register(socket, select.POLLIN)
    if readable.poll(0):
        return False
    if isinstance(stream, TLSStream):
        try:
            stream.extra(TLSAttribute.ssl_object).read(1)  # noqa: S610 - no SQL
        except ssl.SSLError as error:
            return isinstance(error, ssl.SSLWantReadError)
        return False
    return True


def _socket_of(stream: ByteStream) -> SocketType:
    """The socket of the stream; raises `ConnectError` if the server has reset it (with uvloop there is none then)."""
    try:
        return stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no SQL
    except (AttributeError, ValueError) as error:
        raise httpx.ConnectError("the connection was reset at once") from error


async def _receive(stream: ByteStream) -> bytes:
    try:
        return await stream.receive(_READ_SIZE)
    except anyio.EndOfStream:
        return b""


@contextmanager
def _raising_httpx_errors() -> Iterator[None]:
    """Raise errors of the context as the ones that httpx would raise."""
    try:
        yield
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise httpx.ReadError(str(error)) from error
