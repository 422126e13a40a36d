"""What has gathered for a receiver that was away: it drains without a stampede or a spike, and is nothing to the others."""

import itertools
import logging
import socket
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import structlog
from delivery_world import DeliveryWorld, a_job
from starlette.requests import Request
from starlette.responses import Response

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.errors.storage_error import StorageError
from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit
from tracker.runtime.clock import now
from tracker.server.embedded import open_server

HEAVY = {"note": "x" * 20_000}
CLEAR_REFS = Path("/proc/self/clear_refs")
TRUSTED = MAX_CONCURRENCY**2 // 2 + MAX_CONCURRENCY
"""Successes after which a receiver is sent as many at once as before its outage."""

PATIENCE = 30.0
"""Seconds that an attempt may take: longer than all of a test."""


class Crowded:
    """A receiver that knows how many requests it has at once, and how often each event came; `status` is its answer.

    With 200, and once it may be sent as many again as any, it answers nothing before there are as many, and no more come.
    """

    def __init__(self, events):
        self.status = 503
        self.asked = 0
        self.most = 0
        self.copies = bytearray(events + 2)  # by seq
        self._at_once = 0
        self._taken = 0
        self._crowd = anyio.Event()

    async def __call__(self, scope, receive, send):
        self.asked += 1
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        event = await Request(scope, receive).json()
        if self.status == 200:
            self.copies[event["seq"]] += 1
            self._taken += 1
            if self._taken > TRUSTED:
                await self._gather()
        self._at_once -= 1
        await Response(status_code=self.status)(scope, receive, send)

    async def _gather(self):
        if self._at_once == MAX_CONCURRENCY and not self._crowd.is_set():
            await anyio.sleep(0.1)  # one more would come now
            self._crowd.set()
        with anyio.fail_after(30):
            await self._crowd.wait()


class Taking:
    """A receiver that takes everything, and knows which jobs' events came."""

    def __init__(self):
        self.came = set()
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        event = await Request(scope, receive).json()
        self.came.add(event["data"]["id"])
        self._arrived.set()
        self._arrived = anyio.Event()
        await Response()(scope, receive, send)

    async def sees(self, *ids):
        """Until the events of all these jobs have come."""
        with anyio.fail_after(PATIENCE):
            while not self.came.issuperset(ids):
                await self._arrived.wait()


