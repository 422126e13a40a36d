"""Owns the table of silences on PostgreSQL: those that are open, what they have kept, and what is pending that they silence."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import asyncpg

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import Event
from tracker.core.silences.silence import Silence
from tracker.core.silences.silence_events import MOST_EVENTS, Missed
from tracker.core.silences.silencing import silences_event, types_silenced
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.writing.receivers_table import lock_receiver
from tracker.store.records.silence_rows import (
    COLUMNS,
    decode_events,
    decode_silences,
    encode_silence,
    events_to_read,
    silence_row,
)
from tracker.store.records.stored_events import STORED_EVENT

_OPEN: Final = f"SELECT {COLUMNS} FROM silences WHERE ended_at IS NULL ORDER BY starts_at, id"  # noqa: S608 - of constants
_ONE: Final = f"SELECT {COLUMNS} FROM silences WHERE id = $1 AND ended_at IS NULL"  # noqa: S608 - of constants

_UNTIL: Final = f"SELECT {COLUMNS} FROM silences WHERE ends_at >= $1"  # noqa: S608 - of constants

_INSERT: Final = "INSERT INTO silences (id, starts_at, ends_at, data) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_DELETE: Final = "DELETE FROM silences WHERE id = $1"
_START: Final = "UPDATE silences SET started_at = $2 WHERE id = $1 AND started_at IS NULL AND ended_at IS NULL"
_END: Final = "UPDATE silences SET ended_at = $2, silenced = $3, data = $4 WHERE id = $1 AND ended_at IS NULL"
_CHANGED: Final = "UPDATE log_head SET silences = silences + 1"

_PENDING: Final = """
SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'pending' AND replays = 0 AND type = ANY ($2::text[])
ORDER BY seq FOR UPDATE"""
"""What was replayed is sent anyway: a person asked for it."""

_EVENTS_OF: Final = f"SELECT {STORED_EVENT} FROM events AS e WHERE seq = ANY ($1::bigint[])"  # noqa: S608 - of constants
_AT_ONCE: Final = 1000
"""Events that are decoded together."""

_SILENCE: Final = """
UPDATE deliveries SET state = 'superseded', silence = $3, ended_at = NULL WHERE receiver = $1 AND seq = ANY ($2::bigint[])"""

_KEPT: Final = "deliveries WHERE silence = $1 AND state = 'superseded'"
_TYPES: Final = f"SELECT type, count(DISTINCT seq) FROM {_KEPT} GROUP BY type"  # noqa: S608 - of constants
_RECEIVERS: Final = f"SELECT receiver, count(*) FROM {_KEPT} GROUP BY receiver"  # noqa: S608 - of constants
_JOBS: Final = f"SELECT count(DISTINCT stream) FROM {_KEPT} AND type LIKE 'batch.%'"  # noqa: S608 - of constants
_BODIES: Final = f"""
SELECT {STORED_EVENT} FROM (SELECT DISTINCT seq FROM {_KEPT} AND type = $2 ORDER BY seq LIMIT $3) AS d
CROSS JOIN LATERAL (SELECT * FROM events WHERE seq = d.seq OFFSET 0) AS e ORDER BY d.seq"""  # noqa: S608 - of constants


class OpenSilencesCache:
    """The open silences as of a version of them that is committed; who appends reads the version with the log's head."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._silences: tuple[Silence, ...] = ()

    async def at(self, connection: asyncpg.Connection, version: int) -> tuple[Silence, ...]:
        """Within a transaction that has the log's head locked, and has changed no silence."""
        if version != self._version:
            self._silences = await open_silences(connection)
            self._version = version
        return self._silences


async def open_silences(connection: asyncpg.Connection) -> tuple[Silence, ...]:
    """The silences that are not over, some of which may begin later."""
    return decode_silences(await connection.fetch(_OPEN))


async def silences_until(connection: asyncpg.Connection, ends_at: int) -> tuple[Silence, ...]:
    """The silences, open or over, that were to end at `ends_at` (Unix milliseconds) or later."""
    return decode_silences(await connection.fetch(_UNTIL, ends_at))


async def open_silence(connection: asyncpg.Connection, silence_id: str) -> Silence | None:
    return next(iter(decode_silences(await connection.fetch(_ONE, encode_text(silence_id)))), None)


async def insert_silences(connection: asyncpg.Connection, silences: Iterable[Silence]) -> None:
    """Those that are there stay as they are."""
    await connection.executemany(_INSERT, [*map(silence_row, silences)])


async def set_started(connection: asyncpg.Connection, silence: Silence, now: int) -> None:
    await connection.execute(_START, silence.id, now)


async def delete_silence(connection: asyncpg.Connection, silence: Silence) -> None:
    await connection.execute(_DELETE, silence.id)


async def set_ended(connection: asyncpg.Connection, silence: Silence, now: int, silenced: int) -> None:
    await connection.execute(_END, silence.id, now, silenced, encode_silence(silence))


async def set_changed(connection: asyncpg.Connection) -> None:
    """Have every process that appends read the open silences again."""
    await connection.execute(_CHANGED)


async def silence_pending(
    connection: asyncpg.Connection, silence: Silence, subscriptions: Collection[Subscription]
) -> dict[str, int]:
    """Within a transaction that has the log's head locked: silence what is pending; how many deliveries to each receiver."""
    found = {}
    for subscription in sorted(subscriptions, key=lambda each: each.receiver):
        found[subscription.receiver] = await _silence_pending(connection, silence, subscription)
    return {receiver: number for receiver, number in found.items() if number}


async def _silence_pending(connection: asyncpg.Connection, silence: Silence, subscription: Subscription) -> int:
    if not (types := types_silenced(silence.scope, subscription)):
        return 0
    await lock_receiver(connection, subscription.receiver)
    name, silenced = encode_text(subscription.receiver), 0
    seqs = [seq for (seq,) in await connection.fetch(_PENDING, name, types)]
    for some in (seqs[start : start + _AT_ONCE] for start in range(0, len(seqs), _AT_ONCE)):
        rows = await connection.fetch(_EVENTS_OF, some)
        matching = [event.seq for event in decode_events(rows) if silences_event(silence, subscription, event)]
        await connection.execute(_SILENCE, name, matching, silence.id)
        silenced += len(matching)
    return silenced


async def read_missed(connection: asyncpg.Connection, silence: Silence) -> Missed:
    """What the silence keeps."""
    types = dict(await connection.fetch(_TYPES, silence.id))
    return Missed(
        types=types,
        receivers={decode_text(name): number for name, number in await connection.fetch(_RECEIVERS, silence.id)},
        jobs=await connection.fetchval(_JOBS, silence.id),
        events=await _read_events(connection, silence.id, types),
    )


async def _read_events(connection: asyncpg.Connection, silence_id: str, types: Iterable[str]) -> Sequence[Event]:
    found: list[Event] = []
    for type_ in events_to_read(types):
        found += decode_events(await connection.fetch(_BODIES, silence_id, type_, MOST_EVENTS - len(found)))
    return found
