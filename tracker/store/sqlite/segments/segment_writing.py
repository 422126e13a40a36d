"""Owns writing the beginning of the log into segments, by a connection that only reads: no writer waits for it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.pagination import LARGEST_SEQ
from tracker.core.text.escaping import escape_json
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent
from tracker.store.sqlite.database.schema import read_only_uri
from tracker.store.sqlite.segments.segment import Segment, following, free_name, segments_after
from tracker.store.sqlite.segments.segment_file import make_directory, read_lines, write_segment

_ROWS_AT_ONCE: Final = 500
"""Each takes a read transaction of its own: one that lasts would let the write-ahead log grow."""

_EVENTS: Final = f"SELECT {STORED_EVENT} FROM events AS e WHERE e.seq >= ? AND e.seq < ? ORDER BY e.seq LIMIT ?"  # noqa: S608 - of constants


class Line(NamedTuple):
    """An event as a segment has it; `month` is that of its observation, such as "2026-11"."""

    seq: int
    month: str
    text: str


def write_segments(
    database: Path, directory: Path, first_seq: int, end: int, check_cancelled: Callable[[], None] = lambda: None
) -> list[Segment]:
    """Write the events from `first_seq` on and before `end` into files, one for each month, and sync them.

    The list in the database is not changed. Raises `StorageError`, also where a file that the list lacks has events that the
    database lacks: it is of a newer state of this database, and must not be replaced. `check_cancelled` may raise.
    """
    make_directory(directory)
    with closing(sqlite3.connect(read_only_uri(database), uri=True, isolation_level=None)) as connection:
        known = segments_after(connection)
        found: list[Segment] = []
        lines = _lines(connection, first_seq, end, check_cancelled)
        for month, of_month in groupby(lines, key=lambda line: line.month):
            name = free_name(month, {each.name for each in (*known, *found)})
            _refuse_newer(directory / name, connection)
            written = write_segment(directory / name, ((line.seq, line.text) for line in of_month))
            found.append(following((*known, *found), name, written))
        return found


def _lines(connection: sqlite3.Connection, seq: int, end: int, check_cancelled: Callable[[], None]) -> Iterator[Line]:
    while rows := connection.execute(_EVENTS, (seq, end, _ROWS_AT_ONCE)).fetchall():
        check_cancelled()
        for row in map(StoredEvent._make, rows):
            yield Line(row.seq, row.observed_at[:7], escape_json(row.whole()[1]))
        seq = rows[-1][0] + 1


def _refuse_newer(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `StorageError` if the file has a line that is no event of the database: then it is not an earlier attempt's."""
    if not path.exists():
        return
    own = _lines(connection, _seq_of(path), LARGEST_SEQ, lambda: None)
    for line in read_lines(path):
        event = next(own, None)
        if event is None or f"{event.text}\n".encode() != line:
            raise StorageError(
                f"{path}: it has events that the database lacks, so it is of a newer state of the database, such as before a "
                "`restore`; move it away, and the log goes on into a new one"
            )


def _seq_of(path: Path) -> int:
    """The seq of the first event of the file."""
    try:
        return int(msgspec.json.decode(next(read_lines(path), b"{}"))["seq"])
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError):
        return LARGEST_SEQ
