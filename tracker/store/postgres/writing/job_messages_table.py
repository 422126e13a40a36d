"""Owns the table `cards`: the message of a receiver that shows a job, so that it can be updated."""

from typing import Final

import asyncpg

from tracker.core.replicas.lease import receiver_lease
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.database.writer_connection import Database

_GET: Final = "SELECT card FROM cards WHERE receiver = $1 AND stream = $2"

_PUT: Final = """INSERT INTO cards (receiver, stream, card) VALUES ($1, $2, $3)
ON CONFLICT (receiver, stream) DO UPDATE SET card = excluded.card"""


class PostgresJobMessages:
    """The `JobMessages` of core.ports on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, receiver: str, stream: str) -> str | None:
        found = await self._database.fetch(_GET, encode_text(receiver), encode_text(stream))
        return decode_text(found[0][0]) if found else None

    async def put(self, receiver: str, stream: str, card: str) -> None:
        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(_PUT, encode_text(receiver), encode_text(stream), encode_text(card))

        await self._database.write("keeping a card", work, lease=receiver_lease(receiver))
