"""Owns the retention of deliveries: those that ended well are deleted once they are old."""

from typing import Final

from tracker.store.sqlite.database.writer_connection import Database

_PRUNE: Final = """DELETE FROM deliveries WHERE (receiver, seq) IN (
  SELECT receiver, seq FROM deliveries WHERE state IN ('delivered', 'superseded') AND ended_at < ? LIMIT ?)"""

_PRUNE_SILENCED: Final = """DELETE FROM deliveries WHERE (receiver, seq) IN (
  SELECT receiver, seq FROM deliveries INDEXED BY deliveries_silenced
  WHERE silence IN (SELECT id FROM silences INDEXED BY silences_ended WHERE ended_at < ?1)
    AND state = 'superseded' LIMIT ?2)"""

_PRUNE_SILENCES: Final = "DELETE FROM silences WHERE ended_at < ?1 AND ends_at < ?1"
"""Not before its time, if it ended earlier: a window of the configuration would begin again."""

_PRUNE_BATCH: Final = 1000
"""Deliveries per transaction; other writers wait for it."""


async def prune_deliveries(database: Database, before: int) -> int:
    """Delete the deliveries, with their attempts, that were delivered or superseded before `before` (Unix milliseconds).

    So are silences that ended before, with what they kept. Returns the number of deliveries.
    """
    pruned = await _prune(database, _PRUNE, before) + await _prune(database, _PRUNE_SILENCED, before)
    await database.write("pruning silences", lambda connection: connection.execute(_PRUNE_SILENCES, (before,)))
    return pruned


async def _prune(database: Database, sql: str, before: int) -> int:
    pruned = 0
    while True:
        some = await database.write(
            "pruning deliveries", lambda connection: connection.execute(sql, (before, _PRUNE_BATCH)).rowcount
        )
        pruned += some
        if some < _PRUNE_BATCH:
            return pruned
