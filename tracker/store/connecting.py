"""Owns connecting to SQLite without blocking the loop, and leaving nothing behind where that fails."""

from typing import Any

import aiosqlite
import anyio
import anyio.to_thread


async def connect(address: str) -> aiosqlite.Connection:
    """The connection to the URI `address`; raises `sqlite3.Error`. For a caller who is shielded from being cancelled.

    aiosqlite tells its thread to end where connecting failed, and does not wait for that; a thread that is slow would then
    speak to a loop that may be gone.
    """
    connection = aiosqlite.connect(address, uri=True, isolation_level=None)
    try:
        return await connection
    except BaseException:
        thread: Any = getattr(connection, "_thread", connection)
        await anyio.to_thread.run_sync(thread.join)
        raise
