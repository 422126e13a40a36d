"""Delivering to eight receivers that take 20 ms each: ours, signed, from the outbox and back, and one shared httpx client."""

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx
import pytest
from canned import job

from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.signing import parse_secret
from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.webhook.notifier import Webhook
from tracker.http.client import http_client, tls_context
from tracker.store.opening import open_store

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

NOW = 1_795_500_000_000
RECEIVERS, AT_ONCE, LATENCY = 8, 64, 0.02
SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"


@pytest.mark.parametrize(("events", "runs"), [(40, 2), pytest.param(200, 5, marks=pytest.mark.long)])
async def test_delivering(compare, tmp_path, events, runs):
    """All is delivered once. Targets: 0.6 of the rate of 64 at once without any work, five times one client's."""
    deliveries = events * RECEIVERS
    comparison = compare(f"{deliveries:,} webhooks, 8 receivers, 20 ms")
    command = [sys.executable, str(Path(__file__).parent / "canned.py"), "100", str(LATENCY)]
    async with await anyio.open_process(command, stderr=None) as server, AsyncExitStack() as stack:
        try:
            url = (await server.stdout.receive()).decode().strip() + "/hook"
            store, deliverers = await opened(stack, tmp_path / "tracker.db", url)
            shared = await stack.enter_async_context(httpx.AsyncClient(timeout=None, limits=httpx.Limits()))  # noqa: S113
            for run in range(runs):
                await record(store, run, events)
                with comparison.time("the ideal: 64 at once, nothing else"):
                    await _each([anyio.sleep] * AT_ONCE, deliveries, LATENCY)
                with comparison.time("Deliverer, from the outbox"):
                    async with anyio.create_task_group() as group:
                        for deliverer in deliverers:
                            group.start_soon(deliverer.deliver_due)
                with comparison.time("one shared httpx client"):
                    await _each([lambda _: shared.post(url, content=b"x" * 1500)] * AT_ONCE, deliveries, None)
            states = dict(await store._database.fetch("SELECT state, count(*) FROM deliveries GROUP BY state"))
        finally:
            server.kill()
    assert states == {"delivered": deliveries * runs}
    assert comparison.ratio("Deliverer, from the outbox", "one shared httpx client") < 1.5


async def opened(stack, path, url):
    """A store, and a deliverer for each of the receivers at the URL."""
    names = [f"receiver-{number}" for number in range(RECEIVERS)]
    subscriptions = [Subscription(receiver=name, events=("batch.created",)) for name in names]
    store = await stack.enter_async_context(open_store(path, subscriptions))
    await store.checkpoint("default", Checkpoint(since=0, horizon=0))
    return store, [await _deliverer(stack, store, name, url) for name in names]


async def _deliverer(stack, store, name, url):
    http = await stack.enter_async_context(http_client(tls_context()))
    webhook = Webhook(http, url, [parse_secret(SECRET)], timeout=30.0, now=lambda: NOW)
    policy = DeliveryPolicy(retry=(5.0,), hold=900.0)
    return Deliverer(name, policy, webhook, store.outbox, store.wakeups, now=lambda: NOW + 1, jitter=lambda: 0.5)


async def record(store, run, events):
    jobs = [read_job(job(run * events + number) | {"status": "QUEUED"}) for number in range(events)]
    await store.record("default", [first_seen("default", each, NOW) for each in jobs])


async def _each(workers, times, argument):
    """Have that many calls made, each worker one at a time."""
    remaining = iter(range(times))

    async def work(call):
        for _ in remaining:
            await call(argument)

    async with anyio.create_task_group() as group:
        for call in workers:
            group.start_soon(work, call)
