"""What happens between the maintenance's reading and its writing, which receivers are notified, and the loop itself."""

import sqlite3
from contextlib import closing

import anyio
import pytest
from maintenance_world import new_maintenance
from structlog.testing import capture_logs

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import batch_event
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.time_limits import TimeLimits, overdue_events
from tracker.core.health.readiness import Health
from tracker.core.jobs.job import Job
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store
from tracker.store.records.log_rows import LogEntry

SEEN = 1_795_478_400_000
DAY = 86_400_000
LIMITS = TimeLimits()


def a_job(status="RUNNING", **properties):
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    return Job(id="job-1", status=status, created_at=SEEN // 1000, **counters | {"total_requests": 10} | properties)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tracker.db"


@pytest.fixture
async def store(path):
    """A store that knows one running job, for two receivers of which one wants to know of stalls."""
    wanting = [Subscription(receiver=name, events=(glob,)) for name, glob in (("all", "*"), ("ends", "batch.completed"))]
    async with open_store(path, wanting) as store:
        await store.record("default", [first_seen("default", a_job(), SEEN)])
        yield store


async def due(store, at=SEEN + DAY):
    return list(overdue_events("default", await store.active_job_statuses("default"), LIMITS, at, at))


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda known: diff("default", known, a_job("SUCCESS"), SEEN + DAY),
        lambda known: diff("default", known, a_job(completed_requests=1), SEEN + DAY),
        lambda known: diff("default", known, a_job(model="other"), SEEN + DAY),
        lambda known: deletion("default", known, SEEN + DAY),
    ],
    ids=["ended", "moved", "updated", "deleted"],
)
async def test_what_changed_meanwhile_is_not_reported(store, path, meanwhile):
    """A job that changes between the reading and the writing is left for the next look, with all that was said of it."""
    events = await due(store)
    assert [event.type for event in events] == ["batch.stalled", "batch.deadline"]
    change = meanwhile(Known(a_job()))
    await store.record("default", [change])
    assert await store.append(events) == []
    assert verify(path).differences == ()
    assert verify(path).events == 2 + len(change.events)


async def test_which_events_are_logged(store):
    """What time alone brings goes to the receivers whose filter it matches, in the order of its job, behind what was before."""
    events = await due(store)
    assert await store.append(events) == events
    deliveries = await store._database.fetch("SELECT receiver, stream, type FROM deliveries ORDER BY seq")
    types = ["batch.created", "batch.started", "batch.stalled", "batch.deadline"]
    assert deliveries == [("all", "default/job-1", type_) for type_ in types]


async def test_accounts_are_distinguished(store):
    """Two accounts may know a job of one id; a report of the one says nothing of the other."""
    await store.record("other", [first_seen("other", a_job(), SEEN)])
    assert len(await store.append(await due(store))) == 2
    (here,), (there,) = await store.active_job_statuses("default"), await store.active_job_statuses("other")
    assert (here.stalled, here.warned) == (True, True)
    assert (there.stalled, there.warned) == (False, False)


async def test_an_update_is_no_move(store):
    """New metadata do not make a job move: it still stands still, and was already said to."""
    await store.append(await due(store))
    await store.record("default", [diff("default", Known(a_job()), a_job(metadata={"a": "b"}), SEEN + DAY)])
    (standing,) = await store.active_job_statuses("default")
    assert (standing.moved_at, standing.stalled) == (SEEN, True)


@pytest.mark.parametrize(
    ("event", "difference"),
    [
        (batch_event("batch.stalled", "default", a_job(completed_requests=5), {}, SEEN), "changes the job"),
        (batch_event("batch.deadline", "default", a_job(), {"model": (None, None)}, SEEN), "changes the job"),
        (batch_event("batch.stalled", "other", a_job(), {}, SEEN), "before the job was first seen"),
    ],
)
async def test_verify_knows_what_time_alone_cannot_do(store, path, event, difference):
    """An event in the log that says a job stands still, and at once that it changed, is a contradiction."""
    await logged(store, event)
    assert any(difference in each for each in verify(path).differences)


async def test_verify_knows_what_is_over(store, path):
    """A job that has ended cannot stand still."""
    await store.record("default", [diff("default", Known(a_job()), a_job("SUCCESS"), SEEN + DAY)])
    await logged(store, batch_event("batch.stalled", "default", a_job("SUCCESS"), {}, SEEN + DAY))
    assert verify(path).differences == ("event 4: job job-1: batch.stalled after the job was over",)


async def logged(store, event):
    """Log it as no guard would."""
    entries = [LogEntry(event, event.data["id"])]
    await store._database.write("testing", lambda connection: store._log.append(connection, entries))


async def test_what_was_not_written_is_reported_the_next_time(store, path):
    """A look that found something and could not log it is repeated as of the same sweep; one that found nothing is not."""
    health = Health(["default"])
    health.swept("default", None, SEEN + DAY)
    looking = new_maintenance(store, health, {"default": LIMITS}, lambda: SEEN + DAY)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'no room'); END")
        with pytest.raises(StorageError, match="no room"):
            await looking.check_once()
        other.execute("DROP TRIGGER full")
    assert [event.type for event in await looking.check_once()] == ["batch.stalled", "batch.deadline"]
    assert await looking.check_once() == []
    asked = []
    await store._database._connection.set_trace_callback(asked.append)
    assert await looking.check_once() == []
    assert not any("jobs_active" in sql for sql in asked)


async def test_the_loop_goes_on_after_a_lost_store(store, path):
    """The loop repeats: an outage is reported although the first looks found no database."""
    health = Health(["default"])
    health.swept("default", Failure(Reason.NETWORK, "refused"), SEEN)
    limits = {"default": TimeLimits(unreachable_after=0.1)}
    changed = store.wakeups.deliveries_changed("all")
    path.rename(path.with_name("away.db"))
    with anyio.fail_after(30), capture_logs() as lines:
        async with anyio.create_task_group() as group:
            group.start_soon(new_maintenance(store, health, limits, lambda: SEEN + 1000).run)
            while not lines:
                await anyio.lowlevel.checkpoint()
            path.with_name("away.db").rename(path)
            await changed.wait()
            group.cancel_scope.cancel()
    assert {line["event"] for line in lines} == {"storage.failed", "account.unreachable"}
    assert (await store.last_account_event("default")).data["detail"] == "refused"
