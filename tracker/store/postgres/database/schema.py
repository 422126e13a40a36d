"""Owns the schema version: old schemas are migrated, those of other programs are refused, newer ones used while compatible."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import Timeouts, connect, disconnect, quoted, storage_errors
from tracker.store.postgres.database.migrations import MIGRATIONS, Migration

_MIGRATION_TIMEOUTS: Final = Timeouts(idle_in_transaction=60.0, lock=600.0, statement=3600.0, answer=3660.0)
"""An index of a large table takes minutes; another replica that starts at the same time waits for it."""

_FIND: Final = """
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1),
  EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1),
  EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = 'schema_version')"""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
"""One process migrates at a time."""


class _Found(NamedTuple):
    exists: bool
    version: int = 0
    oldest_compatible: int = 0


async def migrate(address: PostgresAddress, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema to the newest version in one transaction; it is made if it is missing.

    Raises `StorageError` if it is another program's, or newer and no longer compatible; then it is unchanged. A schema that is
    new enough is only read, so that a role without the right to create tables can use it.
    """
    connection = await connect(address, timeouts=_MIGRATION_TIMEOUTS)
    try:
        with storage_errors(address, "migrating"):
            if (await _find(address, connection, len(migrations))).version >= len(migrations):
                return
            async with connection.transaction():
                await connection.fetch(
                    "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"batch-tracker {address.schema}"
                )
                await _apply(address, connection, migrations)
    finally:
        await disconnect(connection)


async def check(address: PostgresAddress, connection: asyncpg.Connection, *, migrating: bool = False) -> None:
    """Raise `StorageError` unless the schema is one of batch-tracker that this version can work on.

    One that is missing or older is an error too, unless `migrating`: then it is migrated.
    """
    with storage_errors(address, "reading the schema version"):
        found = await _find(address, connection, len(MIGRATIONS))
    if migrating and found.version < len(MIGRATIONS):
        await migrate(address)
    elif found.version == 0:
        raise StorageError(
            f"{address}: there is no schema {address.schema} of batch-tracker; has `batch-tracker run` been started with this"
            " configuration?"
        )
    elif found.version < len(MIGRATIONS):
        raise StorageError(
            f"{address}: schema version {found.version} is older than {len(MIGRATIONS)};"
            " `batch-tracker run` brings it up to date"
        )


async def schema_version(address: PostgresAddress, connection: asyncpg.Connection) -> int:
    """The version of the schema, 0 if there is none yet. Raises `StorageError` if this version cannot work on it."""
    return (await _find(address, connection, len(MIGRATIONS))).version


async def _apply(address: PostgresAddress, connection: asyncpg.Connection, migrations: Sequence[Migration]) -> None:
    found = await _find(address, connection, len(migrations))  # another replica may have migrated meanwhile
    if not found.exists:
        await connection.execute(f"CREATE SCHEMA {quoted(address.schema)}")
    for migration in migrations[found.version :]:
        await connection.execute(migration.sql)
    if found.version < len(migrations):
        newest = (len(migrations), migrations[-1].oldest_compatible)
        await connection.execute("UPDATE schema_version SET version = $1, oldest_compatible = $2", *newest)


async def _find(address: PostgresAddress, connection: asyncpg.Connection, newest: int) -> _Found:
    exists, has_tables, has_version = await connection.fetchrow(_FIND, address.schema)
    if has_tables and not has_version:
        raise StorageError(
            f"{address}: expected schema {address.schema} to be batch-tracker's, found tables of another program; it is left as"
            " it was; choose another with storage.schema"
        )
    if not has_version:
        return _Found(exists)
    table = f"{quoted(address.schema)}.schema_version"  # unqualified, a schema without the right to use it would seem empty
    version, oldest_compatible = await connection.fetchrow(f"SELECT version, oldest_compatible FROM {table}")  # noqa: S608 - quoted
    if oldest_compatible > newest:
        raise StorageError(
            f"{address}: schema version {version} was written by a newer batch-tracker and needs {oldest_compatible}, this one"
            f" knows up to {newest}; upgrade it"
        )
    return _Found(exists, version, oldest_compatible)
