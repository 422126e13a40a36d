"""The worker that archives the result files of an account until it is cancelled."""

import random
import ssl
from functools import partial
from typing import Final, NamedTuple

import anyio

from tracker.core.ports.results import ResultSource
from tracker.core.replicas.lease import account_lease
from tracker.daemon.factories.config_conversion import archive_settings
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.provider_factory import open_result_source
from tracker.daemon.workers.dependencies import Dependencies
from tracker.daemon.workers.specs import ArchiverSpec
from tracker.http.rate_limiter import RateLimiter
from tracker.results.archiver import Archiver
from tracker.results.content_pipeline import PipelineLimits, pipeline_limits
from tracker.results.file_archiver import FileArchiver
from tracker.results.job_archiver import JobArchiver
from tracker.results.locations.location_factory import open_location
from tracker.runtime.heartbeat import Heartbeat

ARCHIVED_AT_ONCE: Final = 8
"""Jobs of all accounts."""

ARCHIVE_THREADS: Final = 4
"""For the work on contents of all accounts: it shall not take the threads of other work."""


class ArchiveLimits(NamedTuple):
    """What the archivers of all accounts share: how many jobs are under way, and what their contents may use."""

    slots: anyio.Semaphore
    pipelines: PipelineLimits


def archive_limits() -> ArchiveLimits:
    return ArchiveLimits(anyio.Semaphore(ARCHIVED_AT_ONCE), pipeline_limits(ARCHIVE_THREADS))


class ArchiveWorker:
    """Archives the results of an account until it is cancelled."""

    def __init__(
        self,
        dependencies: Dependencies,
        spec: ArchiverSpec,
        tls: ssl.SSLContext,
        rate_limiter: RateLimiter,
        limits: ArchiveLimits,
    ) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._tls = tls
        self._rate_limiter = rate_limiter
        self._limits = limits
        self._guard = dependencies.guard(account_lease(spec.account.name))
        self._scope = anyio.CancelScope()

    def stop(self) -> None:
        self._scope.cancel()

    cancel = stop  # all that an archiver writes is atomic

    async def run(self) -> None:
        with self._scope:
            await self._guard.run(self._archive)

    async def _archive(self) -> None:
        (account, proxies, *_), (store, _, metrics, *_) = self._spec, self._dependencies
        heartbeat = self._dependencies.heartbeat(f"archive {account.name}")
        network = Network(self._tls, proxies, self._dependencies.learned, permit=self._guard.check)
        answered = partial(metrics.accounts.answered, account.name)
        async with open_result_source(
            account, network, self._rate_limiter, answered, heartbeat=heartbeat, now=store.now
        ) as source:
            await self._archiver(source, heartbeat).run()

    def _archiver(self, source: ResultSource, heartbeat: Heartbeat) -> Archiver:
        account, _, spool, results, prices = self._spec
        settings = archive_settings(results, prices)
        place = open_location(results.archive or "", spool)
        store = self._dependencies.store
        files = FileArchiver(source, place, settings, self._limits.pipelines, store.now, heartbeat)
        return Archiver(
            account.name,
            JobArchiver(files, settings, store.now),
            store.archive,
            store.wakeups,
            slots=self._limits.slots,
            now=store.now,
            jitter=random.random,
            heartbeat=heartbeat,
            observer=self._dependencies.metrics.results,
            longest_storage_pause=self._dependencies.longest_storage_pause,
        )
