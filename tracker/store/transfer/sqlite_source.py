"""Owns the SQLite file that is imported: held, so that no daemon writes to it, read at one moment, and never changed."""

import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.backups.backup import copy
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import IDENTITY, check_any_version, existing_file_uri, migrate
from tracker.store.sqlite.files.lock import hold_database_file
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_owner_of
from tracker.store.transfer.agreement import check_agreement
from tracker.store.transfer.table_columns import Row

ROWS_AT_ONCE: Final = 2000


@contextmanager
def verified_source(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection within one read transaction, of the newest schema: of a copy, where `file` has an older one.

    Raises `StorageError` where it cannot be read, is not batch-tracker's, or where its jobs do not agree with its log;
    `InUseError` where a process has it. While the context lasts no daemon can start with it.
    """
    existing_file_uri(file)  # raises where there is none
    file = real_path(file)
    with ExitStack() as stack:
        with as_owner_of(file.parent):
            stack.enter_context(hold_database_file(file))
            current = stack.enter_context(_current_schema(file))
            _check_whole_log(file, current)
            check_agreement(current, f"{file}: nothing was imported")
            connection = stack.enter_context(closing(_connect(current)))
        yield connection


async def rows_of(connection: sqlite3.Connection, select: str) -> AsyncIterator[Sequence[Row]]:
    """The rows, in parts that are large enough to be worth a thread."""
    cursor = await anyio.to_thread.run_sync(connection.execute, select)
    while rows := await anyio.to_thread.run_sync(cursor.fetchmany, ROWS_AT_ONCE):
        yield rows


def _check_whole_log(file: Path, current: Path) -> None:
    with closing(_connect(current)) as connection:
        ((moving_to,),) = connection.execute("SELECT moving_to FROM log_start")
    if moving_to > 1:
        raise StorageError(
            f"{file}: the events before {moving_to} are in segments, and PostgreSQL keeps whole logs: it cannot be imported"
        )


@contextmanager
def _current_schema(file: Path) -> Iterator[Path]:
    """The file, or where its schema is older a copy of it that is brought up to date, and removed in the end."""
    if _version(file) == len(MIGRATIONS):
        yield file
        return
    folder = _temporary_folder(file.parent)
    try:
        copied = folder / "copy.db"
        copy(file, copied, check_any_version)
        migrate(copied)
        yield copied
    finally:
        shutil.rmtree(folder)


def _temporary_folder(beside: Path) -> Path:
    """A folder beside the file, which has room for one like it; elsewhere if nothing can be written there."""
    try:
        return Path(tempfile.mkdtemp(prefix=".batch-tracker-import-", dir=beside))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="batch-tracker-import-"))


def _version(file: Path) -> int:
    with closing(_connect(file)) as connection:
        try:
            return check_any_version(file, connection.execute(IDENTITY).fetchone())
        except sqlite3.Error as error:
            raise StorageError(f"{file}: expected a batch-tracker database, SQLite says: {error}") from error


def _connect(file: Path) -> sqlite3.Connection:
    """A connection in a read transaction: from here on it reads what there was at this moment."""
    try:
        with ExitStack() as on_failure:
            connection = on_failure.enter_context(
                closing(sqlite3.connect(existing_file_uri(file), uri=True, isolation_level=None, check_same_thread=False))
            )
            connection.execute("BEGIN")
            connection.execute(IDENTITY).fetchone()
            on_failure.pop_all()
    except sqlite3.Error as error:
        raise StorageError(f"{file}: cannot be read, SQLite says: {error}") from error
    return connection
