"""A receiver that takes only so many at once: it is sent as many as it takes, instead of what it refuses again and again."""

import anyio
import pytest
from delivering import Telling, a_job
from loopback import answer, loopback, sends
from starlette.responses import Response

from tracker.core.deliveries.adaptive_concurrency import MAX_CONCURRENCY
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
async def test_an_overloaded_receiver_is_sent_fewer_at_once(tmp_path, status):
    """All arrive, and what was too many for it is a fraction of them, where all but three of sixteen would be each time."""
    receiver = Narrow(status)
    telling = Telling(tmp_path / "tracker.db", retry=(0.05,) * 30, clock=now)
    async with open_server(receiver, "127.0.0.1", 0) as address, telling.to(pipeline=address.url):
        for start in range(0, COUNT, 50):
            await telling.record(*[a_job(f"job-{number}") for number in range(start, start + 50)])
        deliverer = telling.deliverers["pipeline"]
        async with anyio.create_task_group() as group:
            group.start_soon(deliverer.run)
            with anyio.fail_after(60):
                await receiver.has_all.wait()
            deliverer.stop()
        assert await telling.rows("DISTINCT state") == [("delivered",)]
    assert receiver.most == MAX_CONCURRENCY
    assert receiver.refused < COUNT / 2


@pytest.mark.parametrize("status", [429, 503])
async def test_what_was_asked_for_after_the_claim_counts(tmp_path, monkeypatch, status):
    """Nothing begins once the receiver has asked for peace, be it claimed by then and the wish not in the database."""
    asking, release, answered = anyio.Event(), anyio.Event(), anyio.Event()

    async def in_the_end(stream):
        asking.set()
        await release.wait()
        return await sends(answer(b"", status, "retry-after: 60"))(stream)

    telling = Telling(tmp_path / "tracker.db", timeout=60.0)
    async with loopback(in_the_end) as server, telling.to(pipeline=server.url), anyio.create_task_group() as group:
        send, claim = telling._webhooks["pipeline"].send, telling.store.outbox.claim

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

        monkeypatch.setattr(telling._webhooks["pipeline"], "send", sent)
        monkeypatch.setattr(telling.store.outbox, "claim", claimed)
        deliverer = telling.deliverers["pipeline"]
        group.start_soon(deliverer.run)
        await telling.record(a_job("a"))
        await asking.wait()
        await telling.record(a_job("b"))
        with anyio.fail_after(30):
            while (await telling.store.outbox.circuit("pipeline")).quiet_until != telling.now + 60_000:
                await telling.store.wakeups.deliveries_changed("pipeline").wait()
        deliverer.stop()
    assert len(server.requests) == 1
    assert [outcome.status for outcome in telling.outcomes] == [status]


async def test_overload_counts_after_a_clock_was_set_back_too(tmp_path):
    """It is sent fewer and fewer at once, though the clock says that it was narrowed in a time to come."""
    rooms = []
    async with loopback(sends(answer(b"", 429))) as server:
        telling = Telling(tmp_path / "tracker.db")
        async with telling.to(pipeline=server.url):
            for number, passed in enumerate((0, 1000, -86_400_000, 1000)):
                telling.now += passed
                await telling.record(a_job(f"job-{number}"))
                await telling.deliver()
                rooms.append(telling.deliverers["pipeline"]._concurrency.limit)
    assert rooms == [8, 4, 2, 1]
