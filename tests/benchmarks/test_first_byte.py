"""From the commit of an event to its first byte at the receiver, beside a bare client that an event of asyncio wakes."""

import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from math import inf
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.lowlevel import checkpoint
from delivery_world import DeliveryWorld, a_job
from first_byte import CAME, noting

from tracker.runtime.clock import now
from tracker.store.address import PostgresAddress

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

EVERY = 0.01
"""Seconds from one event to the next."""

HOPS = 2
"""An event's: to log it, and to settle it. Its deliverer knows that nothing else is pending, and gets it in memory."""

BODY = b"x" * 1200
BARE, OURS = "asyncio alone, its bytes ready", "Deliverer, woken by the commit"


class FirstByteReceiver:
    """A client that hands over when the first bytes came."""

    def __init__(self, http):
        self._http = http
        self.identity = http.identity
        self._came = asyncio.Queue()

    async def send(self, request):
        answer = await self._http.send(request)
        self._came.put_nowait(float(answer.headers[CAME]))
        return answer

    async def came(self):
        return await self._came.get()


@asynccontextmanager
async def bare(url):
    """Wakes a client that only has to send, and returns how long the first byte took."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    request = b"POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    due, done = asyncio.Event(), asyncio.Queue()

    async def client():
        while True:
            await due.wait()
            due.clear()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            done.put_nowait(float(head.decode().partition(f"{CAME}: ")[2]))

    async def wake():
        began = time.monotonic()
        due.set()
        return await done.get() - began

    async with anyio.create_task_group() as group:
        group.start_soon(client)
        yield wake
        group.cancel_scope.cancel()
    writer.close()


@asynccontextmanager
async def delivering(world):
    """Records an event, and returns how long after its commit the first byte came.

    The deliverer has looked for something to do and found nothing, and all that is read once is.
    """
    committed = 0.0

    def notified(_event, _backfilled):
        nonlocal committed
        committed = time.monotonic()

    async with anyio.create_task_group() as group:
        webhook = world._webhooks["pipeline"]
        webhook._http = http = FirstByteReceiver(webhook._http)
        log = world.store.log if isinstance(world.path, PostgresAddress) else world.store._log
        log._notified = notified
        group.start_soon(world.deliverers["pipeline"].run)
        while not world.deliverers["pipeline"]._under_way.is_all:
            await checkpoint()

        async def record(number):
            await world.record(a_job(f"job-{number}", "RUNNING"))
            return await http.came() - committed

        await record("first")
        while world.deliverers["pipeline"]._under_way:
            await checkpoint()
        yield record
        group.cancel_scope.cancel()


@asynccontextmanager
async def ours(world, url):
    """As `delivering`, in the process that records."""
    async with world.with_receivers(pipeline=url), delivering(world) as record:
        yield record


@pytest.mark.parametrize(("events", "most"), [(100, inf), pytest.param(2000, 20, marks=pytest.mark.long)])
async def test_commit_to_first_byte(compare, count, hops, tmp_path, events, most):
    """Each event is heard of at once. Targets: three times the bare client's median, 99 of 100 within 20 ms.

    The short form has others beside it, whose turns on a core are longer than all of this: there hops alone decide.
    """
    comparison, counted, taken = compare("commit to first byte, 100 a second"), count("hops to SQLite for an event"), []
    world = DeliveryWorld(tmp_path / "tracker.db", events=("batch.created",), clock=now)
    async with noting() as url, bare(url) as wake, ours(world, url) as record:
        began = anyio.current_time()
        hops.clear()
        for number in range(events):
            comparison.record(BARE, await wake())
            taken.append(await record(number))
            comparison.record(OURS, taken[-1])
            await anyio.sleep_until(began + number * EVERY)
        hops_taken = len(hops)
    comparison.record("99 of 100 of them within", statistics.quantiles(taken, n=100)[-1])
    counted.record("expected at most", HOPS)
    counted.record("Deliverer, and the log", hops_taken / events)
    assert min(taken) > 0
    assert hops_taken <= HOPS * events
    assert comparison.ratio(OURS, BARE) < most
