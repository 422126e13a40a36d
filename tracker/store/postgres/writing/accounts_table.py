"""Owns the table of accounts: how far each has been read."""

from collections.abc import Mapping
from typing import Final

import asyncpg

from tracker.core.ports.store import Checkpoint
from tracker.core.replicas.lease import account_lease
from tracker.store.postgres.database.text_escape import encode_text, encode_texts
from tracker.store.postgres.database.writer_connection import Database

_INSERT: Final = "INSERT INTO accounts (name, since, horizon) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_SELECT: Final = "SELECT since, horizon, watermark FROM accounts WHERE name = $1"
_SET_WATERMARK: Final = "UPDATE accounts SET watermark = $2 WHERE name = $1"
_SET_SWEPT_AT: Final = """
WITH swept AS (
  SELECT name, at FROM unnest($1::text[], $2::bigint[]) AS given (name, at) JOIN accounts USING (name)
  WHERE swept_at IS DISTINCT FROM at ORDER BY name FOR UPDATE OF accounts)
UPDATE accounts SET swept_at = swept.at FROM swept WHERE accounts.name = swept.name"""


async def read_checkpoint(database: Database, account: str) -> Checkpoint | None:
    found = await database.fetch(_SELECT, encode_text(account))
    return Checkpoint(since=found[0][0], horizon=found[0][1], watermark=found[0][2]) if found else None


async def insert_account(database: Database, account: str, initial: Checkpoint) -> None:
    """Keep the first contact with `account`, unless there was one."""

    async def work(connection: asyncpg.Connection) -> None:
        await connection.execute(_INSERT, encode_text(account), initial.since, initial.horizon)

    await database.write("writing the first contact", work, lease=account_lease(account))


async def set_watermark(connection: asyncpg.Connection, account: str, watermark: int) -> None:
    await connection.execute(_SET_WATERMARK, encode_text(account), watermark)


async def set_swept_at(connection: asyncpg.Connection, swept: Mapping[str, int]) -> None:
    """Keep when these accounts were last swept whole (Unix milliseconds)."""
    if swept:
        await connection.execute(_SET_SWEPT_AT, encode_texts([*swept]), [*swept.values()])
