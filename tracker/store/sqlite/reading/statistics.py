"""Owns the figures of the database for the metrics: a few counts, each over a read-only connection of its own.

Nothing here is asynchronous: call it in a thread that may wait. Each method raises `sqlite3.Error` or `OSError` where it fails.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.backlog import Backlog
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.core.silences.silence import Silence
from tracker.store.records.delivery_pages import decode_circuits
from tracker.store.records.result_pages import decode_backlogs
from tracker.store.records.silence_rows import decode_silences
from tracker.store.sqlite.database.schema import read_only_uri, wal_reset_affected
from tracker.store.sqlite.reading.delivery_statements import DELIVERIES
from tracker.store.sqlite.reading.event_statements import EVENTS
from tracker.store.sqlite.reading.result_statements import RESULTS
from tracker.store.sqlite.reading.silence_statements import ALL_OPEN

_LOCK_TIMEOUT: Final = 1.0
"""Seconds to wait for a locked file; in WAL mode neither readers nor writers lock it for other readers."""

_JOBS: Final = "SELECT account, status, deleted, jobs FROM job_counts"

_PENDING: Final = """SELECT receiver, pending, events.observed_at FROM
  (SELECT receiver, count(*) AS pending, min(seq) AS oldest FROM deliveries INDEXED BY deliveries_due
   WHERE state = 'pending' GROUP BY receiver) JOIN events ON events.seq = oldest"""


class SqliteStatistics:
    """The `Statistics` of core.ports on SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))  # its log lies next to the file itself, not next to a link to it

    def jobs(self) -> Iterable[tuple[str, str, bool, int]]:
        return [(account, status, bool(deleted), jobs) for account, status, deleted, jobs in self._read(_JOBS)[0]]

    def backlogs(self) -> dict[str, Backlog]:
        pending, dead = self._read(_PENDING, DELIVERIES.dead_counts)
        dead_counts = dict(dead)
        backlogs = {receiver: Backlog(0, number, None) for receiver, number in dead_counts.items()}
        for receiver, number, oldest in pending:
            backlogs[receiver] = Backlog(number, dead_counts.get(receiver, 0), oldest)
        return backlogs

    def circuits(self) -> dict[str, Circuit]:
        return decode_circuits(self._read(DELIVERIES.circuits)[0])

    def archive_backlogs(self) -> dict[str, ArchiveBacklog]:
        return decode_backlogs(self._read(RESULTS.backlogs)[0])

    def open_silences(self) -> tuple[Silence, ...]:
        return decode_silences(self._read(ALL_OPEN)[0])

    def last_seq(self) -> int:
        return int(self._read(EVENTS.last_seq)[0][0][0])

    def sizes(self) -> tuple[int, int]:
        try:
            wal = self._path.with_name(self._path.name + "-wal").stat().st_size
        except FileNotFoundError:
            wal = 0
        return self._path.stat().st_size, wal

    def engine(self) -> tuple[str, bool]:
        return sqlite3.sqlite_version, wal_reset_affected(sqlite3.sqlite_version_info)

    def _read(self, *selects: str) -> list[list[Any]]:
        """The rows of each, as of one moment."""
        with closing(
            sqlite3.connect(read_only_uri(self._path), uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            return [connection.execute(select).fetchall() for select in selects]
