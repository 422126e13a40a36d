"""Owns what the readers of a file share: its errors, and that no replicas work on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracker.core.errors.storage_error import StorageError
from tracker.store.records.querying_reader import QueryingReader
from tracker.store.sqlite.database.schema import IDENTITY, check
from tracker.store.sqlite.reading.statements import STATEMENTS


class FileReader(QueryingReader):
    """A reader of the file `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), STATEMENTS)
        self._path = path

    async def check(self) -> None:
        """Raise `StorageError` unless the file is a batch-tracker database of this version."""
        check(self._path, (await self._query(IDENTITY))[0])

    async def replicas(self) -> list[dict[str, Any]]:
        """Nothing: one process alone works on the file."""
        return []

    async def leases(self) -> list[dict[str, Any]]:
        """Nothing: one process alone works on the file."""
        return []

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot be read, SQLite says: {error}") from error
