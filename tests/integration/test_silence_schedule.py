"""The loop that begins and ends silences: once each, after a restart too, with the windows of the configuration."""

import json
from datetime import UTC, time

import pytest
from job_changes import CHECKPOINT, seen
from storage_engines import open_any_store

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.queries.filters import EventFilter
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence
from tracker.core.silences.weekly_window import WeeklyWindow
from tracker.polling.silence_schedule import SilenceSchedule
from tracker.store.opening import open_reader

SLACK = Subscription(receiver="slack", events=("batch.*",))
HOUR = 3_600_000


def schedule(store, at, windows=()):
    made = SilenceSchedule(store.silences, lambda: at)
    made.set_windows(windows)
    return made


def all_day(name="always"):
    """A window that is in force now, whatever the time."""
    return WeeklyWindow(name=name, scope=Scope(), days=tuple(range(7)), start=time(0), zone=UTC, duration=2 * 86_400.0)


async def ends(database):
    async with open_reader(database) as reader:
        return [json.loads(body)["data"] for _, body in await reader.events(0, EventFilter(types=("silence.ended",)))]


async def test_end_that_no_daemon_saw_is_made_up_for(database):
    """A silence that ended while no process ran ends at the next start, once, however many look at it."""
    async with open_any_store(database, [SLACK]) as store:
        await store.checkpoint("default", CHECKPOINT)
        now = store.now()
        silence = requested_silence(SilenceRequest(scope=Scope(), reason="r", seconds=60), now, "command")
        await store.silences.add(silence, now)
        await store.record("default", [seen("job", status="FAILED")])
    for _ in range(2):
        async with open_any_store(database, [SLACK]) as store:
            for _ in range(2):
                await schedule(store, now + HOUR).advance_once()
            (delivery,) = await store.outbox.claim("slack", now + 2 * HOUR, 900.0, 10, ())
            assert delivery.type == "silence.ended"
    (data,) = await ends(database)
    assert (data["missed"], data["jobs"][0]["type"]) == (2, "batch.failed")


async def test_window_silences_and_ends_when_it_is_taken_out(database):
    """A window of the configuration silences; without it the next turn ends the silence, with its digest."""
    async with open_any_store(database, [SLACK]) as store:
        now = store.now()
        begun = await schedule(store, now, [all_day()]).advance_once()
        assert {event.type for event in begun} == {"silence.started"}
        assert await schedule(store, now + 1, [all_day()]).advance_once() == ()
        await store.record("default", [seen("job", status="FAILED")])
        logged = await schedule(store, now + 2).advance_once()
        assert {event.type for event in logged} == {"silence.ended"}
        async with open_reader(database) as reader:
            assert await reader.silences() == []
    assert [data["missed"] for data in await ends(database) if data["missed"]] == [2]
    assert {data["window"] for data in await ends(database)} == {"always"}


@pytest.mark.parametrize("is_maintainer", [False, True])
async def test_only_who_maintains_the_log_follows_silences(database, is_maintainer):
    """A process without the lease begins and ends nothing."""
    async with open_any_store(database, [SLACK]) as store:
        now = store.now()
        silence = requested_silence(SilenceRequest(scope=Scope(), reason="r", seconds=60), now, "command")
        await store.silences.add(silence, now)
        made = schedule(store, now + HOUR, () if is_maintainer else None)
        assert bool(await made.advance_once()) is is_maintainer
