"""Owns opening a pool of readers over SQLite."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tracker.store.records.limited_reader_pool import LimitedReaderPool, limited_reader_pool
from tracker.store.sqlite.reading.reader import SqliteReader, open_sqlite_reader


def open_sqlite_reader_pool(
    path: Path, readers: int, lease_seconds: float
) -> AbstractAsyncContextManager[LimitedReaderPool[SqliteReader]]:
    """See `tracker.store.opening.open_reader_pool`."""
    return limited_reader_pool(str(path), lambda: open_sqlite_reader(path), readers, lease_seconds)
