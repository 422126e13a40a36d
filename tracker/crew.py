"""Owns who is at work: a watcher for each account, a deliverer for each receiver, and what another configuration changes.

Whoever that does not concern goes on undisturbed. A watcher is cancelled, which may be done at any moment, for what it writes
it writes whole; a deliverer settles first what it has under way, so that its successor does not send it again.
"""

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from tracker.build import MESSAGES_PER_SECOND, limits, notifier, providing, subscription, terms
from tracker.clock import Steadiness, now
from tracker.config import Account, Config, Match, Receiver, Secret
from tracker.core.eta import Histories
from tracker.core.health import Health
from tracker.core.progress import Progress
from tracker.deliverer import Deliverer
from tracker.http import http_client, tls_context
from tracker.janitor import Janitor
from tracker.metrics import Metrics
from tracker.pace import Pace
from tracker.patience import Patient
from tracker.poller import Audience, Poller
from tracker.pulse import Pulse
from tracker.roster import Roster
from tracker.sharing import Sharing
from tracker.store.writer import SqliteStore
from tracker.watch import Watcher, say_recorded

LEAVE_WITHIN: Final = 2.0
"""Seconds that what is under way gets when everybody goes; what is not settled by then the next daemon sends again."""


class Means(NamedTuple):
    """What all who are at work share."""

    store: SqliteStore
    health: Health
    metrics: Metrics
    progress: Progress | None = None

    def pulse(self, loop: str) -> Pulse:
        return Pulse(self.progress.loop(loop) if self.progress else None)


class _Watch(NamedTuple):
    """All that a watcher depends on: another one is another watcher."""

    account: Account
    environment_proxies: bool


class _Post(NamedTuple):
    """All that a deliverer depends on."""

    receiver: Receiver
    environment_proxies: bool


class Crew:
    """The loops at work."""

    def __init__(self, group: TaskGroup, means: Means, config: Config) -> None:
        self.means = means
        self._config = config
        self._tls = tls_context()
        self._sharing = Sharing()
        self._paces: dict[str, tuple[str, Secret, Pace]] = {}
        self._janitor = Janitor(
            means.store,
            means.health,
            {},
            now,
            config.storage.keep_deliveries,
            steady_since=Steadiness().since,
            pulse=means.pulse("janitor"),
        )
        self._watchers = Roster(group, self._watcher)
        self._deliverers = Roster(group, self._deliverer)
        self.apply(config)
        group.start_soon(self._janitor.run)

    def apply(self, config: Config) -> None:
        """Work by this configuration from now on. Its database and its `http` are not looked at."""
        self._config = config
        store, health, metrics, _ = self.means
        store.outbox.subscribe(map(subscription, config.receivers))
        health.watch(account.name for account in config.accounts)
        metrics.configured(
            {account.name: account.poll_interval for account in config.accounts},
            [each.name for each in config.receivers],
            config.metrics.max_job_series,
        )
        self._janitor.set_limits({account.name: limits(account) for account in config.accounts}, config.storage.keep_deliveries)
        self._watchers.assign({account.name: _watch(config, account) for account in config.accounts})
        self._deliverers.assign({receiver.name: _post(config, receiver) for receiver in config.receivers})

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def receivers(self) -> list[str]:
        return [receiver.name for receiver in self._config.receivers]

    def histories(self, account: str) -> Histories:
        """How far the running jobs of the account were seen to be, and when."""
        for worker in reversed(self._watchers.workers(account)):
            if worker.poller:
                return worker.poller.histories
        return {}

    @asynccontextmanager
    async def stepping_aside(self, receiver: str) -> AsyncIterator[None]:
        """Nobody settles anything of the receiver while the context lasts; then they look again how it is."""
        async with AsyncExitStack() as stack:
            for worker in self._deliverers.workers(receiver):
                if worker.deliverer:
                    await stack.enter_async_context(worker.deliverer.stepping_aside())
            yield

    async def leave(self) -> None:
        """Let what is under way be settled, if that does not take long."""
        self._watchers.assign({})
        self._deliverers.assign({})
        with anyio.move_on_after(LEAVE_WITHIN):
            await self._deliverers.ended()

    def _watcher(self, duty: _Watch) -> "_Watching":
        return _Watching(self.means, duty, self._tls, self._pace(duty.account))

    def _deliverer(self, duty: _Post) -> "_Delivering":
        return _Delivering(self.means, duty, self._tls, self._sharing)

    def _pace(self, account: Account) -> Pace:
        """One for each key: neither its budget nor a pause that the API asked for begins anew with a new configuration."""
        known = self._paces.get(account.name)
        if known is None or known[:2] != (account.base_url, account.api_key):
            pace = Pace(account.requests_per_second, self.means.pulse(f"account {account.name}"))
            known = account.base_url, account.api_key, pace
            self._paces[account.name] = known
        known[2].set_rate(account.requests_per_second)
        return known[2]


