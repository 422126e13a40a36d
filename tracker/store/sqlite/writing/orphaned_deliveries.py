"""Owns moving and dropping the deliveries of a receiver that was removed from the configuration."""

import json
import sqlite3
from typing import Final

from tracker.core.queries.orphaned_deliveries import Dropped, Moved
from tracker.store.sqlite.database.writer_connection import Database

_OPEN: Final = "receiver = ?1 AND state IN ('pending', 'dead')"

_MOVABLE: Final = f"""SELECT seq FROM deliveries AS old WHERE {_OPEN}
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE receiver = ?2 AND seq = old.seq)"""  # noqa: S608 - of constants

_MOVE: Final = """
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, first_failed_at, ended_at, replays)
SELECT ?2, seq, stream, type, state, iif(state = 'pending', 0, attempts), iif(state = 'pending', ?4, due_at),
  iif(state = 'pending', NULL, first_failed_at), ended_at, replays
FROM deliveries WHERE receiver = ?1 AND seq IN (SELECT value FROM json_each(?3))"""
"""What is pending starts its schedule again, due now; all in the log's order."""

_MOVE_ATTEMPTS: Final = "UPDATE attempts SET receiver = ?2 WHERE receiver = ?1 AND seq IN (SELECT value FROM json_each(?3))"
_DROP: Final = f"DELETE FROM deliveries WHERE {_OPEN}"  # noqa: S608 - of constants
_DROP_DEAD: Final = "DELETE FROM deliveries WHERE receiver = ?1 AND state = 'dead'"
_FORGET: Final = ("DELETE FROM receivers WHERE name = ?1", "DELETE FROM cards WHERE receiver = ?1")
"""The state of the receiver, and its cards: another receiver may write to another channel."""


async def move(database: Database, old: str, new: str, now: int) -> Moved:
    """Give the open deliveries of `old` to `new`, but for those that `new` has; same seqs, ids and bodies.

    What is pending is due `now` (Unix milliseconds), what is dead stays dead. Raises `StorageError`; no deliverer is woken.
    """

    def work(connection: sqlite3.Connection) -> Moved:
        seqs = [seq for (seq,) in connection.execute(_MOVABLE, (old, new))]
        connection.execute(_MOVE, (old, new, json.dumps(seqs), now))
        connection.execute(_MOVE_ATTEMPTS, (old, new, json.dumps(seqs)))
        return Moved(moved=len(seqs), already=_forget(connection, old) - len(seqs))

    return await database.write("moving deliveries", work)


async def drop(database: Database, receiver: str, *, dead: bool) -> Dropped:
    """Delete the open deliveries of a receiver, or only its dead ones, with their attempts. Raises `StorageError`."""

    def work(connection: sqlite3.Connection) -> Dropped:
        if dead:
            return Dropped(dropped=connection.execute(_DROP_DEAD, (receiver,)).rowcount)
        return Dropped(dropped=_forget(connection, receiver))

    return await database.write("dropping deliveries", work)


def _forget(connection: sqlite3.Connection, receiver: str) -> int:
    """Delete the open deliveries of the receiver, its state and its cards; how many deliveries that were."""
    dropped = connection.execute(_DROP, (receiver,)).rowcount
    for sql in _FORGET:
        connection.execute(sql, (receiver,))
    return dropped
