"""The worker of an account: it polls the account's jobs until it is cancelled."""

import random
import ssl
from functools import partial

import anyio

from tracker.core.ports.provider import Provider
from tracker.core.replicas.lease import account_lease
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.provider_factory import open_provider
from tracker.daemon.workers.dependencies import Dependencies
from tracker.daemon.workers.specs import AccountSpec
from tracker.http.rate_limiter import RateLimiter
from tracker.polling.hint_queue import HintQueue
from tracker.polling.poll_loop import PollLoop, log_recorded
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import RetryingProvider
from tracker.runtime.heartbeat import Heartbeat


class AccountWorker:
    """Watches an account until it is cancelled."""

    def __init__(self, dependencies: Dependencies, spec: AccountSpec, tls: ssl.SSLContext, rate_limiter: RateLimiter) -> None:
        self._dependencies = dependencies
        self._spec = spec
        self._tls = tls
        self._rate_limiter = rate_limiter
        self._guard = dependencies.guard(account_lease(spec.account.name))
        self._scope = anyio.CancelScope()
        self.poller: Poller | None = None  # until it runs
        self.hints = HintQueue()

    def stop(self) -> None:
        self._scope.cancel()

    cancel = stop  # all that an account's worker writes is atomic

    async def run(self) -> None:
        with self._scope:
            await self._guard.run(self._poll)

    async def _poll(self) -> None:
        (account, proxies), (store, _, metrics, *_) = self._spec, self._dependencies
        heartbeat = self._dependencies.heartbeat(f"account {account.name}")
        answered = partial(metrics.accounts.answered, account.name)
        network = Network(self._tls, proxies, self._dependencies.learned, permit=self._guard.check)
        async with open_provider(
            account, network, self._rate_limiter, answered, heartbeat=heartbeat, now=store.now
        ) as provider:
            self.poller = self._poller(provider, heartbeat)
            await self._poll_loop(self.poller, heartbeat).run()

    def _poller(self, provider: Provider, heartbeat: Heartbeat) -> Poller:
        account, (store, _, metrics, *_) = self._spec.account, self._dependencies
        callbacks = Callbacks(
            active=partial(metrics.has_active, account.name),
            recorded=partial(log_recorded, account.name),
            beat=heartbeat.beat,
        )
        return Poller(
            account.name,
            RetryingProvider(provider, random.random, heartbeat=heartbeat),
            store,
            backfill=account.backfill,
            now=store.now,
            settle_for=account.settle_for,
            direct=provider,
            callbacks=callbacks,
            vendor=account.provider,
            failed_share=account.failed_share,
            progress_every=account.progress_every or 0.0,
        )

    def _poll_loop(self, poller: Poller, heartbeat: Heartbeat) -> PollLoop:
        _, health, metrics, *_ = self._dependencies
        return PollLoop(
            poller,
            self._spec.account.poll_interval,
            health,
            metrics,
            random.random,
            heartbeat,
            longest_storage_pause=self._dependencies.longest_storage_pause,
            hints=self.hints,
        )
