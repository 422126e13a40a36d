"""Owns what the metrics ask of the store: a few counts, each over a connection of its own that cannot write.

For a thread that may wait: nothing here is asynchronous. Each raises `sqlite3.Error` or `OSError` where it cannot be told.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.pages import Backlog
from tracker.store.sqlite.database.schema import read_only, wal_reset_affected
from tracker.store.sqlite.reading.deliveries import DEAD_COUNTS, RECEIVERS, circuits

_PATIENCE: Final = 1.0
"""Seconds that a locked file is waited for; in WAL mode nobody who reads or writes locks it for others who read."""

_JOBS: Final = "SELECT account, status, deleted, jobs FROM job_counts"

_PENDING: Final = """SELECT receiver, pending, events.observed_at FROM
  (SELECT receiver, count(*) AS pending, min(seq) AS oldest FROM deliveries INDEXED BY deliveries_due
   WHERE state = 'pending' GROUP BY receiver) JOIN events ON events.seq = oldest"""

_LAST_SEQ: Final = "SELECT coalesce(max(seq), 0) FROM events"


class SqliteStatistics:
    """The `Statistics` of core.ports on SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))  # its log lies beside the file itself, not beside a link to it

    def jobs(self) -> Iterable[tuple[str, str, bool, int]]:
        return [(account, status, bool(deleted), jobs) for account, status, deleted, jobs in self._read(_JOBS)[0]]

    def backlogs(self) -> dict[str, Backlog]:
        pending, dead = self._read(_PENDING, DEAD_COUNTS)
        given_up = {receiver: Backlog(0, number, None) for receiver, number in dead}
        waiting = {receiver: Backlog(number, 0, oldest) for receiver, number, oldest in pending}
        return given_up | {
            receiver: backlog._replace(dead=given_up[receiver].dead) if receiver in given_up else backlog
            for receiver, backlog in waiting.items()
        }

    def circuits(self) -> dict[str, Circuit]:
        return circuits(self._read(RECEIVERS)[0])

    def last_seq(self) -> int:
        return int(self._read(_LAST_SEQ)[0][0][0])

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
        with closing(sqlite3.connect(read_only(self._path), uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            return [connection.execute(select).fetchall() for select in selects]
