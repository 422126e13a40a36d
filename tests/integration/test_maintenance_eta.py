"""A progress says when its job will have ended, in the log and hence on every surface."""

from datetime import datetime

import pytest
from event_validation import validator
from maintenance_world import BEGAN, MINUTE, MaintenanceWorld

from tracker.store.database_file_commands import verify

STEADY = {"requests": 1000, "running": 100 * MINUTE}


@pytest.fixture
def world(database):
    return MaintenanceWorld(database)


@pytest.mark.slow
async def test_the_end_is_estimated(world):
    """Once 2 % were seen to be completed each progress says the job's end, to the minute; a restart begins again."""
    world.add(1, **STEADY)
    for _ in range(2):
        async with world.running():
            await world.go_on(5 * MINUTE, 30)
    events = await world.log("batch.progress")
    assert ["eta" in event for event in events] == [False] * 3 + [True] * 6 + [False] * 4 + [True] * 6
    for event in events:
        validator("batch.progress").validate(event)
        if "eta" in event:
            assert abs(datetime.fromisoformat(event["eta"]).timestamp() - BEGAN - 100 * MINUTE) <= MINUTE
    assert verify(world.path).differences == ()


async def test_what_is_over_is_forgotten(world):
    """The memory has the jobs that are running, and none that has ended."""
    ids = world.add(3, **STEADY)
    async with world.running():
        await world.go_on(MINUTE, 30)
        assert sorted(world.poller.recorder.histories) == ids
        world.end(ids[:2])
        await world.go_on(MINUTE, 30)
        assert sorted(world.poller.recorder.histories) == ids[2:]
