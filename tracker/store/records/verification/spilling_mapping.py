"""Owns a mapping that keeps what was used last in memory, and the rest in a temporary file: a log may have millions of jobs."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final, Generic, TypeVar

import msgspec

from tracker.core.errors.storage_error import StorageError

T = TypeVar("T")
Key = tuple[str, str]

IN_MEMORY: Final = 4_000
"""A job takes some 10 kB in memory."""

_CREATE: Final = "CREATE TABLE spilled (account, name, value, PRIMARY KEY (account, name))"


class SpillingMapping(Generic[T]):
    """Values by an account and a name. Every failure of the temporary file is a `StorageError`."""

    def __init__(self, type_: type[T]) -> None:
        self._decode = msgspec.json.Decoder(type_).decode
        self._encode = msgspec.json.Encoder().encode
        self._recent: dict[Key, T] = {}
        """The last one is the one that was set last."""
        self._file: sqlite3.Connection | None = None

    def get(self, key: Key) -> T | None:
        value = self._recent.get(key)
        return self._spilled(key) if value is None else value

    def set(self, key: Key, value: T) -> None:
        self._recent.pop(key, None)
        self._recent[key] = value
        if len(self._recent) > IN_MEMORY:
            self._spill()

    def pop(self, key: Key) -> T | None:
        value = self.get(key)
        self._recent.pop(key, None)
        if self._file and value is not None:
            with _errors():
                self._file.execute("DELETE FROM spilled WHERE account = ? AND name = ?", key)
        return value

    def items(self) -> Iterator[tuple[Key, T]]:
        """In no order. The mapping must not be changed meanwhile."""
        yield from self._recent.items()
        if self._file:
            with _errors():
                for account, name, value in self._file.execute("SELECT account, name, value FROM spilled"):
                    if (account, name) not in self._recent:
                        yield (account, name), self._decode(value)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _spilled(self, key: Key) -> T | None:
        if self._file is None:
            return None
        with _errors():
            row = self._file.execute("SELECT value FROM spilled WHERE account = ? AND name = ?", key).fetchone()
        return self._decode(row[0]) if row else None

    def _spill(self) -> None:
        """Move the older half to the file."""
        with _errors():
            self._file = self._file or _temporary_file()
            moved = list(islice(self._recent, IN_MEMORY // 2))
            rows = [(*key, self._encode(self._recent.pop(key))) for key in moved]
            self._file.executemany("INSERT OR REPLACE INTO spilled VALUES (?, ?, ?)", rows)


def _temporary_file() -> sqlite3.Connection:
    """SQLite removes it when it is closed, however the process ends."""
    file = sqlite3.connect("", isolation_level=None)
    file.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -16384; {_CREATE}; BEGIN")
    return file


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"the folder of temporary files (SQLITE_TMPDIR, TMPDIR): SQLite says: {error}") from error
