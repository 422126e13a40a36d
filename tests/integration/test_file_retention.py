"""Files are removed when they have been kept for long enough, and what their lines said stays."""

import pytest
from archive_world import archive_world
from files_api import File, content

from tracker.core.errors.storage_error import StorageError
from tracker.results.file_retention import AT_ONCE, FileRetention
from tracker.results.locations.location import LocationError
from tracker.runtime.heartbeat import Heartbeat

DAY = 86_400_000
KEPT = 30 * 86_400.0


async def archived(world, id_, at):
    """Archive the job `id_` at that moment."""
    world.clock.now = at
    world.api.files[id_] = File(content(2))
    await world.archiver().archive_once(await world.ended(id_, output_file=id_))


def retention(world, keep=KEPT, store=None):
    return FileRetention(store or world.store.archive, world.place, keep, world.clock, Heartbeat())


async def test_expired_files_are_removed(tmp_path):
    """What was archived longer ago than is kept is removed, to the day; its record stays, and says when that was."""
    async with archive_world(tmp_path) as world:
        began = world.clock.now
        await archived(world, "old", began)
        await archived(world, "young", began + DAY)
        world.clock.now = began + 30 * DAY + 1
        await retention(world).expire_once()
        old, young = await world.results("old"), await world.results("young")
    assert world.stored() == ["default/young/young.jsonl.zst"]
    assert old["usage"]["total"]["requests"] == 2
    assert (old["expired_at"], young["expired_at"]) != (None, None)
    assert young["expired_at"] is None


async def test_files_that_are_kept_for_ever(tmp_path):
    """Without a limit nothing is removed."""
    async with archive_world(tmp_path) as world:
        await archived(world, "old", world.clock.now)
        world.clock.now += 10_000 * DAY
        await retention(world, keep=None).expire_once()
    assert world.stored() == ["default/old/old.jsonl.zst"]


async def test_file_that_cannot_be_removed_holds_up_no_other(tmp_path, monkeypatch):
    """A file that cannot be removed stays recorded and is tried again; files behind it are removed meanwhile."""
    monkeypatch.setattr("tracker.results.file_retention.AT_ONCE", 2)
    async with archive_world(tmp_path) as world:
        began = world.clock.now
        for number in range(6):
            await archived(world, f"job{number}", began + number)
        (tmp_path / "results/default/job0").chmod(0o500)
        (tmp_path / "results/default/job1/job1.jsonl.zst").unlink()
        (tmp_path / "results/default/job1").rmdir()
        (tmp_path / "results/default/job1").symlink_to("/proc/1/nothing")
        world.clock.now += 31 * DAY
        real, refused = type(world.place).remove, ["job0", "job2"]

        async def remove(place, location):
            if any(name in location for name in refused):
                raise LocationError("refused")
            await real(place, location)

        monkeypatch.setattr(type(world.place), "remove", remove)
        await retention(world).expire_once()
        assert {name.split("/")[1] for name in world.stored()} == {"job0", "job2"}
        refused.clear()
        await retention(world).expire_once()
        assert world.stored() == []


async def test_archive_of_which_nothing_can_be_removed(tmp_path, monkeypatch):
    """If one file after the other cannot be removed a look ends, and the files stay recorded for the next one."""
    asked = []

    async def refuse(_, location):
        asked.append(location)
        raise LocationError("refused")

    async with archive_world(tmp_path) as world:
        for number in range(8):
            await archived(world, f"job{number}", world.clock.now)
        world.clock.now += 31 * DAY
        with monkeypatch.context() as patched:
            patched.setattr("tracker.results.file_retention.AT_ONCE", 2)
            patched.setattr("tracker.results.file_retention.MOST_FAILED", 4)
            patched.setattr(type(world.place), "remove", refuse)
            await retention(world).expire_once()
        assert 4 <= len(asked) == len(set(asked)) < 8
        await retention(world).expire_once()
    assert world.stored() == []


async def test_many_files_expire_in_steps(tmp_path, monkeypatch):
    """However many jobs have expired, they are read in bounded steps, and all are removed."""
    monkeypatch.setattr("tracker.results.file_retention.AT_ONCE", 3)
    limits = []
    async with archive_world(tmp_path) as world:
        began = world.clock.now
        for number in range(7):
            await archived(world, f"job{number}", began)
        world.clock.now += 31 * DAY
        expired = world.store.archive.expired

        async def counted(before, limit):
            limits.append(limit)
            return await expired(before, limit)

        monkeypatch.setattr(world.store.archive, "expired", counted)
        await retention(world).expire_once()
    assert world.stored() == []
    assert limits == [3, 3, 3]
    assert AT_ONCE == 100


@pytest.mark.parametrize("call", ["expired", "forget_files"])
async def test_store_that_fails(tmp_path, call, monkeypatch):
    """A database that fails ends this look; the next one removes what is left, also where the files are gone already."""

    async def refuse(*_):
        raise StorageError("the disk is full")

    async with archive_world(tmp_path) as world:
        await archived(world, "old", world.clock.now)
        world.clock.now += 31 * DAY
        with monkeypatch.context() as patched:
            patched.setattr(world.store.archive, call, refuse)
            await retention(world).expire_once()
        assert (await world.results("old"))["expired_at"] is None
        await retention(world).expire_once()
        assert (await world.results("old"))["expired_at"] is not None
    assert world.stored() == []
