"""Owns the export: all that a schema of PostgreSQL holds at one moment, as an SQLite file, compared row by row."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import anyio
import asyncpg

from tracker.core.errors.storage_error import StorageError, UnfitTargetError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import connect, disconnect, storage_errors
from tracker.store.postgres.database.schema import check
from tracker.store.sqlite.database.schema import migrate
from tracker.store.sqlite.files.atomic_file import COMPANIONS, atomic_file
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_owner_of
from tracker.store.transfer.agreement import check_agreement
from tracker.store.transfer.import_file import TIMEOUTS
from tracker.store.transfer.row_digest import RowDigest
from tracker.store.transfer.sqlite_source import ROWS_AT_ONCE, rows_of
from tracker.store.transfer.table_columns import TABLES, shared_columns
from tracker.store.transfer.transfer_report import Progress, Transferred


class _Sides(NamedTuple):
    address: PostgresAddress
    connection: asyncpg.Connection
    file: sqlite3.Connection


async def export_file(address: PostgresAddress, target: Path, progress: Progress) -> Transferred:
    """As `database_file_commands.export_file`.

    The file gets its name only once it is verified. What root creates belongs to the owner of its directory.
    """
    target = real_path(target)
    _check_target(target)
    connection = await connect(address, timeouts=TIMEOUTS)
    try:
        await check(address, connection)
        with as_owner_of(target.parent), atomic_file(target) as (path, publish):
            transferred = await _export(address, connection, path, progress)
            await anyio.to_thread.run_sync(check_agreement, path, f"{address}: nothing was exported")
            _check_target(target)  # it may have appeared meanwhile
            publish()
    finally:
        await disconnect(connection)
    return transferred


async def _export(address: PostgresAddress, connection: asyncpg.Connection, path: Path, progress: Progress) -> Transferred:
    migrate(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as file:
            file.execute("PRAGMA synchronous = OFF")  # it is synced before it gets its name
            file.execute("BEGIN")
            with storage_errors(address, "exporting"):
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    rows = await _export_tables(_Sides(address, connection, file), progress)
            file.execute("COMMIT")
            file.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be written, SQLite says: {error}") from error
    return Transferred(rows)


async def _export_tables(sides: _Sides, progress: Progress) -> dict[str, int]:
    triggers = sides.file.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:  # they count jobs, which is copied too
        sides.file.execute(f"DROP TRIGGER {name}")
    rows = {table: await _export_table(sides, table, progress) for table in TABLES}
    for _, sql in triggers:
        sides.file.execute(sql)
    return rows


async def _export_table(sides: _Sides, table: str, progress: Progress) -> int:
    address, connection, file = sides
    columns = await shared_columns(file, connection, table, generated=False)
    total = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - of constants
    expected, written = RowDigest(), RowDigest()
    cursor = await connection.cursor(columns.select)
    while stored := await cursor.fetch(ROWS_AT_ONCE):
        rows = list(map(columns.to_sqlite, stored))
        await anyio.to_thread.run_sync(file.executemany, columns.insert, rows)
        expected.add(rows)
        progress(table, expected.rows, total)
    async for chunk in rows_of(file, columns.select):
        written.add(chunk)
    if written != expected:
        raise StorageError(f"{address}: nothing was exported, since rows of {table} did not arrive as they were")
    return expected.rows


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise UnfitTargetError(f"{target}: this is a directory, expected a file")
    for path in (target, *(target.with_name(target.name + each) for each in COMPANIONS)):
        if path.exists():
            raise StorageError(f"{path}: there is a file already; export to a new one")
