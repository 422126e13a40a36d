"""Owns a small world to archive in: a store, a files API, an archive in a directory, and a clock that a test moves."""

from contextlib import asynccontextmanager

import anyio
from files_api import files_api, source_of
from job_changes import SINCE, seen

from tracker.core.results.archive_task import RETRY_WAITS
from tracker.results.archive_settings import ArchiveSettings
from tracker.results.archiver import Archiver
from tracker.results.content_pipeline import pipeline_limits
from tracker.results.file_archiver import FileArchiver
from tracker.results.job_archiver import JobArchiver
from tracker.results.locations.local_directory import LocalDirectory
from tracker.runtime.heartbeat import Heartbeat
from tracker.store.opening import open_reader, open_store

LONG_AGO = 60_000
"""Milliseconds after which what the API says of a file is believed."""

LIFE = 30.0
"""Seconds after which an archiver hangs."""


class Clock:
    """Unix milliseconds, as the test says."""

    def __init__(self):
        self.now = SINCE

    def __call__(self):
        return self.now


class Observed:
    """The reports of the archiver to its observer."""

    def __init__(self):
        self.results = []
        self.earlier = []
        self.postpones = []
        self._reported = anyio.Event()

    def archived(self, results, earlier):
        self.results.append(results)
        self.earlier.append([each.file_id for each in earlier])
        self._wake()

    def postponed(self, account, reason):
        self.postpones.append((account, reason))
        self._wake()

    def _wake(self):
        self._reported.set()
        self._reported = anyio.Event()

    async def wait_until(self, is_so):
        """Wait until `is_so(self)`, which changes only with a report."""
        with anyio.fail_after(30):
            while not is_so(self):
                await self._reported.wait()


class World:
    """`archiver(...)` makes an archiver of the account "default", which asks `api` and writes below `root`."""

    def __init__(self, store, api, source, path):
        self.store = store
        self.api = api
        self.source = source
        self.database = path / "tracker.db"
        self.root = path / "results"
        self.place = LocalDirectory(self.root)
        self.clock = Clock()
        self.observed = Observed()

    async def ended(self, id_="job", **properties):
        """Record that the job has ended with files; its task."""
        counted = {"total_requests": 3, "completed_requests": 3, "succeeded_requests": 3} | properties
        change = seen(id_, status="SUCCESS", now=self.clock.now, model="mistral-small-latest", **counted)
        await self.store.record("default", [change])
        return await self.task(id_)

    async def task(self, id_="job"):
        """The task of the job as it is now; None where there is none."""
        tasks = await self.store.archive.claim("default", self.clock.now + 10**9, 10_000, ())
        return next((task for task in tasks if task.job.id == id_), None)

    async def failed_often(self, task):
        """Record as many failed attempts of `task` as there are waits; the task, which is due."""
        for _ in RETRY_WAITS:
            await self.store.archive.fail(task.account, task.job.id, self.clock.now, "server", "HTTP 500")
        return await self.task(task.job.id)

    def archiver(self, *, place=None, heartbeat=None, slots=8, store=None, **settings):
        settings = ArchiveSettings(**{"min_free": 0} | settings)
        heartbeat = heartbeat or Heartbeat()
        files = FileArchiver(self.source, place or self.place, settings, pipeline_limits(), self.clock, heartbeat)
        return Archiver(
            "default",
            JobArchiver(files, settings, self.clock),
            store or self.store.archive,
            self.store.wakeups,
            slots=anyio.Semaphore(slots),
            now=self.clock,
            jitter=lambda: 0.5,
            observer=self.observed,
            heartbeat=heartbeat,
        )

    @asynccontextmanager
    async def running(self, **how):
        """An archiver runs while the context lasts."""
        with anyio.fail_after(LIFE):
            async with anyio.create_task_group() as group:
                group.start_soon(self.archiver(**how).run)
                yield
                group.cancel_scope.cancel()

    async def results(self, id_="job"):
        """The results of the job, as another connection reads them."""
        async with open_reader(self.database) as reader:
            return await reader.results("default", id_)

    def stored(self):
        """The paths of all files of the archive."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@asynccontextmanager
async def archive_world(path, **files):
    """A `World` of these files while the context lasts."""
    async with open_store(path / "tracker.db") as store, files_api(**files) as api:
        store.archive.enable(["default"])
        clock = Clock()
        async with source_of(api, clock) as source:
            yield World(store, api, source, path)
