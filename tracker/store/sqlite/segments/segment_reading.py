"""Owns reading the log out of segments, in its order, and what is wrong with them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri
from tracker.store.sqlite.segments.segment import NO_CHAIN, Segment, chained, segments_after
from tracker.store.sqlite.segments.segment_file import read_lines


class _Data(msgspec.Struct, frozen=True):
    id: str | None = None


class _Columns(msgspec.Struct, frozen=True):
    """What the columns of the log have of an event."""

    seq: int
    id: str
    type: str
    account: str
    created_at: int
    observed_at: str
    data: _Data


_decode: Final = msgspec.json.Decoder(_Columns).decode


def archived_lines(database: Path, directory: Path, after: int) -> Iterator[tuple[int, str]]:
    """The events after the seq `after`: seq and JSON. Raises `StorageError` where a segment is missing or differs."""
    for segment in _segments_of(database, after):
        wrong: list[str] = []
        for line, columns in _events(segment, directory, wrong):
            if columns.seq > after:
                yield columns.seq, line
        if wrong:
            raise StorageError(f"{directory / segment.name}: {wrong[0]}; `batch-tracker verify` examines all segments")


def archived_rows(connection: sqlite3.Connection, directory: Path, differences: list[str]) -> Iterator[dict[str, Any]]:
    """The rows that the table of events had; what is wrong with the segments goes to `differences`."""
    chain = NO_CHAIN
    for segment in segments_after(connection):
        wrong: list[str] = []
        yield from (_row(line, columns) for line, columns in _events(segment, directory, wrong))
        chain = chained(chain, segment.sha256)
        if segment.chain != chain:
            wrong.append("its chain is not that of the segments before it and its own hash")
        differences += (f"segment {segment.name}: {each}" for each in wrong)


def _segments_of(database: Path, after: int) -> list[Segment]:
    try:
        with closing(sqlite3.connect(existing_file_uri(database), uri=True, isolation_level=None)) as connection:
            check(database, connection.execute(IDENTITY).fetchone())
            return segments_after(connection, after)
    except sqlite3.Error as error:
        raise StorageError(f"{database}: cannot be read, SQLite says: {error}") from error


def _events(segment: Segment, directory: Path, wrong: list[str]) -> Iterator[tuple[str, _Columns]]:
    """The lines of a segment, each decoded; what is wrong with it goes to `wrong`, and ends it."""
    content, seq = sha256(), segment.first_seq - 1
    try:
        for line in read_lines(directory / segment.name):
            content.update(line)
            columns = _decode(line)
            seq += 1
            if columns.seq != seq:
                wrong.append(f"expected seq {seq}, found {columns.seq}")
                return
            yield line.decode().rstrip("\n"), columns
    except StorageError as error:
        wrong.append(str(error))
        return
    except (msgspec.MsgspecError, ValueError) as error:
        wrong.append(f"after seq {seq}: a line is no event: {error}")
        return
    if seq != segment.last_seq:
        wrong.append(f"it ends with seq {seq}, expected {segment.last_seq}")
    elif content.hexdigest() != segment.sha256:
        wrong.append(f"its content has the SHA-256 {content.hexdigest()}, expected {segment.sha256}")


def _row(line: str, columns: _Columns) -> dict[str, Any]:
    values = {name: getattr(columns, name) for name in ("seq", "id", "type", "account", "created_at", "observed_at")}
    return {**values, "job": columns.data.id, "body": line, "base": None, "base_body": None}
