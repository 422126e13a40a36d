"""Owns the two kinds of workers: who watches an account, who delivers to a receiver, and what each of them depends on.

They are the only ones that roll dice.
"""

import random
import ssl
from functools import partial
from typing import NamedTuple

import anyio
import msgspec

from tracker.config import Account, Config, Match, Receiver
from tracker.config.secrets_in_use import Learned
from tracker.core.ports.store import Store
from tracker.core.reconciliation.account_health import Health
from tracker.daemon.factory import Network, message_pace, notifying, providing, terms
from tracker.delivery.concurrency_limit import ConcurrencyLimit
from tracker.delivery.deliverer import Deliverer
from tracker.http.proxies import Proxies
from tracker.http.rate_limiter import Pace
from tracker.metrics import Metrics
from tracker.polling.poll_loop import Watcher, say_recorded
from tracker.polling.poller import Poller
from tracker.polling.recorder import Audience
from tracker.providers.retrying import Patient
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Pulse
from tracker.runtime.liveness import Progress


class Means(NamedTuple):
    """What all who are at work share."""

    store: Store
    health: Health
    metrics: Metrics
    progress: Progress | None = None
    learned: Learned = lambda _secrets: None

    def pulse(self, loop: str) -> Pulse:
        return Pulse(self.progress.loop(loop) if self.progress else None)


class Watch(NamedTuple):
    """All that a watcher depends on: another one is another watcher."""

    account: Account
    proxies: Proxies | None


class Post(NamedTuple):
    """All that a deliverer depends on."""

    receiver: Receiver
    proxies: Proxies | None
    external_url: str | None = None


def watch(config: Config, account: Account) -> Watch:
    """Without the limits, which are the janitor's business."""
    watched = msgspec.structs.replace(account, stalled_after=0.0, timeout_hours=0.0, unreachable_after=0.0)
    return Watch(watched, config.proxies)


def post(config: Config, receiver: Receiver) -> Post:
    """Without what the receiver wants to know, which is the outbox's business."""
    told = msgspec.structs.replace(receiver, events=(), match=Match(), group_wait=0.0)
    return Post(told, config.proxies, config.http.external_url)


class Watching:
    """Watches an account until it is cancelled."""

    def __init__(self, means: Means, duty: Watch, tls: ssl.SSLContext, pace: Pace) -> None:
        self._means = means
        self._duty = duty
        self._tls = tls
        self._pace = pace
        self._scope = anyio.CancelScope()
        self.poller: Poller | None = None  # until it runs

    def leave(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        (account, proxies), (store, health, metrics, *_) = self._duty, self._means
        with self._scope:
            pulse, answered = self._means.pulse(f"account {account.name}"), partial(metrics.accounts.answered, account.name)
            network = Network(self._tls, proxies, self._means.learned)
            async with providing(account, network, self._pace, answered, pulse=pulse) as provider:
                patient = Patient(provider, random.random, pulse=pulse)
                audience = Audience(
                    active=partial(metrics.has_active, account.name),
                    recorded=partial(say_recorded, account.name),
                    gets_on=pulse.beat,
                )
                self.poller = Poller(
                    account.name,
                    patient,
                    store,
                    backfill=account.backfill,
                    now=now,
                    settle_for=account.settle_for,
                    direct=provider,
                    audience=audience,
                )
                await Watcher(self.poller, account.poll_interval, health, metrics, random.random, pulse).run()


class Delivering:
    """Delivers to a receiver until what is under way when it is told to leave has been settled."""

    def __init__(self, means: Means, duty: Post, tls: ssl.SSLContext, sharing: ConcurrencyLimit, settling: anyio.Lock) -> None:
        self._means = means
        self._duty = duty
        self._tls = tls
        self._sharing = sharing
        self._settling = settling
        self._pulse = means.pulse(f"receiver {duty.receiver.name}")
        self._pace = message_pace(duty.receiver, self._pulse)
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
        (receiver, proxies, external_url), (store, _, metrics, *_) = self._duty, self._means
        network = Network(self._tls, proxies, self._means.learned, external_url)
        async with notifying(receiver, network, store.cards, self._pace, pulse=self._pulse) as notifier:
            self.deliverer = Deliverer(
                receiver.name,
                terms(receiver),
                notifier,
                store.outbox,
                store.wakeups,
                now=now,
                jitter=random.random,
                settled=metrics.deliveries.settled,
                pulse=self._pulse,
                sharing=self._sharing,
                settling=self._settling,
            )
            await self.deliverer.run()