class _Watching:
    """Watches an account until it is cancelled."""

    def __init__(self, means: Means, duty: _Watch, tls: ssl.SSLContext, pace: Pace) -> None:
        self._means = means
        self._duty = duty
        self._tls = tls
        self._pace = pace
        self._scope = anyio.CancelScope()
        self.poller: Poller | None = None  # until it runs

    def leave(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        (account, proxies), (store, health, metrics, _) = self._duty, self._means
        with self._scope:
            pulse, answered = self._means.pulse(f"account {account.name}"), partial(metrics.accounts.answered, account.name)
            async with providing(
                account, self._tls, self._pace, answered, environment_proxies=proxies, pulse=pulse
            ) as provider:
                patient = Patient(provider, random.random, pulse=pulse)
                audience = Audience(
                    active=partial(metrics.is_active, account.name),
                    recorded=partial(say_recorded, account.name),
                    gets_on=pulse.beat,
                )
                self.poller = Poller(account.name, patient, store, backfill=account.backfill, now=now, audience=audience)
                await Watcher(self.poller, account.poll_interval, health, metrics, random.random, pulse).run()


class _Delivering:
    """Delivers to a receiver until what is under way when it is told to leave has been settled."""

    def __init__(self, means: Means, duty: _Post, tls: ssl.SSLContext, sharing: Sharing) -> None:
        self._means = means
        self._duty = duty
        self._tls = tls
        self._sharing = sharing
        self._pulse = means.pulse(f"receiver {duty.receiver.name}")
        self._pace = Pace(MESSAGES_PER_SECOND, self._pulse)
        self._left = False
        self.deliverer: Deliverer | None = None  # until it runs

    def leave(self) -> None:
        self._left = True
        self._pace.close()
        if self.deliverer:
            self.deliverer.leave()

    async def run(self) -> None:
        if self._left:
            return
        (receiver, proxies), (store, _, metrics, _) = self._duty, self._means
        async with http_client(self._tls, environment_proxies=proxies, pulse=self._pulse) as http:
            self.deliverer = Deliverer(
                receiver.name,
                terms(receiver),
                notifier(receiver, http, store.cards, self._pace),
                store.outbox,
                now=now,
                jitter=random.random,
                settled=metrics.deliveries.settled,
                pulse=self._pulse,
                sharing=self._sharing,
            )
            await self.deliverer.run()


def _watch(config: Config, account: Account) -> _Watch:
    """Without the limits, which are the janitor's business."""
    watched = msgspec.structs.replace(account, stalled_after=0.0, timeout_hours=0.0, unreachable_after=0.0)
    return _Watch(watched, config.environment_proxies)


def _post(config: Config, receiver: Receiver) -> _Post:
    """Without what the receiver wants to know, which is the outbox's business."""
    told = msgspec.structs.replace(receiver, events=(), match=Match(), group_wait=0.0)
    return _Post(told, config.environment_proxies)
