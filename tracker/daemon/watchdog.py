"""The watchdog: checks that the store answers and that every loop beats, and notifies the service manager.

systemd's watchdog is fed only while no loop hangs. A store that answers with an error does not hang: a restart would not
help, and a daemon that is not ready says why.
"""

from typing import Final

import anyio
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.health.readiness import Health
from tracker.core.ports.store import Store
from tracker.core.queries.workload import Workload
from tracker.daemon.replica_reports import ReplicaReports
from tracker.daemon.systemd_socket import Systemd
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness
from tracker.runtime.task_groups import task_group

HANG_AFTER: Final = 60.0
"""Seconds without a heartbeat after which a loop hangs, unless the service manager has a watchdog time of its own."""

PROBE_EVERY: Final = 5.0
"""Seconds; each probe is a write, of one page."""

LAST_PROBE: Final = 1.0
"""Seconds that the last probe of a daemon that stops may take."""

RECHECK_AFTER: Final = 2.0
"""Seconds between two checks while a loop hangs: it may recover."""

NOTIFICATIONS_PER_TIMEOUT: Final = 3
"""With several, one that is late does no harm."""

_MARGIN: Final = 0.01
"""Seconds; exactly at its deadline a loop is not overdue yet."""


class Watchdog:
    """Checks the loops and probes the store while the daemon runs."""

    def __init__(
        self,
        store: Store,
        health: Health,
        liveness: Liveness,
        systemd: Systemd,
        timeout: float | None = None,
        reports: ReplicaReports | None = None,
    ) -> None:
        """`timeout` is WatchdogSec= of the service manager in seconds; None without one. Alone there are no `reports`."""
        self._store = store
        self._health = health
        self._liveness = liveness
        self._systemd = systemd
        self._timeout = timeout
        self._reports = reports
        self._heartbeat = Heartbeat(liveness.loop("storage"))
        self._workload: Workload | None = None
        self._had_outage = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        async with task_group() as group:
            group.start_soon(self._probe_loop)
            while True:
                self.check_once()
                await anyio.sleep_until(self._next_check_at())

    def check_once(self) -> None:
        """Find the loops that hang, report them to the health, and notify the service manager if there are none."""
        stuck = sorted(self._liveness.overdue(anyio.current_time()))
        if stuck != self._health.stuck:
            self._log_stuck(stuck)
        self._health.stuck = stuck
        self._systemd.status(self._health.status(self._workload))
        if self._timeout is not None and not stuck:
            self._systemd.alive()

    async def probe_once(self) -> None:
        """Probe the store, read its workload, and exchange reports with other replicas."""
        self._health.storage_error = await self._store.probe(self._health.sweeps())
        try:
            self._workload = await self._store.workload(self._health.accounts)
        except StorageError as error:
            self._health.storage_error = str(error)
        if self._reports:
            self._log_outage()
            await self._reports.exchange_once()

    def _log_outage(self) -> None:
        """Log the begin and the end of an outage: the workers that failed may have been cancelled with their leases since."""
        error = self._health.storage_error
        if error is not None:
            self._log.error("storage.failed", error=error)
        elif self._had_outage:
            self._log.info("storage.recovered")
        self._had_outage = error is not None

    def _next_check_at(self) -> float:
        """When the service manager is to be notified, or another loop may hang; an earlier check finds nothing new."""
        now = anyio.current_time()
        soonest = self._liveness.quiet_until(now) + _MARGIN
        if self._health.stuck:
            soonest = min(soonest, now + RECHECK_AFTER)
        return soonest if self._timeout is None else min(soonest, now + self._timeout / NOTIFICATIONS_PER_TIMEOUT)

    def _log_stuck(self, stuck: list[str]) -> None:
        if stuck:
            self._log.critical("watchdog.stuck", loops=stuck)
        else:
            self._log.warning("watchdog.recovered", loops=self._health.stuck)

    async def _probe_loop(self) -> None:
        with self._heartbeat.at_work():
            try:
                while True:
                    await self.probe_once()
                    self.check_once()
                    await self._heartbeat.sleep(PROBE_EVERY)
            finally:
                with anyio.move_on_after(LAST_PROBE, shield=True):  # it records the last sweeps
                    await self._store.probe(self._health.sweeps())
