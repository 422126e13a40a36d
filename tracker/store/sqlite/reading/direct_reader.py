"""Owns the reader of a command that reads a file once: it does so in its own thread.

It loads neither asyncio, anyio nor aiosqlite, which takes as long as everything else that such a command does.
"""

import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tracker.core.errors.storage_error import StorageError
from tracker.store.records.query import Query
from tracker.store.records.querying_reader import Read
from tracker.store.sqlite.database.schema import existing_file_uri
from tracker.store.sqlite.reading.file_reader import FileReader
from tracker.store.sqlite.reading.synchronous_read import read_at_one_moment, run_to_end


class DirectReader(FileReader):
    """The `Reader` of core.ports on SQLite, all of whose methods return without waiting for another task."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path)
        self._connection = connection

    async def wait_for_change(self) -> None:
        """Raises `RuntimeError`: what is read once waits for nothing."""
        raise RuntimeError("a reader without an event loop cannot wait for a change")

    async def _note_version(self) -> None:
        """Nothing: it is for `wait_for_change`."""

    async def _run_query(self, sql: str, *parameters: Any) -> list[Any]:
        with self._sqlite_errors():
            return self._connection.execute(sql, parameters).fetchall()

    async def _run_at_one_moment(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> Read:
        with self._sqlite_errors():
            return read_at_one_moment(self._connection, reading)


@contextmanager
def open_direct_reader(path: Path) -> Iterator[DirectReader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` if it cannot be."""
    address = existing_file_uri(path)
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be opened, SQLite says: {error}") from error
    with closing(connection):
        reader = DirectReader(path, connection)
        run_to_end(reader.check())
        yield reader
