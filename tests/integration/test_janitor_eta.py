"""A progress says when its job will have ended, in the log and hence on every surface."""

from datetime import datetime

import jsonschema
import pytest
from janitor_world import BEGAN, MINUTE, LookedAfter

from tracker.schemas import event_schema
from tracker.store.file_commands import verify

STEADY = {"requests": 1000, "running": 100 * MINUTE}


@pytest.fixture
def world(tmp_path):
    return LookedAfter(tmp_path / "tracker.db")


@pytest.mark.slow
async def test_the_end_is_foretold(world):
    """Once 2 % were seen to be completed each progress says the job's end, to the minute; a restart begins again."""
    world.add(1, **STEADY)
    for _ in range(2):
        async with world.running():
            await world.go_on(5 * MINUTE, 30)
    events = await world.log("batch.progress")
    assert ["eta" in event for event in events] == [False] * 3 + [True] * 6 + [False] * 4 + [True] * 6
    for event in events:
        jsonschema.validate(event, event_schema("batch.progress"))
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
