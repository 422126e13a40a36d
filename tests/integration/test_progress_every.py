"""Progress that waits to be logged: by which sweep it is, by none, after a restart, and while the API fails."""

import json

import pytest
from storage_engines import ON_EACH, open_any_store
from test_poll_loop import NOW, Scripted, failed, job, page

from tracker.core.errors.provider_failure import Reason
from tracker.core.health.readiness import Health
from tracker.core.queries.filters import EventFilter
from tracker.metrics import Metrics
from tracker.polling.poll_loop import PollLoop
from tracker.polling.poller import LATEST_PROGRESS, Poller
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader

EVERY = 60_000


def counted(done):
    return page(job("a", "RUNNING", total_requests=1000, completed_requests=done, succeeded_requests=done))


class World:
    """An account with one job, polled at times that the test sets."""

    def __init__(self, database):
        self.database = database
        self.now = NOW
        self.provider = Scripted(counted(1))

    def poller(self, store, every=EVERY):
        return Poller("default", self.provider, store, backfill=0.0, now=lambda: self.now, progress_every=every / 1000)

    async def sweep(self, poller, answer, *, at):
        """A sweep whose answer is `answer`, `at` milliseconds after the beginning; the counters that the log has then."""
        self.now, self.provider.answers = NOW + at, [answer]
        await poller.poll_once()
        return await self.logged()

    async def logged(self):
        """The completed requests of each event, in order."""
        async with open_reader(self.database) as reader:
            bodies = await reader.events(0, EventFilter(), limit=-1)
        return [json.loads(body)["data"]["completed_requests"] for _, body in bodies]

    async def shown(self):
        async with open_reader(self.database) as reader:
            return [each["completed_requests"] for each in await reader.jobs()]


@pytest.fixture
def world(database):
    return World(database)


@ON_EACH
async def test_first_tenths_and_last_are_logged_and_all_are_shown(world):
    """Whatever the log has, what was seen last is what readers get; in the end both are the same, without a gap."""
    seen = [0, 1, 2, 50, 99, 100, 101, 350, 351, 999, 1000]
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        for step, done in enumerate(seen):
            await world.sweep(poller, counted(done), at=step * 1000)
            assert await world.shown() == [done]
    assert await world.logged() == [0, 0, 1, 100, 350, 999, 1000]
    assert verify(world.database).differences == ()


async def test_next_one_is_logged_once_the_time_is_over(world):
    """At 15 seconds a sweep every fourth one logs it; without the limit each does."""
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        for step in range(13):
            logged = await world.sweep(poller, counted(100 + step), at=step * 15_000)
        assert logged[2:] == [104, 108, 112]
        poller = world.poller(store, every=0)
        assert (await world.sweep(poller, counted(113), at=200_000))[-1] == 113
        assert (await world.sweep(poller, counted(114), at=200_001))[-1] == 114


async def test_restart_knows_what_was_seen(world):
    """What waits is due as before: an answer that says the same is no news, and an older one is behind it."""
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        await world.sweep(poller, counted(110), at=0)
        await world.sweep(poller, counted(150), at=10_000)
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        assert (await world.sweep(poller, counted(150), at=20_000))[-1] == 110
        assert poller.next_follow_up() == (EVERY + LATEST_PROGRESS - 20_000) / 1000
        await world.sweep(poller, counted(120), at=21_000)
        assert await world.shown() == [150]
        assert (await world.sweep(poller, counted(150), at=60_000))[-1] == 150
    assert verify(world.database).differences == ()


async def test_failing_sweep_logs_what_is_due(world):
    """What the API said while it worked is logged in its time, once, though it fails now."""
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        await world.sweep(poller, counted(110), at=0)
        await world.sweep(poller, counted(150), at=10_000)
        down = failed(Reason.NETWORK)
        assert (await world.sweep(poller, down, at=59_999))[-1] == 110
        assert (await world.sweep(poller, down, at=60_000))[-1] == 150
        assert len(await world.sweep(poller, down, at=180_000)) == len(await world.sweep(poller, down, at=300_000)) == 3
    assert verify(world.database).differences == ()


async def test_loop_logs_it_where_no_sweep_comes_in_time(world):
    """Between two sweeps of an hour, or while a failing API is left alone, it is a moment late, and asks for nothing."""
    async with open_any_store(world.database) as store:
        poller = world.poller(store)
        loop = PollLoop(poller, 3600.0, Health(["default"]), Metrics(), lambda: 0.5)
        assert poller.next_follow_up() is None
        await world.sweep(poller, counted(110), at=0)
        assert poller.next_follow_up() is None
        await world.sweep(poller, counted(150), at=10_000)
        assert poller.next_follow_up() == (EVERY + LATEST_PROGRESS - 10_000) / 1000
        world.now = NOW + EVERY + LATEST_PROGRESS
        assert poller.next_follow_up() == 0.0
        await loop.follow_up_once()
        assert (await world.logged())[-1] == 150
        assert poller.next_follow_up() is None
        assert world.provider.asked == []
    assert verify(world.database).differences == ()


async def test_job_of_another_poller_is_taken_over_as_it_was_seen(world):
    """A replica that gets the account goes on from what was seen, and logs from what was logged."""
    async with open_any_store(world.database) as store:
        await world.sweep(world.poller(store), counted(110), at=0)
        await world.sweep(world.poller(store), counted(150), at=10_000)
        other = world.poller(store)
        await world.sweep(other, counted(200), at=11_000)
    async with open_reader(world.database) as reader:
        last = json.loads((await reader.events(0, EventFilter(), limit=100))[-1][1])
    assert last["changes"]["completed_requests"] == [110, 200]
    assert verify(world.database).differences == ()


@pytest.mark.parametrize("every", [0, 60_000])
async def test_events_of_a_day(world, every, capsys):
    """A job of a day at 15 seconds a sweep: with a minute a quarter of the events, and what was seen last is the same."""
    sweeps = 240  # an hour
    async with open_any_store(world.database) as store:
        poller = world.poller(store, every=every)
        for step in range(sweeps):
            world.now = NOW + step * 15_000
            done = 1 + step
            world.provider.answers = [page(job("a", "RUNNING", total_requests=9_600, completed_requests=done))]
            await poller.poll_once()
    progress = len(await world.logged()) - 2
    assert progress == (sweeps - 1 if every == 0 else (sweeps - 1) * 15_000 // every)
    with capsys.disabled():
        print(f"\nprogress events of 100 such jobs a day, every {every / 1000:.0f} s: {progress * 24 * 100:,}")  # noqa: T201
