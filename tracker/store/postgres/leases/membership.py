"""Owns the life of a replica: it renews in time, stops what it could not renew, has lost replicas removed, and leaves."""

import random
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import anyio
import asyncpg
import structlog
from anyio.abc import TaskGroup

from tracker.core.errors.storage_error import StorageError
from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKey, LeaseKind
from tracker.core.replicas.lost_replicas import ReplicaWatch, Sighting
from tracker.store.postgres.leases import lease_table as table
from tracker.store.postgres.leases.admission import Admission
from tracker.store.postgres.leases.held_leases import HeldLeases
from tracker.store.postgres.leases.renewal import Renewal, Renewed
from tracker.store.postgres.leases.renewal_connection import RenewalConnection
from tracker.store.postgres.leases.replica_context import ReplicaSetup
from tracker.store.postgres.notification_sender import Signals
from tracker.store.postgres.server_clock import ServerClock

_SMALLEST_PAUSE: Final = 0.05
"""Seconds between two renewals, however often one is asked for."""

_NAMES_IN_LOG: Final = 20


class Membership:
    """Keeps a replica that has joined one, and `held` as the database has it."""

    def __init__(
        self,
        setup: ReplicaSetup,
        held: HeldLeases,
        connection: RenewalConnection,
        admission: Admission,
        server_clock: ServerClock,
    ) -> None:
        self._member, self._sender, self._times, self._clock = setup
        self._held = held
        self._connection = connection
        self._admission = admission
        self._server_clock = server_clock
        self._renewal = Renewal(setup, held)
        self._watch = ReplicaWatch(setup.times)
        self._is_removing = False
        self._has_failed = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Renew until it is cancelled. An outage of the database is waited out, with nothing held."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._lapse_in_time)
            while True:
                work = self._held.work()
                pause = await self.renew_once(group)
                await anyio.sleep(_SMALLEST_PAUSE)
                with anyio.move_on_after(pause):
                    await work.wait()

    async def leave(self) -> None:
        """Give everything back so that others take it at once. What cannot be given back expires."""

        async def work(connection: asyncpg.Connection) -> None:
            await table.leave(connection, self._member.instance)
            await self._sender.send(connection, Signals(leases=True))

        with anyio.CancelScope(shield=True):
            self._held.lose_all()
            try:
                await self._connection.transact("leaving", work)
            except StorageError as error:
                self._log.warning("replica.leave_failed", error=str(error))

    async def renew_once(self, group: TaskGroup) -> float:
        """Renew, take and give back once; returns after how many seconds to do so again."""
        self._lose(self._held.lapse())
        sent_at = self._clock()
        try:
            renewed = await self._connection.transact("renewing the leases", self._renewal.run)
            if renewed is None:
                await self._join_again()
                return 0.0
        except StorageError as error:
            self._failed(error)
            return random.uniform(0.2, 1.0) * self._times.retry  # noqa: S311 - so that replicas do not return as one
        self._recovered()
        self._apply(renewed, sent_at)
        lost = self._lost(renewed, sent_at)
        if lost and not self._is_removing:
            group.start_soon(self._remove, lost)
        return self._pause(sent_at)

    def _apply(self, renewed: Renewed, sent_at: float) -> None:
        self._renewal.committed(renewed)
        if lapsed := self._held.lapse():  # it took too long: workers have stopped, and take up again with the next renewal
            self._lose(lapsed)
            return
        before = self._held.held().keys()
        self._held.renewed(renewed.epochs, renewed.to_give_back, sent_at + self._times.valid - self._times.safety)
        after = self._held.held().keys()
        self._lose(before - after)
        if gained := after - before:
            self._log.info("lease.acquired", **_described(gained))
        if renewed.given_back:
            self._log.info("lease.released", **_described(renewed.given_back))

    def _lost(self, renewed: Renewed, sent_at: float) -> list[Sighting]:
        now = self._clock()
        jumped = self._server_clock.measured(renewed.server_now, sent_at, now)
        others = [Sighting(each.instance, each.renewed_at, each.expires_at) for each in renewed.others]
        return self._watch.look(others, renewed.server_now, now, clock_jumped=jumped)

    async def _remove(self, lost: Iterable[Sighting]) -> None:
        """In a task of its own: it may take longer than a renewal may."""
        self._is_removing = True
        try:
            for each in lost:
                await self._admission.remove(each)
        except StorageError:
            self._log.debug("replica.removal_failed", exc_info=True)  # the next renewal finds it again
        finally:
            self._is_removing = False
        self._held.ask_for_work()

    async def _join_again(self) -> None:
        """Others have taken this replica for lost."""
        self._lose(self._held.lose_all())
        self._renewal.joined()
        await self._admission.join()

    async def _lapse_in_time(self) -> None:
        while True:
            left = self._held.valid_until - self._clock()
            await anyio.sleep(min(left, self._times.renew) if left > 0 else self._times.renew / 4)
            self._lose(self._held.lapse())

    def _pause(self, sent_at: float) -> float:
        renew_at = sent_at + self._times.renew * random.uniform(0.85, 1.0)  # noqa: S311 - so that replicas do not renew as one
        return max(0.0, min(renew_at, self._watch.next_loss_at + _SMALLEST_PAUSE) - self._clock())

    def _failed(self, error: StorageError) -> None:
        if not self._has_failed:
            self._log.warning("lease.renewal_failed", error=str(error))
        self._has_failed = True

    def _recovered(self) -> None:
        if self._has_failed:
            self._log.info("lease.renewal_recovered")
        self._has_failed = False

    def _lose(self, lost: AbstractSet[LeaseKey]) -> None:
        if lost:
            self._log.warning("lease.lost", **_described(lost))
            self._held.ask_for_work()  # it may be free: what was lost is taken only once it has been seen to be lost


def _described(keys: Iterable[LeaseKey]) -> dict[str, Any]:
    """What the keys are for, as fields of a log line."""
    keys = sorted(keys)
    named = {f"{kind}s": [key.name for key in keys if key.kind == kind] for kind in (LeaseKind.ACCOUNT, LeaseKind.RECEIVER)}
    fields: dict[str, Any] = {kind: _shortened(names) for kind, names in named.items() if names}
    return fields | ({"maintenance": True} if MAINTENANCE_LEASE in keys else {})


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= _NAMES_IN_LOG else [*names[:_NAMES_IN_LOG], f"and {len(names) - _NAMES_IN_LOG} more"]
