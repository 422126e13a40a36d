"""What any engine owes to progress that was only seen: everything that shows a job shows it, and the log is as it was."""

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, gone, moved, seen

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import batch_event, iso
from tracker.core.events.job_diff import Change, diff
from tracker.core.events.progress_limit import limited
from tracker.core.events.time_limits import DEADLINE
from tracker.core.queries.filters import JobFilter
from tracker.store.database_file_commands import verify

NATIVE = {"provider": "openai", "native": {"request_counts": {"total": 1000, "completed": 1, "failed": 0}, "kept": "ü\0"}}
RUNNING = {"status": "RUNNING", "total_requests": 1000, "completed_requests": 1, "succeeded_requests": 1}
SEEN_AT = SINCE + 5_000


def only_seen(change, *, now=SEEN_AT, **properties):
    """The next change of the job of `change`, progress that waits to be logged."""
    job = msgspec.structs.replace(change.known.job, **properties)
    held = limited(diff("default", change.known, job, now, {"request_counts"}), change.known, 600_000, now)
    assert held.events == ()
    return held


async def recorded(store, *changes):
    """Record these, each in a transaction of its own; returns the last."""
    await store.checkpoint("default", CHECKPOINT)
    for change in changes:
        await store.record("default", [change])
    return changes[-1]


async def test_seen_progress_is_what_readers_and_sweeps_get(engine):
    """What was seen is in the list, the page and the job itself, and is known after a restart as it was; nothing is logged."""
    async with engine.store() as store:
        first = seen(**RUNNING, extra=NATIVE)
        native = NATIVE["native"] | {"request_counts": {"total": 1000, "completed": 77, "failed": 7}}
        held = only_seen(
            first, completed_requests=77, succeeded_requests=70, failed_requests=7, extra=NATIVE | {"native": native}
        )
        await recorded(store, first, held)
        assert await store.active_jobs("default") == {"job-1": held.known}
        assert store.active_jobs_snapshot("default") == {"job-1": held.known.job}
    async with engine.store() as store:
        assert await store.active_jobs("default") == {"job-1": held.known}
        assert await store.known_jobs("default", ["job-1"]) == {"job-1": held.known}
    async with engine.reader() as reader:
        page = await reader.jobs_page(None, JobFilter(), 10)
        shown = [*page.jobs, *await reader.jobs(), *await reader.jobs_by_id("job-1"), *await reader.jobs_by_prefix("job")]
        (failing,) = (await reader.overview(SEEN_AT)).failing
    assert len(shown) == 4
    for job in shown:
        assert (job["completed_requests"], job["failed_requests"], job["native"]) == (77, 7, native)
        assert (job["observed_at"], job["first_seen_at"], job["seq"]) == (iso(SEEN_AT), iso(SINCE), 2)
    assert failing.share == pytest.approx(7 / 77)
    assert [event["type"] for event in await engine.log()] == ["batch.created", "batch.started"]
    assert verify(engine.address).differences == ()


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
async def test_later_change_ends_it_and_leaves_no_gap(engine, store, together):
    """The event behind it leads from what the log has, also where both are recorded at once; then there is nothing unlogged."""
    first = seen(**RUNNING)
    held = only_seen(first, completed_requests=50)
    logged = moved(held, now=SINCE + 9_000, completed_requests=120)
    assert logged.events[0].changes == {"completed_requests": (1, 120)}
    await recorded(store, first)
    await store.record("default", [held, logged]) if together else await recorded(store, held, logged)
    assert await store.active_jobs("default") == {"job-1": logged.known}
    assert (await engine.jobs())["default", "job-1"]["completed_requests"] == 120
    assert verify(engine.address).differences == ()


async def test_seen_behind_a_change_that_is_recorded_with_it(engine, store):
    """The job is logged as its event has it, and shown as it was seen after that."""
    first = seen(**RUNNING)
    logged = moved(first, completed_requests=120)
    held = only_seen(logged, completed_requests=130)
    joined = msgspec.structs.replace(held, events=logged.events)
    await recorded(store, first, joined)
    assert await store.active_jobs("default") == {"job-1": held.known}
    assert (await engine.jobs())["default", "job-1"]["completed_requests"] == 130
    assert verify(engine.address).differences == ()


async def test_fall_back_to_what_is_logged(engine, store):
    """What was seen and is over is forgotten without an event."""
    first = seen(**RUNNING)
    held = only_seen(first, completed_requests=50)
    back = Change(account="default", known=first.known, events=())
    await recorded(store, first, held, back)
    assert await store.known_jobs("default", ["job-1"]) == {"job-1": first.known}
    job = (await engine.jobs())["default", "job-1"]
    assert (job["completed_requests"], job["observed_at"]) == (1, iso(SINCE))


async def test_deleted_job_has_what_was_seen_last(engine, store):
    """Its last event brings the counters that were only seen."""
    held = only_seen(first := seen(**RUNNING), completed_requests=50)
    await recorded(store, first, held, gone(held))
    assert (await engine.jobs())["default", "job-1"]["completed_requests"] == 50
    assert verify(engine.address).differences == ()


async def test_job_has_moved_when_that_was_seen(engine, store):
    """For the checks of time it is not stalled, and an event about it has it as the log does."""
    first = seen(**RUNNING)
    await recorded(store, first, only_seen(first, completed_requests=50))
    (status,) = await store.active_job_statuses("default")
    assert (status.moved_at, status.job) == (SEEN_AT, first.known.job)
    event = batch_event(DEADLINE, "default", status.job, {}, SEEN_AT + 1)
    assert len(await store.append([event])) == 1
    assert verify(engine.address).differences == ()


async def test_progress_that_is_only_seen_makes_no_delivery(engine):
    """Receivers get events, and it is none."""
    async with engine.store([Subscription(receiver="one", events=("batch.*",))]) as store:
        first = seen(**RUNNING)
        await recorded(store, first, only_seen(first, completed_requests=50))
        assert (await store.outbox.count_open())["pending"] == 2
