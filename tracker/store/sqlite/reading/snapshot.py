"""Owns reading as of one moment: every query of a read runs in one transaction, and in one hop to the connection's thread."""

import sqlite3
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

import aiosqlite

from tracker.store.records.query import Query
from tracker.store.sqlite.database.aiosqlite_adapter import run
from tracker.store.sqlite.reading.synchronous_read import read_at_one_moment

Read = TypeVar("Read")


class Snapshot(Generic[Read]):
    """One read by several queries: no commit of another connection comes between them."""

    def __init__(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> None:
        self._reading = reading
        self._is_abandoned = False

    async def read(self, connection: aiosqlite.Connection) -> Read:
        """Raises `sqlite3.Error` and what `reading` raises. Once this is cancelled, no further query is started."""
        try:
            return await run(connection, partial(read_at_one_moment, reading=self._reading, check=self._check))
        except BaseException:
            self._is_abandoned = True
            raise

    def _check(self) -> None:
        if self._is_abandoned:
            raise sqlite3.OperationalError("interrupted")
