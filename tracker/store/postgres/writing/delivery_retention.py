"""Owns the retention of deliveries: those that ended well are deleted once they are old."""

from typing import Final

import asyncpg

from tracker.store.postgres.database.command_status import rows_changed
from tracker.store.postgres.database.writer_connection import Database

_PRUNE: Final = """
WITH old AS (
  SELECT ctid AS place FROM deliveries WHERE state IN ('delivered', 'superseded') AND ended_at < $1
  LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM deliveries WHERE ctid = ANY (ARRAY(SELECT place FROM old))"""
"""What another transaction has locked is left for the next time: pruning waits for nothing."""

_PRUNE_SILENCED: Final = """
WITH old AS (
  SELECT ctid AS place FROM deliveries
  WHERE silence IS NOT NULL AND silence = ANY (ARRAY(SELECT id FROM silences WHERE ended_at < $1)) AND state = 'superseded'
  LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM deliveries WHERE ctid = ANY (ARRAY(SELECT place FROM old))"""

_PRUNE_SILENCES: Final = "DELETE FROM silences WHERE ended_at < $1 AND ends_at < $1"
"""Not before its time, if it ended earlier: a window of the configuration would begin again."""

_PRUNE_BATCH: Final = 1000
"""Deliveries per transaction; other writers wait for it."""


async def prune_deliveries(database: Database, before: int) -> int:
    """Delete the deliveries, with their attempts, that were delivered or superseded before `before` (Unix milliseconds).

    So are silences that ended before, with what they kept. Returns the number of deliveries.
    """

    async def drop_silences(connection: asyncpg.Connection) -> None:
        await connection.execute(_PRUNE_SILENCES, before)

    pruned = await _prune(database, _PRUNE, before) + await _prune(database, _PRUNE_SILENCED, before)
    await database.write("pruning silences", drop_silences)
    return pruned


async def _prune(database: Database, sql: str, before: int) -> int:
    async def work(connection: asyncpg.Connection) -> int:
        return rows_changed(await connection.execute(sql, before, _PRUNE_BATCH))

    pruned = 0
    while some := await database.write("pruning deliveries", work):
        pruned += some
    return pruned
