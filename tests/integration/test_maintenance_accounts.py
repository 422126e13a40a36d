"""An unreachable account: reported once the outage has lasted, with the reason, and once more when it recovers."""

import pytest
from event_validation import validator
from maintenance_world import BEGAN, HOUR, MINUTE, TIME_ALONE, MaintenanceWorld
from tables import execute

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.dead_letters import failing_event
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.reminders import Reminders
from tracker.core.events.event import iso
from tracker.core.events.time_limits import TimeLimits
from tracker.store.database_file_commands import verify

UNREACHABLE, RECOVERED = "account.unreachable", "account.recovered"


@pytest.fixture
def world(database):
    return MaintenanceWorld(database, TimeLimits(unreachable_after=5 * MINUTE))


def reports(world):
    return [(at / MINUTE, type_) for at, type_, _ in world.reported]


async def test_an_outage_counts_from_a_jump_of_the_clock(world):
    """Where the clock jumped four minutes after the first failure, it is reported five minutes after that, once."""
    async with world.running():
        await world.go_on(MINUTE, MINUTE)
        world.fail("500")
        await world.go_on(4 * MINUTE, MINUTE)
        world.jump()
        await world.go_on(10 * MINUTE, MINUTE)
    assert reports(world) == [(10, UNREACHABLE)]


@pytest.mark.parametrize(
    ("kind", "reason", "detail"),
    [
        ("401", "unauthorised", "HTTP 401"),
        ("402", "not_enabled", "HTTP 402"),
        ("500", "server", "HTTP 500"),
        ("reset", "network", ""),
        ("malformed", "malformed", ""),
    ],
)
async def test_the_reason_is_reported(world, kind, reason, detail):
    """Whatever the API does, after five minutes of it the log says what it is, since when, and later that it is over."""
    async with world.running():
        await world.go_on(MINUTE, MINUTE)
        world.fail(kind)
        await world.go_on(20 * MINUTE, MINUTE)
        world.fail()
        await world.go_on(5 * MINUTE, MINUTE)
        unreachable, recovered = await world.log(*TIME_ALONE)
    assert reports(world) == [(7, UNREACHABLE), (22, RECOVERED)]
    assert unreachable["data"]["detail"].startswith(detail)
    about = {"account": "default", "reason": reason, "since": iso(round((BEGAN + 2 * MINUTE) * 1000))}
    assert unreachable["data"] == recovered["data"] == about | {"detail": unreachable["data"]["detail"]}
    for event in (unreachable, recovered):
        assert (event["account"], event["changes"]) == ("default", {})
        validator(event["type"]).validate(event)


async def test_restarts_in_between(world):
    """A daemon that starts within a reported outage does not repeat it; one that starts after it reports its end."""
    async with world.running():
        world.fail("500")
        await world.go_on(10 * MINUTE, MINUTE)
    for _ in range(2):
        async with world.running():
            await world.check()
            await world.go_on(10 * MINUTE, MINUTE)
    world.fail()
    async with world.running():
        await world.check()
        assert reports(world) == [(6, UNREACHABLE)], "no look yet"
        await world.go_on(MINUTE, MINUTE)
    async with world.running():
        await world.go_on(MINUTE, MINUTE)
    assert reports(world) == [(6, UNREACHABLE), (31, RECOVERED)]


async def test_each_outage_by_itself(world):
    """A second outage is reported like the first, one that is too short is not, and the log stays sound."""
    world.add(3)
    async with world.running():
        for lasts in (6, 4, 6):
            world.fail("500")
            await world.go_on(lasts * MINUTE, MINUTE)
            world.fail()
            await world.go_on(2 * MINUTE, MINUTE)
    assert reports(world) == [(6, UNREACHABLE), (7, RECOVERED), (20, UNREACHABLE), (21, RECOVERED)]
    assert verify(world.path).differences == ()


async def test_they_are_counted(world):
    """The counter of events in the log counts those that no sweep brought."""
    world.add(1, running=500 * HOUR)
    async with world.running():
        await world.go_on(2 * HOUR, 10 * MINUTE)
        world.fail("500")
        await world.go_on(10 * MINUTE, MINUTE)
        counted = world.metrics.render().decode()
    for type_ in (UNREACHABLE, "batch.stalled"):
        assert f'batchtracker_events_total{{account="default",type="{type_}"}} 1.0' in counted


async def test_reminders_while_an_outage_lasts(world):
    """Every half an hour, over restarts, none after the end, and for a new outage from its own beginning on."""
    world.reminders = Reminders(subscriptions=(Subscription(receiver="team", events=("*",), remind_every=30 * MINUTE),))
    world.fail("500")
    for _ in range(2):
        async with world.running():
            await world.go_on(50 * MINUTE, MINUTE)
    world.fail()
    async with world.running():
        await world.go_on(60 * MINUTE, MINUTE)
        world.fail("500")
        await world.go_on(40 * MINUTE, MINUTE)
        log = await world.log(UNREACHABLE)
    first, second, third = 6, 36, 66
    expected = [first, second, third, 96, 101, 166, 196]
    assert reports(world) == [(at, RECOVERED if at == 101 else UNREACHABLE) for at in expected]
    assert [event.get("reminder", {}).get("number") for event in log] == [None, 1, 2, 3, None, 1]
    assert {event["data"]["since"] for event in log[:4]} == {log[0]["data"]["since"]}
    assert verify(world.path).differences == ()


async def test_reminders_of_receivers_that_fail(world):
    """They come in the interval, as the log has the failure, over restarts, and none once the receiver has recovered."""
    fails = Circuit(failures=FAILURES_TO_OPEN, since=1, reason="server")
    team = Subscription(receiver="team", events=("*",), remind_every=30 * MINUTE)
    world.reminders = Reminders(subscriptions=(team,), retry={"hook": (60.0,), "other": (60.0,)})
    async with world.running():
        failed_at = world._now()
        report = [failing_event("hook", fails, (), (60.0,), failed_at)]
        await world.poller.store.outbox.settle("hook", [], fails, lambda _waiting: report)
        await world.go_on(70 * MINUTE, MINUTE)
    async with world.running():
        await world.go_on(50 * MINUTE, MINUTE)
        await execute(world.poller.store, "UPDATE receivers SET failures = 0")
        await world.go_on(60 * MINUTE, MINUTE)
        log = await world.log("receiver.failing")
    assert reports(world) == [(at, "receiver.failing") for at in (30, 60, 90, 120)]
    assert [event["reminder"]["number"] for event in log[1:]] == [1, 2, 3, 4]
    assert {event["reminder"]["first_at"] for event in log[1:]} == {iso(failed_at)}
