"""Owns the check that a connection has a session of its own, which a pooler in transaction mode gives to no client."""

from typing import Final

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import connect, disconnect, storage_errors

_TRIES: Final = 3
"""A pool that others use at the same moment may give two connections different sessions by chance."""


async def check_sessions(address: PostgresAddress) -> None:
    """Raise `StorageError` where two connections share a session.

    Settings of a session, such as the schema, and prepared statements would then be those of the client that had it before.
    """
    first = await connect(address)
    try:
        second = await connect(address)
        try:
            with storage_errors(address, "comparing sessions"):
                for _ in range(_TRIES):
                    pids = [await each.fetchval("SELECT pg_backend_pid()") for each in (first, second)]
                    if pids[0] == pids[1]:
                        raise StorageError(_message(address))
        finally:
            await disconnect(second)
    finally:
        await disconnect(first)


def _message(address: PostgresAddress) -> str:
    return (
        f"{address}: expected sessions of our own, found a pooler in transaction mode; let storage.url lead past it, or set its"
        " pool_mode to session for this database"
    )
