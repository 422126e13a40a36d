"""The implementation of `web/daemon_interface.py`: what the web may read of the daemon, and what it may request."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import msgspec
import structlog

from tracker.config import Config
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.event import iso
from tracker.core.forecast.deadline_and_rate import Outlook, outlook
from tracker.core.forecast.eta import Histories
from tracker.core.health.readiness import Health
from tracker.core.ports.reader import Reader, ReaderPool
from tracker.core.queries.orphaned_deliveries import Dropped, Moved
from tracker.core.silences.silence import AddedSilence, SilenceRequest, requested_silence
from tracker.daemon.archived_content import ArchivedContent
from tracker.daemon.workers.dependencies import Dependencies
from tracker.metrics.text_format import TextFormat
from tracker.providers.vendor_registry import VENDORS
from tracker.web.daemon_interface import Hints, VendorFacts
from tracker.web.stream.broadcast import Broadcast

_VENDOR_FACTS: Final = {each.name: VendorFacts(each.title, each.capabilities.has_progress) for each in VENDORS.values()}


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


class DaemonImplementation:
    """The `Daemon` of web.daemon_interface."""

    def __init__(
        self, dependencies: Dependencies, supervisor: Workers, pool: ReaderPool, broadcast: Broadcast, hints: Hints
    ) -> None:
        self.broadcast = broadcast
        self.hints = hints
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._pool = pool
        self._archived_content = ArchivedContent(lambda: supervisor.config)

    @property
    def config(self) -> Config:
        return self._supervisor.config

    @property
    def vendors(self) -> Mapping[str, VendorFacts]:
        return _VENDOR_FACTS

    @property
    def health(self) -> Health:
        return self._dependencies.health

    def now(self) -> int:
        return self._dependencies.store.now()

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._pool.reader()

    def archived_content(self, location: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._archived_content.open(location)

    def outlook(self, job: Mapping[str, Any]) -> Outlook:
        hours = {account.name: account.timeout_hours for account in self.config.accounts}.get(job["account"])
        return outlook(job, hours, self._supervisor.histories(job["account"]).get(job["id"], ()))

    async def probe(self) -> str | None:
        return await self._dependencies.store.probe()

    def metrics(self, format_: TextFormat) -> bytes:
        return self._dependencies.metrics.render(format_)

    async def replay(self, which: Replay) -> ReplayResult:
        store = self._dependencies.store
        async with self._supervisor.paused(which.receiver):
            replayed = await store.replay(which, store.now())
        store.wakeups.wake_deliverers([which.receiver])
        structlog.get_logger().info("deliveries.replayed", **msgspec.to_builtins(which), **msgspec.to_builtins(replayed))
        return replayed

    async def move(self, old: str, new: str) -> Moved:
        await self._supervisor.wait_stopped(old)
        store = self._dependencies.store
        moved = await store.move_deliveries(old, new, store.now())
        store.wakeups.wake_deliverers([new])
        structlog.get_logger().info("deliveries.moved", receiver=old, to=new, **msgspec.to_builtins(moved))
        return moved

    async def drop(self, receiver: str, *, dead: bool) -> Dropped:
        if not dead:
            await self._supervisor.wait_stopped(receiver)
        dropped = await self._dependencies.store.drop_deliveries(receiver, dead=dead)
        structlog.get_logger().info("deliveries.dropped", receiver=receiver, only_dead=dead, **msgspec.to_builtins(dropped))
        return dropped

    async def silence(self, request: SilenceRequest, way: str) -> AddedSilence | None:
        store = self._dependencies.store
        now = store.now()
        made = requested_silence(request, now, way)
        silenced = await store.silences.add(made, now)
        if silenced is None:
            return None
        structlog.get_logger().info(
            "silence.added",
            silence=made.id,
            scope=made.scope.words(),
            until=iso(made.ends_at),
            reason=made.reason,
            by=made.created_by,
            silenced=silenced,
        )
        return AddedSilence(silence=made, silenced=silenced)

    async def lift(self, silence_id: str) -> bool:
        store = self._dependencies.store
        lifted = await store.silences.lift(silence_id, store.now())
        if lifted:
            structlog.get_logger().info("silence.lifted", silence=silence_id)
        return lifted

    async def enable(self, receiver: str) -> bool:
        store = self._dependencies.store
        async with self._supervisor.paused(receiver):
            enabled = await store.enable_receiver(receiver, store.now())
        store.wakeups.wake_deliverers([receiver])
        structlog.get_logger().info("receiver.enabled", receiver=receiver, was_disabled=enabled)
        return enabled
