"""The two kinds of workers, one for an account and one for a receiver, and their specs and dependencies.

No other module uses randomness.
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
from tracker.daemon.factory import Network, delivery_policy, message_pace, open_notifier, open_provider
from tracker.delivery.concurrency_limit import ConcurrencyLimit
from tracker.delivery.deliverer import Deliverer
from tracker.http.proxies import Proxies
from tracker.http.rate_limiter import RateLimiter
from tracker.metrics import Metrics
from tracker.polling.poll_loop import Watcher, say_recorded
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import Patient
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness


class Dependencies(NamedTuple):
    """What all workers share."""

    store: Store
    health: Health
    metrics: Metrics
    liveness: Liveness | None = None
    learned: Learned = lambda _secrets: None

    def heartbeat(self, loop: str) -> Heartbeat:
        return Heartbeat(self.liveness.loop(loop) if self.liveness else None)


class AccountSpec(NamedTuple):
    """All that an account's worker depends on: another spec needs another worker."""

    account: Account
    proxies: Proxies | None


class ReceiverSpec(NamedTuple):
    """All that a receiver's worker depends on."""

    receiver: Receiver
    proxies: Proxies | None
    external_url: str | None = None


def account_spec(config: Config, account: Account) -> AccountSpec:
    """Without the limits, which the time checks use."""
    watched = msgspec.structs.replace(account, stalled_after=0.0, timeout_hours=0.0, unreachable_after=0.0)
    return AccountSpec(watched, config.proxies)


def receiver_spec(config: Config, receiver: Receiver) -> ReceiverSpec:
    """Without the filter of events, which the outbox applies."""
    delivered = msgspec.structs.replace(receiver, events=(), match=Match(), group_wait=0.0)
    return ReceiverSpec(delivered, config.proxies, config.http.external_url)


class AccountWorker:
    """Watches an account until it is cancelled."""

    def __init__(self, dependencies: Dependencies, spec: AccountSpec, tls: ssl.SSLContext, rate_limiter: RateLimiter) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._tls = tls
        self._rate_limiter = rate_limiter
        self._scope = anyio.CancelScope()
        self.poller: Poller | None = None  # until it runs

    def stop(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        (account, proxies), (store, health, metrics, *_) = self._spec, self._dependencies
        with self._scope:
            heartbeat, answered = (
                self._dependencies.heartbeat(f"account {account.name}"),
                partial(metrics.accounts.answered, account.name),
            )
            network = Network(self._tls, proxies, self._dependencies.learned)
            async with open_provider(account, network, self._rate_limiter, answered, heartbeat=heartbeat) as provider:
                patient = Patient(provider, random.random, heartbeat=heartbeat)
                callbacks = Callbacks(
                    active=partial(metrics.has_active, account.name),
                    recorded=partial(say_recorded, account.name),
                    beat=heartbeat.beat,
                )
                self.poller = Poller(
                    account.name,
                    patient,
                    store,
                    backfill=account.backfill,
                    now=now,
                    settle_for=account.settle_for,
                    direct=provider,
                    callbacks=callbacks,
                )
                await Watcher(self.poller, account.poll_interval, health, metrics, random.random, heartbeat).run()


class ReceiverWorker:
    """Delivers to a receiver until it is stopped and its attempts under way are settled."""

    def __init__(
        self,
        dependencies: Dependencies,
        spec: ReceiverSpec,
        tls: ssl.SSLContext,
        concurrency_limit: ConcurrencyLimit,
        settle_lock: anyio.Lock,
    ) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._tls = tls
        self._concurrency_limit = concurrency_limit
        self._settle_lock = settle_lock
        self._heartbeat = dependencies.heartbeat(f"receiver {spec.receiver.name}")
        self._rate_limiter = message_pace(spec.receiver, self._heartbeat)
        self._stopped = False
        self.deliverer: Deliverer | None = None  # until it runs

    def stop(self) -> None:
        self._stopped = True
        self._rate_limiter.close()
        if self.deliverer:
            self.deliverer.stop()

    async def run(self) -> None:
        if self._stopped:
            return
        (receiver, proxies, external_url), (store, _, metrics, *_) = self._spec, self._dependencies
        network = Network(self._tls, proxies, self._dependencies.learned, external_url)
        async with open_notifier(receiver, network, store.cards, self._rate_limiter, heartbeat=self._heartbeat) as notifier:
            self.deliverer = Deliverer(
                receiver.name,
                delivery_policy(receiver),
                notifier,
                store.outbox,
                store.wakeups,
                now=now,
                jitter=random.random,
                on_settled=metrics.deliveries.settled,
                heartbeat=self._heartbeat,
                concurrency_limit=self._concurrency_limit,
                settle_lock=self._settle_lock,
            )
            await self.deliverer.run()
