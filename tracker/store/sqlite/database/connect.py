"""Owns connecting to SQLite without blocking the loop, leaving nothing behind where that fails, and using its thread."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiosqlite
import anyio
import anyio.to_thread

T = TypeVar("T")

_ROWS_AT_ONCE: Final = 64
"""As aiosqlite has it."""


async def connect(address: str) -> aiosqlite.Connection:
    """The connection to the URI `address`; raises `sqlite3.Error`. For a caller who is shielded from being cancelled.

    aiosqlite tells its thread to end where connecting failed, and does not wait for that; a thread that is slow would then
    speak to a loop that may be gone. Where the task is cancelled all the same, aiosqlite drops what its thread has opened;
    here it is closed, once the thread has ended.
    """
    opened: list[sqlite3.Connection] = []

    def connector() -> sqlite3.Connection:
        opened.append(sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False))
        return opened[0]

    connection = aiosqlite.Connection(connector, iter_chunk_size=_ROWS_AT_ONCE)
    try:
        return await connection
    except BaseException:
        thread: Any = getattr(connection, "_thread", connection)
        await anyio.to_thread.run_sync(thread.join)
        for each in opened:
            each.close()
        raise


async def run(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` returns of the connection, in its thread: one hop there and back, however many statements.

    aiosqlite makes a hop for each statement, dearer than most of them, and offers nothing public for several.
    """
    execute: Any = connection._execute  # noqa: SLF001
    result: T = await execute(work, connection._conn)  # noqa: SLF001
    return result
