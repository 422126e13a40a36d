"""Owns a server on loopback that plays scenes: whatever bytes, pauses and ends a test wants a client to meet."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.stapled import MultiListener
from anyio.streams.tls import TLSListener

Scene = Callable[[SocketStream], Awaitable[bool]]
"""Answers one request; whether the connection is kept for another."""

LIFE = 30.0
"""Seconds after which a request that is waited for does not come any more, however slow the machine."""

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
"""How a client's end of a connection shows."""


class Loopback:
    """A server that answers each request with the next of its scenes, and with the last one again when there is no next."""

    def __init__(self, *scenes: Scene, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []  # as they came, heads and bodies
        self.accepts = 0
        self.gone = anyio.Event()  # a client has hung up
        self.url = ""
        self._asked = anyio.Event()
        self._scenes = list(scenes)
        self._tls = tls

    async def wait_for(self, count: int) -> None:
        """Return once `count` requests have come, each whole."""
        with anyio.fail_after(LIFE):
            while len(self.requests) < count:
                await self._asked.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            origin = "https://localhost" if self._tls else "http://127.0.0.1"
            self.url = f"{origin}:{_raw(listener).getsockname()[1]}"
            task_status.started()
            await (TLSListener(listener, self._tls, standard_compatible=False) if self._tls else listener).serve(self._converse)

    async def _converse(self, stream: SocketStream) -> None:
        self.accepts += 1
        with suppress(*GONE):
            async with stream:
                while await self._answer(stream):
                    pass
        self.gone.set()

    async def _answer(self, stream: SocketStream) -> bool:
        self.requests.append(await request_of(stream))
        self._asked.set()
        self._asked = anyio.Event()
        scene = self._scenes.pop(0) if len(self._scenes) > 1 else self._scenes[0]
        return await scene(stream)


@asynccontextmanager
async def loopback(*scenes: Scene, tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """A `Loopback` that listens while the context lasts."""
    server = Loopback(*scenes, tls=tls)
    async with anyio.create_task_group() as group:
        await group.start(server.run)
        yield server
        group.cancel_scope.cancel()


@contextmanager
def unreachable_url():
    """A URL at which every connection is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def answer(body: bytes = b"", status: int = 200, *headers: str) -> bytes:
    """A well-formed answer, its length given; `headers` are whole lines."""
    lines = (f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def sends(data: bytes, *, keeps: bool = True) -> Scene:
    """All of `data` at once."""

    async def scene(stream: SocketStream) -> bool:
        await stream.send(data)
        return keeps

    return scene


def drips(data: bytes, every: float) -> Scene:
    """A byte of `data`, one each `every` seconds."""

    async def scene(stream: SocketStream) -> bool:
        for byte in data:
            await stream.send(bytes((byte,)))
            await anyio.sleep(every)
        return False

    return scene


def hangs(data: bytes = b"") -> Scene:
    """`data` and then nothing, until the client hangs up."""

    async def scene(stream: SocketStream) -> bool:
        await stream.send(data)
        await stream.receive()
        return False

    return scene


def resets(data: bytes = b"") -> Scene:
    """`data`, and the connection is reset."""

    async def scene(stream: SocketStream) -> bool:
        await stream.send(data)
        _raw(stream).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream._transport.abort()  # `aclose` would say goodbye first
        return False

    return scene


def head_of(request: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The request line, and the headers in their order, names in lower case."""
    line, *headers = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return line, [(name.lower(), value.strip()) for name, _, value in (header.partition(":") for header in headers)]


def _raw(of: SocketStream | MultiListener[SocketStream]) -> socket.socket:
    return of.extra(SocketAttribute.raw_socket)  # noqa: S610 - it is not Django's


async def request_of(stream: SocketStream) -> bytes:
    """One request, whole; of a client that wants TLS its greeting, for it waits for an answer to that."""
    request = await stream.receive()
    while b"\r\n\r\n" not in request and not request.startswith(b"\x16"):
        request += await stream.receive()
    length = int(dict(head_of(request)[1]).get("content-length", 0))
    while len(request.partition(b"\r\n\r\n")[2]) < length:
        request += await stream.receive()
    return request
