"""Owns opening the database as a replica: the store shares accounts and receivers with the other replicas while it is open."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from uuid import uuid4

import anyio

from tracker import __version__
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.ports.store import EventObserver, UseObserver
from tracker.core.replicas.lease import LeaseKey, LeaseKind
from tracker.core.replicas.lease_times import DEFAULT_LEASE_TIMES, LeaseTimes
from tracker.runtime.task_groups import task_group
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.session_check import check_sessions
from tracker.store.postgres.leases.admission import Admission
from tracker.store.postgres.leases.fence import LeaseFence
from tracker.store.postgres.leases.held_leases import HeldLeases
from tracker.store.postgres.leases.lease_table import Member
from tracker.store.postgres.leases.membership import Membership
from tracker.store.postgres.leases.process_identity import own_process
from tracker.store.postgres.leases.renewal_connection import RenewalConnection
from tracker.store.postgres.leases.replica_context import ReplicaSetup
from tracker.store.postgres.notification_listener import Listeners, NotificationListener
from tracker.store.postgres.server_clock import ServerClock, boot_time
from tracker.store.postgres.writing.store import PostgresStore, open_postgres_store


@asynccontextmanager
async def open_postgres_replica(
    address: PostgresAddress,
    subscriptions: Iterable[Subscription] = (),
    *,
    notified: EventObserver = lambda _event, _backfilled: None,
    used: UseObserver = lambda _use, _succeeded: None,
    times: LeaseTimes = DEFAULT_LEASE_TIMES,
    clock: Callable[[], float] = boot_time,
) -> AsyncIterator[PostgresStore]:
    """A store that has joined the replicas; when it is closed, what it holds is given back, and others take it at once.

    `clock` gives seconds of a clock that never jumps. Raises `StorageError` as `open_postgres_store`, and `InUseError` where
    another process uses the replica's name.
    """
    await check_sessions(address)
    async with open_postgres_store(address, subscriptions, notified=notified, used=used) as store:
        member = Member(address.replica, uuid4().hex, own_process(), __version__, address.page)
        setup = ReplicaSetup(member, store.log.sender, times, clock)
        held = HeldLeases(clock, lambda gained: _forget_accounts(store, gained))
        server_clock = ServerClock(clock)
        await store.database.read("reading the clock", server_clock.measure)
        store.leases, store.now, store.database.fence = held, server_clock.now, LeaseFence(held, member.instance).from_now_on
        async with _membership(setup, held, server_clock, store):
            yield store


@asynccontextmanager
async def _membership(
    setup: ReplicaSetup, held: HeldLeases, server_clock: ServerClock, store: PostgresStore
) -> AsyncIterator[None]:
    """Joined while the context lasts."""
    address = store.database.address
    connection, admission = RenewalConnection(address, setup.times), Admission(setup, store.log)
    membership = Membership(setup, held, connection, admission, server_clock)
    listeners = Listeners(
        store.wakeups,
        held.ask_for_work,
        lambda names: store.commanded(names),  # noqa: PLW0108 - set later
        lambda hints: store.hinted(hints),  # noqa: PLW0108 - set later
    )
    listener = NotificationListener(address, setup.sender, store.database.fetch, listeners)
    await admission.join()
    try:
        async with task_group() as group:
            group.start_soon(membership.run)
            group.start_soon(listener.run)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await membership.leave()
            await connection.close()


def _forget_accounts(store: PostgresStore, gained: Iterable[LeaseKey]) -> None:
    """What another replica has written meanwhile is read from the database."""
    for key in gained:
        if key.kind == LeaseKind.ACCOUNT:
            store.forget_account(key.name)
