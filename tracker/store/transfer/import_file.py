"""Owns the import: all rows of an SQLite file into an empty schema of PostgreSQL, compared before they are committed."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from tracker.core.errors.storage_error import InUseError, StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import Timeouts, connect, disconnect, storage_errors
from tracker.store.postgres.database.schema import check, migrate
from tracker.store.transfer.row_digest import RowDigest
from tracker.store.transfer.sqlite_source import ROWS_AT_ONCE, rows_of, verified_source
from tracker.store.transfer.table_columns import TABLES, Row, TableColumns, shared_columns
from tracker.store.transfer.transfer_report import Progress, Transferred

TIMEOUTS: Final = Timeouts(idle_in_transaction=3600.0, statement=86400.0, answer=86460.0)
"""Ten million events take a quarter of an hour; an index of them takes minutes."""

_NOW: Final = "extract(epoch FROM clock_timestamp()) * 1000"

_LIVING: Final = f"SELECT name FROM replicas WHERE expires_at > {_NOW} ORDER BY name"  # noqa: S608 - of constants

_SET_HEAD: Final = "UPDATE log_head SET seq = (SELECT coalesce(max(seq), 0) FROM events), silences = silences + 1"


class _Sides(NamedTuple):
    source: sqlite3.Connection
    address: PostgresAddress
    connection: asyncpg.Connection


async def import_file(file: Path, address: PostgresAddress, progress: Progress) -> Transferred:
    """As `database_file_commands.import_file`."""
    with verified_source(file) as source:
        await migrate(address)
        connection = await connect(address, timeouts=TIMEOUTS)
        try:
            await check(address, connection)
            with storage_errors(address, "importing"):
                async with connection.transaction():
                    return await _import(_Sides(source, address, connection), progress)
        except sqlite3.Error as error:
            raise StorageError(f"{file}: cannot be read, SQLite says: {error}") from error
        finally:
            await disconnect(connection)


async def _import(sides: _Sides, progress: Progress) -> Transferred:
    await sides.connection.execute(f"LOCK TABLE {', '.join(TABLES)}, replicas, log_head IN ACCESS EXCLUSIVE MODE")
    await _check_no_replica(sides.address, sides.connection)
    await _check_empty(sides.address, sides.connection)
    rows = {table: await _import_table(sides, table, progress) for table in TABLES}
    await sides.connection.execute(_SET_HEAD)
    return Transferred(rows)


async def _check_no_replica(address: PostgresAddress, connection: asyncpg.Connection) -> None:
    living = [name for (name,) in await connection.fetch(_LIVING)]
    if living:
        raise InUseError(f"{address}: the replica {', '.join(map(repr, living))} runs there; stop it first")


async def _check_empty(address: PostgresAddress, connection: asyncpg.Connection) -> None:
    for table in TABLES:
        if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table})"):  # noqa: S608 - of constants
            events = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM events")
            raise StorageError(
                f"{address}: expected an empty schema {address.schema}, found rows in {table} and {events} events;"
                " it is left as it was. Choose another with storage.schema, or drop this one"
            )


async def _import_table(sides: _Sides, table: str, progress: Progress) -> int:
    source, address, connection = sides
    columns = await shared_columns(source, connection, table, generated=True)
    total = source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - of constants
    expected = RowDigest()

    async def records() -> AsyncIterator[Row]:
        async for rows in rows_of(source, columns.select):
            expected.add(rows)
            for row in rows:
                yield columns.to_postgres(row)
            progress(table, expected.rows, total)

    await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # they count jobs, which is copied too
    await connection.copy_records_to_table(table, schema_name=address.schema, columns=columns.names, records=records())
    await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    if await _digest_of_stored(connection, columns) != expected:
        raise StorageError(f"{address}: nothing was imported, since rows of {table} did not arrive as they were")
    return expected.rows


async def _digest_of_stored(connection: asyncpg.Connection, columns: TableColumns) -> RowDigest:
    """Of the rows in PostgreSQL, as SQLite would have them; within a transaction."""
    digest = RowDigest()
    cursor = await connection.cursor(columns.select)
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        digest.add(map(columns.to_sqlite, rows))
    return digest
