"""The active jobs as others see them while sweeps go on: the store's snapshots, of which there is one copy in memory."""

import pytest
from sweep_world import HOUR, SweepWorld

from tracker.simulator.faults.fault_options import Faults, parse


@pytest.fixture
async def world(database):
    return SweepWorld(database)


def snapshot(world):
    return world.poller.store.active_jobs_snapshot("default")


async def test_snapshot_follows_what_is_recorded(world):
    """New jobs are in the next snapshot and ended ones are not, once that is recorded; a snapshot that was taken stays."""
    ids = world.add(250, created=-300.0, running=500 * HOUR)
    async with world.running():
        assert snapshot(world) == {}
        await world.sweep()
        first = snapshot(world)
        assert first.keys() == set(ids)
        world.end(ids[:100])
        await world.sweep()
        second = snapshot(world)
        assert second.keys() == set(ids[100:])
        assert first.keys() == set(ids)
        assert second[ids[100]].id == ids[100]


async def test_snapshot_after_a_restart_needs_no_answer_of_the_api(world):
    """After a restart the active jobs are those of the database, though the API does not answer."""
    ids = world.add(3, created=-10.0)
    async with world.running():
        await world.sweep()
    async with world.running():
        world.simulator.faults = Faults(parse("500:1"), seed=1)
        report, _ = await world.sweep()
        assert report.failure
        assert snapshot(world).keys() == set(ids)


async def test_job_is_in_memory_once(world):
    """A snapshot and a sweep have the same jobs, and what they have in common once, from the first sweep on."""
    first, second = world.add(2, created=-10.0)
    async with world.running() as watched:
        await watched.sweep()
        shown, kept = snapshot(world), await watched.poller.store.active_jobs("default")
    assert [shown[id_] is kept[id_].job for id_ in (first, second)] == [True, True]
    assert shown[first].metadata is shown[second].metadata is not None
