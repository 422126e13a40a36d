"""SIGKILL while results are archived: each file is there once, whole, with its digest, and nothing else is."""

import random
import signal

import anyio
import pytest
from archives import Archiving
from matrix import matrix
from planting import plant
from simulated_jobs import begin, end
from tracking import simulated

from tracker.simulator.faults.fault_options import Faults, parse

POINTS = {
    "a part is written": ("PartFile", "write", "after"),
    "it has its name": ("PartFile", "rename", "after"),
    "a file is begun": ("PartFile", "write", "before"),
    "all is written": ("PartFile", "sync", "before"),
    "it is on the disk": ("PartFile", "sync", "after"),
    "it is recorded": ("SqliteArchive", "record", "after"),
}
"""What has just happened when the process dies: the method that does it, and whether it dies before or after that.

First the two that leave a file which is not whole, and one that is whole and not recorded.
"""

DIES = """
    import os, signal
    from tracker.results.locations.part_file import PartFile
    from tracker.store.sqlite.writing.archive_tasks import SqliteArchive
    method = {cls}.{name}
    def die(when):
        if when == "{when}":
            os.kill(os.getpid(), signal.SIGKILL)
    def dies(self, *arguments):
        die("before")
        method(self, *arguments)
        die("after")
    async def dies_later(self, *arguments):
        await method(self, *arguments)
        die("after")
    {cls}.{name} = dies_later if "{name}" == "record" else dies
"""

WRITTEN_UNDER_ITS_OWN_NAME = """
    from tracker.results.locations.part_file import PartFile
    make = PartFile.__init__
    def begin(self, target):
        make(self, target)
        self.path = self.path.replace(target)
    PartFile.__init__ = begin
"""

SHORT_WAITS = """
    from tracker.core.results import archive_task
    archive_task.RETRY_WAITS = tuple(wait / 100 for wait in archive_task.RETRY_WAITS)
"""
"""As many attempts as ever, but the fifth wait is no longer than the test: with many jobs one of them gets as far by chance."""


def with_files(simulator, number=1):
    """Jobs that have just ended, some of whose requests have failed, so that each has two files."""
    ids = begin(simulator, number, requests=300)
    for id_ in ids:
        end(simulator, id_, "partial")
    return ids


@pytest.mark.parametrize("point", matrix(POINTS, default=2))
async def test_killed_at_each_step(tmp_path, point):
    """Wherever archiving is cut off, the next daemon archives the file, and it is there once."""
    cls, name, when = POINTS[point]
    async with simulated() as simulator:
        installation = Archiving(tmp_path, simulator.url)
        ids = with_files(simulator, 2)
        before = dict(installation.environment)
        plant(installation, DIES.format(cls=cls, name=name, when=when))
        async with installation.running() as daemon:
            with anyio.fail_after(60):
                assert await daemon.process.wait() == -signal.SIGKILL
        installation.check(is_over=False)
        installation.environment = before
        async with installation.running() as daemon:
            await installation.wait_for_results(ids)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        installation.check_against(simulator)
    assert {kind["kind"] for results in installation.recorded().values() for kind in results["files"]} == {"output", "error"}


async def killed(folder, kills, *, seed):
    """Kill the daemon `kills` times at random moments while jobs end, and hold the archive to the API each time."""
    chance = random.Random(seed)
    async with simulated(seed=seed) as simulator:
        simulator.faults = Faults([*parse("any:0.05"), *parse("download-cut:0.2")], seed)
        installation = Archiving(folder, simulator.url, poll_interval="50ms", requests_per_second=1000)
        plant(installation, SHORT_WAITS)
        ids = []
        for _ in range(kills):
            ids += with_files(simulator, chance.choice((1, 5, 20)))
            async with installation.running() as daemon:
                await anyio.sleep(chance.choice((0.01, 0.3, 1.0)) * chance.random())
                daemon.process.kill()
                await daemon.process.wait()
            installation.check(is_over=False)
        async with installation.running() as daemon:
            await installation.wait_for_results(ids, seconds=200)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        installation.check_against(simulator)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_few_kills(tmp_path):
    """Ten kills at random moments, while downloads are cut and requests fail too."""
    await killed(tmp_path, 10, seed=10)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_two_hundred_kills(tmp_path):
    """The same, two hundred times."""
    await killed(tmp_path, 200, seed=200)


@pytest.mark.slow
async def test_kill_finds_a_file_that_is_not_whole(tmp_path):
    """A product that writes a file under its own name does not stand a kill in the middle of it."""
    async with simulated() as simulator:
        installation = Archiving(tmp_path, simulator.url, results="compress = false\n")
        ids = with_files(simulator)
        before = dict(installation.environment)
        plant(installation, WRITTEN_UNDER_ITS_OWN_NAME + DIES.format(cls="PartFile", name="write", when="before"))
        async with installation.running() as daemon:
            await daemon.process.wait()
        installation.environment = before
        async with installation.running():
            await installation.wait_for_results(ids)
        with pytest.raises(AssertionError):
            installation.check_against(simulator)
