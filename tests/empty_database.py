"""Owns an empty SQLite database as the store makes one: copied where a test only needs one, since to make each takes longer."""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tracker.store.sqlite.database.schema import migrate


def put_empty_database(path: Path) -> Path:
    """The path, with a database that no store has opened yet: its owner's alone, as the store makes it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, _content())
    finally:
        os.close(descriptor)
    return path


@cache
def _content() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        migrate(path)
        return path.read_bytes()
