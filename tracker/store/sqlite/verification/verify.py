"""Owns the proof that the jobs are what the log says: every job rebuilt from its events and compared with the table."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import default_segments
from tracker.store.database_file_reports import Verification
from tracker.store.records.verification.comparison import EVENTS, Comparison
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri
from tracker.store.sqlite.segments.segment_reading import archived_rows


def verify(path: Path, segments: Path | None = None) -> Verification:
    """Rebuild and compare, on one snapshot of the file and with its segments; raises `StorageError` if it cannot be read."""
    address = existing_file_uri(path)
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            check(path, connection.execute(IDENTITY).fetchone())
            return _verify(connection, segments or default_segments(path))
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be read, SQLite says: {error}") from error


def _verify(connection: sqlite3.Connection, segments: Path) -> Verification:
    damage = tuple(f"SQLite: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok")
    if damage:  # then a row may hold anything
        return Verification(0, 0, damage)
    with closing(Comparison()) as comparison:
        archived, damage = _add_archived(connection, segments, comparison)
        if damage:  # then any job may differ from what is left of its events
            return Verification(archived, 0, damage)
        for statement, add in comparison.steps():
            for row in connection.execute(statement):
                if statement != EVENTS or row["seq"] > archived:
                    add(row)
        return comparison.end()


def _add_archived(connection: sqlite3.Connection, directory: Path, comparison: Comparison) -> tuple[int, tuple[str, ...]]:
    """Take the events of the segments: how many there are, which is also the last seq, and what is wrong with them."""
    differences: list[str] = []
    events = 0
    for row in archived_rows(connection, directory, differences):
        comparison.add_event(row)
        events += 1
    (first_seq, *_) = connection.execute("SELECT first_seq FROM log_start").fetchone()
    if first_seq > events + 1 and not differences:
        differences.append(f"the segments end with event {events}, the log begins with {first_seq}")
    return events, tuple(differences)
