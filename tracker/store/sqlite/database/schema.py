"""Owns the schema version, `user_version`: old databases are migrated, and files of other programs are refused."""

import os
import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.files.file_signature import check_signature

APPLICATION_ID: Final = 0x42_54_52_4B  # "BTRK"

IDENTITY: Final = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version"""
"""Selects the row that identifies a file: application, version, and the number of tables and indexes."""


def migrate(path: Path, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest schema in one transaction; it is created if it is missing.

    Raises `StorageError` if it is another program's, newer or damaged; then it is unchanged.
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

    SQLite gives its WAL the same mode. Raises `StorageError` if it cannot be created.
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
    """Raise `StorageError` for a damaged file, unchanged: something of it may still be saved."""
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
