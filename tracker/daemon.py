"""Owns the composition: the one place that knows chance and signals, and wires everything to everything.

`run` is serve until told to stop. A loop that dies takes the process with it; nothing goes on half.
"""

import random
import secrets
import signal
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
import msgspec
import structlog

from tracker import __version__
from tracker.clock import now
from tracker.config import Account, Config, Receiver
from tracker.control import Control, announced
from tracker.core.delivery import Terms
from tracker.core.fanout import Subscription
from tracker.core.health import Health
from tracker.core.overdue import Limits
from tracker.core.ports import Notifier
from tracker.core.replay import Replay, Replayed, unknown_receiver
from tracker.core.signing import parse_secret
from tracker.deliverer import Deliverer
from tracker.http import HttpClient, http_client, tls_context
from tracker.janitor import Janitor
from tracker.metrics import Metrics
from tracker.mistral import Mistral
from tracker.notify.slack import SlackWebhook
from tracker.notify.slack_bot import Cards, Channel, SlackBot
from tracker.notify.webhook import Webhook
from tracker.pace import Pace
from tracker.patience import Patient
from tracker.poller import Poller
from tracker.serving import Address, serving
from tracker.store.schema import wal_reset_affected
from tracker.store.writer import SqliteStore, open_store
from tracker.tasks import task_group
from tracker.watch import Watcher
from tracker.web.app import create_app
from tracker.web.control import Replaying, control_routes

LARGEST_WITHOUT_DIGEST: Final = 3
"""So many events that come together are told one by one in Slack; more become one message."""

MESSAGES_PER_SECOND: Final = 1.0
"""What Slack takes for a channel."""


async def run(config: Config) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises what ended it otherwise."""
    log = structlog.get_logger()
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with daemon(config) as address:
            log.info("ready", url=address.url, database=str(config.storage.path), version=__version__)
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
        store = await stack.enter_async_context(open_store(config.storage.path, map(_subscription, config.receivers)))
        tls = tls_context()
        watchers = await _watchers(stack, config, tls, store, health, metrics)
        deliverers = [await _deliverer(stack, config, tls, receiver, store) for receiver in config.receivers]
        limits = {account.name: _limits(account) for account in config.accounts}
        janitor = Janitor(store, health, metrics, limits, now, config.storage.keep_deliveries)
        token = config.http.token
        control = secrets.token_urlsafe(32)
        routes = control_routes(_replaying(store, deliverers), control)
        app = create_app(health, store.probe, metrics.render, token.reveal() if token else None, routes)
        address = await stack.enter_async_context(serving(app, config.http.host, config.http.port))
        stack.enter_context(announced(config.storage.path, Control(address.url, control)))
        async with task_group() as group:
            for run in [*(loop.run for loop in watchers), *(loop.run for loop in deliverers), janitor.run]:
                group.start_soon(run)
            yield address
            group.cancel_scope.cancel()


def _replaying(store: SqliteStore, deliverers: Sequence[Deliverer]) -> Replaying:
    known = {deliverer.receiver: deliverer for deliverer in deliverers}

    async def replay(which: Replay) -> Replayed | str:
        if which.receiver not in known:
            return unknown_receiver(which.receiver, known)
        async with known[which.receiver].stepping_aside():
            replayed = await store.replay(which, now())
        store.outbox.wake([which.receiver])
        structlog.get_logger().info("replayed", **msgspec.to_builtins(which), **msgspec.to_builtins(replayed))
        return replayed

    return replay


async def _watchers(
    stack: AsyncExitStack, config: Config, tls: ssl.SSLContext, store: SqliteStore, health: Health, metrics: Metrics
) -> list[Watcher]:
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


def _limits(account: Account) -> Limits:
    return Limits(
        stalled_after=account.stalled_after,
        timeout_hours=account.timeout_hours,
        unreachable_after=account.unreachable_after,
    )


def _subscription(receiver: Receiver) -> Subscription:
    delay = receiver.group_wait if receiver.kind == "slack" else 0.0
    return Subscription(receiver=receiver.name, events=receiver.events, match=receiver.match, delay=delay)


async def _deliverer(
    stack: AsyncExitStack, config: Config, tls: ssl.SSLContext, receiver: Receiver, store: SqliteStore
) -> Deliverer:
    http = await stack.enter_async_context(http_client(tls, environment_proxies=config.environment_proxies))
    digest = LARGEST_WITHOUT_DIGEST if receiver.kind == "slack" else 0
    terms = Terms(retry=receiver.retry, hold=receiver.hold, digest=digest)
    return Deliverer(receiver.name, terms, notifier(receiver, http, store.cards), store.outbox, now=now, jitter=random.random)


def notifier(receiver: Receiver, http: HttpClient, cards: Cards) -> Notifier:
    """What sends to the receiver."""
    url = receiver.url.reveal() if receiver.url else ""
    if receiver.kind == "webhook":
        keys = [parse_secret(secret.reveal()) for secret in receiver.secrets]
        return Webhook(http, url, keys, timeout=receiver.timeout, now=now)
    pace = Pace(MESSAGES_PER_SECOND)
    if receiver.token is None:
        return SlackWebhook(http, url, pace=pace, timeout=receiver.timeout, now=now)
    channel = Channel(name=receiver.channel or "", token=receiver.token.reveal(), api=receiver.api)
    return SlackBot(http, channel, cards, pace=pace, timeout=receiver.timeout, now=now)


def _count_requests(metrics: Metrics, account: Account) -> Callable[[str, str], None]:
    return lambda call, code: metrics.requests.labels(account.name, call, code).inc()
