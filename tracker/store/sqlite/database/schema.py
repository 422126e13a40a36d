"""Owns the database's schema and its migrations, numbered by `user_version`."""

import os
import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.files.file_signature import check_signature

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
CREATE TRIGGER events_never_replaced BEFORE INSERT ON events  -- REPLACE deletes without asking events_never_go
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
"""

_SCHEMA_2: Final = """
CREATE TABLE deliveries (
  receiver TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES events (seq),
  stream TEXT NOT NULL,       -- what order is kept within; see core.fanout.stream_of
  type TEXT NOT NULL,         -- the event's
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'superseded')),
  attempts INTEGER NOT NULL,  -- that have failed
  due_at INTEGER NOT NULL,    -- Unix milliseconds, as all times here
  first_failed_at INTEGER,
  ended_at INTEGER,
  PRIMARY KEY (receiver, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (receiver, due_at, seq) WHERE state = 'pending';     -- read by Outbox.claim
CREATE INDEX deliveries_stream ON deliveries (receiver, stream, seq) WHERE state = 'pending';  -- what holds back what
CREATE INDEX deliveries_of_event ON deliveries (seq);                                          -- read by `deliveries --job`

CREATE TABLE attempts (
  receiver TEXT NOT NULL,
  seq INTEGER NOT NULL,
  number INTEGER NOT NULL,
  began_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  result TEXT NOT NULL,       -- core.delivery.Result
  status INTEGER,
  detail TEXT NOT NULL,
  answer TEXT NOT NULL,       -- the first kB of a bad one
  PRIMARY KEY (receiver, seq, number),
  FOREIGN KEY (receiver, seq) REFERENCES deliveries (receiver, seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE receivers (
  name TEXT PRIMARY KEY,      -- the rest is core.circuit.Circuit
  failures INTEGER NOT NULL,
  since INTEGER,
  quiet_until INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  disabled INTEGER NOT NULL
) STRICT;
"""

_SCHEMA_3: Final = """
CREATE INDEX events_deadline ON events (account, job) WHERE type = 'batch.deadline';  -- read by Store.standings
CREATE INDEX events_of_account ON events (account, seq) WHERE job IS NULL;            -- read by Store.last_of_account
"""

_SCHEMA_4: Final = """
CREATE TABLE cards (
  receiver TEXT NOT NULL,
  stream TEXT NOT NULL,
  card TEXT NOT NULL,         -- the message that shows the job, as notify.slack_bot writes it
  PRIMARY KEY (receiver, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state IN ('delivered', 'superseded');  -- read by Store.prune
"""

_SCHEMA_5: Final = """
CREATE TABLE job_counts (     -- how many jobs there are, so that nobody has to count them; the triggers below keep it
  account TEXT NOT NULL,
  status TEXT NOT NULL,       -- as the API has it, also one that nobody knows
  deleted INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  PRIMARY KEY (account, status, deleted)
) STRICT, WITHOUT ROWID;
INSERT INTO job_counts SELECT account, status, deleted, count(*) FROM jobs GROUP BY account, status, deleted;

CREATE TRIGGER jobs_counted AFTER INSERT ON jobs BEGIN
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_counted_anew AFTER UPDATE OF account, status, deleted ON jobs
WHEN (OLD.account, OLD.status, OLD.deleted) IS NOT (NEW.account, NEW.status, NEW.deleted) BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
  INSERT INTO job_counts VALUES (NEW.account, NEW.status, NEW.deleted, 1)
    ON CONFLICT (account, status, deleted) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_not_counted AFTER DELETE ON jobs BEGIN
  UPDATE job_counts SET jobs = jobs - 1 WHERE account = OLD.account AND status = OLD.status AND deleted = OLD.deleted;
END;

CREATE INDEX jobs_newest ON jobs (created_at DESC, account, id);                       -- pages of jobs, the newest first
CREATE INDEX jobs_newest_active ON jobs (created_at DESC, account, id) WHERE active;   -- the same of those that are active
CREATE INDEX deliveries_dead ON deliveries (receiver, seq) WHERE state = 'dead';       -- how many are dead, and which
"""

_SCHEMA_6: Final = """
CREATE INDEX events_narrow ON events (seq, type, account, observed_at);   -- what pages pass over without reading it
CREATE INDEX jobs_newest_of_status ON jobs (status, created_at DESC, account, id);               -- pages of jobs by status
CREATE INDEX deliveries_open ON deliveries (seq, receiver) WHERE state IN ('pending', 'dead');  -- pages of what is not over
"""

_SCHEMA_7: Final = """
ALTER TABLE attempts ADD COLUMN retry_after INTEGER;  -- milliseconds; what the receiver asked for
ALTER TABLE receivers ADD COLUMN asked_until INTEGER NOT NULL DEFAULT 0;
UPDATE receivers SET asked_until = quiet_until WHERE failures < 5 OR reason = 'rate_limited';
"""

_SCHEMA_8: Final = """
ALTER TABLE deliveries ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;  -- how often a command has made it pending again
CREATE INDEX jobs_deleted ON jobs (account, observed_at) WHERE deleted;    -- read by Store.deleted_since
"""

_SCHEMA_9: Final = """
ALTER TABLE accounts ADD COLUMN swept_at INTEGER;  -- Unix milliseconds of the last whole sweep; read by Reader.last_sweep
"""

_SCHEMA_10: Final = """
ALTER TABLE jobs ADD COLUMN ended_at INTEGER AS (  -- Unix seconds: of the API, else of the last observation; NULL while active
  CASE WHEN active THEN NULL
  WHEN json_valid(data) AND json_type(data, '$.completed_at') = 'integer'
    AND json_extract(data, '$.completed_at') BETWEEN 0 AND 253402300799 THEN json_extract(data, '$.completed_at')
  ELSE coalesce(CAST(strftime('%s', observed_at) AS INTEGER), created_at) END) VIRTUAL;
CREATE INDEX jobs_ended ON jobs (ended_at DESC, account, id) WHERE NOT active;                    -- the last to end first
CREATE INDEX jobs_ended_of_account ON jobs (account, ended_at DESC, id) WHERE NOT active;         -- the same of an account
CREATE INDEX jobs_ended_of_status ON jobs (status, ended_at DESC, account, id) WHERE NOT active;  -- the same of a status
"""

MIGRATIONS: Final = (
    _SCHEMA_1,
    _SCHEMA_2,
    _SCHEMA_3,
    _SCHEMA_4,
    _SCHEMA_5,
    _SCHEMA_6,
    _SCHEMA_7,
    _SCHEMA_8,
    _SCHEMA_9,
    _SCHEMA_10,
)
"""Migration N makes a file of version N - 1 one of version N."""


IDENTITY: Final = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version"""
"""Selects the one row that identifies a file: its application, its version, and how many tables and indexes it has."""


def migrate(path: Path, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest schema in one transaction; it is created where it is missing.

    Raises `StorageError` where it is another program's, newer or damaged; then it is left as it was.
    """
    newest = len(migrations)
    try:
        check_signature(ensure_file(path), APPLICATION_ID)
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            version = _version(
                path, connection.execute(IDENTITY).fetchone(), newest
            )  # opened for writing, SQLite would checkpoint the WAL
            if 0 < version < newest:
                _check_whole(path, connection)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            version = _version(path, connection.execute(IDENTITY).fetchone(), newest)
            _apply(connection, migrations[version:], newest)
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise StorageError(f"{path}: expected a batch-tracker database, SQLite says: {error}") from error


def check(path: Path, identity: Iterable[int]) -> None:
    """Raise `StorageError` unless `identity`, the row of `IDENTITY`, is that of a batch-tracker database of this version."""
    newest = len(MIGRATIONS)
    version = check_any_version(path, identity)
    if version < newest:
        raise StorageError(f"{path}: schema {version} is older than {newest}; `batch-tracker run` brings it up to date")


def check_any_version(path: Path, identity: Iterable[int]) -> int:
    """The version; as `check`, but an older one passes, since `migrate` brings it up to date."""
    version = _version(path, identity, len(MIGRATIONS))
    if version == 0:
        raise StorageError(f"{path}: expected a batch-tracker database, found an empty one")
    return version


def existing_file_uri(path: Path) -> str:
    """As `read_only_uri`; raises `StorageError` unless there is a regular file."""
    try:
        if path.is_dir():
            raise StorageError(f"{path}: expected a database, found a directory")
        if not stat.S_ISREG(path.stat().st_mode):  # SQLite would wait for a named pipe's other end
            raise StorageError(f"{path}: expected a database, found something that is no regular file")
    except FileNotFoundError as error:
        raise StorageError(
            f"{path}: there is no database; has `batch-tracker run` been started with this configuration?"
        ) from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    return read_only_uri(path)


def read_only_uri(path: Path) -> str:
    """The URI under which SQLite opens the file and cannot write to it."""
    return f"file:{quote(str(path))}?mode=ro"


def ensure_file(path: Path) -> Path:
    """The path, its file created where it is missing, for its owner alone, since it holds metadata of jobs.

    SQLite gives its WAL the same mode. Raises `StorageError` where it cannot be created.
    """
    try:
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.fchmod(descriptor, 0o600)  # whatever the umask is
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"{path}: cannot be made: {error.strerror}") from error
    return path


def _version(path: Path, identity: Iterable[int], newest: int) -> int:
    application, version, tables = identity
    if application == APPLICATION_ID and version > newest:
        raise StorageError(
            f"{path}: schema {version} was written by a newer batch-tracker, this one knows up to {newest}; upgrade it"
        )
    if application != APPLICATION_ID and (tables or version or application):
        raise StorageError(f"{path}: expected a batch-tracker database, found one of another program; it is left as it was")
    return version


def _check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """A damaged file is left as it was: something of it may still be saved."""
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StorageError(f"{path}: it is damaged, so it is not brought up to date, SQLite says: {found}")


def _apply(connection: sqlite3.Connection, migrations: tuple[str, ...], newest: int) -> None:
    if migrations:
        connection.executescript(
            f"BEGIN IMMEDIATE; {''.join(migrations)} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {newest}; COMMIT;"
        )


def wal_reset_affected(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the WAL-reset bug (3.7.0 to 3.51.2), which a single writer that checkpoints alone avoids."""
    return (3, 7, 0) <= version <= (3, 51, 2)
