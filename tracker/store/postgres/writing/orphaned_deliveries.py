"""Owns moving and dropping on PostgreSQL the deliveries of a receiver that was removed from the configuration."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from tracker.core.queries.orphaned_deliveries import Dropped, Moved
from tracker.store.postgres.database.text_escape import encode_text
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.notification_sender import NotificationSender, Signals
from tracker.store.postgres.writing.bounded_statements import BATCH_SIZE, execute_in_batches
from tracker.store.postgres.writing.receivers_table import lock_receiver

_OPEN: Final = """
SELECT seq FROM deliveries WHERE receiver = $1 AND state IN ('pending', 'dead') ORDER BY seq LIMIT $2 FOR UPDATE"""

_MOVE: Final = """
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, first_failed_at, ended_at, replays)
SELECT $2, seq, stream, type, state, CASE WHEN state = 'pending' THEN 0 ELSE attempts END,
  CASE WHEN state = 'pending' THEN $4::bigint ELSE due_at END, CASE WHEN state = 'pending' THEN NULL ELSE first_failed_at END,
  ended_at, replays
FROM deliveries WHERE receiver = $1 AND seq = ANY ($3::bigint[]) ORDER BY seq
ON CONFLICT DO NOTHING RETURNING seq"""
"""What is pending starts its schedule again, due now; all in the log's order."""

_MOVE_ATTEMPTS: Final = "UPDATE attempts SET receiver = $2 WHERE receiver = $1 AND seq = ANY ($3::bigint[])"

_DELETE: Final = "DELETE FROM deliveries WHERE receiver = $1 AND seq = ANY ($2::bigint[])"

_DROP: Final = f"""
WITH open AS ({_OPEN})
DELETE FROM deliveries WHERE receiver = $1 AND seq = ANY (ARRAY(SELECT seq FROM open))"""  # noqa: S608 - of constants

_DROP_DEAD: Final = """
WITH dead AS (SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'dead' ORDER BY seq LIMIT $2 FOR UPDATE)
DELETE FROM deliveries WHERE receiver = $1 AND seq = ANY (ARRAY(SELECT seq FROM dead))"""

_FORGET: Final = ("DELETE FROM receivers WHERE name = $1", "DELETE FROM cards WHERE receiver = $1")
"""The state of the receiver, and its cards: another receiver may write to another channel."""


async def move(database: Database, notifications: NotificationSender, old: str, new: str, now: int) -> Moved:
    """Give the open deliveries of `old` to `new`, but for those that `new` has; same seqs, ids and bodies.

    What is pending is due `now` (Unix milliseconds), what is dead stays dead. Raises `StorageError`. Other processes are
    notified; no deliverer of this one is woken.
    """

    async def work(connection: asyncpg.Connection) -> Moved:
        for receiver in sorted((old, new)):
            await lock_receiver(connection, receiver)
        moved = dropped = 0
        while batch := await connection.fetch(_OPEN, encode_text(old), BATCH_SIZE):
            seqs = [seq for (seq,) in batch]
            moved += await _move_batch(connection, old, new, seqs, now)
            dropped += len(seqs)
        await _forget(connection, old)
        await notifications.send(connection, Signals(receivers=[new]))
        return Moved(moved=moved, already=dropped - moved)

    return await database.write("moving deliveries", work)


async def drop(database: Database, receiver: str, *, dead: bool) -> Dropped:
    """Delete the open deliveries of a receiver, or only its dead ones, with their attempts. Raises `StorageError`."""

    async def work(connection: asyncpg.Connection) -> Dropped:
        await lock_receiver(connection, receiver)
        if dead:
            return Dropped(dropped=await execute_in_batches(connection, _DROP_DEAD, encode_text(receiver)))
        dropped = await execute_in_batches(connection, _DROP, encode_text(receiver))
        await _forget(connection, receiver)
        return Dropped(dropped=dropped)

    return await database.write("dropping deliveries", work)


async def _move_batch(connection: asyncpg.Connection, old: str, new: str, seqs: Sequence[int], now: int) -> int:
    """Move those of `seqs` that `new` does not have, and delete all of them of `old`; how many were moved."""
    names = encode_text(old), encode_text(new)
    moved = [seq for (seq,) in await connection.fetch(_MOVE, *names, seqs, now)]
    await connection.execute(_MOVE_ATTEMPTS, *names, moved)
    await connection.execute(_DELETE, names[0], seqs)
    return len(moved)


async def _forget(connection: asyncpg.Connection, receiver: str) -> None:
    for sql in _FORGET:
        await connection.execute(sql, encode_text(receiver))
