"""Owns beginning and ending silences on PostgreSQL: each once, in one transaction with its event and what it silences.

Such a transaction takes the head of the log first, as each does that appends events: each event is compared with what is open.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import asyncpg

from tracker.core.events.event import Event
from tracker.core.ports.silences import SilencedObserver
from tracker.core.silences.silence import MOST_OPEN, Silence, unplanned_windows, windows_to_add
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.postgres.writing.silences_table import (
    delete_silence,
    insert_silences,
    open_silence,
    open_silences,
    read_missed,
    set_changed,
    set_ended,
    set_started,
    silence_pending,
    silences_until,
)
from tracker.store.records.log_rows import LogEntry
from tracker.store.records.silence_rows import Advanced
from tracker.store.records.silence_steps import silence_end, silence_steps, start_entry


class PostgresSilences:
    """The `Silences` of core.ports on PostgreSQL."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log

    def watch(self, silenced: SilencedObserver) -> None:
        self._log.silenced = silenced

    async def add(self, silence: Silence, now: int) -> int | None:
        async def work(connection: asyncpg.Connection) -> Advanced | None:
            if len(await open_silences(connection)) >= MOST_OPEN:
                return None
            await insert_silences(connection, [silence])
            return await self._advance(connection, [silence], now)

        done = await self._write("adding a silence", work)
        return None if done is None else done.silenced.total()

    async def plan(self, windows: Collection[Silence], now: int, *, only: bool) -> Sequence[Event]:
        def removed(silences: Iterable[Silence]) -> list[Silence]:
            return unplanned_windows(silences, windows) if only else []

        async def lacking(connection: asyncpg.Connection) -> list[Silence]:
            return windows_to_add(
                windows, await silences_until(connection, min((each.ends_at for each in windows), default=now))
            )

        async def is_done(connection: asyncpg.Connection) -> bool:
            return not await lacking(connection) and not removed(await open_silences(connection))

        async def work(connection: asyncpg.Connection) -> Advanced:
            await insert_silences(connection, await lacking(connection))
            return await self._advance(connection, [], now, unplanned=removed(await open_silences(connection)))

        if await self._database.read("reading silences", is_done):
            return ()
        done = await self._write("planning maintenance windows", work)
        return [entry.event for entry in done.appended.entries] if done else ()

    async def advance(self, now: int) -> Sequence[Event]:
        async def work(connection: asyncpg.Connection) -> Advanced:
            return await self._advance(connection, await open_silences(connection), now)

        if not any(each.is_due(now) for each in await self._database.read("reading silences", open_silences)):
            return ()
        done = await self._write("advancing silences", work)
        return [entry.event for entry in done.appended.entries] if done else ()

    async def lift(self, silence_id: str, now: int) -> bool:
        async def work(connection: asyncpg.Connection) -> Advanced | None:
            silence = await open_silence(connection, silence_id)
            return await self._advance(connection, [], now, ending=[silence]) if silence else None

        return await self._write("ending a silence", work) is not None

    async def _write(self, what: str, work: Callable[[asyncpg.Connection], Awaitable[Advanced | None]]) -> Advanced | None:
        async def with_head(connection: asyncpg.Connection) -> Advanced | None:
            await self._log.lock_head(connection)
            done = await work(connection)
            if done:
                await set_changed(connection)
            return done

        done = await self._log.write(what, with_head)
        if done:
            self._log.committed(done.appended)
        if done and done.silenced:
            self._log.silenced(done.silenced)
        return done

    async def _advance(
        self,
        connection: asyncpg.Connection,
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
            silenced.update(await silence_pending(connection, silence, self._log.subscriptions))
            await set_started(connection, silence, now)
            entries.append(start_entry(silence, now))
        for silence, is_unplanned in steps.ending:
            entries += await _end(connection, silence, now, is_unplanned=is_unplanned)
        return Advanced(await self._log.append(connection, entries, await open_silences(connection)), silenced)


async def _end(connection: asyncpg.Connection, silence: Silence, now: int, *, is_unplanned: bool) -> list[LogEntry]:
    end = silence_end(silence, await read_missed(connection, silence), now, is_unplanned=is_unplanned)
    if end.silence:
        await set_ended(connection, end.silence, now, end.silenced)
    else:
        await delete_silence(connection, silence)
    return end.entries
