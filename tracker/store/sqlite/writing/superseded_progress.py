"""Owns superseding: a pending delivery of `batch.progress` is not sent once its stream has a later delivery.

One that is silenced supersedes nothing: it is not sent either.
"""

import sqlite3
from typing import Final

_SUPERSEDE: Final = """
UPDATE deliveries INDEXED BY deliveries_stream SET state = 'superseded', ended_at = new.due_at
FROM (SELECT receiver, stream, seq, due_at FROM deliveries INDEXED BY deliveries_of_event
  WHERE seq >= ? AND silence IS NULL) AS new
WHERE deliveries.receiver = new.receiver AND deliveries.stream = new.stream AND deliveries.seq < new.seq
  AND deliveries.state = 'pending' AND deliveries.type = 'batch.progress' AND deliveries.replays = 0"""


def supersede_progress(connection: sqlite3.Connection, first_seq: int) -> None:
    """Within a transaction: supersede by the deliveries from `first_seq` on. Replayed deliveries are sent anyway."""
    connection.execute(_SUPERSEDE, (first_seq,))
