"""Owns the table of silences: those that are open, what they have kept, and what is pending that they silence."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import Event
from tracker.core.silences.silence import Silence
from tracker.core.silences.silence_events import MOST_EVENTS, Missed
from tracker.core.silences.silencing import silences_event, types_silenced
from tracker.store.records.silence_rows import (
    COLUMNS,
    decode_events,
    decode_silences,
    encode_silence,
    events_to_read,
    silence_row,
)
from tracker.store.records.stored_events import STORED_EVENT

_OPEN: Final = f"SELECT {COLUMNS} FROM silences INDEXED BY silences_open WHERE ended_at IS NULL"  # noqa: S608 - of constants
_ONE: Final = f"SELECT {COLUMNS} FROM silences WHERE id = ? AND ended_at IS NULL"  # noqa: S608 - of constants

_UNTIL: Final = f"SELECT {COLUMNS} FROM silences WHERE ends_at >= ?"  # noqa: S608 - of constants

_INSERT: Final = "INSERT INTO silences (id, starts_at, ends_at, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_DELETE: Final = "DELETE FROM silences WHERE id = ?"
_START: Final = "UPDATE silences SET started_at = ?2 WHERE id = ?1 AND started_at IS NULL AND ended_at IS NULL"
_END: Final = "UPDATE silences SET ended_at = ?2, silenced = ?3, data = ?4 WHERE id = ?1 AND ended_at IS NULL"

_PENDING: Final = f"""
SELECT {STORED_EVENT} FROM deliveries AS d INDEXED BY deliveries_due CROSS JOIN events AS e ON e.seq = d.seq
WHERE d.receiver = ?1 AND d.state = 'pending' AND d.replays = 0 AND d.type IN (SELECT value FROM json_each(?2))"""  # noqa: S608 - of constants
"""What was replayed is sent anyway: a person asked for it."""

_SILENCE: Final = "UPDATE deliveries SET state = 'superseded', silence = ?3, ended_at = NULL WHERE receiver = ?1 AND seq = ?2"

_KEPT: Final = "deliveries INDEXED BY deliveries_silenced WHERE silence = ?1 AND state = 'superseded'"
_TYPES: Final = f"SELECT type, count(DISTINCT seq) FROM {_KEPT} GROUP BY type"  # noqa: S608 - of constants
_RECEIVERS: Final = f"SELECT receiver, count(*) FROM {_KEPT} GROUP BY receiver"  # noqa: S608 - of constants
_JOBS: Final = f"SELECT count(DISTINCT stream) FROM {_KEPT} AND type GLOB 'batch.*'"  # noqa: S608 - of constants
_BODIES: Final = f"""
SELECT {STORED_EVENT} FROM (SELECT DISTINCT seq FROM {_KEPT} AND type = ?2 ORDER BY seq LIMIT ?3) AS d
CROSS JOIN events AS e ON e.seq = d.seq ORDER BY e.seq"""  # noqa: S608 - of constants


def open_silences(connection: sqlite3.Connection) -> tuple[Silence, ...]:
    """Within a transaction: the silences that are not over, some of which may begin later."""
    return decode_silences(connection.execute(_OPEN))


def silences_until(connection: sqlite3.Connection, ends_at: int) -> tuple[Silence, ...]:
    """The silences, open or over, that were to end at `ends_at` (Unix milliseconds) or later."""
    return decode_silences(connection.execute(_UNTIL, (ends_at,)))


def open_silence(connection: sqlite3.Connection, silence_id: str) -> Silence | None:
    return next(iter(decode_silences(connection.execute(_ONE, (silence_id,)))), None)


def insert_silences(connection: sqlite3.Connection, silences: Iterable[Silence]) -> None:
    """Those that are there stay as they are."""
    connection.executemany(_INSERT, map(silence_row, silences))


def set_started(connection: sqlite3.Connection, silence: Silence, now: int) -> None:
    connection.execute(_START, (silence.id, now))


def delete_silence(connection: sqlite3.Connection, silence: Silence) -> None:
    connection.execute(_DELETE, (silence.id,))


def set_ended(connection: sqlite3.Connection, silence: Silence, now: int, silenced: int) -> None:
    connection.execute(_END, (silence.id, now, silenced, encode_silence(silence)))


def silence_pending(
    connection: sqlite3.Connection, silence: Silence, subscriptions: Collection[Subscription]
) -> dict[str, int]:
    """Silence what is pending and matches; how many deliveries to each receiver."""
    found = {each.receiver: _silence_pending(connection, silence, each) for each in subscriptions}
    return {receiver: number for receiver, number in found.items() if number}


def _silence_pending(connection: sqlite3.Connection, silence: Silence, subscription: Subscription) -> int:
    if not (types := types_silenced(silence.scope, subscription)):
        return 0
    pending = connection.execute(_PENDING, (subscription.receiver, json.dumps(types)))
    seqs = [event.seq for event in decode_events(pending) if silences_event(silence, subscription, event)]
    connection.executemany(_SILENCE, [(subscription.receiver, seq, silence.id) for seq in seqs])
    return len(seqs)


def read_missed(connection: sqlite3.Connection, silence: Silence) -> Missed:
    """What the silence keeps."""
    types = dict(connection.execute(_TYPES, (silence.id,)))
    ((jobs,),) = connection.execute(_JOBS, (silence.id,))
    return Missed(
        types=types,
        receivers=dict(connection.execute(_RECEIVERS, (silence.id,))),
        jobs=jobs,
        events=_read_events(connection, silence.id, types),
    )


def _read_events(connection: sqlite3.Connection, silence_id: str, types: Iterable[str]) -> list[Event]:
    found: list[Event] = []
    for type_ in events_to_read(types):
        found += decode_events(connection.execute(_BODIES, (silence_id, type_, MOST_EVENTS - len(found))))
    return found
