"""Owns a TCP proxy on loopback that a test can turn into a bad network: silent, refusing, slow, or deaf to one answer."""

import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
LIFE = 60.0
"""Seconds after which a connection that is waited for does not come any more, however slow the machine."""


class TcpProxy:
    """Before the server at `target`, on `port`. What happens to bytes depends on how it is set at that moment."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.delay = 0.0
        """Seconds by which each chunk is late, in both directions."""
        self.connections = 0
        """That were accepted so far."""
        self.cut_answer: Callable[[bytes], bool] = lambda _request: False
        """Of a client's chunk: whether it passes, and the connection is reset before it is answered."""
        self._accepted = anyio.Event()
        self._passes = anyio.Event()
        self._passes.set()
        self._refuses = False
        self._streams: set[SocketStream] = set()

    def go_silent(self) -> None:
        """From now on nothing passes and nothing is closed: a cable that was pulled out."""
        self._passes = anyio.Event()

    def reset(self) -> None:
        """Reset all connections, and each new one, until `pass_on`."""
        self._refuses = True
        self.reset_connections()

    def reset_connections(self) -> None:
        for stream in list(self._streams):
            _reset(stream)

    def pass_on(self) -> None:
        """Work again: connections that were silent are reset, as after so long a time they would be."""
        if not self._passes.is_set():
            self.reset_connections()
            self._passes.set()
        self._refuses, self.delay = False, 0.0

    async def next_connection(self) -> None:
        """Return once one more connection was accepted, or refused."""
        with anyio.fail_after(LIFE):
            await self._accepted.wait()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["TcpProxy"]:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
            self.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - it is not Django's
            group.start_soon(listener.serve, self._converse)
            yield self
            group.cancel_scope.cancel()

    async def _converse(self, client: SocketStream) -> None:
        self.connections += 1
        self._accepted.set()
        self._accepted = anyio.Event()
        if self._refuses:
            return _reset(client)
        await self._passes.wait()
        with suppress(OSError, *GONE):
            async with client, await anyio.connect_tcp(*self.target) as server, anyio.create_task_group() as group:
                self._streams |= {client, server}
                try:
                    group.start_soon(self._forward, client, server, group, self.cut_answer)
                    await self._forward(server, client, group, None)
                finally:
                    self._streams -= {client, server}
        return None

    async def _forward(self, source: SocketStream, sink: SocketStream, group, cut_answer) -> None:
        with suppress(*GONE):
            while True:
                chunk = await source.receive()
                await self._passes.wait()
                if self.delay:
                    await anyio.sleep(self.delay)
                if cut_answer and self.cut_answer(chunk):
                    await self._cut(source, sink, chunk)
                await sink.send(chunk)
        group.cancel_scope.cancel()

    async def _cut(self, client: SocketStream, server: SocketStream, chunk: bytes) -> None:
        """Reset the client's end, and let the server get `chunk` and do what it asks for."""
        _reset(client)
        await server.send(chunk)
        await anyio.sleep_forever()  # the answer ends the conversation: it cannot be passed on


def _reset(stream: SocketStream) -> None:
    with suppress(OSError):
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - it is not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream._transport.abort()  # `aclose` would say goodbye first
