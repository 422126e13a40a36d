"""Owns the adapter to aiosqlite: a connection to SQLite in a thread of its own, and functions that run there.

aiosqlite makes a hop to its thread for each statement, which costs more than most statements do, and offers nothing public for
several statements in one hop. So three of its private names are used, here and nowhere else: `_execute` and `_conn` for a
whole transaction in one hop, `_thread` to wait for the thread of a connection that failed. They may change with a minor
version. So the dependency has an upper bound, and `tests/store/test_sqlite_aiosqlite_adapter.py` checks the names in the
installed version: raise the bound once that test passes. A thread pool would need no private name, but could close a
connection in one thread while the statement of a cancelled task still runs in another; a connection with one thread cannot.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiosqlite
import anyio
import anyio.to_thread

T = TypeVar("T")

_ROWS_PER_HOP: Final = 64
"""aiosqlite's own default."""


async def connect(address: str) -> aiosqlite.Connection:
    """The connection to the URI `address`; raises `sqlite3.Error`. The caller is shielded from being cancelled.

    If connecting fails, aiosqlite signals its thread to end and does not wait for that: a slow thread would then call a loop
    that may be gone. If the task is cancelled by asyncio itself, aiosqlite drops the connection that its thread has opened.
    Here the thread is waited for, and the connection is closed.
    """
    opened: list[sqlite3.Connection] = []

    def connector() -> sqlite3.Connection:
        opened.append(sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False))
        return opened[0]

    connection = aiosqlite.Connection(connector, iter_chunk_size=_ROWS_PER_HOP)
    try:
        return await connection
    except BaseException:
        await anyio.to_thread.run_sync(connection._thread.join)  # noqa: SLF001 - see above
        for each in opened:
            each.close()
        raise


async def run(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` with the connection in its thread; returns its result. It takes one hop, for any number of statements."""
    execute: Any = connection._execute  # noqa: SLF001 - see above
    result: T = await execute(work, connection._conn)  # noqa: SLF001
    return result
