"""Owns the check of a server before a daemon runs: version, schema, rights, and whether notifications arrive."""

import secrets
from collections.abc import Iterator
from typing import Any, Final

import anyio
import asyncpg

from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import connect, disconnect, storage_errors
from tracker.store.postgres.database.migrations import MIGRATIONS
from tracker.store.postgres.database.schema import schema_version
from tracker.store.postgres.database.session_check import check_sessions
from tracker.store.server_report import ServerReport

NOTIFIED_WITHIN: Final = 2.0
"""Seconds; PostgreSQL takes less than a hundredth of one."""

_RIGHTS: Final = """
SELECT c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS "SELECT", has_table_privilege(c.oid, 'INSERT') AS "INSERT",
  has_table_privilege(c.oid, 'UPDATE') AS "UPDATE", has_table_privilege(c.oid, 'DELETE') AS "DELETE",
  pg_has_role(c.relowner, 'USAGE') AS owned
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
ORDER BY c.relname"""

_MAY_CREATE: Final = """
SELECT coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1),
  has_database_privilege(current_database(), 'CREATE'))"""

_IS_READ_ONLY: Final = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"

_READ_ONLY: Final = "nothing can be written: the server is a standby, or read-only for this user; connect to the primary"

_NEEDED: Final = {"schema_version": ("SELECT",), "events": ("SELECT", "INSERT"), "log_head": ("SELECT", "UPDATE")}
"""The rights of a daemon at a table, where it does not need all."""

_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def check_postgres_server(address: PostgresAddress) -> ServerReport:
    """See `check_server`."""
    await check_sessions(address)
    connection = await connect(address)
    try:
        with storage_errors(address, "checking"):
            version = await schema_version(address, connection)
            rights = await connection.fetch(_RIGHTS, address.schema)
            may_create = await connection.fetchval(_MAY_CREATE, address.schema)
            read_only = await connection.fetchval(_IS_READ_ONLY)
            return ServerReport(
                version=await connection.fetchval("SHOW server_version"),
                schema_version=version,
                newest_version=len(MIGRATIONS),
                missing_rights=(
                    *([_READ_ONLY] if read_only else []),
                    *_missing_rights(address, version, rights, may_create=may_create),
                ),
                notifications_arrive=await _do_notifications_arrive(address, connection),
            )
    finally:
        await disconnect(connection)


def _missing_rights(address: PostgresAddress, version: int, tables: Any, *, may_create: bool) -> Iterator[str]:
    if not tables and not may_create:
        yield f"the user may create neither the schema {address.schema} nor tables in it; see deploy/README.md for the grants"
    for table in tables:
        needed = [right for right in _NEEDED.get(table["name"], _ALL) if not table[right]]
        if needed:
            yield f"the user may not {' and '.join(needed)} in {address.schema}.{table['name']}"
    if tables and version < len(MIGRATIONS) and not all(table["owned"] for table in tables):
        yield f"the user does not own the tables of {address.schema}, and cannot bring them to version {len(MIGRATIONS)}"


async def _do_notifications_arrive(address: PostgresAddress, connection: asyncpg.Connection) -> bool:
    """Whether what `connection` sends arrives where replicas listen. No other program uses the channel."""
    channel, arrived = f"batch_tracker_check_{secrets.token_hex(8)}", anyio.Event()
    listening = await connect(address, url=address.listen_url)
    try:
        await listening.add_listener(channel, lambda *_: arrived.set())
        await connection.execute("SELECT pg_notify($1, '')", channel)
        with anyio.move_on_after(NOTIFIED_WITHIN):
            await arrived.wait()
        return arrived.is_set()
    finally:
        await disconnect(listening)
