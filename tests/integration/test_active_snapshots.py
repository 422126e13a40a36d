"""What the poller says of the active jobs: all of them when a sweep begins, and what becomes of them as it is recorded."""

import pytest
from sweeping import HOUR, Watched

from tracker.simulator.faults import Faults, parse


@pytest.fixture
async def world(tmp_path):
    return Watched(tmp_path / "tracker.db")


async def test_each_change_is_told_at_once(world):
    """New jobs are there and ended ones are gone once that is recorded: nobody has to be told of another dict meanwhile."""
    ids = world.add(250, created=-300.0, running=500 * HOUR)
    async with world.running():
        await world.sweep()
        (first,) = world.told_active
        assert first.keys() == set(ids)
        world.end(ids[:100])
        await world.sweep()
        _, second = world.told_active
        assert second.keys() == set(ids[100:])
        assert first.keys() == set(ids)
        assert second[ids[100]].id == ids[100]


async def test_restart_tells_them_before_the_api_has_answered(world):
    """After a restart the active jobs are those of the database, though the API does not answer."""
    ids = world.add(3, created=-10.0)
    async with world.running():
        await world.sweep()
    async with world.running():
        world.simulator.faults = Faults(parse("500:1"), seed=1)
        report, _ = await world.sweep()
    assert report.failure
    assert world.told_active[-1].keys() == set(ids)


async def test_a_job_is_in_memory_once(world):
    """Metrics and store keep the same jobs, and what they have in common once, from the first sweep on."""
    first, second = world.add(2, created=-10.0)
    async with world.running() as watched:
        await watched.sweep()
        told, kept = watched.told_active[-1], await watched.poller.store.active("default")
    assert [told[id_] is kept[id_].job for id_ in (first, second)] == [True, True]
    assert told[first].metadata is told[second].metadata is not None
