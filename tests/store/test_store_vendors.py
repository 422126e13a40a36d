"""Jobs of other vendors than Mistral in any engine: with what the vendor says of them, and found by the vendor's name."""

import msgspec
import pytest
from job_changes import SINCE, a_job, seen

from tracker.core.events.event import MAX_EVENT_BYTES
from tracker.core.events.job_diff import Known, diff
from tracker.core.events.time_limits import DEADLINE, TimeLimits, overdue_events
from tracker.core.jobs.size_limits import size_of
from tracker.core.queries.filters import JobFilter

NATIVE = {"id": "batch_1", "processing_status": "in_progress", "odd \0 text": "\u2028", "deep": {"list": [1, None, 2.5]}}
EXTRA = {"provider": "anthropic", "native": NATIVE, "expires_at": SINCE // 1000 + 3600}


async def test_vendors_object_is_kept_as_it_came(engine):
    """What is read back, as a known job, by a reader and in the log, is what was recorded."""
    async with engine.store() as store:
        await store.record("default", [seen("batch_1", status="RUNNING", extra=EXTRA), seen("other")])
    async with engine.store() as store:
        known = Known(a_job("batch_1", status="RUNNING", extra=EXTRA), logged_at=SINCE)
        assert (await store.known_jobs("default", ["batch_1"]))["batch_1"] == known
        assert (await store.active_jobs("default"))["batch_1"] == known
    jobs = await engine.jobs()
    shown = jobs["default", "batch_1"]
    assert {name: shown[name] for name in EXTRA} == EXTRA
    assert (jobs["default", "other"]["provider"], "native" in jobs["default", "other"]) == ("mistral", False)
    assert {name: event["data"][name] for event in (await engine.log())[:1] for name in EXTRA} == EXTRA


async def test_jobs_of_a_vendor(engine):
    """They are found by its name, in pages, whatever else is asked for; a job without one is Mistral's."""
    async with engine.store() as store:
        changes = [
            seen(f"job-{number}", status=("RUNNING", "SUCCESS")[number % 2], extra={"provider": name} if name else {})
            for number, name in enumerate([None, "openai", "anthropic", "openai", None, "openai", "mistral"])
        ]
        await store.record("default", changes)
    async with engine.reader() as reader:

        async def found(**asked):
            page = await reader.jobs_page(None, JobFilter(**asked), 100)
            return sorted(job["id"] for job in page.jobs)

        assert await found(provider="openai") == ["job-1", "job-3", "job-5"]
        assert await found(provider="mistral") == ["job-0", "job-4", "job-6"]
        assert await found(provider="openai", active=True) == []
        assert await found(provider="anthropic", active=True) == ["job-2"]
        assert await found(provider="gemini") == []


@pytest.mark.parametrize("large", ["x" * 200_000, ["y" * 100] * 3000, {str(number): number for number in range(9000)}])
async def test_large_object_fits_the_log(engine, large):
    """However large an object comes, the events of the job and of its change are within their limit, and read back."""
    async with engine.store() as store:
        first = seen("batch_1", extra={**EXTRA, "native": {**NATIVE, "large": large}})
        await store.record("default", [first])
        native = {"id": "batch_1", "news": "z" * 70_000, "large": large}
        after = msgspec.structs.replace(first.known.job, extra={**EXTRA, "native": native}, status="RUNNING")
        await store.record("default", [diff("default", first.known, after, SINCE + 1000)])
    log = await engine.log()
    assert [event["type"] for event in log] == ["batch.created", "batch.started"]
    assert max(size_of(event) for event in log) <= MAX_EVENT_BYTES


async def test_deadline_is_the_vendors(store):
    """A job that the vendor ends in an hour is warned of after 48 minutes, whatever the account's time-out."""
    await store.record("default", [seen("batch_1", status="RUNNING", extra=EXTRA), seen("other", status="RUNNING")])
    limits, due = TimeLimits(stalled_after=float("inf"), timeout_hours=24), SINCE + 48 * 60_000
    for at, types in ((due - 1, []), (due, [(DEADLINE, "batch_1")])):
        events = overdue_events("default", await store.active_job_statuses("default"), limits, at, at)
        assert [(event.type, event.data["id"]) for event in events] == types
