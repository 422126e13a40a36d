"""A vendor's webhook to a whole daemon: the end of a job is in the log long before a sweep would show it."""

import json
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import httpx
import pytest
from daemon_replicas import configuration, daemon_replica
from metrics_reading import samples
from msgspec.structs import replace
from standardwebhooks import Webhook
from waiting import until

from tracker.config import Account, Config, Http, Listen, Secret, Storage
from tracker.core.queries.filters import EventFilter
from tracker.daemon.startup import open_daemon
from tracker.runtime.clock import now
from tracker.server.embedded import open_server
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.simulated_vendors import SIMULATED_VENDORS
from tracker.simulator.workspace import Workspace
from tracker.store.opening import open_reader

SECRET = "whsec_" + b64encode(b"1" * 32).decode()
DUE = 30
"""Seconds; they only end a hang. A sweep is an hour away."""


def clock():
    return now() / 1000


class Vendor:
    """A vendor's API with one job that never ends."""

    def __init__(self, name, url, simulator):
        self.name, self.url, self.simulator = name, url, simulator

    def account(self):
        return Account(
            name="jobs",
            provider=self.name,
            base_url=self.url,
            api_key=Secret("canary-key"),
            webhook_secrets=(Secret(SECRET),),
            poll_interval=3600.0,
        )

    def end(self):
        """End the job now."""
        ((id_, plan),) = self.simulator.workspace.plans.items()
        self.simulator.workspace.plans[id_] = replace(plan, fails_after=clock() - plan.created)


@asynccontextmanager
async def vendor(name):
    workspace = Workspace()
    simulator = SIMULATED_VENDORS[name](workspace, clock)
    plan = JobPlan(id="0b1f4e1c-1111-4000-8000-000000000000", created=clock() - 60, running=1e7, timeout=2e7)
    workspace.add(plan)
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        yield Vendor(name, address.url, simulator)


def message(job, number=1):
    """A message that the job has failed."""
    body = json.dumps({"type": "batch.failed", "data": {"id": job}})
    at = int(clock())
    signature = Webhook(SECRET).sign(f"msg_{number}", datetime.fromtimestamp(at, UTC), body)
    headers = {"webhook-id": f"msg_{number}", "webhook-timestamp": str(at), "webhook-signature": signature}
    return {"content": body, "headers": headers}


@asynccontextmanager
async def follower(database):
    """Waits for the first event of a type, and gives its job."""
    async with open_reader(database) as reader:

        async def logged(type_):
            with anyio.fail_after(DUE):
                while not (found := await reader.events(0, EventFilter(types=(type_,)))):
                    await reader.wait_for_change()
            return json.loads(found[0][1])["data"]["id"]

        yield logged


@pytest.mark.parametrize("name", ["mistral", "openai"])
async def test_a_webhook_shows_the_end_before_the_next_sweep(tmp_path, name):
    """There was one sweep, at the start; the end is in the log by one get."""
    storage, http = Storage(tmp_path / "tracker.db"), Http(listen=(Listen(port=0),))
    async with vendor(name) as api:
        config = Config(source=None, storage=storage, http=http, accounts=(api.account(),))
        async with open_daemon(config) as running, follower(storage.path) as logged:
            job = await logged("batch.created")
            api.end()
            async with httpx.AsyncClient(base_url=running.address.url) as client:
                assert (await client.post("/hooks/jobs", **message(job))).status_code == 204
                assert await logged("batch.failed") == job
                page = samples((await client.get("/metrics")).content)
            assert sweeps(page) == 1
            assert api.simulator.requests["get"] == 1
            assert page["batchtracker_hints_total", (("account", "jobs"), ("result", "accepted"))] == 1


@pytest.mark.xdist_group("daemons on PostgreSQL")
async def test_any_replica_takes_the_webhook(postgres_url, tmp_path):
    """Behind a load balancer it reaches any of them; the one that polls the account hears of it at once."""
    async with vendor("openai") as api:
        config = configuration(postgres_url, tmp_path, accounts=("other",), api=api.url, receivers={})
        config = replace(config, accounts=(api.account(),))
        async with daemon_replica(config, "a") as a, daemon_replica(config, "b") as b:
            await until(lambda: a.held("account") | b.held("account"))
            holder, other = (a, b) if a.held("account") else (b, a)

            async def events(type_):
                return (await other.get(f"/api/events?type={type_}"))[1]["data"]

            await until(lambda: found(events("batch.created")))
            (job,) = [each["data"]["id"] for each in await events("batch.created")]
            api.end()
            assert (await other.client.post("/hooks/jobs", **message(job))).status_code == 204
            await until(lambda: found(events("batch.failed")))
            assert sweeps(samples((await holder.client.get("/metrics")).content)) == 1
            page = samples((await other.client.get("/metrics")).content)
            assert page["batchtracker_hints_total", (("account", "jobs"), ("result", "forwarded"))] == 1


def sweeps(page):
    return sum(number for (name, _), number in page.items() if name == "batchtracker_sweeps_total")


async def found(events):
    return bool(await events)
