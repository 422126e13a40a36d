"""Owns a store whose receivers have deliverers of their own, over real HTTP, on a clock that is set or on the real one."""

from contextlib import AsyncExitStack, asynccontextmanager

from storage_engines import open_any_store
from tables import fetch

from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.signing import parse_secret
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.webhook.notifier import Webhook
from tracker.http.client import http_client, tls_context

BEGAN = 1_795_500_000_000
SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
COUNTERS = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")


def a_job(id_, status="SUCCESS", **properties):
    return read_job({"id": id_, "status": status, "created_at": 1_795_000_000} | dict.fromkeys(COUNTERS, 0) | properties)


class DeliveryWorld:
    """A store and deliverers; `now` is Unix milliseconds and changes only when it is set, unless there is a `clock`."""

    def __init__(self, path, *, retry=(5.0, 60.0, 600.0), timeout=2.0, events=("batch.completed",), clock=None):
        self.path = path
        self.now = BEGAN
        self.clock = clock or (lambda: self.now)
        self.outcomes = []  # of every attempt
        self.timeout = timeout
        self._retry, self._events = retry, events
        self._jobs = {}

    @asynccontextmanager
    async def with_receivers(self, **urls):
        """The store is open, and there is a deliverer for each receiver, not yet started."""
        subscriptions = [Subscription(receiver=name, events=self._events) for name in urls]
        tls = tls_context()
        async with AsyncExitStack() as stack:
            self.store = await stack.enter_async_context(open_any_store(self.path, subscriptions))
            await self.store.checkpoint("default", Checkpoint(since=0, horizon=0))
            self.deliverers, self._webhooks = {}, {}
            for name, url in urls.items():
                http = await stack.enter_async_context(http_client(tls))
                self._webhooks[name] = Webhook(http, url, [parse_secret(SECRET)], timeout=self.timeout, now=self.clock)
                self.replace_deliverer(name)
            yield self

    def replace_deliverer(self, name="pipeline"):
        """Replace the receiver's deliverer by a new one, which knows only what is in the store."""
        self.deliverers[name] = Deliverer(
            name,
            DeliveryPolicy(retry=self._retry, hold=900.0),
            self._webhooks[name],
            self.store.outbox,
            self.store.wakeups,
            now=self.clock,
            jitter=lambda: 0.5,
            on_settled=lambda settlement: self.outcomes.append(settlement.outcome),
        )

    async def record(self, *jobs):
        """Log what these observations change, in one transaction."""
        changes = []
        for job in jobs:
            known, now = self._jobs.get(job.id), self.clock()
            change = diff("default", known, job, now) if known else first_seen("default", job, now)
            self._jobs[job.id] = change.known
            changes.append(change)
        await self.store.record("default", changes)

    async def deliver(self, name="pipeline"):
        """Deliver what is due now, and tell what each attempt came to."""
        before = len(self.outcomes)
        await self.deliverers[name].deliver_due()
        return self.outcomes[before:]

    async def rows(self, columns, table="deliveries"):
        sql = f"SELECT {columns} FROM (SELECT * FROM {table} ORDER BY seq) AS in_order"  # noqa: S608 - of constants
        return await fetch(self.store, sql)
