"""Owns retention: archived files are removed after the configured time; the digest, usage and cost are kept."""

from collections.abc import Callable
from typing import Final

import anyio.to_thread
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.results import ArchiveStore
from tracker.core.results.archive_outcome import ExpiredResults
from tracker.results.locations.location import Location, LocationError
from tracker.runtime.heartbeat import Heartbeat

EVERY: Final = 3600.0
"""Seconds between two checks for expired files."""

AT_ONCE: Final = 100
"""Jobs whose files are removed between two reads of the store."""

MOST_FAILED: Final = 1000
"""Jobs whose files cannot be removed, after which a look ends: each further step would read all of them again."""

WITHIN: Final = 600.0
"""The time limit, in seconds, for the files of that number of jobs."""


class FileRetention:
    """Removes expired files at `place` until it is cancelled."""

    def __init__(
        self, store: ArchiveStore, place: Location, keep: float | None, now: Callable[[], int], heartbeat: Heartbeat
    ) -> None:
        """Files are kept for `keep` seconds, forever if that is None; `now` gives Unix milliseconds."""
        self._store = store
        self._place = place
        self._keep = keep
        self._now = now
        self._heartbeat = heartbeat
        self._log = structlog.get_logger()

    async def run(self) -> None:
        with self._heartbeat.at_work():
            await self._remove_leftovers()
            while True:
                await self.expire_once()
                await self._heartbeat.sleep(EVERY)

    async def expire_once(self) -> None:
        """Remove the files that have expired. A file that cannot be removed stays recorded and is retried at the next check."""
        if self._keep is None:
            return
        before = self._now() - round(self._keep * 1000)
        failed: set[tuple[str, str]] = set()
        try:
            while await self._expire_some(before, failed):
                pass
        except StorageError as error:
            self._log.error("storage.failed", error=str(error))

    async def _expire_some(self, before: int, failed: set[tuple[str, str]]) -> bool:
        """Remove the files of some jobs, except those in `failed`, which grows; returns whether there may be more."""
        limit = AT_ONCE + len(failed)
        with self._heartbeat.waiting(WITHIN):
            expired = await self._store.expired(before, limit)
            for results in expired:
                job = results.account, results.job_id
                if job not in failed and not await self._expire(results):
                    failed.add(job)
        return len(expired) == limit and len(failed) < MOST_FAILED

    async def _expire(self, results: ExpiredResults) -> bool:
        """Remove the files of one job, and then their record, by which they are found; returns whether that succeeded."""
        log = self._log.bind(account=results.account, job=results.job_id)
        try:
            for file in results.files:
                await self._place.remove(file.location)
        except LocationError as error:
            log.warning("archive.failed", error=str(error))
            return False
        await self._store.forget_files(results.account, results.job_id, self._now())
        log.info("results.expired", files=len(results.files))
        return True

    async def _remove_leftovers(self) -> None:
        try:
            with self._heartbeat.waiting(WITHIN):
                removed = await anyio.to_thread.run_sync(self._place.remove_leftovers)
        except LocationError as error:
            self._log.warning("archive.failed", error=str(error))
            return
        if removed:
            self._log.info("archive.cleaned", files=removed)
