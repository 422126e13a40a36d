"""Jobs that stall or near their deadline: reported once per episode, despite restarts, downtime and outages."""

import msgspec
import pytest
from event_validation import validator
from maintenance_world import BEGAN, HOUR, MINUTE, TIME_ALONE, MaintenanceWorld

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.reminders import Reminders
from tracker.core.events.time_limits import TimeLimits
from tracker.store.database_file_commands import verify

QUARTER = 15 * MINUTE
LIMITS = TimeLimits(stalled_after=HOUR, timeout_hours=10)
SLOW = {"requests": 10, "running": 30 * HOUR, "timeout": 100 * HOUR}
"""A job of which a request is completed every three hours."""


@pytest.fixture
def world(database):
    return MaintenanceWorld(database, LIMITS)


@pytest.mark.slow
@pytest.mark.parametrize("restart_every", [12 * HOUR, HOUR])
async def test_once_per_episode(world, restart_every):
    """A stall is reported an hour after each move, the deadline once after eight of ten hours, despite restarts."""
    (id_,) = world.add(1, **SLOW)
    for _ in range(round(12 * HOUR / restart_every)):
        async with world.running():
            await world.go_on(restart_every, QUARTER)
    stalls = [at / HOUR for at, type_, _ in world.reported if type_ == "batch.stalled"]
    assert stalls == [1.25, 4, 7, 10]  # first seen after a quarter of an hour, moved after 3, 6 and 9
    assert [(at / HOUR, job) for at, type_, job in world.reported if type_ == "batch.deadline"] == [(8, id_)]
    assert verify(world.path).differences == ()


async def test_a_stall_counts_from_a_jump_of_the_clock(world):
    """Where the clock jumped an hour after the job was first seen, it is reported an hour after that."""
    world.add(1, **SLOW)
    async with world.running():
        await world.go_on(HOUR, QUARTER)
        world.jump()
        await world.go_on(2 * HOUR, QUARTER)
    assert [(at / HOUR, type_) for at, type_, _ in world.reported] == [(2, "batch.stalled")]


async def test_of_many_each_is_reported(world, monkeypatch):
    """However many jobs are active they are read some at a time, each once, and none of them is left out."""
    for engine in ("sqlite", "postgres"):
        monkeypatch.setattr(f"tracker.store.{engine}.writing.store.STATUSES_PER_PAGE", 2)
    ids = world.add(5, **SLOW)
    async with world.running():
        await world.go_on(2 * HOUR, QUARTER)
        store, seen, after = world.poller.store, [], ""
        while standings := await store.active_job_statuses("default", after):
            assert len(standings) <= 2
            seen += [standing.job.id for standing in standings]
            after = seen[-1]
    assert seen == sorted(ids)
    assert sorted(job for _, type_, job in world.reported if type_ == "batch.stalled") == sorted(ids)


async def test_what_the_log_has(world):
    """The events are in the log as they were returned, of the job as it was, and as the published schema has them."""
    world.add(1, **SLOW)
    async with world.running():
        await world.go_on(8 * HOUR, QUARTER)
        progress, logged = await world.log("batch.progress"), await world.log(*TIME_ALONE)
    assert [event["type"] for event in logged] == [type_ for _, type_, _ in world.reported]
    last_stall = logged[-2]
    assert last_stall["data"] == progress[-1]["data"]
    assert last_stall["created_at"] - BEGAN == 7 * HOUR
    for event in logged:
        validator(event["type"]).validate(event)


async def test_a_job_that_was_over_is_not_reported(world):
    """A job that ended, or was deleted, is never said to stand still or to be late afterwards."""
    ended, deleted = world.add(2, **SLOW)
    async with world.running():
        await world.go_on(HOUR, QUARTER)
        world.end([ended])
        plan = world.workspace.plans[deleted]
        world.workspace.plans[deleted] = msgspec.structs.replace(plan, deleted_at=world.at)
        await world.go_on(10 * HOUR, QUARTER)
        ends = await world.log("batch.failed", "batch.deleted")
    assert {event["type"] for event in ends} == {"batch.failed", "batch.deleted"}
    assert [each for each in world.reported if each[2] == ended] == []
    assert [type_ for _, type_, job in world.reported if job == deleted] in ([], ["batch.stalled"])  # before the second 404


async def test_a_job_that_moved_between_sweeps(world):
    """After a time of being down a job is judged by what the first whole sweep sees: that one has moved, this one has not."""
    (moves,) = world.add(1, **SLOW)
    (stands,) = world.add(1, **SLOW | {"running": 500 * HOUR})
    async with world.running():
        await world.go_on(QUARTER, QUARTER)
    world.at += 5 * HOUR
    async with world.running():
        await world.check()
        assert world.reported == [], "no look yet"
        world.fail("500")
        await world.go_on(QUARTER, QUARTER)
        assert world.reported == [], "a look that failed is none"
        world.fail()
        await world.go_on(QUARTER, QUARTER)
        assert [(type_, job) for _, type_, job in world.reported] == [("batch.stalled", stands)]
        await world.go_on(1.5 * HOUR, QUARTER)
    assert [(at / HOUR, type_, job) for at, type_, job in world.reported[1:]] == [(7, "batch.stalled", moves)]


async def test_an_outage_is_no_stall(world):
    """While the API cannot be reached, a stall is unknown, so it is not reported."""
    world.add(1, **SLOW | {"requests": 30})
    async with world.running():
        await world.go_on(45 * MINUTE, QUARTER)
        world.fail("500")
        await world.go_on(5 * HOUR, QUARTER)
        world.fail()
        await world.go_on(QUARTER, QUARTER)
    assert {type_ for _, type_, _ in world.reported} == {"account.unreachable", "account.recovered"}


async def test_the_metadata_names_the_timeout(world):
    """Of two jobs of one age the one that names a longer time-out is late later."""
    (short,) = world.add(1, **SLOW)
    (long,) = world.add(1, metadata={"timeout_hours": "20"}, **SLOW)
    async with world.running():
        await world.go_on(17 * HOUR, HOUR)
    late = [(at / HOUR, job) for at, type_, job in world.reported if type_ == "batch.deadline"]
    assert late == [(8, short), (16, long)]


async def test_reminders_of_a_stalled_job(world):
    """Every hour after the event, with the job as it is, and none once it moves; the next stall has its own."""
    (id_,) = world.add(1, **SLOW)
    world.reminders = Reminders(subscriptions=(Subscription(receiver="team", events=("*",), remind_every=HOUR),))
    for _ in range(2):
        async with world.running():
            await world.go_on(3 * HOUR, QUARTER)
    stalls = [at / HOUR for at, type_, job in world.reported if (type_, job) == ("batch.stalled", id_)]
    assert stalls == [1.25, 2.25, 4, 5]  # it moved after 3 hours, and does after 6
    async with world.running():
        log = await world.log("batch.stalled")
    assert [event.get("reminder", {}).get("number") for event in log] == [None, 1, None, 1]
    assert verify(world.path).differences == ()
