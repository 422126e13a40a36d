"""The maintenance and a poll loop before a simulated API, on one clock that the test sets, over real HTTP and real SQLite."""

import json
from contextlib import asynccontextmanager

from sweep_world import BEGAN, HOUR, SweepWorld

from tracker.core.deliveries.reminders import NO_REMINDERS
from tracker.core.events.time_limits import TimeLimits
from tracker.core.health.readiness import Health
from tracker.core.queries.filters import EventFilter
from tracker.polling.maintenance import Maintenance
from tracker.polling.poll_loop import PollLoop
from tracker.simulator.faults.fault_options import Faults, parse
from tracker.store.opening import open_reader

MINUTE = 60.0
TIME_ALONE = ("batch.stalled", "batch.deadline", "account.unreachable", "account.recovered")
__all__ = ["BEGAN", "HOUR", "MINUTE", "TIME_ALONE", "MaintenanceWorld"]


class MaintenanceWorld(SweepWorld):
    """`reported` holds what the maintenance logged: the time (seconds from the start), the type, and the job's id if any."""

    def __init__(self, path, limits=None) -> None:
        super().__init__(path)
        self.path = path
        self.limits = limits or TimeLimits()
        self.reported = []
        self.jumped_at = 0
        self.reminders = NO_REMINDERS

    @asynccontextmanager
    async def running(self):
        async with super().running():
            self.health = Health(["default"])
            self.poll_loop = PollLoop(self.poller, 15.0, self.health, self.metrics, lambda: 0.5)
            limits = {"default": self.limits}
            self.maintenance = new_maintenance(self.poller.store, self.health, limits, self._now, lambda: self.jumped_at)
            self.maintenance.set_limits(limits, 30 * 86_400.0, self.reminders)
            yield self

    def fail(self, kind=None):
        """From now on every request fails in this way; none does without one."""
        self.simulator.faults = Faults(parse(f"{kind}:1") if kind else [], seed=1)

    async def go_on(self, seconds, every):
        """Sweep and look once each `every` seconds, for `seconds`."""
        for _ in range(round(seconds / every)):
            self.at += every
            await self.poll_loop.sweep_once()
            await self.check()

    def jump(self):
        """The clock has just jumped here."""
        self.jumped_at = round(self.at * 1000)

    async def check(self):
        events = await self.maintenance.check_once()
        self.reported += [(self.at - BEGAN, event.type, event.data.get("id")) for event in events]
        return events

    async def log(self, *types):
        """The events of these types as every surface is given them."""
        async with open_reader(self.path) as reader:
            return [json.loads(body) for _, body in await reader.events(0, EventFilter(types=types), limit=100_000)]


def new_maintenance(store, health, limits, now, steady_since=lambda: 0):
    return Maintenance(store, health, limits, now, keep_deliveries=30 * 86_400.0, steady_since=steady_since)
