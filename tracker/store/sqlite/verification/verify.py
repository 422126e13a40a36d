"""Owns the proof that the jobs are what the log says: every job rebuilt from its events and compared with the table."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tracker.core.errors.storage_error import StorageError
from tracker.store.database_file_reports import Verification
from tracker.store.records.verification.comparison import Comparison
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri


def verify(path: Path) -> Verification:
    """Rebuild and compare, on one snapshot of the file; raises `StorageError` if it cannot be read."""
    address = existing_file_uri(path)
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            check(path, connection.execute(IDENTITY).fetchone())
            return _verify(connection)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be read, SQLite says: {error}") from error


def _verify(connection: sqlite3.Connection) -> Verification:
    damage = tuple(f"SQLite: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok")
    if damage:  # then a row may hold anything
        return Verification(0, 0, damage)
    with closing(Comparison()) as comparison:
        for statement, add in comparison.steps():
            for row in connection.execute(statement):
                add(row)
        return comparison.end()
