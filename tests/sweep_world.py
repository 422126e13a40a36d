"""A poller before a simulated API on one clock that the test sets, over real HTTP and real SQLite."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import msgspec
from storage_engines import open_any_store
from vendor_clients import mistral

from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.metrics import Metrics
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import RetryingProvider, RetryPolicy
from tracker.server.embedded import open_server
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.workspace import Workspace

BEGAN = 1_795_478_400
HOUR = 3600.0


class SweepWorld:
    """A workspace, its poller, and the clock of both; `sweep` gives what was recorded and what that cost."""

    def __init__(self, path) -> None:
        self.at = float(BEGAN)
        self.workspace = Workspace()
        self.ahead = 0.0  # seconds by which the API's clock is ahead of the poller's
        self.simulator = Simulator(self.workspace, lambda: self.at + self.ahead)
        self.path = path
        self._recorded = []
        self.metrics = Metrics()
        self.metrics.configured({"default": 15.0}, [])

    def add(self, number, *, created=0.0, **plan):
        """Add `number` jobs, created a second apart from `created` (seconds from the beginning) on; running for months."""
        plans = [
            JobPlan(
                id=f"{len(self.workspace.plans) + each:08d}-0000-4000-8000-000000000000",
                created=BEGAN + created + each,
                **({"running": 2000 * HOUR, "timeout": 4000 * HOUR, "validated": 0.0, "queued": 0.0, "requests": 1} | plan),
            )
            for each in range(number)
        ]
        for each in plans:
            self.workspace.add(each)
        return [each.id for each in plans]

    def end(self, ids):
        """End these jobs now."""
        for id_ in ids:
            plan = self.workspace.plans[id_]
            self.workspace.plans[id_] = msgspec.structs.replace(plan, fails_after=self.at - plan.created)

    async def sweep(self, after=15.0):
        """Sweep, `after` seconds later."""
        self.at += after
        before = self.simulator.requests.total()
        self._recorded.clear()
        report = await self.poller.poll_once()
        events = tuple(event for change in self._recorded for event in change.events)
        assert report.events == len(events)
        return SimpleNamespace(events=events, failure=report.failure), self.simulator.requests.total() - before

    @asynccontextmanager
    async def running(self):
        """While this lasts the poller can sweep; a second time it is a poller that was restarted."""
        async with (
            open_server(self.simulator.app, "127.0.0.1", 0) as address,
            http_client(tls_context()) as http,
            open_any_store(self.path, notified=self.metrics.logged) as store,
        ):
            provider = mistral(http, address.url, "key", rate_limiter=RateLimiter(1000.0), deadline=10.0, now=self._now)
            patient = RetryingProvider(provider, lambda: 0.5, RetryPolicy(first=0.0))
            callbacks = Callbacks(recorded=self._recorded.extend)
            self.poller = Poller("default", patient, store, backfill=7 * 24 * HOUR, now=self._now, callbacks=callbacks)
            yield self

    def _now(self):
        return round(self.at * 1000)
