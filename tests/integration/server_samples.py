"""Owns what the tests of the embedded server serve, and how they ask for it."""

import socket
from contextlib import contextmanager

import anyio

LIFE = 20.0
"""Seconds within which whatever has to end is over, however slow the machine."""

REQUEST = b"GET /path HTTP/1.1\r\nhost: x\r\n\r\n"


async def hello(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


class Stuck:
    """An application whose requests hang, by themselves or after the beginning of a stream."""

    def __init__(self, *, streams=False):
        self.inside = anyio.Event()
        self.ended = anyio.Event()
        self.release = anyio.Event()
        self._streams = streams

    async def __call__(self, scope, receive, send):
        if self._streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        self.inside.set()
        try:
            await self.release.wait()
            await hello(scope, receive, send)
        finally:
            self.ended.set()


async def ask(address, request=REQUEST):
    """Everything that a request is answered until the connection ends, or the whole `hello`."""
    said = b""
    async with await anyio.connect_tcp(*address) as stream:
        await stream.send(request)
        try:
            while not said.endswith(b"hello"):
                said += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return said + b" (ended)"
    return said


@contextmanager
def not_reading(address, request=REQUEST):
    """A connection on which something was asked and nothing is read: the system itself takes little of an answer."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(tuple(address))
        raw.sendall(request)
        yield raw


def loopbacks():
    """The addresses of this machine's own: not every container has one of IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return ("127.0.0.1", "::1")
    except OSError:
        return ("127.0.0.1",)
