"""Owns the proof on PostgreSQL that the jobs are what the log says: every job rebuilt from its events and compared."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import asyncpg

from tracker.store.address import PostgresAddress
from tracker.store.database_file_reports import Verification
from tracker.store.postgres.database.connecting import Timeouts
from tracker.store.postgres.database.text_escape import decode_text
from tracker.store.postgres.loop_thread import LoopThread
from tracker.store.postgres.reading.read_connection import ReadConnection
from tracker.store.records.verification.comparison import Comparison
from tracker.store.records.verification.row import Row

_TIMEOUTS: Final = Timeouts(idle_in_transaction=600.0, statement=3600.0, answer=3660.0)

_ROWS_AT_ONCE: Final = 1_000

_HEAD: Final = "SELECT coalesce(max(seq), 0) AS last, (SELECT seq FROM log_head) AS head FROM events"


def verify(address: PostgresAddress) -> Verification:
    """Rebuild and compare, on one snapshot; raises `StorageError` if it cannot be read. It blocks, whatever loop runs."""
    connection = ReadConnection(address, _TIMEOUTS)
    return LoopThread(connection.close).run(lambda: connection.run(_verify))


async def _verify(connection: asyncpg.Connection) -> Verification:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        with closing(Comparison()) as comparison:
            for statement, add in comparison.steps():
                await _feed(connection, statement, add)
            return comparison.end(_misnumbered(await connection.fetchrow(_HEAD)))


async def _feed(connection: asyncpg.Connection, statement: str, add: Callable[[Row], None]) -> None:
    cursor = await connection.cursor(statement)
    while rows := await cursor.fetch(_ROWS_AT_ONCE):
        for row in rows:
            add(_decoded(row))


def _decoded(row: asyncpg.Record) -> dict[str, Any]:
    return {name: _value(cell) for name, cell in row.items()}


def _value(cell: Any) -> Any:
    """As every engine has it: truth is a number."""
    if isinstance(cell, str):
        return decode_text(cell)
    return int(cell) if isinstance(cell, bool) else cell


def _misnumbered(row: asyncpg.Record) -> Iterator[str]:
    if row["last"] != row["head"]:
        yield f"the log ends with event {row['last']}, the counter that numbers events is at {row['head']}"
