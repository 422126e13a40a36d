"""A janitor beside a watcher before a simulated API, all on one clock that the test sets, over real HTTP and real SQLite."""

import json
from contextlib import asynccontextmanager

from sweeping import BEGAN, HOUR, Watched

from tracker.core.events.time_driven import TimeLimits
from tracker.core.queries.filters import EventFilter
from tracker.core.reconciliation.account_health import Health
from tracker.polling.poll_loop import Watcher
from tracker.polling.time_checks import Janitor
from tracker.simulator.faults import Faults, parse
from tracker.store.opening import open_reader

MINUTE = 60.0
TIME_ALONE = ("batch.stalled", "batch.deadline", "account.unreachable", "account.recovered")
__all__ = ["BEGAN", "HOUR", "MINUTE", "TIME_ALONE", "LookedAfter"]


class LookedAfter(Watched):
    """`reported` holds what the janitor logged: the time (seconds from the beginning), the type, and the job's id if any."""

    def __init__(self, path, limits=None) -> None:
        super().__init__(path)
        self.path = path
        self.limits = limits or TimeLimits()
        self.reported = []
        self.jumped_at = 0

    @asynccontextmanager
    async def running(self):
        async with super().running():
            self.health = Health(["default"])
            self.watcher = Watcher(self.poller, 15.0, self.health, self.metrics, lambda: 0.5)
            limits = {"default": self.limits}
            self.janitor = janitor(self.poller.store, self.health, limits, self._now, lambda: self.jumped_at)
            yield self

    def fail(self, kind=None):
        """From now on every request fails in this way; none does without one."""
        self.simulator.faults = Faults(parse(f"{kind}:1") if kind else [], seed=1)

    async def go_on(self, seconds, every):
        """Sweep and look every so many seconds, for so long."""
        for _ in range(round(seconds / every)):
            self.at += every
            await self.watcher.sweep_once()
            await self.look()

    def jump(self):
        """The clock has just jumped here."""
        self.jumped_at = round(self.at * 1000)

    async def look(self):
        events = await self.janitor.look_once()
        self.reported += [(self.at - BEGAN, event.type, event.data.get("id")) for event in events]
        return events

    async def log(self, *types):
        """The events of these types as every surface is given them."""
        async with open_reader(self.path) as reader:
            return [json.loads(body) for _, body in await reader.events(0, EventFilter(types=types), limit=100_000)]


def janitor(store, health, limits, now, steady_since=lambda: 0):
    return Janitor(store, health, limits, now, keep_deliveries=30 * 86_400.0, steady_since=steady_since)
