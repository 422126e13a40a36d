"""What the poller says of the active jobs: the whole of them, at each change, in values that never change again."""

import pytest
from sweeping import HOUR, Watched

from tracker.simulator.faults import Faults, parse


@pytest.fixture
async def world(tmp_path):
    return Watched(tmp_path / "tracker.db")


def told_by(world):
    """Every snapshot from now on."""
    snapshots = []
    world.poller._told_active = snapshots.append
    return snapshots


async def test_each_change_is_told_at_once(world):
    """New jobs are there when their page was recorded, ended ones are gone, and old snapshots stay as they were."""
    ids = world.add(250, created=-300.0, running=500 * HOUR)
    async with world.running():
        snapshots = told_by(world)
        await world.sweep()
        assert [len(each) for each in snapshots[:1]] == [0]
        assert len(snapshots) >= 4  # of the start, and of three pages
        assert snapshots[-1].keys() == set(ids)
        assert [len(each) for each in snapshots] == sorted(len(each) for each in snapshots)
        full = snapshots[-1]
        world.end(ids[:100])
        await world.sweep()
        assert snapshots[-1].keys() == set(ids[100:])
        assert full.keys() == set(ids)
        assert snapshots[-1][ids[100]].id == ids[100]


async def test_restart_tells_them_before_the_api_has_answered(world):
    """After a restart the active jobs are those of the database, though the API does not answer."""
    ids = world.add(3, created=-10.0)
    async with world.running():
        await world.sweep()
    async with world.running():
        snapshots = told_by(world)
        world.simulator.faults = Faults(parse("500:1"), seed=1)
        report, _ = await world.sweep()
    assert report.failure
    assert snapshots[0].keys() == set(ids)
