"""Owns replays: deliveries become pending again, missing ones are made, and a disabled receiver is enabled."""

import sqlite3
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.event import iso
from tracker.store.sqlite.database.writer_connection import Database

_AGAIN: Final = """state = 'pending', attempts = 0, due_at = ?1, first_failed_at = NULL, ended_at = NULL, silence = NULL,
replays = replays + 1"""

_ONE: Final = f"UPDATE deliveries SET {_AGAIN} WHERE receiver = ?2 AND seq = ?3"  # noqa: S608 - of constants
_DEAD: Final = f"UPDATE deliveries SET {_AGAIN} WHERE receiver = ?2 AND state = 'dead'"  # noqa: S608 - of constants
_SILENCED: Final = f"""
UPDATE deliveries INDEXED BY deliveries_silenced SET {_AGAIN}
WHERE receiver = ?2 AND silence = ?3 AND state = 'superseded'"""  # noqa: S608 - of constants

_RANGE: Final = f"""
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, replays)
SELECT ?2, seq,
  CASE WHEN type LIKE 'batch.%%' THEN account || '/' || job  -- as core.deliveries.fan_out.stream_of has it
    ELSE subject || ':' || coalesce(json_extract(body, '$.data.' || subject), account) END,
  type, 'pending', 0, ?1, 1
FROM (SELECT *, substr(type, 1, instr(type, '.') - 1) AS subject FROM events)
WHERE seq >= (SELECT first_seq FROM log_start) AND %s
ON CONFLICT (receiver, seq) DO UPDATE SET {_AGAIN}"""  # noqa: S608 - of constants

_RANGE_OF_SEQS: Final = _RANGE % "seq BETWEEN ?3 AND coalesce(?4, seq)"
_RANGE_OF_TIME: Final = _RANGE % "observed_at >= ?3 AND (?4 IS NULL OR observed_at < ?4)"

_DUE_NOW: Final = """
UPDATE deliveries INDEXED BY deliveries_due SET due_at = ?1
WHERE receiver = ?2 AND state = 'pending' AND due_at > ?1 AND attempts > 0"""
"""Deliveries that wait for a retry; one that waits to be grouped does not wait for the receiver."""

_CIRCUIT: Final = "SELECT failures, quiet_until, asked_until, disabled FROM receivers WHERE name = ?"
_SET_CIRCUIT: Final = "UPDATE receivers SET failures = ?2, quiet_until = ?3, asked_until = ?4, disabled = ?5 WHERE name = ?1"


async def replay(database: Database, which: Replay, now: int) -> ReplayResult:
    """Make deliveries pending again, due `now` (Unix milliseconds), with the ids and bytes that they always had.

    A receiver that is failing or disabled is probed at once: the person who requests a replay knows more than the circuit.
    Raises `StorageError`; no deliverer is woken.
    """
    sql, *parameters = _statement(which)

    def work(connection: sqlite3.Connection) -> ReplayResult:
        deliveries = connection.execute(sql, (now, which.receiver, *parameters)).rowcount
        enabled = _probe_now(connection, which.receiver) if deliveries or which.dead else False
        return ReplayResult(deliveries=deliveries, enabled=enabled)

    return await database.write("replaying deliveries", work)


async def enable(database: Database, receiver: str, now: int) -> bool:
    """Probe a receiver that is failing or disabled at once; whether it was disabled. Raises `StorageError`."""

    def work(connection: sqlite3.Connection) -> bool:
        disabled = _probe_now(connection, receiver)
        connection.execute(_DUE_NOW, (now, receiver))
        return disabled

    return await database.write("enabling a receiver", work)


def _statement(which: Replay) -> tuple[Any, ...]:
    if which.seq is not None:
        return _ONE, which.seq
    if which.silence is not None:
        return _SILENCED, which.silence
    if which.from_seq is not None:
        return _RANGE_OF_SEQS, which.from_seq, which.to_seq
    if which.since is not None:
        return _RANGE_OF_TIME, iso(which.since), None if which.until is None else iso(which.until)
    return (_DEAD,)


def _probe_now(connection: sqlite3.Connection, receiver: str) -> bool:
    """Let the receiver be probed now, if it is failing or disabled; whether it was disabled."""
    for failures, quiet_until, asked_until, disabled in connection.execute(_CIRCUIT, (receiver,)).fetchall():
        before = Circuit(failures=failures, quiet_until=quiet_until, asked_until=asked_until, disabled=bool(disabled))
        after = before.probed_now()
        connection.execute(_SET_CIRCUIT, (receiver, after.failures, after.quiet_until, after.asked_until, after.disabled))
        return before.disabled
    return False
