"""The web facade: what the web may read of the daemon, and the few actions that it may request."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import structlog

from tracker.config import Config
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.forecast.eta import Histories
from tracker.core.forecast.job_forecast import Outlook, outlook
from tracker.core.ports.reader import Reader, ReaderPool
from tracker.core.queries.orphans import Dropped, Moved
from tracker.core.reconciliation.account_health import Health
from tracker.daemon.dependencies import Dependencies
from tracker.runtime.clock import now
from tracker.web.stream.broadcast import Broadcast


class Workers(Protocol):
    """What the facade needs of the supervisor."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    def histories(self, account: str) -> Histories:
        """The progress samples of the account's running jobs, by id."""

    def paused(self, receiver: str) -> AbstractAsyncContextManager[None]:
        """No attempt to the receiver is settled while the context lasts."""

    async def wait_stopped(self, receiver: str) -> None:
        """Wait until the workers of a receiver that was removed have ended."""


class WebFacade:
    """The `Tracker` of web.tracker."""

    def __init__(self, dependencies: Dependencies, supervisor: Workers, pool: ReaderPool, broadcast: Broadcast) -> None:
        self.broadcast = broadcast
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._pool = pool

    @property
    def config(self) -> Config:
        return self._supervisor.config

    @property
    def health(self) -> Health:
        return self._dependencies.health

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._pool.reader()

    def outlook(self, job: Mapping[str, Any]) -> Outlook:
        hours = {account.name: account.timeout_hours for account in self.config.accounts}.get(job["account"])
        return outlook(job, hours, self._supervisor.histories(job["account"]).get(job["id"], ()))

    async def probe(self) -> str | None:
        return await self._dependencies.store.probe()

    def metrics(self) -> bytes:
        return self._dependencies.metrics.render()

    async def replay(self, which: Replay) -> ReplayResult:
        store = self._dependencies.store
        async with self._supervisor.paused(which.receiver):
            replayed = await store.replay(which, now())
        store.wakeups.wake_deliverers([which.receiver])
        structlog.get_logger().info("deliveries.replayed", **msgspec.to_builtins(which), **msgspec.to_builtins(replayed))
        return replayed

    async def move(self, old: str, new: str) -> Moved:
        await self._supervisor.wait_stopped(old)
        moved = await self._dependencies.store.move_deliveries(old, new, now())
        self._dependencies.store.wakeups.wake_deliverers([new])
        structlog.get_logger().info("deliveries.moved", receiver=old, to=new, **msgspec.to_builtins(moved))
        return moved

    async def drop(self, receiver: str, *, dead: bool) -> Dropped:
        if not dead:
            await self._supervisor.wait_stopped(receiver)
        dropped = await self._dependencies.store.drop_deliveries(receiver, dead=dead)
        structlog.get_logger().info("deliveries.dropped", receiver=receiver, only_dead=dead, **msgspec.to_builtins(dropped))
        return dropped

    async def enable(self, receiver: str) -> bool:
        store = self._dependencies.store
        async with self._supervisor.paused(receiver):
            enabled = await store.enable_receiver(receiver, now())
        store.wakeups.wake_deliverers([receiver])
        structlog.get_logger().info("receiver.enabled", receiver=receiver, was_disabled=enabled)
        return enabled
