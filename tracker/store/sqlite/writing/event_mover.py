"""Owns moving the beginning of the log into segments: written and synced first, and only then taken out of the database.

Its state is in the database, so a process that is killed at any point loses and doubles nothing: what was not listed is written
again, and what was listed is taken out by the next process.
"""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso, parse_iso
from tracker.core.ports.store import MovedEvents
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.files.atomic_file import atomic_file
from tracker.store.sqlite.segments.cut import Cut, find_cut, spans
from tracker.store.sqlite.segments.segment import Segment, insert_segments, segments_after

_SEQS_AT_ONCE: Final = 2000
_ROWS_AT_ONCE: Final = 500
"""Per transaction; other writers wait for it."""

_START: Final = "SELECT first_seq, moving_to FROM log_start"
_SET_MOVING: Final = "UPDATE log_start SET moving_to = ?"
_MOVED: Final = "UPDATE log_start SET first_seq = moving_to"

_STRADDLING: Final = """
SELECT job FROM (
  SELECT DISTINCT job FROM events WHERE seq >= ?1 AND seq < ?2 AND seq < ?3 AND job IS NOT NULL AND base IS NULL) AS early
WHERE EXISTS (SELECT 1 FROM events AS late INDEXED BY events_of_job
  WHERE late.job = early.job AND late.seq >= ?3 AND late.base < ?3)"""

_SHORT: Final = f"""
SELECT {STORED_EVENT} FROM events AS e INDEXED BY events_of_job
WHERE e.job = ?1 AND e.seq >= ?2 AND e.base < ?2 ORDER BY e.seq LIMIT ?3"""  # noqa: S608 - of constants

_MAKE_WHOLE: Final = "UPDATE events SET id = ?, body = ?, base = NULL WHERE seq = ?"

_DELETE: Final = """
DELETE FROM events WHERE seq < (SELECT first_seq FROM log_start) AND seq < (SELECT min(seq) FROM events) + ?"""

MANIFEST: Final = "manifest.jsonl"


class EventMover:
    """Moves events from the database at `path` into segments in `directory`."""

    def __init__(self, database: Database, path: Path, directory: Path) -> None:
        self._database = database
        self._path = path
        self._directory = directory

    async def move(self, before: int, step: int) -> MovedEvents:
        """See `Store.move_events`."""
        await self.finish()
        cut = await self._database.read("looking for old events", lambda connection: find_cut(connection, iso(before)))
        first_seq, _ = await self._start()
        if not await self._is_worth_moving(cut, step):
            return MovedEvents(0, first_seq, cut.held_by)
        await self._list(await self._write_files(first_seq, cut.seq), cut.seq)
        await self.finish()
        return MovedEvents(cut.seq - first_seq, cut.seq, cut.held_by)

    async def finish(self) -> None:
        """Take out of the database what is in segments. Raises `StorageError`."""
        first_seq, moving_to = await self._start()
        if moving_to > first_seq:
            for seq in range(first_seq, moving_to, _SEQS_AT_ONCE):
                await self._make_whole_after(seq, moving_to)
            await self._database.write("moving events", lambda connection: connection.execute(_MOVED))
        if moving_to > 1:
            await self._delete()
            await anyio.to_thread.run_sync(self._write_manifest, await self._database.read("reading", segments_after))

    async def _start(self) -> tuple[int, int]:
        ((first_seq, moving_to),) = await self._database.fetch(_START)
        return first_seq, moving_to

    async def _is_worth_moving(self, cut: Cut, step: int) -> bool:
        span = await self._database.read("reading", lambda connection: spans(connection, cut))
        return span is not None and parse_iso(span[1]) - parse_iso(span[0]) >= step

    async def _write_files(self, first_seq: int, end: int) -> list[Segment]:
        from tracker.store.sqlite.segments.segment_writing import write_segments  # noqa: PLC0415 - few processes compress

        work = partial(write_segments, self._path, self._directory, first_seq, end, anyio.from_thread.check_cancelled)
        try:
            return await anyio.to_thread.run_sync(work)
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: moving events failed: {error}") from error

    async def _list(self, segments: list[Segment], end: int) -> None:
        """Commit that the events are in the segments; from then on they are taken out of the database."""

        def work(connection: sqlite3.Connection) -> None:
            insert_segments(connection, segments)
            connection.execute(_SET_MOVING, (end,))

        await self._database.write("listing segments", work)

    async def _make_whole_after(self, seq: int, end: int) -> None:
        """Events from `end` on whose short form builds on one of the next seqs get their whole form."""
        rows = await self._database.fetch(_STRADDLING, seq, seq + _SEQS_AT_ONCE, end)
        for (job,) in rows:
            while await self._database.write("moving events", partial(_make_whole, job, end)):
                pass

    async def _delete(self) -> None:
        while await self._database.write(
            "moving events", lambda connection: connection.execute(_DELETE, (_ROWS_AT_ONCE,)).rowcount
        ):
            pass

    def _write_manifest(self, segments: list[Segment]) -> None:
        """The list of segments beside them, for a reader that has the files alone."""
        target, content = self._directory / MANIFEST, _manifest(segments)
        if self._directory.is_dir() and not (target.exists() and target.read_bytes() == content):
            with atomic_file(target) as (path, publish):
                path.write_bytes(content)
                publish()


def _make_whole(job: str, end: int, connection: sqlite3.Connection) -> int:
    """Within a transaction; how many events."""
    events = [StoredEvent(*row) for row in connection.execute(_SHORT, (job, end, _ROWS_AT_ONCE))]
    connection.executemany(_MAKE_WHOLE, [(*event.whole(), event.seq) for event in events])
    return len(events)


def _manifest(segments: list[Segment]) -> bytes:
    return b"".join(msgspec.json.encode(each._asdict()) + b"\n" for each in segments)
