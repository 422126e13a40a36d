"""The supervisor: the workers of the accounts and receivers whose leases are assigned to this process.

Workers that a change of the configuration or of the leases does not concern keep running. An account's workers are cancelled,
which is safe at any moment: their writes are atomic. A receiver's worker first settles its attempts under way, so that its
successor does not repeat them. Where the lease is lost nothing can be settled any more, and it is cancelled at once.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import islice
from math import inf
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from tracker.config import Account, Config
from tracker.core.forecast.eta import Histories
from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKey, LeaseKind, account_lease
from tracker.daemon.factories.config_conversion import reminders, subscription, time_limits
from tracker.daemon.shutdown import stop_workers
from tracker.daemon.workers.account_worker import AccountWorker
from tracker.daemon.workers.archive_worker import ArchiveWorker, archive_limits
from tracker.daemon.workers.dependencies import Dependencies
from tracker.daemon.workers.receiver_worker import ReceiverWorker
from tracker.daemon.workers.registry import WorkerRegistry
from tracker.daemon.workers.retention_worker import RetentionWorker
from tracker.daemon.workers.specs import (
    AccountSpec,
    ArchiverSpec,
    ReceiverSpec,
    RetentionSpec,
    Specs,
    specs_of,
)
from tracker.delivery.global_concurrency_limit import MAX_ATTEMPTS, GlobalConcurrencyLimit
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.metrics import ExportedElsewhere
from tracker.polling.hint_queue import HintQueue
from tracker.polling.maintenance import Maintenance
from tracker.polling.silence_schedule import SilenceSchedule
from tracker.runtime.clock_jumps import ClockJumpDetector

NEW_AT_ONCE: Final = 50
"""Leases whose workers start in one turn of the loop: starting thousands takes longer than a lease lasts without a renewal."""

GIVE_BACK_WITHIN: Final = 3.0
"""Seconds that the attempts under way get where another replica is to have the receiver."""


class Supervisor:
    """Starts and stops the workers."""

    def __init__(self, group: TaskGroup, dependencies: Dependencies, config: Config, attempts: int = MAX_ATTEMPTS) -> None:
        """At most `attempts` deliveries are under way together."""
        self.dependencies = dependencies
        self._config = config
        self._specs = specs_of(config)
        self._assigned: frozenset[LeaseKey] = frozenset()
        self._is_stopping = False
        self._tls = tls_context()
        self._concurrency_limit = GlobalConcurrencyLimit(attempts)
        self._settle_locks: dict[str, anyio.Lock] = {}  # by receiver: one for all that work for it, one after the other
        self._rate_limiters: dict[str, tuple[object, RateLimiter]] = {}
        self._maintenance = Maintenance(
            dependencies.store,
            dependencies.health,
            {},
            dependencies.store.now,
            None,
            steady_since=ClockJumpDetector(dependencies.store.now).last_jump_at,
            heartbeat=dependencies.heartbeat("maintenance"),
        )
        store = dependencies.store
        self._silence_schedule = SilenceSchedule(store.silences, store.now, dependencies.heartbeat("silences"))
        self._watchers = WorkerRegistry(group, self._watcher)
        self._deliverers = WorkerRegistry(group, self._deliverer)
        self._archive_limits = archive_limits()
        self._archivers = WorkerRegistry(group, self._archiver)
        self._retention = WorkerRegistry(group, self._retention_worker)
        dependencies.store.watch_commands(self.commands_changed)
        self.apply(config)
        group.start_soon(self._maintenance.run)
        group.start_soon(self._silence_schedule.run)
        group.start_soon(self._follow_leases, group)

    def apply(self, config: Config) -> None:
        """Use this configuration from now on. Of its `storage` only the durations count, and its `http` is ignored."""
        self._config = config
        self._specs = specs_of(config)
        store = self.dependencies.store
        store.subscribe(map(subscription, config.receivers))
        store.archive.enable(account.name for account in config.archived_accounts())
        self.dependencies.health.configured(account.name for account in config.accounts)
        store.leases.request(self._specs.leases())
        self._assign()

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

    def hints(self, account: str) -> HintQueue | None:
        """The hints of the account's poll loop; None if this process does not poll the account."""
        workers = self._watchers.workers(account) if account_lease(account) in self._assigned else ()
        return workers[-1].hints if workers else None

    @asynccontextmanager
    async def paused(self, receiver: str) -> AsyncIterator[None]:
        """No attempt to the receiver is settled while the context lasts; then its circuit is read again."""
        async with self._settle_lock(receiver):
            try:
                yield
            finally:  # also where it failed: COMMIT may have committed nevertheless
                self._command_changed(receiver)

    async def wait_stopped(self, receiver: str) -> None:
        """Wait until what is under way to a receiver that was taken out of the configuration is settled."""
        await self._deliverers.wait_stopped(receiver)

    def commands_changed(self, receivers: Collection[str] | None) -> None:
        """A command of another process changed the deliveries or the circuits of these receivers, of any with None."""
        for receiver in self.receivers if receivers is None else receivers:
            self._command_changed(receiver)

    async def stop(self) -> None:
        """Stop all workers, within the time of `shutdown.py`."""
        self._is_stopping = True
        self.dependencies.store.leases.request(())
        workers = (self._watchers, self._deliverers, self._archivers, self._retention)
        await stop_workers(workers, awaited=(self._deliverers, self._archivers))

    async def _follow_leases(self, group: TaskGroup) -> None:
        """Run the workers of the leases that are assigned, and give back those that are to be released."""
        leases, given_back = self.dependencies.store.leases, set[LeaseKey]()
        while True:
            changed = leases.changed()
            await self._assign_by_and_by()
            for key in leases.releasing() - given_back:
                given_back.add(key)
                group.start_soon(self._give_back, key, given_back)
            await changed.wait()

    async def _assign_by_and_by(self) -> None:
        """Run the workers of the leases that are assigned, a few more at a time."""
        leases = self.dependencies.store.leases
        while leases.assigned() != self._assigned and not self._is_stopping:
            began = anyio.current_time()
            self._assign(NEW_AT_ONCE)
            if leases.assigned() != self._assigned:
                await anyio.sleep(anyio.current_time() - began)  # as long again for all else, such as the next renewal

    def _assign(self, most: int | None = None) -> None:
        """Run exactly the workers of the leases that are assigned now, or `most` of those that are new."""
        if self._is_stopping:
            return
        leases, before = self.dependencies.store.leases, self._assigned
        assigned = leases.assigned()
        self._assigned = (before & assigned).union(islice(assigned - before, most))
        own = self._specs.under(self._assigned)
        self._show(own)
        self._watchers.assign(own.accounts)
        self._deliverers.assign(own.receivers)
        self._archivers.assign(own.archivers)
        self._retention.assign(own.retention)
        lost = (before - self._assigned - leases.releasing()) & self._specs.leases()
        for key in lost:
            self._cancel(key)
        self.dependencies.metrics.replicas.changed(self._assigned - before, "acquired")
        self.dependencies.metrics.replicas.changed(lost, "lost")

    def _show(self, own: Specs) -> None:
        """Have health, metrics and maintenance deal with the accounts and receivers of `own` alone."""
        config, accounts = self._config, [account for account in self._config.accounts if account.name in own.accounts]
        is_maintainer = MAINTENANCE_LEASE in self._assigned
        self.dependencies.health.watch(account.name for account in accounts)
        self.dependencies.metrics.configured(
            {account.name: account.poll_interval for account in accounts},
            [*own.receivers],
            config.metrics.max_job_series,
            pending_limits={account.name: account.pending_limit for account in accounts},
            providers={account.name: account.provider for account in accounts},
            prices=config.prices,
            elsewhere=ExportedElsewhere([*self._specs.accounts], [*self._specs.receivers], log=not is_maintainer),
        )
        self.dependencies.metrics.vendor_webhooks.configured(
            account.name for account in config.accounts if account.webhook_secrets
        )
        self.dependencies.metrics.replicas.works_under(self._assigned, is_maintainer=is_maintainer)
        keep_deliveries = config.storage.keep_deliveries if is_maintainer else None
        self._silence_schedule.set_windows(config.maintenance if is_maintainer else None)
        self._maintenance.set_limits(
            {account.name: time_limits(account) for account in accounts},
            keep_deliveries,
            reminders(config.receivers, config.receivers if is_maintainer else ()),
            config.storage.keep_events if is_maintainer else inf,
        )

    async def _give_back(self, key: LeaseKey, given_back: set[LeaseKey]) -> None:
        """Release the lease once its workers have stopped. Another replica may wait for it: then they have not forever."""
        with anyio.move_on_after(GIVE_BACK_WITHIN if self.dependencies.is_replica else inf):
            await self._wait_stopped(key)
        self._cancel(key)
        await self._wait_stopped(key)
        given_back.discard(key)
        await self.dependencies.store.leases.release(key)
        self.dependencies.metrics.replicas.changed([key], "released")

    def _registries(self, key: LeaseKey) -> tuple[WorkerRegistry[Any, Any], ...]:
        """Those of the workers that run under the lease, by its name."""
        return {
            LeaseKind.ACCOUNT: (self._watchers, self._archivers),
            LeaseKind.RECEIVER: (self._deliverers,),
            LeaseKind.MAINTENANCE: (self._retention,),
        }[key.kind]

    def _cancel(self, key: LeaseKey) -> None:
        for registry in self._registries(key):
            registry.cancel_stopping(key.name)

    async def _wait_stopped(self, key: LeaseKey) -> None:
        for registry in self._registries(key):
            await registry.wait_stopped(key.name)

    def _command_changed(self, receiver: str) -> None:
        for worker in self._deliverers.workers(receiver):
            if worker.deliverer:
                worker.deliverer.command_changed()

    def _watcher(self, spec: AccountSpec) -> AccountWorker:
        rate_limiter = self._rate_limiter(spec.account)
        rate_limiter.pause(self._inherited_pause(spec.account.name))
        return AccountWorker(self.dependencies, spec, self._tls, rate_limiter)

    def _inherited_pause(self, account: str) -> float:
        """Seconds that the API asked the replica to wait that polled the account until now."""
        held = self.dependencies.health.elsewhere.get(account)
        if not held or held.state.due_at is None or not held.state.is_to_wait:
            return 0.0
        return (held.state.due_at - self.dependencies.store.now()) / 1000

    def _deliverer(self, spec: ReceiverSpec) -> ReceiverWorker:
        return ReceiverWorker(
            self.dependencies, spec, self._tls, self._concurrency_limit, self._settle_lock(spec.receiver.name)
        )

    def _archiver(self, spec: ArchiverSpec) -> ArchiveWorker:
        (account,) = (each for each in self._config.accounts if each.name == spec.account.name)
        return ArchiveWorker(self.dependencies, spec, self._tls, self._rate_limiter(account), self._archive_limits)

    def _retention_worker(self, spec: RetentionSpec) -> RetentionWorker:
        return RetentionWorker(self.dependencies, spec)

    def _settle_lock(self, receiver: str) -> anyio.Lock:
        return self._settle_locks.setdefault(receiver, anyio.Lock())

    def _rate_limiter(self, account: Account) -> RateLimiter:
        """One limiter for each key: a new configuration resets neither its budget nor a pause that the API asked for."""
        key = account.base_url, account.api_key, account.headers if not account.api_key.reveal() else ()
        known = self._rate_limiters.get(account.name)
        if known is None or known[0] != key:
            heartbeats = (self.dependencies.heartbeat(f"{loop} {account.name}") for loop in ("account", "archive"))
            rate_limiter = RateLimiter(account.requests_per_second, *heartbeats)
            known = key, rate_limiter
            self._rate_limiters[account.name] = known
        known[1].set_rate(account.requests_per_second)
        return known[1]
