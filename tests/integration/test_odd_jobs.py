"""Jobs with far too many errors, and without counters, from a real answer to the log."""

import random

import msgspec
import pytest
from msgspec import UNSET
from sweep_world import SweepWorld

from tracker.core.events.event import MAX_EVENT_BYTES
from tracker.core.queries.filters import EventFilter
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader

ERRORS = [{"message": f"row {number} has no custom_id", "count": 1} for number in range(5000)]


@pytest.fixture
async def world(database):
    return SweepWorld(database)


def misreport(world, job_id, **properties):
    """From now on the API gives these of the job instead."""
    plan = world.workspace.plans[job_id]
    world.workspace.plans[job_id] = msgspec.structs.replace(plan, misreported=properties)


async def test_five_thousand_errors(path):
    """A job that fails with 5,000 errors is one small event; in another order they are no other errors."""
    world = SweepWorld(path)
    (job,) = world.add(1, created=-300.0)
    async with world.running():
        await world.sweep()
        misreport(world, job, errors=ERRORS)
        world.end([job])
        (failed,) = (await world.sweep())[0].events
        assert failed.type == "batch.failed"
        assert (len(failed.data["errors"]), failed.data["errors_omitted"]) == (20, 4980)
        misreport(world, job, errors=random.Random(2).sample(ERRORS, len(ERRORS)))
        assert (await world.sweep())[0].events == ()
    async with open_reader(world.path) as reader:
        assert max(len(body) for _, body in await reader.events(0, EventFilter(), limit=10)) < MAX_EVENT_BYTES / 8
    assert path.stat().st_size < 1_000_000
    assert verify(path).differences == ()


async def test_end_without_counters(world):
    """A job that ends FAILED with one counter null, one absent and times written as N.0 has ended, once, as it last was."""
    (job,) = world.add(1, created=-300.0, requests=1000)
    async with world.running():
        await world.sweep()
        before = (await world.sweep())[0].events
        plan = world.workspace.plans[job]
        misreport(world, job, failed_requests=None, succeeded_requests=UNSET, created_at=float(int(plan.created)))
        world.end([job])
        (failed,) = (await world.sweep())[0].events
        assert (failed.type, failed.data["created_at"]) == ("batch.failed", int(plan.created))
        assert failed.data["total_requests"] == 1000
        (after, _) = await world.sweep()
        assert before == after.events == ()
        assert after.failure is None


async def test_job_that_is_new_and_lacks_everything(world):
    """A new job of which the API says hardly more than its id and status is tracked, and the sweep is a good one."""
    (job,) = world.add(1, created=-300.0)
    gone = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests", "created_at", "input_files")
    misreport(world, job, **dict.fromkeys(gone, UNSET), errors=None, model=None, metadata={"n": 5})
    async with world.running():
        swept, _ = await world.sweep()
        assert [event.type for event in swept.events] == ["batch.created", "batch.started"]
        assert swept.failure is None
        assert (await world.sweep())[0].events == ()
