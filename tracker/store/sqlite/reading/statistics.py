"""Owns the figures of the database for the metrics: a few counts, each over a read-only connection of its own.

Nothing here is asynchronous: call it in a thread that may wait. Each method raises `sqlite3.Error` or `OSError` where it fails.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tracker.store.records.querying_statistics import QueryingStatistics, StatisticsStatements
from tracker.store.sqlite.database.schema import read_only_uri, wal_reset_affected
from tracker.store.sqlite.reading.delivery_statements import DELIVERIES
from tracker.store.sqlite.reading.event_statements import EVENTS
from tracker.store.sqlite.reading.result_statements import RESULTS
from tracker.store.sqlite.reading.silence_statements import ALL_OPEN

_LOCK_TIMEOUT: Final = 1.0
"""Seconds to wait for a locked file; in WAL mode neither readers nor writers lock it for other readers."""

_PENDING: Final = """SELECT receiver, pending, events.observed_at FROM
  (SELECT receiver, count(*) AS pending, min(seq) AS oldest FROM deliveries INDEXED BY deliveries_due
   WHERE state = 'pending' GROUP BY receiver) JOIN events ON events.seq = oldest"""

_KEPT_LOG: Final = """SELECT first_seq, (SELECT observed_at FROM events WHERE seq = first_seq),
  (SELECT coalesce(sum(size), 0) FROM segments) FROM log_start"""

_STATEMENTS: Final = StatisticsStatements(
    deliveries=DELIVERIES, events=EVENTS, results=RESULTS, pending=_PENDING, kept_log=_KEPT_LOG, open_silences=ALL_OPEN
)


class SqliteStatistics(QueryingStatistics):
    """The `Statistics` of core.ports on SQLite."""

    def __init__(self, path: Path) -> None:
        super().__init__(_STATEMENTS)
        self._path = Path(os.path.realpath(path))  # its log lies next to the file itself, not next to a link to it

    def sizes(self) -> tuple[int, int]:
        try:
            wal = self._path.with_name(self._path.name + "-wal").stat().st_size
        except FileNotFoundError:
            wal = 0
        return self._path.stat().st_size, wal

    def engine(self) -> tuple[str, bool]:
        return sqlite3.sqlite_version, wal_reset_affected(sqlite3.sqlite_version_info)

    def _read(self, *selects: str) -> list[list[Any]]:
        with closing(
            sqlite3.connect(read_only_uri(self._path), uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            return [connection.execute(select).fetchall() for select in selects]
