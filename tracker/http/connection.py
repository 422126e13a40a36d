"""Owns one connection of HTTP/1.1: a transport of httpx on anyio's sockets and h11, at half the cost of httpx's own.

It takes one request at a time, whatever origin that goes to, and knows no proxies.
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

LONGEST_HEAD: Final = 100 * 1024
"""Bytes."""

MOST_INTERIM: Final = 16
"""1xx before an answer; without an end they would keep everybody else waiting."""

_AT_ONCE: Final = 256 * 1024
"""Bytes read at a time: all that the event loop reads, or what is left would wait unseen for the next request."""

_PORTS: Final = {"http": 80, "https": 443}


class Connection(httpx.AsyncBaseTransport):
    """Kept from one request to the next, unless the server hangs up or sends something unasked in between.

    After a failed request the caller closes it.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._origin: tuple[str, bytes, int | None] | None = None
        self._stream: ByteStream | None = None
        self._socket: SocketType  # of the stream
        self._http = _conversation()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _failing_as_httpx():
            stream = await self._connected(request.url)
            await self._send(stream, request)
            head = await self._head(stream)
        return httpx.Response(head.status_code, headers=head.headers.raw_items(), stream=_Body(self._data(stream), self))

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream:
            await stream.aclose()

    async def end(self) -> None:
        """Be ready for another request, over another connection where this one is not as it was before the last."""
        http = self._http
        if http.our_state is http.their_state is h11.DONE and not any(http.trailing_data):
            http.start_next_cycle()
        else:
            await self.aclose()

    async def _connected(self, url: httpx.URL) -> ByteStream:
        origin = url.scheme, url.raw_host, url.port
        if self._stream and (origin != self._origin or not _is_quiet(self._stream, self._socket)):
            await self.aclose()
        if self._stream is None:
            self._stream = await self._connect(url)
            self._socket = _socket_of(self._stream)
            self._origin = origin
            self._http = _conversation()
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

    async def _send(self, stream: ByteStream, request: httpx.Request) -> None:
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        body = h11.Data(data=await request.aread())
        data = b"".join(self._http.send(event) or b"" for event in (head, body, h11.EndOfMessage()))
        try:
            await stream.send(data)
        except (anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise httpx.WriteError(str(error)) from error

    async def _head(self, stream: ByteStream) -> h11.Response:
        for _ in range(MOST_INTERIM + 1):
            if isinstance(head := await self._next(stream), h11.Response):
                return head
        raise httpx.RemoteProtocolError("too many interim answers")

    async def _data(self, stream: ByteStream) -> AsyncIterator[bytes]:
        with _failing_as_httpx():
            while isinstance(event := await self._next(stream), h11.Data):
                yield bytes(event.data)

    async def _next(self, stream: ByteStream) -> object:
        """What h11 tells next."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await _receive(stream)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            self._http.receive_data(data)
        return event


class _Body(httpx.AsyncByteStream):
    """The body of an answer; what of it was not read by the time it is closed never is."""

    def __init__(self, data: AsyncIterator[bytes], connection: Connection) -> None:
        self._data = data
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._data

    async def aclose(self) -> None:
        await self._connection.end()


def _conversation() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)


def _is_quiet(stream: ByteStream, socket: SocketType) -> bool:
    """Whether nothing unasked has come, not even the end of the stream; an idle stream is not read."""
    if socket.fileno() < 0:
        return False
    readable = select.poll()  # not kept: once the socket is closed its number may be another's
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
    """Its socket; uvloop has none any more where the server has reset the connection by now, which anyio does not expect."""
    try:
        return stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no SQL
    except (AttributeError, ValueError) as error:
        raise httpx.ConnectError("the connection was reset at once") from error


async def _receive(stream: ByteStream) -> bytes:
    try:
        return await stream.receive(_AT_ONCE)
    except anyio.EndOfStream:
        return b""


@contextmanager
def _failing_as_httpx() -> Iterator[None]:
    """What fails in the context fails as it would in httpx."""
    try:
        yield
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise httpx.ReadError(str(error)) from error
