"""A receiver that takes a limited number at once: it is sent as many as it takes, not what it refuses again and again."""

import anyio
import pytest
from delivery_world import DeliveryWorld, a_job
from loopback import answer, loopback, sends
from starlette.responses import Response

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.runtime.clock import now
from tracker.server.embedded import open_server

COUNT, CAPACITY = 300, 3


class Narrow:
    """A receiver that refuses what comes while it works on `CAPACITY` others."""

    def __init__(self, status):
        self._status = status
        self._at_once = 0
        self.taken = self.refused = self.most = 0
        self.has_all = anyio.Event()

    async def __call__(self, scope, receive, send):
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        refused = self._at_once > CAPACITY
        await anyio.sleep(0.005)  # its work
        self._at_once -= 1
        self.refused += refused
        self.taken += not refused
        await Response(status_code=self._status if refused else 200)(scope, receive, send)
        if self.taken == COUNT:
            self.has_all.set()


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_overloaded_receiver_is_sent_fewer_at_once(database, status):
    """All arrive, and what was too many for it is a fraction of them, where all but three of sixteen would be each time."""
    receiver = Narrow(status)
    world = DeliveryWorld(database, retry=(0.05,) * 30, clock=now)
    async with open_server(receiver, "127.0.0.1", 0) as address, world.with_receivers(pipeline=address.url):
        for start in range(0, COUNT, 50):
            await world.record(*[a_job(f"job-{number}") for number in range(start, start + 50)])
        deliverer = world.deliverers["pipeline"]
        async with anyio.create_task_group() as group:
            group.start_soon(deliverer.run)
            with anyio.fail_after(60):
                await receiver.has_all.wait()
            deliverer.stop()
        assert await world.rows("DISTINCT state") == [("delivered",)]
    assert receiver.most == MAX_CONCURRENCY
    assert receiver.refused < COUNT / 2


@pytest.mark.parametrize("status", [429, 503])
async def test_what_was_asked_for_after_the_claim_counts(database, monkeypatch, status):
    """Nothing begins once the receiver has asked for peace, be it claimed by then and the wish not in the database."""
    asking, release, answered = anyio.Event(), anyio.Event(), anyio.Event()

    async def in_the_end(stream):
        asking.set()
        await release.wait()
        return await sends(answer(b"", status, "retry-after: 60"))(stream)

    world = DeliveryWorld(database, timeout=60.0)
    async with loopback(in_the_end) as server, world.with_receivers(pipeline=server.url), anyio.create_task_group() as group:
        send, claim = world._webhooks["pipeline"].send, world.store.outbox.claim

        async def sent(message):
            outcome = await send(message)
            answered.set()
            return outcome

        async def claimed(*arguments):
            found = await claim(*arguments)
            if found and asking.is_set():
                release.set()
                await answered.wait()
            return found

        monkeypatch.setattr(world._webhooks["pipeline"], "send", sent)
        monkeypatch.setattr(world.store.outbox, "claim", claimed)
        wakeups = world.store.wakeups
        monkeypatch.setattr(wakeups, "deliveries_added", lambda receiver, _new: wakeups.wake_deliverers([receiver]))
        deliverer = world.deliverers["pipeline"]
        group.start_soon(deliverer.run)
        await world.record(a_job("a"))
        await asking.wait()
        await world.record(a_job("b"))
        with anyio.fail_after(30):
            while (await world.store.outbox.circuit("pipeline")).quiet_until != world.now + 60_000:
                await world.store.wakeups.deliveries_changed("pipeline").wait()
        deliverer.stop()
    assert len(server.requests) == 1
    assert [outcome.status for outcome in world.outcomes] == [status]


async def test_overload_counts_after_a_clock_was_set_back_too(database):
    """It is sent fewer and fewer at once, though the clock says that it was narrowed in a time to come."""
    rooms = []
    async with loopback(sends(answer(b"", 429))) as server:
        world = DeliveryWorld(database)
        async with world.with_receivers(pipeline=server.url):
            for number, passed in enumerate((0, 1000, -86_400_000, 1000)):
                world.now += passed
                await world.record(a_job(f"job-{number}"))
                await world.deliver()
                rooms.append(world.deliverers["pipeline"]._concurrency.limit)
    assert rooms == [8, 4, 2, 1]
