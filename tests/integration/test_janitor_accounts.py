"""An unreachable account: reported once the outage has lasted, with the reason, and once more when it recovers."""

import jsonschema
import pytest
from janitor_world import BEGAN, HOUR, MINUTE, TIME_ALONE, LookedAfter

from tracker.core.events.event import iso
from tracker.core.events.time_driven import TimeLimits
from tracker.schemas import event_schema
from tracker.store.file_commands import verify

UNREACHABLE, RECOVERED = "account.unreachable", "account.recovered"


@pytest.fixture
def world(tmp_path):
    return LookedAfter(tmp_path / "tracker.db", TimeLimits(unreachable_after=5 * MINUTE))


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
async def test_the_reason_is_told(world, kind, reason, detail):
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
        jsonschema.validate(event, event_schema(event["type"]))


async def test_restarts_in_between(world):
    """A daemon that starts within a reported outage does not repeat it; one that starts after it reports its end."""
    async with world.running():
        world.fail("500")
        await world.go_on(10 * MINUTE, MINUTE)
    for _ in range(2):
        async with world.running():
            await world.look()
            await world.go_on(10 * MINUTE, MINUTE)
    world.fail()
    async with world.running():
        await world.look()
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
