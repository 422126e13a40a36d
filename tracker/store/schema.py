"""Owns the database's schema and its migrations, numbered by `user_version`."""

import sqlite3
from pathlib import Path
from typing import Final

from tracker.core.ports import StorageError

APPLICATION_ID: Final = 0x42_54_52_4B  # "BTRK"

_SCHEMA_1: Final = """
CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,     -- Unix milliseconds of the first contact
  horizon INTEGER NOT NULL,   -- Unix seconds; see core.ports.Contact
  watermark INTEGER           -- Unix seconds; NULL until the first reading was whole
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  account TEXT NOT NULL,
  job TEXT,
  created_at INTEGER NOT NULL,
  observed_at TEXT NOT NULL,
  backfilled INTEGER NOT NULL,
  body TEXT NOT NULL          -- the event's JSON, the same on every surface
) STRICT;
CREATE INDEX events_of_job ON events (job, seq);  -- read by `job ID` and `events --job`

CREATE TABLE jobs (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  status TEXT NOT NULL,
  active INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  first_seen_at TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES events (seq),  -- its last event
  data TEXT NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_active ON jobs (account) WHERE active;     -- read by Store.active
CREATE INDEX jobs_created ON jobs (account, created_at);     -- read by Store.count_created and created_of_newest

CREATE TRIGGER events_without_gaps BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'seq must grow by one'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
"""

MIGRATIONS: Final = (_SCHEMA_1,)
"""Migration N makes a file of version N - 1 one of version N."""


def migrate(path: Path, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest schema, making it if need be, all in one transaction.

    Raises `StorageError` where it is not ours to change; then it is left as it was.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            version = _version(connection, path, newest=len(migrations))
            _apply(connection, migrations[version:], newest=len(migrations))
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageError(f"{path}: expected a batch-tracker database, SQLite says: {error}") from error


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == APPLICATION_ID and version > newest:
        raise StorageError(
            f"{path}: schema {version} was written by a newer batch-tracker, this one knows up to {newest}; upgrade it"
        )
    if application != APPLICATION_ID and (tables or version or application):
        raise StorageError(f"{path}: expected a batch-tracker database, found one of another program; it is left as it was")
    return int(version)


def _apply(connection: sqlite3.Connection, migrations: tuple[str, ...], newest: int) -> None:
    if migrations:
        connection.executescript(
            f"BEGIN IMMEDIATE; {''.join(migrations)} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {newest}; COMMIT;"
        )


def wal_reset_affected(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the WAL-reset bug (3.7.0 to 3.51.2), which a single writer that checkpoints alone avoids."""
    return (3, 7, 0) <= version <= (3, 51, 2)
