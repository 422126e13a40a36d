"""The two kinds of workers, one for an account and one for a receiver.

No other module uses randomness.
"""

import random
import ssl
from functools import partial

import anyio

from tracker.daemon.dependencies import Dependencies
from tracker.daemon.factory import Network, delivery_policy, message_pace, open_notifier, open_provider
from tracker.daemon.specs import AccountSpec, ReceiverSpec
from tracker.delivery.concurrency_limit import ConcurrencyLimit
from tracker.delivery.deliverer import Deliverer
from tracker.http.rate_limiter import RateLimiter
from tracker.polling.poll_loop import Watcher, say_recorded
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import Patient
from tracker.runtime.clock import now


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
