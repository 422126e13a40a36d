"""The worker that removes result files that have been kept for long enough."""

from math import isinf

import anyio

from tracker.daemon.workers.dependencies import Dependencies
from tracker.daemon.workers.specs import RetentionSpec
from tracker.results.file_retention import FileRetention
from tracker.results.locations.location_factory import open_location


class RetentionWorker:
    """Removes expired result files until it is cancelled."""

    def __init__(self, dependencies: Dependencies, spec: RetentionSpec) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._scope = anyio.CancelScope()

    def stop(self) -> None:
        self._scope.cancel()

    cancel = stop

    async def run(self) -> None:
        archive, spool, keep = self._spec
        place, heartbeat = open_location(archive, spool), self._dependencies.heartbeat("archive retention")
        store = self._dependencies.store
        with self._scope:
            await FileRetention(store.archive, place, None if isinf(keep) else keep, store.now, heartbeat).run()
