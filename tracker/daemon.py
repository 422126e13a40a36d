"""Owns the composition: the one place that knows the clock, chance and signals, and wires everything to everything.

`run` is serve until told to stop. A loop that dies takes the process with it; nothing goes on half.
"""

import random
import signal
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import structlog

from tracker import __version__
from tracker.config import Account, Config
from tracker.core.health import Health
from tracker.http import http_client, tls_context
from tracker.metrics import Metrics
from tracker.mistral import Mistral
from tracker.pace import Pace
from tracker.patience import Patient
from tracker.poller import Poller
from tracker.serving import Address, serving
from tracker.store.schema import wal_reset_affected
from tracker.store.writer import SqliteStore, open_store
from tracker.tasks import task_group
from tracker.watch import Watcher
from tracker.web.app import create_app


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def run(config: Config) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises what ended it otherwise."""
    log = structlog.get_logger()
    async with daemon(config) as address:
        log.info("ready", url=address.url, database=str(config.storage.path), version=__version__)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                log.info("stopping", signal=signal.Signals(number).name)
                break
    log.info("stopped")


@asynccontextmanager
async def daemon(config: Config) -> AsyncIterator[Address]:
    """Watch the accounts and serve the surfaces while the context lasts."""
    if wal_reset_affected(sqlite3.sqlite_version_info):
        structlog.get_logger().debug("sqlite.affected", version=sqlite3.sqlite_version, bug="WAL reset; one writer avoids it")
    names = [account.name for account in config.accounts]
    health, metrics = Health(names), Metrics(names)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(config.storage.path))
        watchers = await _watchers(stack, config, store, health, metrics)
        token = config.http.token
        app = create_app(health, store.probe, metrics.render, token.reveal() if token else None)
        address = await stack.enter_async_context(serving(app, config.http.host, config.http.port))
        async with task_group() as group:
            for watcher in watchers:
                group.start_soon(watcher.run)
            yield address
            group.cancel_scope.cancel()


async def _watchers(
    stack: AsyncExitStack, config: Config, store: SqliteStore, health: Health, metrics: Metrics
) -> list[Watcher]:
    tls = tls_context()
    watchers = []
    for account in config.accounts:
        provider = await stack.enter_async_context(providing(config, account, tls, _count_requests(metrics, account)))
        poller = Poller(account.name, Patient(provider, random.random), store, backfill=account.backfill, now=now)
        watchers.append(Watcher(poller, account.poll_interval, health, metrics, random.random))
    return watchers


@asynccontextmanager
async def providing(
    config: Config,
    account: Account,
    tls: ssl.SSLContext | None = None,
    answered: Callable[[str, str], None] = lambda _call, _code: None,
) -> AsyncIterator[Mistral]:
    """The account's API, within its budget, over connections of its own."""
    async with http_client(tls or tls_context(), environment_proxies=config.environment_proxies) as http:
        yield Mistral(
            http,
            account.base_url,
            account.api_key.reveal(),
            pace=Pace(account.requests_per_second),
            deadline=account.request_timeout,
            now=now,
            answered=answered,
        )


def _count_requests(metrics: Metrics, account: Account) -> Callable[[str, str], None]:
    return lambda call, code: metrics.requests.labels(account.name, call, code).inc()
