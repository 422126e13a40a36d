"""The application of http.listen over a real database and a real socket, without the loops of a daemon."""

from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

import anyio
import httpx
import jinja2
from empty_database import put_empty_database
from job_changes import SINCE, moved, seen

from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.model import ResultsConfig
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.health.readiness import Health
from tracker.daemon.daemon_interface_implementation import DaemonImplementation
from tracker.daemon.hint_dispatcher import HintDispatcher
from tracker.daemon.workers.dependencies import Dependencies
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.metrics import Metrics
from tracker.metrics.vendor_webhooks import VendorWebhookMetrics
from tracker.polling.hint_queue import HintQueue
from tracker.server.connection_limits import DEFAULTS
from tracker.server.embedded import open_server
from tracker.store.opening import open_reader_pool, open_store
from tracker.web.access.sessions_in_memory import SessionsInMemory
from tracker.web.access.tokens_and_hosts import AccessPolicy
from tracker.web.app import create_app
from tracker.web.pages.rendering import template_rendering
from tracker.web.public_url import DIRECT
from tracker.web.stream.broadcast import Broadcast

CONTROL = "canary-control-token"
TOKEN = "canary-page-token"
RIGHT = {"authorization": f"Bearer {CONTROL}"}
ACCOUNTS = ("one", "two")
RECEIVERS = ("pipeline", "team")


class CompiledTemplates(jinja2.BytecodeCache):
    """Templates as they were compiled first: to compile them for each application takes longer than all else that it does."""

    compiled: ClassVar[dict] = {}

    def load_bytecode(self, bucket):
        bucket.code = self.compiled.get(bucket.key)

    def dump_bytecode(self, bucket):
        self.compiled[bucket.key] = bucket.code


template_rendering.Environment = partial(jinja2.Environment, bytecode_cache=CompiledTemplates())


class Idle:
    """A supervisor without workers, with the histories that a test sets."""

    def __init__(self, config):
        self.config = config
        self.known = {}
        self.hints = {name: HintQueue() for name in ACCOUNTS}
        self.webhook_metrics = VendorWebhookMetrics()
        self.aside = []

    def histories(self, account):
        return self.known.get(account, {})

    async def wait_stopped(self, receiver):
        """There is no worker, so none has to stop."""

    @asynccontextmanager
    async def paused(self, receiver):
        self.aside.append(receiver)
        yield


class ServedApplication:
    """What a test has: the store that is written to, what the loops would know, and a client."""

    def __init__(self, store, daemon, supervisor, client):
        self.store = store
        self.daemon = daemon
        self.reader = daemon.reader
        self.broadcast = daemon.broadcast
        self.metrics = daemon._dependencies.metrics
        self.health = daemon.health
        self.supervisor = supervisor
        self.client = client
        self.get = client.get
        self.post = client.post


def configuration(path: Path, archive: Path | None = None) -> Config:
    return Config(
        source=None,
        storage=Storage(path),
        http=Http(),
        results=ResultsConfig(archive=str(archive) if archive else None),
        accounts=tuple(Account(name=name, api_key=Secret("canary-key")) for name in ACCOUNTS),
        receivers=tuple(
            WebhookReceiver(name=name, url=Secret("http://user:canary-pass@hook.invalid/canary-path")) for name in RECEIVERS
        ),
    )


@asynccontextmanager
async def served_application(
    path: Path,
    *,
    metrics=None,
    now=anyio.current_time,
    limits=DEFAULTS,
    public_url=DIRECT,
    archive=None,
    sessions=None,
    **access,
):
    """The served application. `access` are fields of the access policy; `metrics` renders the metrics instead of the usual.

    With the folder `archive` the results of every account are archived there, by the test.
    """
    config, health = configuration(path, archive), Health(ACCOUNTS)
    with suppress(FileExistsError):
        put_empty_database(path)
    names = iter(f"canary-session-{number}" for number in range(10**6))
    subscriptions = [Subscription(receiver=name, events=("*",)) for name in RECEIVERS]
    async with (
        open_store(path, subscriptions) as store,
        open_reader_pool(path) as pool,
        open_reader_pool(path, readers=1) as apart,
        anyio.create_task_group() as group,
    ):
        store.archive.enable(ACCOUNTS if archive else ())
        supervisor, broadcast = Idle(config), Broadcast(apart.reader, store.wakeups.log_grown)
        group.start_soon(broadcast.run)
        hints = HintDispatcher(store, supervisor.hints.get, lambda: supervisor.config, supervisor.webhook_metrics)
        daemon = DaemonImplementation(Dependencies(store, health, metrics or Metrics()), supervisor, pool, broadcast, hints)
        sessions = sessions or SessionsInMemory(lambda: next(names), now)
        app = create_app(daemon, AccessPolicy(control=CONTROL, **access), sessions, public_url)
        async with open_server(app, "127.0.0.1", 0, limits) as address, httpx.AsyncClient(base_url=address.url) as client:
            with closing(broadcast):
                yield ServedApplication(store, daemon, supervisor, client)
        group.cancel_scope.cancel()


async def fill(store, jobs=30):
    """Jobs of two accounts with lives of their own, an id that both have, a hostile one, and deliveries in every state."""
    for number in range(jobs):
        account = ACCOUNTS[number % 2]
        change = seen(
            f"job-{number // 3}" if number % 3 == 0 else f"id-{number}",
            account=account,
            now=SINCE + number * 1000,
            created_at=SINCE // 1000 + number // 4,
            model=("mistral-small-2506", "<script>alert(1)</script>", None)[number % 3],
            endpoint="/v1/chat/completions",
            metadata={"note": "\u2028 </script> \N{RIGHT-TO-LEFT OVERRIDE}", "timeout_hours": number},
        )
        await store.record(account, [change])
        for status in ("RUNNING", "SUCCESS")[: number % 3]:
            change = moved(
                change, now=SINCE + number * 1000 + 1, status=status, total_requests=4, succeeded_requests=number % 5
            )
            await store.record(account, [change])
    for receiver, results in zip(RECEIVERS, ((Result.DELIVERED, Result.REFUSED), (Result.SERVER,)), strict=True):
        for result in results:
            claimed = await store.outbox.claim(receiver, SINCE * 2, 900.0, 8, ())
            outcome = Outcome(result=result, status=200, detail="as it \0 was")
            schedule = () if result is Result.REFUSED else (1.0,)
            await store.outbox.settle(
                receiver, [settle(each, outcome, schedule, (SINCE, SINCE), 0.5) for each in claimed], Circuit()
            )
