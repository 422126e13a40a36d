"""Owns waiting for the commit of another connection: by its notification, and by looking now and then."""

from typing import Any, Final

import anyio
import asyncpg

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.notification_sender import channel
from tracker.store.postgres.reading.read_connection import ReadConnection

POLL_INTERVAL: Final = 0.5
"""Seconds between looks, for commits without a notification and where notifications do not arrive."""

OUTAGE_LIMIT: Final = 120.0
"""Seconds for which a server may be away while a change is waited for: it restarts, or another one takes over."""

_OUTAGE_PAUSE: Final = 1.0

_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text"
"""Which transactions have committed: each that writes changes it."""


class ChangeListener:
    """Waits for changes over a connection that also reads; with an address of its own for listening, it only looks."""

    def __init__(self, address: PostgresAddress, connection: ReadConnection) -> None:
        self._channel = channel(address.schema)
        self._may_listen = address.listen_url is None
        self._connection = connection
        self._listens_on: asyncpg.Connection | None = None
        self._notified = anyio.Event()

    async def version(self) -> str:
        """Differs from that of before once a transaction has committed in between."""
        rows = await self._connection.fetch(_SNAPSHOT)
        return str(rows[0][0])

    async def wait_for_other(self, version: str) -> str:
        """The first version seen that is not `version`; raises `StorageError` after `OUTAGE_LIMIT` without a server."""
        while True:
            self._notified = anyio.Event()
            found = await self._listen_and_look()
            if found != version:
                return found
            with anyio.move_on_after(POLL_INTERVAL):
                await self._notified.wait()

    async def _listen_and_look(self) -> str:
        deadline = anyio.current_time() + OUTAGE_LIMIT
        while True:
            try:
                await self._connection.run(self._listen)
                return await self.version()
            except StorageError:
                if anyio.current_time() > deadline:
                    raise
            await anyio.sleep(_OUTAGE_PAUSE)

    async def _listen(self, connection: asyncpg.Connection) -> None:
        if self._may_listen and self._listens_on is not connection:
            try:
                await connection.add_listener(self._channel, self._notify)
            except asyncpg.PostgresError:  # a standby has no notifications
                self._may_listen = connection.is_closed()
            self._listens_on = connection

    def _notify(self, *_: Any) -> None:
        self._notified.set()
