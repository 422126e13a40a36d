"""The watchdog: checks that the store answers and that every loop beats, and notifies the service manager.

systemd's watchdog is fed only while no loop hangs. A store that answers with an error does not hang: a restart would not
help, and a daemon that is not ready says why.
"""

from typing import Final

import anyio
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import Store
from tracker.core.queries.workload import Workload
from tracker.core.reconciliation.account_health import Health
from tracker.daemon.systemd import Systemd
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness
from tracker.runtime.task_groups import task_group

PROBE_EVERY: Final = 5.0
"""Seconds; each probe is a write, of one page."""

LAST_PROBE: Final = 1.0
"""Seconds that the last probe of a daemon that stops may take."""

LOOK_AGAIN: Final = 2.0
"""Seconds between two checks while a loop hangs: it may recover."""

FEEDS_PER_WATCHDOG: Final = 3
"""One that comes late is not the end."""

_JUST_AFTER: Final = 0.01
"""Seconds; at the very moment it is not too late yet."""


class Watchdog:
    """Checks a daemon as long as it runs."""

    def __init__(
        self, store: Store, health: Health, liveness: Liveness, systemd: Systemd, watchdog: float | None = None
    ) -> None:
        """`watchdog` is the seconds after which the manager takes a silent service for dead; None where it does not care."""
        self._store = store
        self._health = health
        self._liveness = liveness
        self._systemd = systemd
        self._watchdog = watchdog
        self._heartbeat = Heartbeat(liveness.loop("storage"))
        self._workload: Workload | None = None
        self._log = structlog.get_logger()

    async def run(self) -> None:
        async with task_group() as group:
            group.start_soon(self._probe)
            while True:
                self.look_once()
                await anyio.sleep_until(self._next_check_at())

    def look_once(self) -> None:
        """Find the loops that hang, and report them to the health and the service manager."""
        stuck = sorted(self._liveness.overdue(anyio.current_time()))
        if stuck != self._health.stuck:
            self._log_stuck(stuck)
        self._health.stuck = stuck
        self._systemd.status(self._health.status(self._workload))
        if self._watchdog is not None and not stuck:
            self._systemd.alive()

    async def probe_once(self) -> None:
        """Try the store, and count what it has."""
        self._health.storage_error = await self._store.probe(self._health.sweeps())
        try:
            self._workload = await self._store.workload(self._health.accounts)
        except StorageError as error:
            self._health.storage_error = str(error)

    def _next_check_at(self) -> float:
        """When the watchdog is due, or another loop may turn out to hang; an earlier check finds nothing new."""
        now = anyio.current_time()
        soonest = self._liveness.quiet_until(now) + _JUST_AFTER
        if self._health.stuck:
            soonest = min(soonest, now + LOOK_AGAIN)
        return soonest if self._watchdog is None else min(soonest, now + self._watchdog / FEEDS_PER_WATCHDOG)

    def _log_stuck(self, stuck: list[str]) -> None:
        if stuck:
            self._log.critical("watchdog.stuck", loops=stuck)
        else:
            self._log.warning("watchdog.recovered", loops=self._health.stuck)

    async def _probe(self) -> None:
        with self._heartbeat.at_work():
            try:
                while True:
                    await self.probe_once()
                    self.look_once()
                    await self._heartbeat.sleep(PROBE_EVERY)
            finally:
                with anyio.move_on_after(LAST_PROBE, shield=True):  # it records the last sweeps
                    await self._store.probe(self._health.sweeps())
