"""Owns the fence: a transaction under a lease commits only if this process still holds the lease when it does."""

from functools import partial

import asyncpg

from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.replicas.lease import LeaseKey
from tracker.store.postgres.database.writer_connection import Hold
from tracker.store.postgres.leases.held_leases import HeldLeases
from tracker.store.postgres.leases.lease_table import is_held


class LeaseFence:
    """Checks the leases of the replica `instance` within its transactions."""

    def __init__(self, held: HeldLeases, instance: str) -> None:
        self._held = held
        self._instance = instance

    def from_now_on(self, key: LeaseKey) -> Hold:
        """See `Fence`: a lease that is lost and taken again meanwhile has another epoch, under which other workers write."""
        epoch = self._held.epoch(key)
        if epoch is None:
            raise self._lost(key)
        return partial(self._hold, key, epoch)

    async def _hold(self, key: LeaseKey, epoch: int, connection: asyncpg.Connection) -> None:
        """Raise `LeaseLostError` unless `key` is held; if it is, no other replica takes it until the transaction ends."""
        if epoch != self._held.epoch(key) or not await is_held(connection, key, self._instance, epoch):
            raise self._lost(key)

    def _lost(self, key: LeaseKey) -> LeaseLostError:
        self._held.ask_for_work()
        return LeaseLostError(f"the lease of the {key.kind} {key.name!r} is no longer held, nothing was written")
