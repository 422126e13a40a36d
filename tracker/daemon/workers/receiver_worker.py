"""The worker of a receiver: it delivers events until it is stopped and its attempts under way are settled."""

import random
import ssl

import anyio

from tracker.core.replicas.lease import receiver_lease
from tracker.daemon.factories.config_conversion import delivery_policy
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import message_pace, open_notifier
from tracker.daemon.workers.dependencies import Dependencies
from tracker.daemon.workers.specs import ReceiverSpec
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit
from tracker.http.rate_limiter import RateLimiter


class ReceiverWorker:
    """Delivers to a receiver until it is stopped and its attempts under way are settled."""

    def __init__(
        self,
        dependencies: Dependencies,
        spec: ReceiverSpec,
        tls: ssl.SSLContext,
        concurrency_limit: GlobalConcurrencyLimit,
        settle_lock: anyio.Lock,
    ) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._tls = tls
        self._concurrency_limit = concurrency_limit
        self._settle_lock = settle_lock
        self._heartbeat = dependencies.heartbeat(f"receiver {spec.receiver.name}")
        self._rate_limiter = message_pace(spec.receiver, self._heartbeat)
        self._guard = dependencies.guard(receiver_lease(spec.receiver.name))
        self._scope = anyio.CancelScope()
        self._stopped = False
        self.deliverer: Deliverer | None = None  # until it runs

    def stop(self) -> None:
        self._stopped = True
        self._rate_limiter.close()
        if self.deliverer:
            self.deliverer.stop()

    def cancel(self) -> None:
        """Settle nothing any more. What is under way may arrive, and is sent again by another replica."""
        self._scope.cancel()

    async def run(self) -> None:
        with self._scope:
            await self._guard.run(self._deliver)

    async def _deliver(self) -> None:
        if self._stopped:
            return
        (receiver, proxies, external_url), dependencies = self._spec, self._dependencies
        store, is_sampled = dependencies.store, dependencies.traces.is_sampled
        network = Network(self._tls, proxies, dependencies.learned, external_url, self._guard.check, is_sampled)
        async with open_notifier(
            receiver, network, store.job_messages, self._rate_limiter, heartbeat=self._heartbeat, now=store.now
        ) as notifier:
            self.deliverer = Deliverer(
                receiver.name,
                delivery_policy(receiver),
                notifier,
                store.outbox,
                store.wakeups,
                now=store.now,
                jitter=random.random,
                on_settled=dependencies.settled,
                heartbeat=self._heartbeat,
                concurrency_limit=self._concurrency_limit,
                settle_lock=self._settle_lock,
                rate_limit=RateLimiter(receiver.rate_limit),
            )
            await self.deliverer.run()
