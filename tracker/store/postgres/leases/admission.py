"""Owns who is a replica: a process joins under a name of its own, and those that are lost are removed; both are events."""

from collections.abc import Sequence

import anyio
import asyncpg
import structlog

from tracker.core.errors.storage_error import InUseError
from tracker.core.events.event import Event, iso
from tracker.core.replicas.lease import LeaseKind
from tracker.core.replicas.lost_replicas import Sighting
from tracker.core.replicas.replica_events import joined_event, lost_event
from tracker.store.postgres.leases import lease_table as table
from tracker.store.postgres.leases.process_identity import has_ended
from tracker.store.postgres.leases.replica_context import ReplicaSetup
from tracker.store.postgres.notification_sender import Signals
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.records.log_rows import Appended, LogEntry


class Admission:
    """Lets a replica join, and removes other replicas. Every method may raise `StorageError`."""

    def __init__(self, setup: ReplicaSetup, log: EventLog) -> None:
        self._member, self._sender, self._times, self._clock = setup
        self._log = log

    async def join(self) -> None:
        """Join; raises `InUseError` if another process renews leases under this name.

        A process that used the name and was killed is replaced at once if it is known to have ended, else when its leases
        have expired.
        """
        first, since = await self._try_to_join(), self._clock()
        user = first
        if user:
            until = iso(user.expires_at)
            structlog.get_logger().warning("replica.start_delayed", replica=self._member.name, name_in_use_until=until)
        while user and first:
            if (user.instance, user.renewed_at) != (first.instance, first.renewed_at):
                raise InUseError(self._in_use(user))
            await anyio.sleep(min(self._times.renew, max(0.0, (user.expires_at - user.now) / 1000) + 0.01))
            is_silent = self._clock() - since > self._times.valid + self._times.renew
            user = await self._try_to_join(first if is_silent else None)

    async def remove(self, lost: Sighting) -> bool:
        """Remove a replica that has not renewed since it was seen, and free what it held; whether this process did it."""

        async def work(connection: asyncpg.Connection) -> Appended | None:
            removed = await table.remove(connection, lost.instance, lost.renewed_at)
            return await self._append(connection, [await _lost(connection, removed)]) if removed else None

        appended = await self._log.write("removing a lost replica", work)
        if appended:
            self._log.committed(appended)
        return appended is not None

    async def _try_to_join(self, silent: table.NameUser | None = None) -> table.NameUser | None:
        """Who uses the name, if it cannot be replaced; `silent` can. None once this process has joined."""

        async def work(connection: asyncpg.Connection) -> table.NameUser | Appended:
            user, events = await table.find_name(connection, self._member.name), list[Event]()
            if user and user.instance != self._member.instance:
                same = silent and (silent.instance, silent.renewed_at) == (user.instance, user.renewed_at)
                if not (same or user.expires_at <= user.now or has_ended(user.process)):
                    return user
            if user:
                removed = await table.remove(connection, user.instance, user.renewed_at)
                events += [await _lost(connection, removed)] if removed else []
            joined_at = await table.join(connection, self._member, self._times.valid)
            return await self._append(connection, [*events, joined_event(self._member.name, self._member.version, joined_at)])

        done = await self._log.write("joining as a replica", work)
        if isinstance(done, table.NameUser):
            return done
        self._log.committed(done)
        return None

    async def _append(self, connection: asyncpg.Connection, events: Sequence[Event]) -> Appended:
        appended = await self._log.append(connection, [LogEntry(event, None) for event in events])
        await self._sender.send(connection, Signals(leases=True))
        return appended

    def _in_use(self, user: table.NameUser) -> str:
        return (
            f"the replica name {self._member.name!r} is in use by another process since {iso(user.joined_at)}; give each"
            " replica a name of its own, see storage.replica"
        )


async def _lost(connection: asyncpg.Connection, removed: table.Removed) -> Event:
    held, now = removed.held, await table.server_now(connection)
    accounts, receivers = held.get(LeaseKind.ACCOUNT, 0), held.get(LeaseKind.RECEIVER, 0)
    return lost_event(removed.name, removed.version, removed.joined_at, now, accounts=accounts, receivers=receivers)
