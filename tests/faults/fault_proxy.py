"""Owns a TCP proxy before a receiver, which spoils what the two say to each other and knows what it has spoilt."""

import random
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

import anyio
from loopback import GONE, Scene, answer, drips, hangs, head_of, request_of, resets, sends

REFUSING = 0.2
"""Seconds for which the port refuses connections."""


class Fault(NamedTuple):
    """What a client meets, and whether its request `arrives` all the same, and is to be taken as failed.

    A fault `before` meets each connection, and reads no request. After one that `refuses` the port is closed for a while.
    """

    scene: Scene
    arrives: bool = False
    fails: bool = True
    before: bool = False
    refuses: bool = False


class Gate:
    """A scene that leaves each request unanswered while the gate is shut, and hangs up once it is opened."""

    def __init__(self):
        self.held = 0  # since it was shut
        self._opened, self._came = anyio.Event(), anyio.Event()

    def shut(self):
        self.held, self._opened = 0, anyio.Event()

    def open(self):
        self._opened.set()

    async def holds(self, number):
        """Until `number` requests wait at the gate."""
        while self.held < number:
            await self._came.wait()

    async def __call__(self, _stream):
        self.held += 1
        self._came.set()
        self._came = anyio.Event()
        await self._opened.wait()
        return False


class FaultProxy:
    """Before the receiver at `url`: a share of its requests, `rate`, meets one of `faults`; the others pass, to the byte.

    Which ones is drawn for ten at a time, to a tenth: of fifteen in a row at least one is spoilt, whatever the chance. With
    `spoils` nothing is drawn: the first fault meets each request that `spoils(body)`.
    """

    def __init__(self, url, faults, seed, rate, spoils=None):
        self.met = []  # of each request its webhook-id, if it was read, and its fault, if it has met one
        self.rate = rate
        self.url = ""
        self._host, _, self._path = url.removeprefix("http://").partition("/")
        self._faults = faults
        self._spoils = spoils
        self._chance = random.Random(seed)
        self._drawn = {True: [], False: []}  # whether the next ones are spoilt, before anything is read or after
        self._refuses = False

    @asynccontextmanager
    async def serving(self):
        async with anyio.create_task_group() as group:
            with _port() as port:
                self.url = f"http://127.0.0.1:{port}/{self._path}"
                await group.start(self._listen, port, group)
                yield self
                group.cancel_scope.cancel()

    async def _listen(self, port, group, *, task_status):
        while True:
            async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listeners:
                task_status.started()
                task_status, self._refuses, (listener,) = anyio.TASK_STATUS_IGNORED, False, listeners.listeners
                while not self._refuses:
                    group.start_soon(self._converse, await listener.accept())
            await anyio.sleep(REFUSING)

    async def _converse(self, stream):
        with suppress(*GONE):
            async with stream:
                while await self._exchange(stream):
                    pass

    async def _exchange(self, stream):
        """Answer one request, or spoil it; whether the connection is kept for another."""
        if not self._spoils and (fault := self._draw(before=True)):
            self.met.append((None, fault))
            return await fault.scene(stream)
        request = await request_of(stream)
        fault = self._fault_of(request)
        self.met.append((dict(head_of(request)[1])["webhook-id"], fault))
        said = await self._pass_on(request) if fault is None or fault.arrives else b""
        if fault is None:
            return await sends(said)(stream)
        self._refuses = self._refuses or fault.refuses
        return await fault.scene(stream)

    def _fault_of(self, request):
        if not self._spoils:
            return self._draw(before=False)
        return self._faults[0] if self._spoils(request.partition(b"\r\n\r\n")[2]) else None

    def _draw(self, *, before):
        fault = self._chance.choice(self._faults) if self._is_spoilt(self._drawn[before]) else None
        return fault if fault and fault.before is before else None

    def _is_spoilt(self, drawn):
        if self.rate in (0.0, 1.0):
            return bool(self.rate)
        if not drawn:
            spoilt = round(self.rate * 10)
            drawn += self._chance.sample([True, False], 10, counts=[spoilt, 10 - spoilt])
        return drawn.pop()

    async def _pass_on(self, request):
        """What the receiver says, who says so without a body."""
        host, _, port = self._host.partition(":")
        async with await anyio.connect_tcp(host, int(port)) as receiver:
            await receiver.send(request)
            said = b""
            while b"\r\n\r\n" not in said:
                said += await receiver.receive()
            return said


@contextmanager
def _port():
    """A port that stays reserved while no server listens at it."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def again_and_again(first, more, pause=0.005):
    """`first`, and then `more` without an end, until the client hangs up."""

    async def scene(stream):
        await stream.send(first)
        while True:
            await stream.send(more)
            await anyio.sleep(pause)

    return scene


async def says_no_more(stream):
    """Half of the connection is closed, without a word; the other half is open until the client hangs up."""
    await stream.send_eof()
    await stream.receive()
    return False


SAID = answer(b"taken", 200)

FAULTS = {
    # the request does not arrive
    "refused": Fault(resets(), refuses=True),
    "reset-at-once": Fault(resets(), before=True),
    "answered-before-it-asked": Fault(sends(answer(b"", 408), keeps=False), before=True),
    "reset": Fault(resets()),
    "hung-up-on": Fault(sends(b"", keeps=False)),
    "black-hole": Fault(hangs()),
    "half-closed": Fault(says_no_more),
    "too-many": Fault(sends(answer(b"", 429, "retry-after: 1"))),
    "unavailable": Fault(sends(answer(b"", 503, "retry-after: 1"), keeps=False)),
    # it arrives, and the sender does not learn it
    "answer-dropped": Fault(resets(), arrives=True),
    "never-answered": Fault(hangs(), arrives=True),
    "head-cut": Fault(sends(SAID[:20], keeps=False), arrives=True),
    "dripping": Fault(drips(SAID.replace(b"Said", b"S" * 500), 0.05), arrives=True),
    "garbage": Fault(sends(bytes(range(256)) * 9, keeps=False), arrives=True),
    "TLS": Fault(sends(b"\x15\x03\x03\x00\x02\x02\x28"), arrives=True),
    "endless-head": Fault(again_and_again(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000), arrives=True),
    "endlessly-103": Fault(again_and_again(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100), arrives=True),
    "failed-after-all": Fault(sends(answer(b"sorry", 500)), arrives=True),
    # it arrives, and its answer is strange and yet one
    "100-first": Fault(sends(b"HTTP/1.1 100 Continue\r\n\r\n" + SAID), arrives=True, fails=False),
    "body-cut": Fault(sends(SAID[:-2], keeps=False), arrives=True, fails=False),
    "reset-within-the-body": Fault(resets(SAID[:-2]), arrives=True, fails=False),
    "until-it-closes": Fault(sends(b"HTTP/1.1 200 OK\r\n\r\ntaken", keeps=False), arrives=True, fails=False),
    "endless-body": Fault(again_and_again(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), arrives=True, fails=False),
    "answered-twice": Fault(hangs(SAID + SAID), arrives=True, fails=False),
}
