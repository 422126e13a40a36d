"""Owns reading as of one moment: every query of a read runs in one transaction, and in one hop to the connection's thread."""

import json
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import aiosqlite

from tracker.store.records.query import Query
from tracker.store.sqlite.database.aiosqlite_adapter import run

Read = TypeVar("Read")


class Snapshot(Generic[Read]):
    """One read by several queries: no commit of another connection comes between them."""

    def __init__(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> None:
        self._reading = reading
        self._is_abandoned = False

    async def read(self, connection: aiosqlite.Connection) -> Read:
        """Raises `sqlite3.Error` and what `reading` raises. Once this is cancelled, no further query is started."""
        try:
            return await run(connection, self._read)
        except BaseException:
            self._is_abandoned = True
            raise

    def _read(self, connection: sqlite3.Connection) -> Read:
        async def query(sql: str, *parameters: Any) -> list[Any]:
            if self._is_abandoned:
                raise sqlite3.OperationalError("interrupted")
            return connection.execute(sql, [_adapted(each) for each in parameters]).fetchall()

        connection.execute("BEGIN")
        try:
            return _run_to_end(self._reading(query))
        finally:
            connection.rollback()


def _adapted(parameter: Any) -> Any:
    """An array as JSON, which the statements take apart."""
    return json.dumps(parameter) if isinstance(parameter, list) else parameter


def _run_to_end(reading: Coroutine[Any, Any, Read]) -> Read:
    """The result of a coroutine that awaits only queries, which have their rows at once."""
    try:
        reading.send(None)
    except StopIteration as end:
        result: Read = end.value
        return result
    reading.close()
    raise RuntimeError("a read awaits something else than its query")