@pytest.fixture(autouse=True)
def quiet():
    """What is kept of the log would be a spike of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@contextmanager
def peak():
    """A function that returns by how many bytes the process has grown at most."""
    if not CLEAR_REFS.exists():
        pytest.skip("only Linux has the peak size of a process since a moment")
    CLEAR_REFS.write_text("5")
    before = _status("VmRSS")
    yield lambda: _status("VmHWM") - before


def _status(field):
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_backlog_of_an_outage_drains_without_a_stampede_or_a_spike(database, count):
    """Thousands of deliveries wait while the receiver is probed one at a time, and then arrive once each, a few at once."""
    receiver = Crowded(2 * count)
    world = DeliveryWorld(database, retry=(3600.0,) * 9, timeout=60.0)
    async with open_server(receiver, "127.0.0.1", 0) as address, world.with_receivers(pipeline=address.url):
        for start in range(0, count, 50):
            await world.record(*[a_job(f"job-{number}", metadata=HEAVY) for number in range(start, start + 50)])
        ((backlog,),) = await world.rows("sum(length(body))", "deliveries JOIN events USING (seq)")
        receiver.status = 503
        await world.deliver()
        assert FAILURES_TO_OPEN <= receiver.asked <= MAX_CONCURRENCY
        receiver.most, failed = 0, receiver.asked
        for _ in range(10):
            await _when_it_is_probed(world)
        assert (receiver.most, receiver.asked) == (1, failed + 10)
        receiver.status = 200
        with peak() as most_memory:
            await _when_it_is_probed(world)
            assert most_memory() < backlog / 2
        assert receiver.most == MAX_CONCURRENCY
        assert await world.rows("DISTINCT state") == [("delivered",)]
        assert sum(receiver.copies) == count
        assert max(receiver.copies) == 1


async def _when_it_is_probed(world):
    world.now = (await world.store.outbox.circuit("pipeline")).quiet_until
    await world.deliver()


async def test_nothing_is_sent_again_while_nothing_can_be_written(path, monkeypatch):
    """On a full disk what was sent is sent once, and settled once there is room; nothing else goes out before."""
    monkeypatch.setattr("tracker.delivery.deliverer.PAUSE_AFTER_STORAGE_ERROR", 0.01)
    receiver = Talkative()
    world = DeliveryWorld(path, clock=now, timeout=PATIENCE, retry=(3600.0,))
    async with open_server(receiver, "127.0.0.1", 0) as address, world.with_receivers(pipeline=address.url):
        await world.record(*[a_job(f"job-{number}") for number in range(5 * MAX_CONCURRENCY)])
        outbox, connection = world.store.outbox, world.store._database._connection
        ((pages,),) = await connection.execute_fetchall("PRAGMA page_count")
        await connection.execute_fetchall(f"PRAGMA max_page_count = {pages}")
        async with anyio.create_task_group() as group:
            group.start_soon(world.deliverers["pipeline"].run)
            await _failures_of(outbox, 20)
            assert max(receiver.asked.values()) == 1
            await connection.execute_fetchall("PRAGMA max_page_count = 1000000")
            with anyio.fail_after(PATIENCE):
                while len(await world.rows("seq", "attempts")) < FAILURES_TO_OPEN:
                    await world.store.wakeups.deliveries_changed("pipeline").wait()
            group.cancel_scope.cancel()
        assert {seq for (seq,) in await world.rows("seq", "attempts")} <= receiver.asked.keys()
        assert len(receiver.asked) < 2 * MAX_CONCURRENCY


async def test_all_receivers_together_are_asked_for_no_more_than_there_are(database):
    """Receivers that hang take what there is and no more; one that comes late has an attempt of its own in any case."""
    hanging, limit = Hanging(), GlobalConcurrencyLimit(3 * MAX_CONCURRENCY // 2)
    expected = {"/0": MAX_CONCURRENCY, "/1": MAX_CONCURRENCY // 2, "/2": 1, "/3": 1}
    world = DeliveryWorld(database, timeout=PATIENCE)
    async with (
        open_server(hanging, "127.0.0.1", 0) as address,
        world.with_receivers(**{path: address.url + path for path in expected}),
    ):
        await world.record(*[a_job(f"job-{number}") for number in range(2 * MAX_CONCURRENCY)])
        async with anyio.create_task_group() as group:
            for path, deliverer in world.deliverers.items():
                deliverer._concurrency_limit = limit
                group.start_soon(deliverer.deliver_due)
                with anyio.fail_after(PATIENCE):
                    await hanging.has(path, expected[path])
            await anyio.sleep(0.1)  # one more would come now
            asked = dict(hanging.asked)
            hanging.over.set()
        assert {state for (state,) in await world.rows("state")} == {"delivered"}
    assert asked == expected
    assert set(hanging.asked.values()) == {2 * MAX_CONCURRENCY}


async def test_attempts_that_are_not_made_are_there_for_others(database):
    """A receiver counts with what it has under way, not with what it might have had, and once it is gone with nothing."""
    hanging, limit = Hanging(), GlobalConcurrencyLimit(100)
    world = DeliveryWorld(database, timeout=PATIENCE)
    async with open_server(hanging, "127.0.0.1", 0) as address, world.with_receivers(pipeline=address.url + "/0"):
        await world.record(a_job("job-1"), a_job("job-2"))
        world.deliverers["pipeline"]._concurrency_limit = limit
        async with anyio.create_task_group() as group:
            group.start_soon(world.deliverers["pipeline"].run)
            with anyio.fail_after(PATIENCE):
                await hanging.has("/0", 2)
            assert limit.reserve("another", 0, 100) == 98
            group.cancel_scope.cancel()
        assert limit.reserve("another", 0, 100) == 100


class Hanging:
    """A receiver that answers nothing before all is `over`, and knows how often each path was asked."""

    def __init__(self):
        self.asked = Counter()
        self.over = anyio.Event()
        self._heard = anyio.Event()

    async def has(self, path, times):
        while self.asked[path] < times:
            self._heard = anyio.Event()
            await self._heard.wait()

    async def __call__(self, scope, receive, send):
        await Request(scope, receive).body()
        self.asked[scope["path"]] += 1
        self._heard.set()
        await self.over.wait()
        await Response()(scope, receive, send)


async def test_commit_that_is_reported_as_failed_is_settled_once(database):
    """If a commit happened although SQLite reported an error, nothing is reported twice: the file has the state."""
    receiver = Talkative()
    world = DeliveryWorld(database, retry=(3600.0,), events=("*",))
    async with open_server(receiver, "127.0.0.1", 0) as address, world.with_receivers(pipeline=address.url):
        await world.record(*[a_job(f"job-{number}", "QUEUED") for number in range(FAILURES_TO_OPEN)])
        outbox = world.store.outbox
        settle = outbox.settle

        async def doubtful(*arguments):
            await settle(*arguments)
            if (await outbox.circuit("pipeline")).is_open:
                outbox.settle = settle
                raise StorageError("committed all the same")

        outbox.settle = doubtful
        with pytest.raises(StorageError, match="committed all the same"):
            await world.deliver()
        await world.deliver()
        assert [type_ for (type_,) in await world.rows("type", "events")].count("receiver.failing") == 1
        assert await world.rows("state, attempts") == [("pending", 1)] * FAILURES_TO_OPEN
        assert receiver.asked == Counter(range(1, FAILURES_TO_OPEN + 1))


class Talkative:
    """A receiver that refuses everything with many words, and knows how often each event came."""

    def __init__(self):
        self.asked = Counter()

    async def __call__(self, scope, receive, send):
        self.asked[(await Request(scope, receive).json())["seq"]] += 1
        await Response("no " * 1000, status_code=500)(scope, receive, send)


async def _failures_of(outbox, many):
    """Until `settle` has failed `many` times."""
    settle, failed, enough = outbox.settle, itertools.count(1), anyio.Event()

    async def counted(*arguments):
        try:
            return await settle(*arguments)
        except StorageError:
            if next(failed) >= many:
                enough.set()
            raise

    outbox.settle = counted
    with anyio.fail_after(PATIENCE):
        await enough.wait()


@contextmanager
def black_hole():
    """A URL at which every connection is accepted and no byte is ever read."""
    with socket.create_server(("127.0.0.1", 0), backlog=MAX_CONCURRENCY) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_black_hole_delays_no_other_receiver(database):
    """While every attempt at one receiver hangs, each event arrives at another, and neither's loop turns without a cause."""
    good = Taking()
    world = DeliveryWorld(database, timeout=10 * PATIENCE)
    async with open_server(good, "127.0.0.1", 0) as address:
        with black_hole() as hole:
            async with world.with_receivers(other=hole, good=address.url), anyio.create_task_group() as group:
                limit, turns = GlobalConcurrencyLimit(), _turns(world.store.wakeups)
                for deliverer in world.deliverers.values():
                    deliverer._concurrency_limit = limit
                    group.start_soon(deliverer.run)
                await world.record(*[a_job(f"gathered-{number}") for number in range(MAX_CONCURRENCY)])
                await good.sees(*[f"gathered-{number}" for number in range(MAX_CONCURRENCY)])
                turns.clear()
                for number in range(100):
                    await world.record(a_job(f"job-{number}"))
                    await good.sees(f"job-{number}")
                assert world.deliverers["other"]._attempts_under_way == MAX_CONCURRENCY
                assert turns["other"] <= 100 + 2  # one for each commit
                assert turns["good"] <= 2 * 100 + 2  # one for each commit, one for each attempt that ends
                group.cancel_scope.cancel()
    assert all(outcome.delivered for outcome in world.outcomes)


def _turns(wakeups):
    """How often each receiver's loop has turned since it was cleared: each turn asks once for the next change."""
    turns, changed = Counter(), wakeups.deliveries_changed

    def counted(receiver):
        turns[receiver] += 1
        return changed(receiver)

    wakeups.deliveries_changed = counted
    return turns
