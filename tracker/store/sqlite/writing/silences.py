"""Owns beginning and ending silences on SQLite: each once, in one transaction with its event and what it silences."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from tracker.core.events.event import Event
from tracker.core.ports.silences import SilencedObserver
from tracker.core.silences.silence import MOST_OPEN, Silence, unplanned_windows, windows_to_add
from tracker.store.records.log_rows import LogEntry
from tracker.store.records.silence_rows import Advanced
from tracker.store.records.silence_steps import silence_end, silence_steps, start_entry
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.writing.event_log import EventLog
from tracker.store.sqlite.writing.silences_table import (
    delete_silence,
    insert_silences,
    open_silence,
    open_silences,
    read_missed,
    set_ended,
    set_started,
    silence_pending,
    silences_until,
)


class SqliteSilences:
    """The `Silences` of core.ports on SQLite."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log

    def watch(self, silenced: SilencedObserver) -> None:
        self._log.silenced = silenced

    async def add(self, silence: Silence, now: int) -> int | None:
        def work(connection: sqlite3.Connection) -> Advanced | None:
            if len(open_silences(connection)) >= MOST_OPEN:
                return None
            insert_silences(connection, [silence])
            return self._advance(connection, [silence], now)

        done = await self._log.write("adding a silence", work)
        return None if done is None else self._committed(done).silenced.total()

    async def plan(self, windows: Collection[Silence], now: int, *, only: bool) -> Sequence[Event]:
        def removed(connection: sqlite3.Connection) -> list[Silence]:
            return unplanned_windows(open_silences(connection), windows) if only else []

        def lacking(connection: sqlite3.Connection) -> list[Silence]:
            return windows_to_add(windows, silences_until(connection, min((each.ends_at for each in windows), default=now)))

        def is_done(connection: sqlite3.Connection) -> bool:
            return not lacking(connection) and not removed(connection)

        def work(connection: sqlite3.Connection) -> Advanced:
            insert_silences(connection, lacking(connection))
            return self._advance(connection, [], now, unplanned=removed(connection))

        if await self._database.read("reading silences", is_done):
            return ()
        done = await self._log.write("planning maintenance windows", work)
        return [entry.event for entry in self._committed(done).appended.entries]

    async def advance(self, now: int) -> Sequence[Event]:
        if not any(each.is_due(now) for each in await self._database.read("reading silences", open_silences)):
            return ()
        done = await self._log.write(
            "advancing silences", lambda connection: self._advance(connection, open_silences(connection), now)
        )
        return [entry.event for entry in self._committed(done).appended.entries]

    async def lift(self, silence_id: str, now: int) -> bool:
        def work(connection: sqlite3.Connection) -> Advanced | None:
            silence = open_silence(connection, silence_id)
            return self._advance(connection, [], now, ending=[silence]) if silence else None

        done = await self._log.write("ending a silence", work)
        return done is not None and bool(self._committed(done))

    def _advance(
        self,
        connection: sqlite3.Connection,
        silences: Iterable[Silence],
        now: int,
        *,
        ending: Collection[Silence] = (),
        unplanned: Collection[Silence] = (),
    ) -> Advanced:
        """Within a transaction: begin and end those of `silences` that are due, and end those of `ending` and `unplanned`."""
        steps = silence_steps(silences, now, ending=ending, unplanned=unplanned)
        entries, silenced = [], Counter[str]()
        for silence in steps.starting:
            silenced.update(silence_pending(connection, silence, self._log.subscriptions))
            set_started(connection, silence, now)
            entries.append(start_entry(silence, now))
        for silence, is_unplanned in steps.ending:
            entries += _end(connection, silence, now, is_unplanned=is_unplanned)
        return Advanced(self._log.append(connection, entries), silenced)

    def _committed(self, done: Advanced) -> Advanced:
        self._log.committed(done.appended)
        if done.silenced:
            self._log.silenced(done.silenced)
        return done


def _end(connection: sqlite3.Connection, silence: Silence, now: int, *, is_unplanned: bool) -> list[LogEntry]:
    end = silence_end(silence, read_missed(connection, silence), now, is_unplanned=is_unplanned)
    if end.silence:
        set_ended(connection, end.silence, now, end.silenced)
    else:
        delete_silence(connection, silence)
    return end.entries
