"""Owns the table `cards`: the message of a receiver that shows a job, so that it can be updated."""

from typing import Final

from tracker.store.sqlite.database.writer_connection import Database

_PUT: Final = """INSERT INTO cards (receiver, stream, card) VALUES (?, ?, ?)
ON CONFLICT (receiver, stream) DO UPDATE SET card = excluded.card"""


class SqliteJobMessages:
    """The `JobMessages` of core.ports on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, receiver: str, stream: str) -> str | None:
        found = await self._database.fetch("SELECT card FROM cards WHERE receiver = ? AND stream = ?", receiver, stream)
        return str(found[0][0]) if found else None

    async def put(self, receiver: str, stream: str, card: str) -> None:
        await self._database.write("keeping a card", lambda connection: connection.execute(_PUT, (receiver, stream, card)))
