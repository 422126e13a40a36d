"""The supervisor: one worker for each account and each receiver, and what a new configuration changes about them.

Workers that a new configuration does not concern keep running. An account's worker is cancelled, which is safe at any moment:
its writes are atomic. A receiver's worker first settles its attempts under way, so that its successor does not send them again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tracker.config import Account, Config, Secret
from tracker.core.forecast.eta import Histories
from tracker.daemon.dependencies import Dependencies
from tracker.daemon.factory import limits, subscription
from tracker.daemon.specs import AccountSpec, ReceiverSpec, account_spec, receiver_spec
from tracker.daemon.worker_registry import WorkerRegistry
from tracker.daemon.workers import AccountWorker, ReceiverWorker
from tracker.delivery.concurrency_limit import MAX_ATTEMPTS, ConcurrencyLimit
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.polling.time_checks import Janitor
from tracker.runtime.clock import Steadiness, now

LEAVE_WITHIN: Final = 2.0
"""Seconds that attempts under way get when the daemon stops; what is not settled by then, the next daemon sends again."""


class Supervisor:
    """Starts and stops the workers."""

    def __init__(self, group: TaskGroup, dependencies: Dependencies, config: Config, attempts: int = MAX_ATTEMPTS) -> None:
        """At most `attempts` deliveries are under way together."""
        self.dependencies = dependencies
        self._config = config
        self._tls = tls_context()
        self._concurrency_limit = ConcurrencyLimit(attempts)
        self._settle_locks: dict[str, anyio.Lock] = {}  # by receiver: one for all that work for it, one after the other
        self._rate_limiters: dict[str, tuple[str, Secret, RateLimiter]] = {}
        self._janitor = Janitor(
            dependencies.store,
            dependencies.health,
            {},
            now,
            config.storage.keep_deliveries,
            steady_since=Steadiness().since,
            heartbeat=dependencies.heartbeat("janitor"),
        )
        self._watchers = WorkerRegistry(group, self._watcher)
        self._deliverers = WorkerRegistry(group, self._deliverer)
        self.apply(config)
        group.start_soon(self._janitor.run)

    def apply(self, config: Config) -> None:
        """Use this configuration from now on. Its `storage.path` and its `http` are ignored."""
        self._config = config
        store, health, metrics, *_ = self.dependencies
        store.subscribe(map(subscription, config.receivers))
        health.watch(account.name for account in config.accounts)
        metrics.configured(
            {account.name: account.poll_interval for account in config.accounts},
            [each.name for each in config.receivers],
            config.metrics.max_job_series,
        )
        self._janitor.set_limits({account.name: limits(account) for account in config.accounts}, config.storage.keep_deliveries)
        self._watchers.assign({account.name: account_spec(config, account) for account in config.accounts})
        self._deliverers.assign({receiver.name: receiver_spec(config, receiver) for receiver in config.receivers})

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
                return worker.poller.recorder.histories
        return {}

    @asynccontextmanager
    async def paused(self, receiver: str) -> AsyncIterator[None]:
        """No attempt to the receiver is settled while the context lasts; then its circuit is read again."""
        async with self._settle_lock(receiver):
            try:
                yield
            finally:  # also where it failed: COMMIT may have committed nevertheless
                for worker in self._deliverers.workers(receiver):
                    if worker.deliverer:
                        worker.deliverer.command_changed()

    async def wait_stopped(self, receiver: str) -> None:
        """Wait until what is under way to a receiver that was taken out of the configuration is settled."""
        await self._deliverers.wait_stopped(receiver)

    async def stop(self) -> None:
        """Let what is under way be settled, if that does not take long."""
        self._watchers.assign({})
        self._deliverers.assign({})
        with anyio.move_on_after(LEAVE_WITHIN):
            await self._deliverers.wait_all_stopped()

    def _watcher(self, spec: AccountSpec) -> AccountWorker:
        return AccountWorker(self.dependencies, spec, self._tls, self._rate_limiter(spec.account))

    def _deliverer(self, spec: ReceiverSpec) -> ReceiverWorker:
        return ReceiverWorker(
            self.dependencies, spec, self._tls, self._concurrency_limit, self._settle_lock(spec.receiver.name)
        )

    def _settle_lock(self, receiver: str) -> anyio.Lock:
        return self._settle_locks.setdefault(receiver, anyio.Lock())

    def _rate_limiter(self, account: Account) -> RateLimiter:
        """One limiter for each key: a new configuration resets neither its budget nor a pause that the API asked for."""
        known = self._rate_limiters.get(account.name)
        if known is None or known[:2] != (account.base_url, account.api_key):
            rate_limiter = RateLimiter(account.requests_per_second, self.dependencies.heartbeat(f"account {account.name}"))
            known = account.base_url, account.api_key, rate_limiter
            self._rate_limiters[account.name] = known
        known[2].set_rate(account.requests_per_second)
        return known[2]
